//! What srmPutDone does on disk: the hidden file is looked at, sealed and renamed into place.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use super::access::driver_error;
use super::acl::of_published;
use super::compared::{Compared, sums};
use super::files::{adler32, all_kept, discard, discard_successor, sync_names};
use super::seal::{Mark, Old, Replaced, Seal, published_by, seal, set_mark};
use super::{Error, ErrorKind, blocking};
use crate::fsdriver::{DriverError, Kind, Stat};
use crate::model::{Algorithm, Digests, OverwriteMode, Protocol, RelPath, RequestToken};
use crate::namespace::StorageArea;

/// Threads that publish files of one call.
const LANES: usize = 8;

/// Publishes several at once: syncs that run side by side share the disk's journal commits. One that
/// is missing in the answer was cut short, and may be asked again.
pub(super) async fn publish_all(work: Vec<Publish>) -> Vec<(u32, Result<Outcome, Error>)> {
    in_lanes(work, publish_lane).await
}

/// Blocking work on several files at once. What was cut short is missing.
pub(super) async fn in_lanes<T: Send + 'static>(
    mut work: Vec<Publish>,
    lane: impl Fn(Vec<Publish>) -> Vec<T> + Clone + Send + 'static,
) -> Vec<T> {
    let mut lanes = Vec::new();
    let length = work.len().div_ceil(LANES).max(1);
    while !work.is_empty() {
        let files = work.split_off(work.len().saturating_sub(length));
        let lane = lane.clone();
        lanes.push(async move { blocking(move || Ok(lane(files))).await.unwrap_or_default() });
    }
    futures_util::future::join_all(lanes).await.into_iter().flatten().collect()
}

fn publish_lane(lane: Vec<Publish>) -> Vec<(u32, Result<Outcome, Error>)> {
    let mut outcomes: Vec<_> = lane.iter().map(|publish| (publish.n, publish.attempt())).collect();
    // Each directory once: its names are to outlive a crash before anybody is told.
    let mut synced: HashMap<(&str, RelPath), Option<Error>> = HashMap::new();
    for (publish, (_, outcome)) in lane.iter().zip(&mut outcomes) {
        if !publish.sync || !matches!(outcome, Ok(Outcome::Done { .. })) {
            continue;
        }
        let parent = publish.target.parent().unwrap_or_else(RelPath::root);
        let failed = synced
            .entry((&publish.area.name, parent))
            .or_insert_with(|| sync_names(&publish.area, &[&publish.target]).err());
        if let Some(error) = failed {
            // It is in place and bears its mark: asked again, it is done.
            *outcome = Ok(Outcome::Later(error.clone()));
        }
    }
    outcomes
}

/// What became of one put.
pub(super) enum Outcome {
    /// Published, or the old content was kept.
    Done {
        /// Bytes of the file now.
        size: u64,
        replaced: Replaced,
    },
    /// Not yet: may be asked again.
    Later(Error),
}

/// Who wrote what is to be published.
pub(super) enum Origin {
    /// An outside mover: what it wrote only the file tells.
    Mover,
    /// Our own door: whole, with a checksum nobody else could write.
    Door,
    /// srmCopy: whole, with the checksum of its source, where that had one.
    Copy(Option<String>),
}

/// One put that is to be published.
pub(super) struct Publish {
    pub(super) area: Arc<StorageArea>,
    pub(super) target: RelPath,
    pub(super) hidden: RelPath,
    pub(super) token: RequestToken,
    pub(super) n: u32,
    pub(super) expected: Option<u64>,
    /// There must be data.
    pub(super) uploaded: bool,
    /// Who wrote it.
    pub(super) origin: Origin,
    /// The hidden file was made when the put was prepared.
    pub(super) made: bool,
    pub(super) mode: OverwriteMode,
    /// What was found before the locks were taken, where `mode` asks for it.
    pub(super) compared: Option<Compared>,
    /// The group that reads what is published.
    pub(super) reader: Option<u32>,
    pub(super) sync: bool,
    /// Whether so many bytes may be published.
    pub(super) room: Room,
}

/// See [`Publish::room`].
pub(super) type Room = Box<dyn Fn(u64) -> Result<(), Error> + Send>;

impl Outcome {
    fn kept(size: u64) -> Self {
        Self::Done { size, replaced: (None, None) }
    }

    fn published(size: u64, before: Option<u64>) -> Self {
        Self::Done { size, replaced: (before, Some(size)) }
    }
}

impl Publish {
    /// What fails for good leaves nothing behind. What can't be cleared away keeps the put: abort
    /// and expiry try again.
    fn attempt(&self) -> Result<Outcome, Error> {
        match self.run() {
            Err(error) if discard(&self.area, &self.hidden).is_err() => Ok(Outcome::Later(error)),
            outcome => outcome,
        }
    }

    fn run(&self) -> Result<Outcome, Error> {
        let driver = &*self.area.driver;
        let file = match driver.open_own(&self.hidden) {
            Ok(file) => file,
            // A link, a directory: none of our making.
            Err(DriverError::Escapes | DriverError::IsADirectory | DriverError::NotSupported) => {
                return Err(spoilt());
            }
            Err(DriverError::NotFound | DriverError::NotADirectory) => return self.without_data(),
            Err(error) => return Err(driver_error(error, &self.target)),
        };
        let told = |e| driver_error(e, &self.target);
        // First the rights: nobody can open it any more. Then who has it open still.
        driver.set_mode(&file, 0o660).map_err(|error| self.not_ours(error))?;
        if driver.has_writer(&file).map_err(told)? == Some(true) {
            return Ok(Outcome::Later(still_written()));
        }
        let stat = driver.stat_file(&file).map_err(told)?;
        let existing = driver.stat(&self.target).ok();
        if existing.as_ref().is_some_and(|old| old.kind == Kind::Directory) {
            return Err(Error::new(
                ErrorKind::IsADirectory,
                "a directory of that name appeared meanwhile: the data of this put was dropped",
            ));
        }
        let by_mover = matches!(self.origin, Origin::Mover);
        if stat.size == 0 && by_mover && existing.is_some() {
            // Nothing was written over it: the old content stays.
            discard(&self.area, &self.hidden)?;
            return Ok(Outcome::kept(existing.map_or(0, |old| old.size)));
        }
        (self.room)(stat.size)?;
        if let Some(expected) = self.expected
            && by_mover
            && stat.size < expected
        {
            return Err(Error::new(
                ErrorKind::Precondition,
                format!(
                    "{} bytes were written, {expected} were announced: write the file again",
                    stat.size
                ),
            ));
        }
        let mut adler32 = self.known(&file, &stat);
        match self.origin {
            Origin::Copy(_) if self.expected != Some(stat.size) => return Err(spoilt()),
            // Our door left a checksum of what it took: this is something else, or not all of it.
            Origin::Door if adler32.is_none() => return Err(spoilt()),
            _ => {}
        }
        if self.mode == OverwriteMode::WhenFilesAreDifferent
            && existing.is_some_and(|old| old.size == stat.size)
        {
            let known = (&stat, adler32);
            let (new, old) = match sums(self.compared.as_ref(), known, driver, &self.target) {
                Ok(sums) => sums,
                Err(changed) => return Ok(Outcome::Later(changed)),
            };
            if new.is_some() && new == old {
                self.keep_old();
                discard(&self.area, &self.hidden)?;
                return Ok(Outcome::kept(stat.size));
            }
            adler32 = new;
        }
        let before = self.seal(&file, adler32)?;
        drop(file);
        self.rename()?;
        Ok(Outcome::published(stat.size, before))
    }

    /// What is known of the bytes that were put without reading them.
    pub(super) fn known(&self, file: &File, stat: &Stat) -> Option<String> {
        match &self.origin {
            Origin::Mover => None,
            Origin::Door => adler32(&*self.area.driver, file, stat),
            Origin::Copy(sum) => sum.clone(),
        }
    }

    /// Bytes of what is about to be replaced.
    fn seal(&self, file: &File, adler32: Option<String>) -> Result<Option<u64>, Error> {
        let directory = self.target.parent().unwrap_or_else(RelPath::root);
        let told = |error| driver_error(error, &directory);
        let open = self.area.driver.directory(&directory).map_err(told)?;
        let inherited = open.default_acl().map_err(told)?;
        let acl = Some(of_published(&self.area, inherited, self.reader));
        let replaced = self.area.driver.file_size(&self.target);
        let replaced = replaced.map_err(|error| driver_error(error, &self.target))?;
        let old = replaced.map_or(Old::Missing, Old::Replaced);
        let mark = Some(Mark { token: &self.token, n: self.n, old });
        let mut digests = self.all_known(file)?;
        digests.extend(adler32.map(|sum| (Algorithm::Adler32, sum)));
        seal(&self.area, file, &Seal { digests, mark, acl, sync: self.sync })?;
        Ok(replaced)
    }

    /// What our own door left beside the adler32.
    fn all_known(&self, file: &File) -> Result<Digests, Error> {
        let driver = &*self.area.driver;
        match self.origin {
            Origin::Mover | Origin::Copy(_) => Ok(Digests::new()),
            Origin::Door => {
                let stat = driver.stat_file(file).map_err(|e| driver_error(e, &self.target))?;
                Ok(all_kept(driver, file, &stat))
            }
        }
    }

    fn rename(&self) -> Result<(), Error> {
        let driver = &*self.area.driver;
        let replace = self.mode != OverwriteMode::Never;
        match driver.rename(&self.hidden, &self.target, replace) {
            Ok(()) => {}
            Err(DriverError::Exists) => {
                return Err(Error::new(
                    ErrorKind::Exists,
                    "a file of that name appeared meanwhile: the data of this put was dropped",
                ));
            }
            Err(error) => return Err(driver_error(error, &self.target)),
        }
        // A second upload may have left its passing name. The put is done all the same.
        if let Err(error) = discard_successor(&self.area, &self.hidden) {
            tracing::warn!(%error, "hidden file of a put left behind");
        }
        Ok(())
    }

    /// No hidden file: nothing came, or a crash cut the last putDone short after its rename.
    fn without_data(&self) -> Result<Outcome, Error> {
        let driver = &*self.area.driver;
        if let Some((size, replaced)) = published_by(&self.area, &self.target, &self.token, self.n)
        {
            return Ok(Outcome::Done { size, replaced });
        }
        let parent = self.target.parent().unwrap_or_else(RelPath::root);
        if driver.stat(&parent).is_err() {
            return Err(Error::new(
                ErrorKind::ParentMissing,
                "the directory was moved or removed meanwhile",
            ));
        }
        if self.made {
            return Err(Error::new(
                ErrorKind::InvalidPath,
                "the file behind the TURL is gone: its directory was moved or removed meanwhile",
            ));
        }
        if self.uploaded {
            return Err(Error::new(
                ErrorKind::Precondition,
                "there is no data, and it may have been lost: put the file again",
            ));
        }
        match driver.stat(&self.target) {
            Ok(old) if old.kind != Kind::Directory => return Ok(Outcome::kept(old.size)),
            Ok(_) => {
                return Err(Error::new(
                    ErrorKind::IsADirectory,
                    "a directory of that name appeared meanwhile",
                ));
            }
            Err(_) => {}
        }
        if self.expected.is_some() {
            return Err(Error::new(
                ErrorKind::Precondition,
                "nothing was written to the TURL: no file was made",
            ));
        }
        let told = |e| driver_error(e, &self.target);
        let file = driver.create(&self.hidden).map_err(told)?;
        let adler32 = Some("00000001".to_owned());
        let before = self.seal(&file, adler32)?;
        drop(file);
        self.rename()?;
        Ok(Outcome::published(0, before))
    }

    fn not_ours(&self, error: DriverError) -> Error {
        let mut told = driver_error(error, &self.target);
        if told.kind == ErrorKind::Denied {
            told.explanation.push_str(
                " (the file behind the TURL belongs to another account than stormd's: run its server, \
                 xrootd say, as that account)",
            );
        }
        told
    }

    /// The file that is there is what was put: it bears the mark, so that a stop before the answer
    /// was written down loses nothing.
    fn keep_old(&self) {
        let driver = &*self.area.driver;
        let marked = driver.open(&self.target).and_then(|old| {
            let mark = Mark { token: &self.token, n: self.n, old: Old::Kept };
            set_mark(driver, &old, &mark)?;
            if self.sync { driver.sync(&old) } else { Ok(()) }
        });
        if let Err(error) = marked {
            tracing::debug!(%error, "no mark on a file of somebody else's");
        }
    }
}

/// True for TURLs whose mover writes in place, into a file that is there: GridFTP servers and local
/// programs.
pub(super) fn made_at_prepare(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Gsiftp | Protocol::File | Protocol::Rfio)
}

fn spoilt() -> Error {
    Error::new(
        ErrorKind::Precondition,
        "what is on disk is not what was uploaded: put the file again",
    )
}

pub(super) fn still_written() -> Error {
    Error::new(ErrorKind::Busy, "somebody still writes to the TURL: call srmPutDone again")
}
