//! Checksums of files, by the names they are kept and configured under.

use std::collections::BTreeMap;

/// How a checksum is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // They are their names.
pub enum Algorithm {
    Adler32,
    Crc32c,
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

/// Checksums of one content, each as lower-case hex digits, two for each byte.
pub type Digests = BTreeMap<Algorithm, String>;

impl Algorithm {
    /// All, the cheapest first.
    pub const ALL: [Self; 6] =
        [Self::Adler32, Self::Crc32c, Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// In storm.toml, and in the names of extended attributes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adler32 => "adler32",
            Self::Crc32c => "crc32c",
            Self::Md5 => "md5",
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    /// By [`Algorithm::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Length of the checksum, in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Adler32 | Self::Crc32c => 4,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Hex digits as they are kept; `None` for what is no checksum of this kind.
    pub fn hex(self, text: &str) -> Option<String> {
        let sound = text.len() == 2 * self.bytes() && text.bytes().all(|b| b.is_ascii_hexdigit());
        sound.then(|| text.to_ascii_lowercase())
    }
}
