//! What was found when two contents were compared, and whether it still holds: who publishes asks that under
//! the locks, when nothing is read any more.

use super::files::{adler32, version};
use super::{Error, ErrorKind};
use crate::fsdriver::{Driver, Stat};
use crate::model::RelPath;

const CHANGED: &str = "a file changed while it was compared with another: try again";

/// What was put, and what stands there.
pub(super) struct Compared {
    pub(super) new: Seen,
    pub(super) old: Seen,
}

/// One content.
pub(super) struct Seen {
    version: String,
    /// `None`: it can't be read.
    adler32: Option<String>,
}

impl Seen {
    /// Of the content that `stat` describes.
    pub(super) fn new(stat: &Stat, adler32: Option<String>) -> Self {
        Self { version: version(stat), adler32 }
    }
}

/// The checksums of what was put and of what stands there.
pub(super) type Sums = (Option<String>, Option<String>);

/// Both checksums, of what was put (what is known of it without reading) and of what stands at `target`.
///
/// # Errors
/// [`ErrorKind::Busy`]: one of the two changed since they were compared.
pub(super) fn sums(
    compared: Option<&Compared>,
    (is, known): (&Stat, Option<String>),
    driver: &dyn Driver,
    target: &RelPath,
) -> Result<Sums, Error> {
    let seen = |seen: Option<&Seen>, stat: &Stat| match seen {
        Some(seen) if seen.version == version(stat) => Ok(seen.adler32.clone()),
        _ => Err(Error::new(ErrorKind::Busy, CHANGED)),
    };
    let new = match known {
        None => seen(compared.map(|both| &both.new), is)?,
        known => known,
    };
    // What can't be read any more is different.
    let Ok(old) = driver.open(target) else { return Ok((new, None)) };
    let Ok(was) = driver.stat_file(&old) else { return Ok((new, None)) };
    let old = match adler32(driver, &old, &was) {
        None => seen(compared.map(|both| &both.old), &was)?,
        known => known,
    };
    Ok((new, old))
}
