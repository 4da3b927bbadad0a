//! Plain types: the words of the field, with no I/O. Every other room may use this one; it uses none.

mod digest;
mod identity;
mod network;
mod path;
mod protocol;
mod request;
mod space;
mod status;
mod surl;

pub use digest::{Algorithm, Digests};
pub use identity::{Fqan, FqanError, Identity, LocalAccount, Person, ProxyKind, Refusal, Scope};
pub use network::network;
pub use path::{HIDDEN_PREFIX, MAX_PATH, PathError, RelPath, Stfn};
pub use protocol::{Protocol, Turl, UnknownProtocol};
pub use request::{
    Event, FileState, NotAllowed, OverwriteMode, RequestKind, RequestToken, aggregate, next,
};
pub use space::{
    AccessLatency, FileLocality, FileStorageType, RetentionPolicy, RetentionPolicyInfo, SpaceToken,
};
pub use status::{ReturnStatus, StatusCode};
pub use surl::{Surl, SurlError};

/// Longest text that is told to people, in bytes: a path or two, and what is said of them.
const MAX_TOLD: usize = 3 * MAX_PATH;

/// A text for people that repeats what they sent: cut where that was made to be long.
pub fn told(mut text: String) -> String {
    if text.len() > MAX_TOLD {
        let end = (0..=MAX_TOLD).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
        text.push_str(" ...");
        text.shrink_to_fit();
    }
    text
}

/// The key of everything that is remembered about a file: its storage area and its path below the
/// area's root. Two SURLs of two mapping rules may name one file; they share this key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// `name` of the `<filesystem>` in namespace.xml.
    pub area: std::sync::Arc<str>,
    /// Below the area's root.
    pub path: RelPath,
}

impl std::fmt::Display for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:/{}", self.area, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "ä".repeat(MAX_TOLD);
        let cut = told(format!("x{long}"));
        assert_eq!(cut, format!("x{} ...", &long[..MAX_TOLD - 2]));
        assert_eq!(told(long[..MAX_TOLD].to_owned()), long[..MAX_TOLD]);
    }
}
