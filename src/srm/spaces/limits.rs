//! What bounds the promises of an area.

use std::sync::Arc;

/// What an area has at this moment.
#[derive(Clone, Debug)]
pub(in super::super) struct Limits {
    /// Its name.
    pub(in super::super) area: Arc<str>,
    /// Bytes it may hold; `None` where nothing limits it but its file system.
    pub(in super::super) size: Option<u64>,
    /// Bytes of its published files; while they are counted for the first time, as far as that is.
    pub(in super::super) used: u64,
    /// Bytes its file system has left.
    pub(in super::super) free: u64,
    /// Its file system: what is promised there to other areas counts too.
    pub(in super::super) device: u64,
}
