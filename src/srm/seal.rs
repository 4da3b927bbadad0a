//! What is written on a file before it is published: rights, checksums, and the mark of the put that made
//! it.

use std::fs::File;

use super::Error;
use super::access::driver_error;
use super::files::attributes;
use crate::fsdriver::{Acl, Driver, DriverError, Stat};
use crate::model::{Digests, RelPath, RequestToken};
use crate::namespace::StorageArea;

/// `<token>.<n>` of the put that published the file: recovery looks for it.
const PUT_MARK: &str = "user.storm.put";
/// Bytes of what that put replaced, in decimal, or [`KEPT`]: what it changed is known after a crash
/// too.
const REPLACED: &str = "user.storm.replaced";
/// The put kept the content that was there.
const KEPT: &str = "kept";
/// Everything of ours.
const OURS: &str = "user.storm.";

/// What [`seal`] writes on a file before it is published.
pub(super) struct Seal<'a> {
    /// Of the bytes in the file, where they are known.
    pub(super) digests: Digests,
    /// The put that publishes it, and the bytes of what it replaces.
    pub(super) mark: Option<Mark<'a>>,
    /// What it is published with; `None`: it will be sealed again.
    pub(super) acl: Option<Acl>,
    /// Make it last beyond a crash.
    pub(super) sync: bool,
}

/// Which put publishes a file.
pub(super) struct Mark<'a> {
    pub(super) token: &'a RequestToken,
    pub(super) n: u32,
    pub(super) old: Old,
}

/// What becomes of the content that a put finds.
pub(super) enum Old {
    /// There is none.
    Missing,
    /// So many bytes are replaced.
    Replaced(u64),
    Kept,
}

/// Bytes of what a put replaced, and of what replaced it; neither where the old content was kept.
pub(super) type Replaced = (Option<u64>, Option<u64>);

/// Gets a file ready to be published: sets mode, checksum and mark, takes away every other attribute
/// of ours that the writer's account could have forged, and syncs. What is set is never away in
/// between: srmPutDone after a crash finds the checksum that our own door left.
pub(super) fn seal(area: &StorageArea, file: &File, seal: &Seal<'_>) -> Result<(), Error> {
    let driver = &*area.driver;
    let told = |e| driver_error(e, &area.name);
    driver.set_mode(file, 0o660).map_err(told)?;
    if let Some(acl) = seal.acl.as_ref().filter(|acl| **acl != Acl::of_mode(0o660)) {
        driver.set_acl(file, acl).map_err(told)?;
    }
    let mut kept: Vec<String> = Vec::new();
    if !seal.digests.is_empty() {
        let stat = driver.stat_file(file).map_err(told)?;
        for (name, value) in attributes(&seal.digests, &stat) {
            driver.set_attribute(file, &name, value.as_bytes()).map_err(told)?;
            kept.push(name);
        }
    }
    if let Some(mark) = &seal.mark {
        set_mark(driver, file, mark).map_err(told)?;
        kept.extend([PUT_MARK.to_owned(), REPLACED.to_owned()]);
    }
    for name in driver.attributes(file, OURS).map_err(told)? {
        if !kept.contains(&name) {
            driver.remove_attribute(file, &name).map_err(told)?;
        }
    }
    if seal.sync {
        driver.sync(file).map_err(told)?;
    }
    Ok(())
}

/// A file of ours that has had no name yet: nobody else can have opened it.
pub(super) struct Fresh<'a> {
    pub(super) stat: &'a Stat,
    /// Of the bytes in it.
    pub(super) digests: &'a Digests,
    pub(super) acl: Acl,
    /// Its directory hands down no ACL.
    pub(super) plain: bool,
    pub(super) sync: bool,
}

/// As [`seal`], of what needs no look at what others left there.
pub(super) fn seal_fresh(
    area: &StorageArea,
    file: &File,
    Fresh { stat, digests, acl, plain, sync }: Fresh<'_>,
) -> Result<(), Error> {
    let driver = &*area.driver;
    let told = |e| driver_error(e, &area.name);
    if !(plain && stat.mode == 0o660) {
        driver.set_mode(file, 0o660).map_err(told)?;
    }
    if acl != Acl::of_mode(0o660) {
        driver.set_acl(file, &acl).map_err(told)?;
    }
    if !digests.is_empty() {
        for (name, value) in attributes(digests, stat) {
            driver.set_attribute(file, &name, value.as_bytes()).map_err(told)?;
        }
    }
    if sync {
        driver.sync(file).map_err(told)?;
    }
    Ok(())
}

/// Marks a file as the one that this put published.
pub(super) fn set_mark(
    driver: &dyn Driver,
    file: &File,
    Mark { token, n, old }: &Mark<'_>,
) -> Result<(), DriverError> {
    driver.set_attribute(file, PUT_MARK, format!("{token}.{n}").as_bytes())?;
    match old {
        Old::Missing => driver.remove_attribute(file, REPLACED),
        Old::Replaced(bytes) => driver.set_attribute(file, REPLACED, bytes.to_string().as_bytes()),
        Old::Kept => driver.set_attribute(file, REPLACED, KEPT.as_bytes()),
    }
}

/// When `path` bears the mark of that put, which published or kept it: its bytes, and what was
/// replaced.
pub(super) fn published_by(
    area: &StorageArea,
    path: &RelPath,
    token: &RequestToken,
    n: u32,
) -> Option<(u64, Replaced)> {
    let driver = &*area.driver;
    let file = driver.open(path).ok()?;
    let text = |name| String::from_utf8(driver.attribute(&file, name).ok()??).ok();
    if text(PUT_MARK)? != format!("{token}.{n}") {
        return None;
    }
    let size = driver.stat_file(&file).ok()?.size;
    let replaced = match text(REPLACED) {
        Some(word) if word == KEPT => (None, None),
        bytes => (bytes.and_then(|bytes| bytes.parse().ok()), Some(size)),
    };
    Some((size, replaced))
}
