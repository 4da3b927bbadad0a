//! Files as doors tell of them, the checksums that live with them, and names that nobody sees.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use super::access::driver_error;
use super::acl::Accounts;
use super::{Entry, EntryKind, Error, ErrorKind, briefly};
use crate::fsdriver::{Driver, DriverError, Kind, Stat};
use crate::model::{Algorithm, Digests, HIDDEN_PREFIX, RelPath, RequestToken};
use crate::namespace::{Located, StorageArea};

/// Checksums, by the names of their algorithms, in lower-case hex digits: as StoRM writes its adler32.
const CHECKSUM: &str = "user.storm.checksum.";
/// `<size>:<mtime_ns>` of the content the checksums were made of. Without it (StoRM's files) they are
/// trusted.
const STAMP: &str = "user.storm.checksum.stamp";

/// The hidden name under which a put's data waits in the target's own directory.
pub(super) fn hidden_name(target: &RelPath, token: &RequestToken, n: u32) -> Option<RelPath> {
    Some(target.parent()?.join(&format!("{HIDDEN_PREFIX}{token}.{n}")))
}

/// The name a second upload to the same TURL passes through, on its way to [`hidden_name`].
pub(super) fn hidden_successor(hidden: &RelPath) -> Option<RelPath> {
    Some(hidden.parent()?.join(&format!("{}.new", hidden.name()?)))
}

/// A hidden name for an upload that belongs to no request.
pub(super) fn hidden_for_upload(directory: &RelPath) -> RelPath {
    directory.join(&format!("{HIDDEN_PREFIX}up.{}", uuid::Uuid::new_v4()))
}

/// A hidden name beside `path`, for what stands there and is to go.
pub(super) fn hidden_for_removal(path: &RelPath) -> RelPath {
    let directory = path.parent().unwrap_or_else(RelPath::root);
    directory.join(&format!("{HIDDEN_PREFIX}rm.{}", uuid::Uuid::new_v4()))
}

/// True for a name of ours.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with(HIDDEN_PREFIX)
}

/// What a door says of a file or directory. `None` for what is neither.
pub(super) fn entry(
    name: impl Into<String>,
    stat: &Stat,
    adler32: Option<String>,
) -> Option<Entry> {
    let (kind, size) = match stat.kind {
        Kind::File => (EntryKind::File, stat.size),
        Kind::Directory => (EntryKind::Directory, 0),
        Kind::Other => return None,
    };
    Some(Entry {
        name: name.into(),
        kind,
        size,
        modified: stat.modified,
        created: stat.created,
        etag: version(stat),
        adler32,
    })
}

/// What stands at a path now; `None` for nothing.
pub(super) fn look(located: &Located) -> Result<Option<Entry>, Error> {
    seen(located, located.area.driver.stat(&located.path))
}

/// As [`look`], off the async threads where it may take a disk.
pub(super) async fn look_soon(located: &Located) -> Result<Option<Entry>, Error> {
    match located.area.driver.stat_at_once(&located.path) {
        Some(stat) => seen(located, stat),
        None => {
            let located = located.clone();
            briefly(move || look(&located)).await
        }
    }
}

fn seen(located: &Located, stat: Result<Stat, DriverError>) -> Result<Option<Entry>, Error> {
    let name = located.stfn.name().unwrap_or_default();
    match stat {
        Ok(stat) if stat.kind == Kind::Other => {
            Err(Error::new(ErrorKind::NotSupported, "the path is no regular file"))
        }
        Ok(stat) => Ok(entry(name, &stat, None)),
        Err(DriverError::NotFound) => Ok(None),
        Err(error) => Err(driver_error(error, &located.stfn)),
    }
}

/// Changes with every published content.
pub(super) fn version(stat: &Stat) -> String {
    let size = if stat.kind == Kind::File { stat.size } else { 0 };
    // A writer may choose the last modification, and inodes come back: birth tells them apart.
    let born = stat.created.map_or(0, nanoseconds);
    let mut out = String::with_capacity(64);
    // By hand: a list of a directory has one for each file.
    let parts = [stat.inode.into(), size.into(), nanoseconds(stat.modified), born];
    for (n, part) in parts.into_iter().enumerate() {
        if n > 0 {
            out.push('-');
        }
        let digits = (u128::BITS - part.leading_zeros()).div_ceil(4).max(1);
        let digit = |at| char::from_digit((part >> (at * 4) & 0xf) as u32, 16);
        out.extend((0..digits).rev().filter_map(digit));
    }
    out
}

/// A checksum that is kept with an open file, unless the file changed since.
pub(super) fn kept(
    driver: &dyn Driver,
    file: &File,
    stat: &Stat,
    algorithm: Algorithm,
) -> Option<String> {
    let value = algorithm.hex(&text(driver, file, &attribute(algorithm))?)?;
    match text(driver, file, STAMP) {
        Some(kept) if kept != stamp(stat) => None,
        _ => Some(value),
    }
}

/// The adler32 that is kept, as [`kept`].
pub(super) fn adler32(driver: &dyn Driver, file: &File, stat: &Stat) -> Option<String> {
    kept(driver, file, stat, Algorithm::Adler32)
}

/// All that are kept, as [`kept`].
pub(super) fn all_kept(driver: &dyn Driver, file: &File, stat: &Stat) -> Digests {
    let names = driver.attributes(file, CHECKSUM).unwrap_or_default();
    let there = |one: &Algorithm| names.contains(&attribute(*one));
    let each = Algorithm::ALL.into_iter().filter(there);
    each.filter_map(|one| Some((one, kept(driver, file, stat, one)?))).collect()
}

/// Keeps a checksum with an open file, of the content that `stat` describes. Cut short, it leaves none.
pub(super) fn keep(
    driver: &dyn Driver,
    file: &File,
    stat: &Stat,
    algorithm: Algorithm,
    value: &str,
) -> Result<(), DriverError> {
    // An old value must never stand beside the new stamp.
    if text(driver, file, STAMP).is_some_and(|old| old != stamp(stat)) {
        forget_checksums(driver, file)?;
    }
    driver.set_attribute(file, STAMP, stamp(stat).as_bytes())?;
    driver.set_attribute(file, &attribute(algorithm), value.as_bytes())
}

/// The extended attribute that holds a checksum.
fn attribute(algorithm: Algorithm) -> String {
    format!("{CHECKSUM}{}", algorithm.name())
}

fn text(driver: &dyn Driver, file: &File, name: &str) -> Option<String> {
    driver.attribute(file, name).ok().flatten().and_then(|value| String::from_utf8(value).ok())
}

/// Checksums with their stamp, as they are kept with a file that is as `stat` says.
pub(super) fn attributes(digests: &Digests, stat: &Stat) -> impl Iterator<Item = (String, String)> {
    let values = digests.iter().map(|(one, value)| (attribute(*one), value.clone()));
    values.chain([(STAMP.to_owned(), stamp(stat))])
}

/// Takes all checksums off an open file: its content is about to change.
pub(super) fn forget_checksums(driver: &dyn Driver, file: &File) -> Result<(), DriverError> {
    // The stamp last: without it a checksum would be trusted.
    let names = driver.attributes(file, CHECKSUM)?;
    let values = names.iter().filter(|name| *name != STAMP);
    values
        .map(String::as_str)
        .chain([STAMP])
        .try_for_each(|name| driver.remove_attribute(file, name))
}

/// Sets the time of the last modification of a file or directory. The content stays, and so do the
/// checksums that are kept with it. Blocks.
pub(super) fn set_modified(located: &Located, at: SystemTime) -> Result<(), Error> {
    let driver = &*located.area.driver;
    let told = |error| driver_error(error, &located.stfn);
    let file = match driver.stat(&located.path).map_err(told)?.kind {
        Kind::Directory => driver.open_directory(&located.path).map_err(told)?,
        Kind::File | Kind::Other => driver.open(&located.path).map_err(told)?,
    };
    let stamped = || driver.attribute(&file, STAMP).map_err(told);
    let before = stamp(&driver.stat_file(&file).map_err(told)?);
    let fresh = stamped()?.is_some_and(|kept| kept == before.as_bytes());
    driver.set_modified(&file, at).map_err(told)?;
    if fresh {
        let after = stamp(&driver.stat_file(&file).map_err(told)?);
        driver.set_attribute(&file, STAMP, after.as_bytes()).map_err(told)?;
    }
    Ok(())
}

/// Removes a put's hidden files; fine when there are none.
pub(super) fn discard(area: &StorageArea, hidden: &RelPath) -> Result<(), Error> {
    remove_hidden(area, [Some(hidden.clone()), hidden_successor(hidden)])
}

/// Removes what an upload that was not answered left beside a put's hidden file.
pub(super) fn discard_successor(area: &StorageArea, hidden: &RelPath) -> Result<(), Error> {
    remove_hidden(area, [hidden_successor(hidden)])
}

fn remove_hidden<const N: usize>(
    area: &StorageArea,
    paths: [Option<RelPath>; N],
) -> Result<(), Error> {
    for path in paths.into_iter().flatten() {
        // The path comes from memory or the database: only names of ours are ever removed by it.
        if !path.name().is_some_and(is_hidden) {
            return Err(Error::new(ErrorKind::Internal, "not a hidden file: nothing removed"));
        }
        match area.driver.remove_file(&path) {
            Ok(()) => {}
            // The directory is gone, or leads out of the area now: nothing of ours is there.
            Err(
                DriverError::NotFound
                | DriverError::NotADirectory
                | DriverError::Escapes
                | DriverError::OtherArea,
            ) => {}
            Err(error) => return Err(driver_error(error, &area.name)),
        }
    }
    Ok(())
}

/// Gives what stands at a path a hidden name. Blocks.
pub(super) fn hide(located: &Located, hidden: &RelPath) -> Result<(), Error> {
    let renamed = located.area.driver.rename(&located.path, hidden, false);
    renamed.map_err(|error| driver_error(error, &located.stfn))
}

/// The way back from [`hide`], unless another one bears the name by now. Blocks.
pub(super) fn bring_back(
    area: &StorageArea,
    hidden: &RelPath,
    name: &RelPath,
) -> Result<(), Error> {
    area.driver.rename(hidden, name, false).map_err(|error| driver_error(error, name))
}

/// Removes a hidden file or link; false where a directory bears the name. Blocks.
pub(super) fn remove_if_file(area: &StorageArea, hidden: &RelPath) -> Result<bool, Error> {
    match area.driver.remove_file(hidden) {
        Ok(()) | Err(DriverError::NotFound) => Ok(true),
        Err(DriverError::IsADirectory) => Ok(false),
        Err(error) => Err(driver_error(error, &area.name)),
    }
}

/// Makes names that changed in the directories of `paths` last beyond a crash.
pub(super) fn sync_names(area: &StorageArea, paths: &[&RelPath]) -> Result<(), Error> {
    let mut parents: Vec<RelPath> = paths.iter().filter_map(|path| path.parent()).collect();
    parents.sort();
    parents.dedup();
    for parent in parents {
        match area.driver.sync_directory(&parent) {
            // What is removed or moved meanwhile was synced by whoever did that.
            Ok(()) | Err(DriverError::NotFound) => {}
            Err(error) => {
                let mut error = driver_error(error, &area.name);
                error.explanation =
                    format!("it was done, but the disk did not confirm it: {}", error.explanation);
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Makes the missing directories above `path`, from the top.
pub(super) fn make_parents(
    accounts: &Accounts<'_>,
    area: &Arc<StorageArea>,
    path: &RelPath,
    sync: bool,
) -> Result<(), Error> {
    let driver = &*area.driver;
    let mut missing = Vec::new();
    let mut at = path.parent();
    while let Some(parent) = at.filter(|p| !p.is_root() && driver.stat(p).is_err()) {
        at = parent.parent();
        missing.push(parent);
    }
    for directory in missing.iter().rev() {
        accounts.usage().will_make(&area.name, directory);
        match driver.make_directory(directory) {
            Ok(()) => accounts.dress_directory(area, directory),
            Err(DriverError::Exists) => {}
            Err(error) => return Err(driver_error(error, directory)),
        }
        if sync {
            sync_names(area, &[directory])?;
        }
    }
    Ok(())
}

fn stamp(stat: &Stat) -> String {
    format!("{}:{}", stat.size, nanoseconds(stat.modified))
}

fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos()
}
