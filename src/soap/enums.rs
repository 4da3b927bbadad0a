//! The enumerations of the WSDL: those of `model` as they stand, and a few that only the wire knows.

use crate::model::{
    AccessLatency, FileLocality, FileStorageType, OverwriteMode, RetentionPolicy, StatusCode,
};

use super::cursor::Cursor;
use super::fault::SoapFault;
use super::value::{Value, scalar};

/// One enumeration, as the WSDL declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumInfo {
    /// Type name.
    pub name: &'static str,
    /// Its values, in order.
    pub values: Vec<&'static str>,
}

/// Every enumeration, in the order of the WSDL.
pub fn enums() -> Vec<EnumInfo> {
    vec![
        info::<FileStorageType>(),
        info::<FileType>(),
        info::<RetentionPolicy>(),
        info::<AccessLatency>(),
        info::<PermissionMode>(),
        info::<PermissionType>(),
        info::<RequestType>(),
        info::<OverwriteMode>(),
        info::<FileLocality>(),
        info::<AccessPattern>(),
        info::<ConnectionType>(),
        info::<StatusCode>(),
    ]
}

fn info<T: Words>() -> EnumInfo {
    EnumInfo { name: T::NAME, values: T::values().into_iter().map(Words::word).collect() }
}

/// An enumeration whose values are words on the wire.
trait Words: Copy + 'static {
    const NAME: &'static str;
    fn values() -> Vec<Self>;
    fn word(self) -> &'static str;
}

macro_rules! words {
    (@parse $name:ident) => { $name::parse };
    (@parse $name:ident $parse:ident) => { $name::$parse };
    ($($name:ident = $tag:literal, $values:expr $(, $parse:ident)?;)*) => {$(
        impl Words for $name {
            const NAME: &'static str = $tag;

            fn values() -> Vec<Self> {
                $values.to_vec()
            }

            fn word(self) -> &'static str {
                self.as_str()
            }
        }

        impl Value for $name {
            const XSD: &'static str = concat!("impl:", $tag);

            fn read(
                cursor: &mut Cursor<'_>,
                name: &'static str,
            ) -> Result<Option<Self>, SoapFault> {
                scalar(cursor, name, concat!("a value of ", $tag), words!(@parse $name $($parse)?))
            }

            fn write(&self, out: &mut String) {
                out.push_str(self.as_str());
            }
        }
    )*};
}

macro_rules! wire_only {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $wire:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, in the order of the WSDL.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $wire,)* }
            }

            /// The value of that wire name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($wire => Some($name::$variant),)* _ => None }
            }
        }
    )*};
}

words! {
    FileStorageType = "TFileStorageType",
        [FileStorageType::Volatile, FileStorageType::Durable, FileStorageType::Permanent];
    FileType = "TFileType", FileType::ALL;
    RetentionPolicy = "TRetentionPolicy",
        [RetentionPolicy::Replica, RetentionPolicy::Output, RetentionPolicy::Custodial];
    AccessLatency = "TAccessLatency", [AccessLatency::Online, AccessLatency::Nearline];
    PermissionMode = "TPermissionMode", PermissionMode::ALL, parse_or_number;
    PermissionType = "TPermissionType", PermissionType::ALL;
    RequestType = "TRequestType", RequestType::ALL;
    OverwriteMode = "TOverwriteMode",
        [OverwriteMode::Never, OverwriteMode::Always, OverwriteMode::WhenFilesAreDifferent];
    FileLocality = "TFileLocality", [
        FileLocality::Online, FileLocality::Nearline, FileLocality::OnlineAndNearline,
        FileLocality::Lost, FileLocality::None, FileLocality::Unavailable,
    ];
    AccessPattern = "TAccessPattern", AccessPattern::ALL;
    ConnectionType = "TConnectionType", ConnectionType::ALL;
    StatusCode = "TStatusCode", StatusCode::ALL;
}

wire_only! {
    /// `TFileType`.
    FileType {
        /// A regular file.
        File = "FILE",
        /// A directory.
        Directory = "DIRECTORY",
        /// A link; not given out here.
        Link = "LINK",
    }

    /// `TPermissionMode`, in the order of the bits 0..7 (r 4, w 2, x 1).
    PermissionMode {
        /// `---`
        None = "NONE",
        /// `--x`
        X = "X",
        /// `-w-`
        W = "W",
        /// `-wx`
        Wx = "WX",
        /// `r--`
        R = "R",
        /// `r-x`
        Rx = "RX",
        /// `rw-`
        Rw = "RW",
        /// `rwx`
        Rwx = "RWX",
    }

    /// `TPermissionType`.
    PermissionType {
        /// Give.
        Add = "ADD",
        /// Take away.
        Remove = "REMOVE",
        /// Set.
        Change = "CHANGE",
    }

    /// `TRequestType`.
    RequestType {
        /// srmPrepareToGet.
        PrepareToGet = "PREPARE_TO_GET",
        /// srmPrepareToPut.
        PrepareToPut = "PREPARE_TO_PUT",
        /// srmCopy.
        Copy = "COPY",
        /// srmBringOnline.
        BringOnline = "BRING_ONLINE",
        /// srmReserveSpace.
        ReserveSpace = "RESERVE_SPACE",
        /// srmUpdateSpace.
        UpdateSpace = "UPDATE_SPACE",
        /// srmChangeSpaceForFiles.
        ChangeSpaceForFiles = "CHANGE_SPACE_FOR_FILES",
        /// srmLs.
        Ls = "LS",
    }

    /// `TAccessPattern`: a hint, read and left alone.
    AccessPattern {
        /// Whole files.
        TransferMode = "TRANSFER_MODE",
        /// Random reads.
        ProcessingMode = "PROCESSING_MODE",
    }

    /// `TConnectionType`: a hint, read and left alone.
    ConnectionType {
        /// From afar.
        Wan = "WAN",
        /// From near.
        Lan = "LAN",
    }
}

impl PermissionMode {
    /// The mode of the bits r 4, w 2, x 1; higher bits do not count.
    pub const fn from_bits(bits: u8) -> Self {
        Self::ALL[(bits & 7) as usize]
    }

    /// The value of that wire name, or of its bits as a number: gfal2 writes `6` for `RW`.
    fn parse_or_number(text: &str) -> Option<Self> {
        let number = || Self::ALL.get(text.parse::<usize>().ok()?).copied();
        Self::parse(text).or_else(number)
    }

    /// The bits r 4, w 2, x 1.
    pub const fn bits(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_in_the_order_of_their_bits() {
        for (bits, name) in ["NONE", "X", "W", "WX", "R", "RX", "RW", "RWX"].iter().enumerate() {
            let mode = PermissionMode::from_bits(bits as u8);
            assert_eq!((mode.as_str(), mode.bits()), (*name, bits as u8));
        }
        assert_eq!(PermissionMode::from_bits(0o16), PermissionMode::Rw);
        assert_eq!(PermissionMode::parse_or_number("6"), Some(PermissionMode::Rw));
        assert_eq!(PermissionMode::parse_or_number("RX"), Some(PermissionMode::Rx));
        for bad in ["8", "-1", "rw", ""] {
            assert_eq!(PermissionMode::parse_or_number(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_word_reads_back() {
        for code in StatusCode::ALL {
            assert_eq!(StatusCode::parse(code.as_str()), Some(*code));
        }
        let all = enums();
        assert_eq!(all.len(), 12);
        assert_eq!(all.last().map(|e| e.values.len()), Some(34));
        assert_eq!(RequestType::parse("LS"), Some(RequestType::Ls));
    }
}
