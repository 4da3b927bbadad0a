//! The bytes of a copy: what srmCopy and COPY of the HTTP doors have in common.

use std::fs::File;

use super::access::driver_error;
use super::files::{adler32, version};
use super::{Error, ErrorKind, Srm};
use crate::fsdriver::Kind;
use crate::namespace::Located;

/// Bytes that take a while to reach the disk.
const LARGE: u64 = 8 << 20;

/// Bytes that were copied, of which version of the source, and their checksum where that had one.
pub(super) struct Copied {
    pub(super) size: u64,
    pub(super) version: String,
    pub(super) adler32: Option<String>,
}

/// Makes `to`, empty and not yet at its target, hold what the source holds; `None` when `go_on` said
/// no. Blocks.
///
/// # Errors
/// [`ErrorKind::Busy`]: somebody writes, or wrote meanwhile, to the source.
pub(super) fn copy_file(
    srm: &Srm,
    source: &Located,
    target: &Located,
    to: &File,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Copied>, Error> {
    let busy = |why| Err(Error::new(ErrorKind::Busy, why));
    let driver = &*source.area.driver;
    let told = |error| driver_error(error, &source.stfn);
    let from = driver.open(&source.path).map_err(told)?;
    let stat = driver.stat_file(&from).map_err(told)?;
    if stat.kind != Kind::File {
        return Err(no_file());
    }
    let other = source.key() != target.key();
    if other && srm.core.requests.put_on(&source.key()).is_some() {
        return busy("a put on the source is not done");
    }
    if driver.has_writer(&from).map_err(told)? == Some(true) {
        return busy("somebody writes to the source");
    }
    let sum = adler32(driver, &from, &stat);
    let whole = target.area.driver.copy(&from, to, go_on);
    if !whole.map_err(|error| driver_error(error, &target.stfn))? {
        return Ok(None);
    }
    if stat.size >= LARGE && srm.site().config.http.fsync {
        // Here, where nobody waits for it: publishing it holds locks.
        target.area.driver.sync(to).map_err(|error| driver_error(error, &target.stfn))?;
    }
    let version_copied = version(&stat);
    if version(&driver.stat_file(&from).map_err(told)?) != version_copied {
        return busy("the source was changed while it was copied: copy it again");
    }
    Ok(Some(Copied { size: stat.size, version: version_copied, adler32: sum }))
}

pub(super) fn no_file() -> Error {
    Error::new(ErrorKind::NotSupported, "the source is no regular file")
}
