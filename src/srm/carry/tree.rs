//! COPY of a directory: member by member, in memory that does not grow with the tree. What fails is
//! told in the end, and the others are copied all the same.

use super::super::access::{Needs, driver_error};
use super::super::files::is_hidden;
use super::super::{Error, ErrorKind, Target, blocking};
use super::{Carried, Copying, Way, stopped};
use crate::fsdriver::{DirEntries, DirEntry, DriverError, Kind};
use crate::model::{FileKey, Stfn};
use crate::namespace::Located;

/// Nobody follows a tree further down.
const DEEPEST: usize = 64;
/// Names that are read at once.
const NAMES: usize = 256;
/// So many failures are told; then it stops.
const FAILURES: usize = 1000;

/// A directory that is being copied.
struct Level {
    source: Located,
    target: Located,
    /// What was read of it, and is still to be copied.
    names: std::vec::IntoIter<DirEntry>,
    /// The rest; `None`: all was read.
    rest: Option<DirEntries>,
}

impl Copying {
    pub(super) async fn directory(&self, way: Way, deep: bool) -> Result<Carried, Error> {
        let Way { source, target, existing, .. } = way;
        let keys = (source.key(), target.key());
        let top = Level::open(source, target.clone()).await?.ok_or_else(|| {
            Error::new(ErrorKind::Denied, "the source belongs to another storage area")
        })?;
        let aside = match existing {
            Some(_) => Some(self.step_aside(&target).await?),
            None => None,
        };
        let made = self.make_directory(&target).await;
        match (aside, &made) {
            (Some(aside), Ok(())) => self.replaced(&target, aside).await,
            (Some(aside), Err(_)) => self.step_back(&target, aside).await,
            (None, _) => {}
        }
        made?;
        self.srm.copy_properties(&keys.0, &keys.1).await?;
        let mut failed = Vec::new();
        if deep {
            self.members(top, &mut failed).await?;
        }
        Ok(Carried::Done { created: existing.is_none(), failed })
    }

    async fn make_directory(&self, target: &Located) -> Result<(), Error> {
        self.srm.make_directory(&self.who, &Target::Stfn(target.stfn.clone())).await
    }

    async fn make_member(&self, from: &FileKey, target: &Located) -> Result<(), Error> {
        self.make_directory(target).await?;
        self.srm.copy_properties(from, &target.key()).await
    }

    async fn members(&self, top: Level, failed: &mut Vec<(Stfn, Error)>) -> Result<(), Error> {
        let mut levels = vec![top];
        while let Some(mut level) = levels.pop() {
            if self.stop.is_cancelled() {
                return Err(stopped());
            }
            let target = level.target.stfn.clone();
            match level.next().await {
                Ok(None) => continue,
                Ok(Some(entry)) => {
                    let depth = levels.len();
                    let at = (level.source.clone(), level.target.clone());
                    let below = self.member(at, entry, depth, failed).await;
                    levels.push(level);
                    levels.extend(below);
                }
                Err(error) => failed.push((target, error)),
            }
            if failed.len() >= FAILURES {
                let why = format!("copying ended after {FAILURES} failures: mend these first");
                let top = levels.first().map(|level| level.target.stfn.clone());
                failed.extend(top.map(|top| (top, Error::new(ErrorKind::Internal, why))));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Copies a file; a directory is made, and given back to be gone through.
    async fn member(
        &self,
        (source, target): (Located, Located),
        entry: DirEntry,
        depth: usize,
        failed: &mut Vec<(Stfn, Error)>,
    ) -> Option<Level> {
        if is_hidden(&entry.name) {
            return None;
        }
        let below = |at: &Located| {
            let stfn = at.stfn.join(&entry.name).ok()?;
            Some(Located { area: at.area.clone(), path: at.path.join(&entry.name), stfn })
        };
        let (source, target) = (below(&source)?, below(&target)?);
        let (from, to) = (source.stfn.clone(), target.stfn.clone());
        let kind = match self.kind(entry.kind, &source).await {
            Ok(kind) => kind?,
            Err(error) => {
                failed.push((from, error));
                return None;
            }
        };
        let site = self.srm.site();
        if kind == Kind::File {
            let copied = match site.permit(&self.who, &source, Needs::READ) {
                Ok(()) => {
                    self.file(source, &target, false, None).await.map_err(|error| (to, error))
                }
                Err(error) => Err((from, error)),
            };
            failed.extend(copied.err());
            return None;
        }
        let from_key = source.key();
        let opened = match site.permit(&self.who, &source, Needs::LIST) {
            Ok(()) if depth >= DEEPEST => Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the tree goes deeper than {DEEPEST} levels: copy it in parts"),
            )),
            Ok(()) => Level::open(source, target.clone()).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(Some(level)) => match self.make_member(&from_key, &target).await {
                Ok(()) => Some(level),
                Err(error) => {
                    failed.push((to, error));
                    None
                }
            },
            // Another area's root: what is in it is not in this one.
            Ok(None) => None,
            Err(error) => {
                failed.push((from, error));
                None
            }
        }
    }

    /// File or directory; `None`: neither, or it is gone. A link to a file is one more name of it; one to
    /// a directory may go round.
    async fn kind(&self, told: Option<Kind>, source: &Located) -> Result<Option<Kind>, Error> {
        match told {
            Some(Kind::Other) => return Ok(None),
            Some(kind) => return Ok(Some(kind)),
            None => {}
        }
        let source = source.clone();
        blocking(move || match source.area.driver.stat(&source.path) {
            Ok(stat) => Ok((stat.kind == Kind::File).then_some(Kind::File)),
            Err(DriverError::NotFound) => Ok(None),
            Err(error) => Err(driver_error(error, &source.stfn)),
        })
        .await
    }
}

impl Level {
    /// `None`: it is another area's root.
    async fn open(source: Located, target: Located) -> Result<Option<Self>, Error> {
        blocking(move || {
            let told = |error| driver_error(error, &source.stfn);
            let directory = match source.area.driver.directory(&source.path) {
                Err(DriverError::OtherArea) => return Ok(None),
                directory => directory.map_err(told)?,
            };
            let rest = Some(directory.entries().map_err(told)?);
            Ok(Some(Self { source, target, names: Vec::new().into_iter(), rest }))
        })
        .await
    }

    async fn next(&mut self) -> Result<Option<DirEntry>, Error> {
        if let Some(entry) = self.names.next() {
            return Ok(Some(entry));
        }
        let Some(mut rest) = self.rest.take() else { return Ok(None) };
        let stfn = self.source.stfn.clone();
        let read = blocking(move || {
            let names = rest.by_ref().take(NAMES).collect::<Result<Vec<_>, _>>();
            Ok((names.map_err(|error| driver_error(error, &stfn))?, rest))
        });
        let (names, rest) = read.await?;
        if names.len() == NAMES {
            self.rest = Some(rest);
        }
        self.names = names.into_iter();
        Ok(self.names.next())
    }
}
