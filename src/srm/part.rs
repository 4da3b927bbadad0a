//! A part of a published file is written in place. What came is whole and in a file of its own by
//! then, so that a client that hangs up changes nothing, and two that write at once do so in turn.

use std::fs::File;
use std::time::Duration;

use super::access::driver_error;
use super::files::{entry, forget_checksums, look_soon};
use super::{Entry, Error, ErrorKind, Part, Published, Srm, Touch, blocking};
use crate::fsdriver::{Driver, DriverError, Stat, Unpublished};
use crate::namespace::Located;

impl Srm {
    /// Writes what `from` holds into the file at `located`.
    ///
    /// # Errors
    /// [`ErrorKind::Precondition`] where `judge` says no, or the file became too short meanwhile.
    pub(super) async fn write_part(
        &self,
        from: Unpublished,
        located: Located,
        judge: impl FnOnce(Option<&Entry>) -> Result<(), Error>,
        part: Part,
    ) -> Result<Published, Error> {
        let key = located.key();
        let sync = self.site().config.http.fsync;
        let _guard = self.core.locks.lock(&key).await;
        self.no_put_on(&key)?;
        let existing = look_soon(&located).await?;
        self.unlocked(&key, Touch::Content)?;
        judge(existing.as_ref())?;
        let at = offset(part, existing.as_ref())?;
        let announced = self.announce(&located, None).await?;
        let written = blocking(move || {
            let driver = &*located.area.driver;
            let stat = write(driver, &from.file, &located, at, sync)?;
            let name = located.stfn.name().unwrap_or_default();
            let entry = entry(name, &stat, None);
            let entry = entry.ok_or_else(|| Error::new(ErrorKind::Internal, "not a file"))?;
            Ok(Published { created: false, entry })
        })
        .await;
        let there = written.as_ref().ok().map(|written| written.entry.size);
        self.settle_content(announced, there).await;
        written
    }
}

/// Where the part begins in what is there.
pub(super) fn offset(part: Part, existing: Option<&Entry>) -> Result<u64, Error> {
    let there = existing
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no file to write a part of"))?;
    part.offset(there.size).ok_or_else(|| {
        let size = there.size;
        Error::new(
            ErrorKind::Precondition,
            format!("the file has {size} bytes only: look at it again, and leave no gap"),
        )
    })
}

fn write(
    driver: &dyn Driver,
    from: &File,
    located: &Located,
    at: u64,
    sync: bool,
) -> Result<Stat, Error> {
    let told = |error| driver_error(error, &located.stfn);
    let to = driver.open_to_write(&located.path).map_err(|error| match error {
        DriverError::Escapes => Error::new(
            ErrorKind::NotSupported,
            "the path is a link: write to the file itself, or send all of it",
        ),
        error => told(error),
    })?;
    let before = driver.stat_file(&to).map_err(told)?;
    let end = at + driver.stat_file(from).map_err(told)?.size;
    // What does not fit is told before anything changes.
    if end > before.size {
        driver.preallocate(&to, end).map_err(told)?;
    }
    // An old checksum never stands beside new content.
    forget_checksums(driver, &to).map_err(told)?;
    let written = driver.insert(from, &to, at).and_then(|()| match sync {
        true => driver.sync(&to),
        false => Ok(()),
    });
    if let Err(error) = written {
        // What was there is not made longer by a part of a part.
        let _ = to.set_len(before.size);
        return Err(told(error));
    }
    let after = driver.stat_file(&to).map_err(told)?;
    if after.modified > before.modified {
        return Ok(after);
    }
    // The kernel's clock did not move on between: the entity tag has to.
    to.set_modified(before.modified + Duration::from_nanos(1))
        .map_err(|error| told(DriverError::Io(error)))?;
    driver.stat_file(&to).map_err(told)
}
