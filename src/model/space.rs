//! Storage classes and space tokens.

use std::fmt;

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $wire:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $wire,)* }
            }

            /// The value of that wire name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($wire => Some($name::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use wire_enum;

wire_enum! {
    /// `TRetentionPolicy`: how probable a loss may be.
    RetentionPolicy {
        /// Disk.
        Replica = "REPLICA",
        /// Better disk.
        Output = "OUTPUT",
        /// Tape.
        Custodial = "CUSTODIAL",
    }
}

wire_enum! {
    /// `TAccessLatency`.
    AccessLatency {
        /// On disk.
        Online = "ONLINE",
        /// May have to be staged first.
        Nearline = "NEARLINE",
    }
}

wire_enum! {
    /// `TFileLocality`.
    FileLocality {
        /// On disk.
        Online = "ONLINE",
        /// On tape.
        Nearline = "NEARLINE",
        /// Both.
        OnlineAndNearline = "ONLINE_AND_NEARLINE",
        /// Gone for good.
        Lost = "LOST",
        /// No bytes yet.
        None = "NONE",
        /// Not to be had for the moment.
        Unavailable = "UNAVAILABLE",
    }
}

wire_enum! {
    /// `TFileStorageType`.
    FileStorageType {
        /// Has a lifetime; removed when it is over.
        Volatile = "VOLATILE",
        /// Has a lifetime; kept all the same.
        Durable = "DURABLE",
        /// No lifetime.
        Permanent = "PERMANENT",
    }
}

/// `TRetentionPolicyInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionPolicyInfo {
    /// How safe.
    pub retention_policy: RetentionPolicy,
    /// How near.
    pub access_latency: Option<AccessLatency>,
}

/// The opaque id of a space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpaceToken(pub String);

impl fmt::Display for SpaceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
