//! A core of a few lines over a temporary directory.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;

use crate::model::{Algorithm, Digests, FileKey, Identity, RelPath, Stfn};
use crate::srm::{
    Beside, Besides, Browse, Browsed, Carried, Carry, DavLock, DeadProperty, Entry, EntryKind,
    Error, ErrorKind, Lister, LockWanted, May, Part, Precondition, PropertyPatch, Published, Quota,
    Reader, Target, Tree, Wanted, WriteOptions, append,
};
use crate::store::Millis;
use crate::webdav::{Files, UploadHandle};

/// Files below a temporary directory. `deny` refuses everything with that kind; a person named
/// `/CN=nobody` is refused as denied, as is anonymous writing below `/closed`.
pub(super) struct Fake {
    root: tempfile::TempDir,
    hidden: tempfile::TempDir,
    pub(super) deny: Mutex<Option<ErrorKind>>,
    /// `/dev/full` in place of a file, where uploads go.
    pub(super) full: bool,
    /// Size that `open` tells beyond the truth.
    pub(super) lie: AtomicU64,
    sums: std::sync::Arc<Mutex<HashMap<PathBuf, Digests>>>,
    pub(super) expected: Mutex<Option<u64>>,
    pub(super) created: AtomicUsize,
    pub(super) calls: AtomicUsize,
    pub(super) submitted: Mutex<Vec<Arc<str>>>,
    locks: Mutex<Vec<Arc<DavLock>>>,
    properties: Mutex<HashMap<RelPath, Vec<DeadProperty>>>,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            hidden: tempfile::tempdir().unwrap(),
            deny: Mutex::new(None),
            full: false,
            lie: AtomicU64::new(0),
            sums: Default::default(),
            expected: Mutex::new(None),
            created: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            submitted: Mutex::default(),
            locks: Mutex::default(),
            properties: Mutex::default(),
        }
    }

    pub(super) fn path(&self, stfn: &str) -> PathBuf {
        self.root.path().join(stfn.trim_start_matches('/'))
    }

    pub(super) fn write(&self, stfn: &str, content: &[u8]) {
        let path = self.path(stfn);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn content(&self, stfn: &str) -> Option<Vec<u8>> {
        fs::read(self.path(stfn)).ok()
    }

    /// Uploads that are neither published nor dropped.
    pub(super) fn unfinished(&self) -> usize {
        fs::read_dir(self.hidden.path()).unwrap().count()
    }

    fn enter(&self, who: &Identity, target: &Target) -> Result<PathBuf, Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let kind = match who {
            _ if self.deny.lock().unwrap().is_some() => *self.deny.lock().unwrap(),
            Identity::Refused(why) => {
                return Err(Error::new(ErrorKind::Unauthenticated, why.to_string()));
            }
            Identity::Anonymous if target.stfn().as_str().starts_with("/closed") => {
                Some(ErrorKind::Denied)
            }
            _ => None,
        };
        match kind {
            Some(kind) => Err(Error::new(kind, format!("refused: {kind:?}"))),
            None => Ok(self.path(target.stfn().as_str())),
        }
    }

    fn judge(&self, carry: &Carry, from: &Path, to: &Path) -> Result<(), Error> {
        let (from, to) = (self.entry(from).ok(), self.entry(to).ok());
        match &carry.precondition {
            Some(holds) if !holds(from.as_ref(), to.as_ref()) => Err(unmet()),
            _ => Ok(()),
        }
    }

    fn entry(&self, path: &Path) -> Result<Entry, Error> {
        let meta = fs::metadata(path).map_err(|e| error(&e))?;
        Ok(Entry {
            name: match path.as_os_str().len() <= self.root.path().as_os_str().len() + 1 {
                true => String::new(),
                false => path.file_name().unwrap().to_str().unwrap().to_owned(),
            },
            kind: if meta.is_dir() { EntryKind::Directory } else { EntryKind::File },
            size: if meta.is_dir() { 0 } else { meta.len() },
            modified: meta.modified().unwrap(),
            created: meta.created().ok(),
            etag: format!("{}-{}-{}", meta.ino(), meta.len(), meta.mtime_nsec()),
            adler32: self.sums.lock().unwrap().get(path).and_then(adler32),
        })
    }
}

fn adler32(digests: &Digests) -> Option<String> {
    digests.get(&Algorithm::Adler32).cloned()
}

fn error(error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::NotADirectory => ErrorKind::NotADirectory,
        io::ErrorKind::IsADirectory => ErrorKind::IsADirectory,
        io::ErrorKind::AlreadyExists => ErrorKind::Exists,
        io::ErrorKind::DirectoryNotEmpty => ErrorKind::NotEmpty,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, error.to_string())
}

fn unmet() -> Error {
    Error::new(ErrorKind::Precondition, "the condition does not hold")
}

fn parent_is_there(path: &Path) -> Result<(), Error> {
    match path.parent().unwrap().is_dir() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::ParentMissing, "its directory is not there")),
    }
}

impl Files for Fake {
    type Upload = FakeUpload;

    async fn stat(&self, who: &Identity, target: &Target) -> Result<Entry, Error> {
        self.entry(&self.enter(who, target)?)
    }

    async fn checksum(
        &self,
        _: &Identity,
        target: &Target,
        _: &Entry,
        algorithm: Algorithm,
    ) -> Option<String> {
        let sums = self.sums.lock().unwrap();
        sums.get(&self.path(target.stfn().as_str()))?.get(&algorithm).cloned()
    }

    fn checksums(&self) -> Vec<Algorithm> {
        vec![Algorithm::Sha256]
    }

    async fn open(&self, who: &Identity, target: &Target) -> Result<Reader, Error> {
        let path = self.enter(who, target)?;
        let mut entry = self.entry(&path)?;
        if entry.kind == EntryKind::Directory {
            return Err(Error::new(ErrorKind::IsADirectory, "a directory"));
        }
        entry.size += self.lie.load(Ordering::Relaxed);
        Ok(Reader { file: File::open(path).map_err(|e| error(&e))?, entry })
    }

    async fn list(&self, who: &Identity, target: &Target) -> Result<Lister, Error> {
        let path = self.enter(who, target)?;
        let entry = self.entry(&path)?;
        let list = fs::read_dir(&path).map_err(|e| error(&e))?;
        let children: Vec<_> = list.map(|child| self.entry(&child.unwrap().path())).collect();
        Ok(Lister { entry, children: Box::new(children.into_iter()) })
    }

    async fn browse(&self, who: &Identity, stfn: &Stfn, browse: Browse) -> Result<Browsed, Error> {
        let path = self.enter(who, &Target::Stfn(stfn.clone()))?;
        let names = || {
            let list = fs::read_dir(&path).map_err(|e| error(&e))?;
            Ok(list.map(|child| Ok((child.unwrap().file_name().into_string().unwrap(), None))))
        };
        let page = browse.page(names, |name| self.entry(&path.join(name)).map(Some))?;
        let write = matches!(who, Identity::Person(_));
        Ok(Browsed { may: May { write, ..May::default() }, ..page })
    }

    async fn tree(&self, who: &Identity, target: &Target) -> Result<Tree, Error> {
        let entry = self.entry(&self.enter(who, target)?)?;
        Err(match entry.kind {
            EntryKind::Directory => Error::new(ErrorKind::NotSupported, "ask for less"),
            EntryKind::File => Error::new(ErrorKind::NotADirectory, "a file"),
        })
    }

    async fn create(
        &self,
        who: &Identity,
        target: &Target,
        options: WriteOptions,
    ) -> Result<FakeUpload, Error> {
        let path = self.enter(who, target)?;
        parent_is_there(&path)?;
        let there = self.entry(&path).ok();
        if there.as_ref().is_some_and(|e| e.kind == EntryKind::Directory) {
            return Err(Error::new(ErrorKind::IsADirectory, "a directory"));
        }
        if options.precondition.is_some_and(|holds| !holds(there.as_ref())) {
            return Err(unmet());
        }
        *self.expected.lock().unwrap() = options.expected_size;
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let temporary = self.hidden.path().join(number.to_string());
        let file = match self.full {
            true => File::options().write(true).open("/dev/full"),
            false => File::create_new(&temporary),
        };
        let sums = self.sums.clone();
        let (part, modified) = (options.part, options.modified);
        let file = Arc::new(file.map_err(|e| error(&e))?);
        Ok(FakeUpload { file, temporary, path, part, modified, sums })
    }

    fn is_own_address(&self, host: &str, port: Option<u16>) -> bool {
        host == "se.example" && port.is_none()
    }

    async fn move_to(
        &self,
        who: &Identity,
        from: &Stfn,
        to: &Stfn,
        carry: Carry,
    ) -> Result<Carried, Error> {
        let from = self.enter(who, &Target::Stfn(from.clone()))?;
        let to = self.enter(who, &Target::Stfn(to.clone()))?;
        parent_is_there(&to)?;
        if from == to {
            return Ok(Carried::Same);
        }
        if to.starts_with(&from) {
            return Ok(Carried::Nested);
        }
        let created = !to.exists();
        if !created && !carry.overwrite {
            return Err(Error::new(ErrorKind::Exists, "it is there"));
        }
        self.judge(&carry, &from, &to)?;
        fs::rename(from, to).map_err(|e| error(&e))?;
        Ok(Carried::Done { created, failed: Vec::new() })
    }

    /// Files alone; of a directory every member fails.
    async fn copy_to(
        &self,
        who: &Identity,
        from: &Stfn,
        to: &Stfn,
        carry: Carry,
    ) -> Result<Carried, Error> {
        let path = self.enter(who, &Target::Stfn(from.clone()))?;
        let into = self.enter(who, &Target::Stfn(to.clone()))?;
        let created = !into.exists();
        self.judge(&carry, &path, &into)?;
        if !path.is_dir() {
            fs::copy(path, into).map_err(|e| error(&e))?;
            return Ok(Carried::Done { created, failed: Vec::new() });
        }
        fs::create_dir(into).map_err(|e| error(&e))?;
        let mut failed = Vec::new();
        for name in fs::read_dir(path).unwrap().filter(|_| carry.deep) {
            let name = name.unwrap().file_name().into_string().unwrap();
            let full = Error::new(ErrorKind::NoFreeSpace, "full & over");
            failed.push((to.join(&name).unwrap(), full));
        }
        Ok(Carried::Done { created, failed })
    }

    async fn remove(
        &self,
        who: &Identity,
        target: &Target,
        _: Option<Precondition>,
    ) -> Result<(), Error> {
        let path = self.enter(who, target)?;
        match path.is_dir() {
            true => fs::remove_dir_all(path).map_err(|e| error(&e)),
            false => fs::remove_file(path).map_err(|e| error(&e)),
        }
    }

    async fn make_directory(&self, who: &Identity, target: &Target) -> Result<(), Error> {
        let path = self.enter(who, target)?;
        parent_is_there(&path)?;
        fs::create_dir(path).map_err(|e| error(&e))
    }

    fn submitting(self: &Arc<Self>, _: &Identity, tokens: Vec<Arc<str>>) -> Arc<Self> {
        *self.submitted.lock().unwrap() = tokens;
        Arc::clone(self)
    }

    async fn locks_over(&self, _: &Identity, _: &Target) -> Vec<Arc<DavLock>> {
        self.locks.lock().unwrap().clone()
    }

    async fn locks_about(&self, _: &Identity, _: &Target) -> Vec<String> {
        self.locks.lock().unwrap().iter().map(|lock| lock.root.clone()).collect()
    }

    async fn lock(
        &self,
        who: &Identity,
        target: &Target,
        wanted: LockWanted,
    ) -> Result<(Arc<DavLock>, bool), Error> {
        let path = self.enter(who, target)?;
        let mut locks = self.locks.lock().unwrap();
        if !locks.is_empty() {
            return Err(Error::new(ErrorKind::LockConflict, "locked"));
        }
        let root = target.stfn().as_str().to_owned();
        let rest = RelPath::parse(root.trim_start_matches('/')).unwrap();
        let lock = Arc::new(DavLock {
            token: "urn:uuid:1".into(),
            key: FileKey { area: "fake".into(), path: rest },
            root,
            user: who.dn().to_owned(),
            exclusive: wanted.exclusive,
            infinite: wanted.infinite,
            owner: wanted.owner,
            expires: Millis(i64::MAX),
        });
        locks.push(lock.clone());
        let made = !path.exists();
        fs::File::options().append(true).create(true).open(path).map_err(|e| error(&e))?;
        Ok((lock, made))
    }

    async fn refresh_lock(
        &self,
        _: &Identity,
        _: &Target,
        _: Option<std::time::Duration>,
    ) -> Result<Arc<DavLock>, Error> {
        let gone = || Error::new(ErrorKind::Precondition, "no lock");
        self.locks.lock().unwrap().first().cloned().ok_or_else(gone)
    }

    async fn unlock(&self, _: &Identity, _: &Target, token: &str) -> Result<(), Error> {
        let mut locks = self.locks.lock().unwrap();
        let before = locks.len();
        locks.retain(|lock| &*lock.token != token);
        match locks.len() < before {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::LockConflict, "no such lock")),
        }
    }

    async fn beside(&self, _: &Identity, target: &Target, _: Wanted) -> Besides {
        let base = RelPath::parse(target.stfn().as_str().trim_start_matches('/')).unwrap();
        let known = self.properties.lock().unwrap().clone();
        let each = move |below: &RelPath| {
            let properties = known.get(&base.descend(below)).cloned().unwrap_or_default();
            Ok(Beside {
                properties,
                quota: Some(Quota { used: 5, available: 7 }),
                ..Beside::default()
            })
        };
        Besides { each: Some(Box::new(each)), ..Besides::default() }
    }

    async fn patch_properties(
        &self,
        who: &Identity,
        target: &Target,
        patch: PropertyPatch,
    ) -> Result<(), Error> {
        let path = self.enter(who, target)?;
        self.entry(&path)?;
        let base = RelPath::parse(target.stfn().as_str().trim_start_matches('/')).unwrap();
        let mut known = self.properties.lock().unwrap();
        let list = known.entry(base).or_default();
        for change in patch.changes {
            list.retain(|one| (&one.namespace, &one.name) != (&change.namespace, &change.name));
            list.extend(change.element.is_some().then_some(change));
        }
        if let Some(at) = patch.modified {
            File::open(path).unwrap().set_modified(at).unwrap();
        }
        Ok(())
    }
}

pub(super) struct FakeUpload {
    file: Arc<File>,
    temporary: PathBuf,
    path: PathBuf,
    part: Option<Part>,
    modified: Option<SystemTime>,
    sums: std::sync::Arc<Mutex<HashMap<PathBuf, Digests>>>,
}

impl UploadHandle for FakeUpload {
    async fn begin(&mut self) -> Result<Arc<File>, Error> {
        Ok(Arc::clone(&self.file))
    }

    async fn publish(
        self,
        rest: Vec<Bytes>,
        size: u64,
        digests: Digests,
    ) -> Result<Published, Error> {
        append(&self.file, &rest)?;
        assert_eq!(self.file.metadata().unwrap().len(), size);
        let created = !self.path.exists();
        match self.part {
            None => _ = fs::copy(&self.temporary, &self.path).map_err(|e| error(&e))?,
            Some(part) => {
                let file = File::options().write(true).open(&self.path).map_err(|e| error(&e))?;
                let at = part.offset(file.metadata().unwrap().len()).unwrap();
                file.write_all_at(&fs::read(&self.temporary).unwrap(), at).unwrap();
            }
        }
        if let Some(at) = self.modified {
            File::options().write(true).open(&self.path).unwrap().set_modified(at).unwrap();
        }
        let sum = adler32(&digests);
        self.sums.lock().unwrap().insert(self.path.clone(), digests);
        let meta = fs::metadata(&self.path).unwrap();
        let entry = Entry {
            name: self.path.file_name().unwrap().to_str().unwrap().to_owned(),
            kind: EntryKind::File,
            size,
            modified: meta.modified().unwrap(),
            created: None,
            etag: format!("{}-{}-{}", meta.ino(), meta.len(), meta.mtime_nsec()),
            adler32: sum,
        };
        Ok(Published { created, entry })
    }
}

impl Drop for FakeUpload {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}
