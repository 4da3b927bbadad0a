//! srmMv.

use super::access::{Needs, driver_error};
use super::conditions::unmet;
use super::files::{look_soon, sync_names};
use super::{BothEnds, Error, ErrorKind, Srm, Touch, blocking, to_the_end};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{Identity, RelPath, ReturnStatus};
use crate::namespace::Located;

/// StoRM's words: scripts look for them.
const SAME: &str = "Source SURL and target SURL are the same file.";

impl Srm {
    /// srmMv: a file or a directory, within one storage area's file system. Onto an existing
    /// directory: into it.
    pub async fn mv(&self, who: &Identity, from: &str, to: &str) -> ReturnStatus {
        match self.move_surls(who, from, to).await {
            Ok(text) => ReturnStatus::success(text),
            Err(error) => error.into(),
        }
    }

    async fn move_surls(
        &self,
        who: &Identity,
        from: &str,
        to: &str,
    ) -> Result<&'static str, Error> {
        self.admit(who).await?;
        let site = self.site();
        let source = site.locate_surl(who, from, Needs::MOVE_FROM.access)?;
        site.permit_tree(who, &source, Needs::MOVE_FROM)?;
        let asked = site.locate_surl(who, to, Needs::MOVE_TO.access)?;
        if source.key() == asked.key() {
            return Ok(SAME);
        }
        let looked = asked.clone();
        let into = blocking(move || {
            let found = looked.area.driver.stat(&looked.path);
            Ok(matches!(found, Ok(stat) if stat.kind == Kind::Directory))
        })
        .await?;
        let target = if into {
            let name = source.path.name().ok_or_else(|| {
                Error::new(ErrorKind::Denied, "the root of a storage area is not moved")
            })?;
            Located {
                area: asked.area.clone(),
                path: asked.path.join(name),
                stfn: asked.stfn.join(name)?,
            }
        } else {
            asked
        };
        if source.key() == target.key() {
            return Ok(SAME);
        }
        site.permit(who, &target, Needs::MOVE_TO)?;
        self.move_located(source, target, false, None).await?;
        Ok("moved")
    }

    /// Moves a file or a directory; with `replace` also onto what is there, whatever that is: it goes
    /// once the other is in its place. True when nothing was there.
    pub(super) async fn move_located(
        &self,
        source: Located,
        target: Located,
        replace: bool,
        precondition: Option<BothEnds>,
    ) -> Result<bool, Error> {
        let (from, to) = (source.key(), target.key());
        if source.path.is_root() {
            return Err(Error::new(ErrorKind::Denied, "the root of a storage area is not moved"));
        }
        if from.area != to.area {
            return Err(Error::new(
                ErrorKind::NotSupported,
                "source and target lie in different storage areas: copy, then remove the source",
            ));
        }
        if to.path.is_within(&from.path) {
            return Err(Error::new(
                ErrorKind::InvalidPath,
                "a directory can't be moved into itself",
            ));
        }
        let srm = self.clone();
        to_the_end(async move {
            let is_plain = Ends::look(&source, &target).await?.are_files();
            let _turn = match is_plain {
                true => None,
                false => Some(srm.core.tree_turn.lock().await),
            };
            let guards = srm.core.locks.lock_all(&[&from, &to]).await;
            srm.unlocked(&from, Touch::Tree)?;
            srm.unlocked(&to, Touch::Tree)?;
            if srm.core.requests.put_on(&from).is_some() || srm.core.requests.is_pinned(&from) {
                return Err(Error::new(
                    ErrorKind::Busy,
                    "a put or get on the source is not done: finish, release or abort it first",
                ));
            }
            if srm.core.requests.put_on(&to).is_some() {
                let kind = if replace { ErrorKind::Busy } else { ErrorKind::Exists };
                return Err(Error::new(kind, "a put on the target is not done"));
            }
            judge_both(precondition.as_ref(), &source, &target).await?;
            let ends = Ends::look(&source, &target).await?;
            if is_plain && !ends.are_files() {
                let why = "source or target was changed meanwhile: look at them again";
                return Err(Error::new(ErrorKind::Busy, why));
            }
            let onto = ends.target.filter(|_| replace && ends.source.is_some());
            let sync = srm.site().config.http.fsync;
            // A file is announced at both ends; nothing comes into a directory on its way.
            let is_file = ends.source == Some(End::File);
            let (mut announced, mut closed, mut records) = (Vec::new(), None, None);
            // Whoever moves or removes a directory above waits until this is over.
            let _changing = srm.core.usage.change(vec![from.clone(), to.clone()])?;
            let stood = [srm.core.usage.stands(&from), srm.core.usage.stands(&to)];
            if !is_file {
                srm.core.usage.will_make(&to.area, &to.path);
                closed = Some(srm.core.usage.close(from.clone()).await);
            }
            // Only a file takes the place of a file in one step.
            let aside = match onto {
                Some(end) if !(is_file && end == End::File) => Some(srm.step_aside(&target).await?),
                _ => None,
            };
            let in_place = onto.is_some() && aside.is_none();
            // What was announced is settled, whatever fails.
            let moved = async {
                // Before its ends, so that a start after a kill moves a record before it sees that
                // the file is gone from the old name.
                records = srm.announce_move(&from, &to).await?;
                for end in [&source, &target].into_iter().filter(|_| is_file) {
                    announced.push(srm.announce(end, None).await?);
                }
                blocking(move || {
                    rename(&source, &target, in_place)?;
                    let paths = [&source.path, &target.path];
                    Ok(if sync { sync_names(&source.area, &paths) } else { Ok(()) })
                })
                .await
            }
            .await;
            // What was there is forgotten before what came is known by its name.
            let left = match aside {
                Some(aside) if moved.is_ok() => srm.let_go(aside).await,
                Some(aside) => {
                    srm.step_back(aside).await;
                    None
                }
                None => None,
            };
            if let Some(intent) = records {
                srm.settle_move(&from, &to, intent, moved.is_ok()).await;
            }
            for file in announced {
                srm.settle(file).await;
            }
            srm.core.requests.bump();
            let synced = moved?;
            for end in [&from, &to] {
                srm.locks_gone(end).await;
            }
            if closed.is_some() {
                srm.core.usage.move_tree(&from, &to, stood);
            }
            if in_place {
                srm.abort_gets(srm.core.requests.pins_on(&to)).await;
            }
            // Live puts below: their putDone fails, and what they wrote so far goes.
            srm.fail_moved(&from, &to.path).await;
            drop((closed, guards));
            srm.remove_left(left).await;
            synced.map(|()| onto.is_none())
        })
        .await
    }
}

/// Whether both ends are as the request wants them, as far as there is a source.
///
/// # Errors
/// [`ErrorKind::Precondition`]: they are not.
pub(super) async fn judge_both(
    holds: Option<&BothEnds>,
    source: &Located,
    target: &Located,
) -> Result<(), Error> {
    let Some(holds) = holds else { return Ok(()) };
    let Some(from) = look_soon(source).await? else { return Ok(()) };
    let to = look_soon(target).await?;
    if holds(Some(&from), to.as_ref()) { Ok(()) } else { Err(unmet()) }
}

/// What stands at one end of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A regular file, by itself and not by a link.
    File,
    /// A directory, a link, or what is neither.
    Other,
}

/// Both ends; `None`: nothing is there.
struct Ends {
    source: Option<End>,
    target: Option<End>,
}

impl Ends {
    async fn look(source: &Located, target: &Located) -> Result<Self, Error> {
        let (source, target) = (source.clone(), target.clone());
        blocking(move || Ok(Self { source: end(&source), target: end(&target) })).await
    }

    /// No tree is concerned.
    fn are_files(&self) -> bool {
        self.source == Some(End::File) && self.target != Some(End::Other)
    }
}

fn end(located: &Located) -> Option<End> {
    let driver = &*located.area.driver;
    if let Ok(Some(_)) = driver.file_size(&located.path) {
        return Some(End::File);
    }
    match driver.stat(&located.path) {
        // Its directory may be missing, or a file: the rename says which.
        Err(DriverError::NotFound | DriverError::NotADirectory) => None,
        // A link that leads out is something, too.
        _ => Some(End::Other),
    }
}

fn rename(source: &Located, target: &Located, replace: bool) -> Result<(), Error> {
    let driver = &*source.area.driver;
    driver.stat(&source.path).map_err(|e| driver_error(e, &source.stfn))?;
    let parent = target.path.parent().unwrap_or_else(RelPath::root);
    match driver.stat(&parent) {
        Ok(_) | Err(DriverError::NotFound) => {}
        Err(error) => return Err(driver_error(error, &target.stfn)),
    }
    match driver.rename(&source.path, &target.path, replace) {
        Ok(()) => Ok(()),
        Err(DriverError::Exists | DriverError::NotEmpty) => {
            Err(Error::new(ErrorKind::Exists, format!("{} exists already", target.stfn)))
        }
        Err(DriverError::NotFound) => Err(Error::new(
            ErrorKind::ParentMissing,
            format!("the directory that should hold {} does not exist", target.stfn),
        )),
        // Both parents were resolved beneath the root a moment ago: this is rename's own EXDEV.
        Err(DriverError::Escapes) => Err(driver_error(DriverError::CrossesDevices, &target.stfn)),
        Err(error) => Err(driver_error(error, &target.stfn)),
    }
}
