//! What srmLs tells of one path.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::access::driver_error;
use super::super::files::{adler32, hidden_name};
use super::super::people::{group, user};
use super::super::requests::{Holder, now, seconds_left};
use super::super::{EntryKind, Error, ErrorKind, PathDetail};
use crate::fsdriver::{Directory, DriverError, Kind, Stat};
use crate::model::{
    FileLocality, FileStorageType, RetentionPolicyInfo, ReturnStatus, SpaceToken, StatusCode,
};
use crate::namespace::{Located, StorageArea};
use crate::store::{FileRecord, Store};

/// `checkSumType`.
pub(super) const ADLER32: &str = "ADLER32";

/// How much is told, and what is known of the areas.
pub(super) struct Describer {
    pub(super) full: bool,
    /// Of every area, where asked for.
    pub(super) tokens: HashMap<Arc<str>, SpaceToken>,
    /// What is remembered of files in areas of which some file has a record.
    pub(super) records: Store,
    /// Those areas.
    pub(super) recorded: HashSet<Arc<str>>,
    /// Only files of this type are told.
    pub(super) wanted: Option<FileStorageType>,
}

impl Describer {
    /// One path, without its children. `within`: the open directory that holds it. `put`: the live
    /// put on it. An error of the driver is the caller's to tell.
    pub(super) fn describe(
        &self,
        located: &Located,
        within: Option<&dyn Directory>,
        put: Option<&Holder>,
    ) -> Result<(PathDetail, Kind), DriverError> {
        let name = located.path.name().unwrap_or_default();
        let stat = match within {
            Some(directory) => directory.stat(name),
            None => located.area.driver.stat(&located.path),
        };
        match (stat, put) {
            (Ok(stat), put) => {
                let mut detail = self.present(located, within, &stat);
                if put.is_some() {
                    detail.status = busy();
                }
                Ok((detail, stat.kind))
            }
            (Err(DriverError::NotFound), Some(put)) => Ok((self.awaited(located, put), Kind::File)),
            (Err(error), _) => Err(error),
        }
    }

    /// Whether a name of an open directory is told. A directory is, of whatever type its files are, as
    /// the way to them. `put`: the live put on it.
    pub(super) fn tells(
        &self,
        located: &Located,
        within: &dyn Directory,
        kind: Option<Kind>,
        put: impl FnOnce() -> Option<Holder>,
    ) -> bool {
        let Some(wanted) = self.wanted else { return true };
        let name = located.path.name().unwrap_or_default();
        let is_directory = match kind {
            None => within.stat(name).is_ok_and(|stat| stat.kind == Kind::Directory),
            Some(kind) => kind == Kind::Directory,
        };
        is_directory || {
            let new = put().filter(|_| within.stat(name).is_err());
            self.type_of(located, new.as_ref()) == wanted
        }
    }

    /// Why a file that is named itself is not told: it is of another type than is asked for.
    pub(super) fn other_type(&self, located: &Located, put: Option<&Holder>) -> Option<Error> {
        let wanted = self.wanted?;
        let new = put.filter(|_| located.area.driver.stat(&located.path).is_err());
        let found = self.type_of(located, new);
        let why = || format!("no {wanted} file: it is {found}");
        (found != wanted).then(|| Error::new(ErrorKind::NotFound, why()))
    }

    /// The storage type of a file, or of one that is only being put.
    fn type_of(&self, located: &Located, new: Option<&Holder>) -> FileStorageType {
        let known = match new {
            Some(put) => put.live.request.storage_type,
            None => self.record_of(located).map(|record| record.storage_type),
        };
        known.unwrap_or(FileStorageType::Permanent)
    }

    /// A directory that is only the way to a storage area.
    pub(super) fn way(&self, path: String) -> PathDetail {
        PathDetail {
            kind: Some(EntryKind::Directory),
            size: Some(0),
            other: self.full.then_some(0o5),
            ..bare(path, done())
        }
    }

    fn present(
        &self,
        located: &Located,
        within: Option<&dyn Directory>,
        stat: &Stat,
    ) -> PathDetail {
        let path = located.stfn.to_string();
        let (kind, size) = match stat.kind {
            Kind::File => (EntryKind::File, stat.size),
            Kind::Directory => (EntryKind::Directory, 0),
            Kind::Other => {
                let error = Error::new(ErrorKind::NotSupported, "neither file nor directory");
                return bare(path, error.into());
            }
        };
        let mut detail = PathDetail { size: Some(size), kind: Some(kind), ..bare(path, done()) };
        if !self.full {
            return detail;
        }
        let mode = |shift: u32| u8::try_from(stat.mode >> shift & 0o7).unwrap_or(0);
        detail.created = stat.created;
        detail.modified = Some(stat.modified);
        detail.lifetime_assigned = Some(-1);
        detail.lifetime_left = Some(-1);
        detail.owner = Some((user(stat.uid), mode(6)));
        detail.group = Some((group(stat.gid), mode(3)));
        detail.other = Some(mode(0));
        if kind == EntryKind::File {
            self.class(&located.area, &mut detail);
            self.record(located, &mut detail);
            detail.locality = Some(FileLocality::Online);
            let driver = &*located.area.driver;
            let file = match within {
                Some(directory) => directory.open(located.path.name().unwrap_or_default()),
                None => driver.open(&located.path),
            };
            detail.checksum = file
                .ok()
                .and_then(|file| adler32(driver, &file, stat))
                .map(|value| (ADLER32.to_owned(), value));
        }
        detail
    }

    fn class(&self, area: &StorageArea, detail: &mut PathDetail) {
        detail.storage_type = Some(FileStorageType::Permanent);
        detail.retention = Some(RetentionPolicyInfo {
            retention_policy: area.retention,
            access_latency: Some(area.latency),
        });
        detail.space_tokens = self.tokens.get(&area.name).cloned().into_iter().collect();
    }

    fn record_of(&self, located: &Located) -> Option<FileRecord> {
        if !self.recorded.contains(&located.area.name) {
            return None;
        }
        self.records.record_here(&located.key()).unwrap_or_else(|error| {
            tracing::error!(%error, "record of a file not read");
            None
        })
    }

    /// The space it is in and how long it lives, where that is remembered.
    fn record(&self, located: &Located, detail: &mut PathDetail) {
        let Some(record) = self.record_of(located) else { return };
        detail.storage_type = Some(record.storage_type);
        if let Some(space) = record.space {
            detail.space_tokens = vec![space];
        }
        if record.storage_type == FileStorageType::Permanent {
            return;
        }
        detail.lifetime_assigned = Some(i32::try_from(record.lifetime).unwrap_or(i32::MAX));
        detail.lifetime_left = Some(seconds_left(record.expires));
        if record.expires.is_some_and(|at| at <= now()) {
            detail.status =
                ReturnStatus::new(StatusCode::FileLifetimeExpired, "the file's lifetime is over");
        }
    }

    /// A put that is not done, on a name that is not there yet: what is known of it.
    fn awaited(&self, located: &Located, put: &Holder) -> PathDetail {
        let hidden = hidden_name(&located.path, put.live.token(), put.n);
        let driver = &*located.area.driver;
        let stat = hidden.as_ref().and_then(|path| driver.stat(path).ok());
        let path = located.stfn.to_string();
        let size = stat.as_ref().map_or(0, |stat| stat.size);
        let mut detail =
            PathDetail { size: Some(size), kind: Some(EntryKind::File), ..bare(path, busy()) };
        if self.full {
            self.class(&located.area, &mut detail);
            if let Some(space) = put.live.hold(put.n).and_then(|hold| hold.space().cloned()) {
                detail.space_tokens = vec![space];
            }
            detail.storage_type = put.live.request.storage_type.or(detail.storage_type);
            detail.modified = stat.as_ref().map(|stat| stat.modified);
            detail.locality = Some(FileLocality::None);
            detail.lifetime_assigned = Some(-1);
            detail.lifetime_left = Some(-1);
            detail.checksum = hidden
                .and_then(|path| driver.open(&path).ok())
                .and_then(|file| adler32(driver, &file, stat.as_ref()?))
                .map(|value| (ADLER32.to_owned(), value));
        }
        detail
    }
}

/// An entry of which only this is known.
pub(super) fn bare(path: String, status: ReturnStatus) -> PathDetail {
    PathDetail {
        path,
        status,
        size: None,
        created: None,
        modified: None,
        storage_type: None,
        retention: None,
        locality: None,
        space_tokens: Vec::new(),
        kind: None,
        lifetime_assigned: None,
        lifetime_left: None,
        owner: None,
        group: None,
        other: None,
        checksum: None,
        children: None,
    }
}

/// The driver's refusal, as an entry.
pub(super) fn refused(located: &Located, error: DriverError) -> PathDetail {
    bare(located.stfn.to_string(), driver_error(error, &located.stfn).into())
}

fn done() -> ReturnStatus {
    ReturnStatus::success("Successful request completion")
}

fn busy() -> ReturnStatus {
    ReturnStatus::new(StatusCode::FileBusy, "a put on this file is not done")
}
