//! srmMv.

use super::access::{Needs, driver_error};
use super::files::sync_names;
use super::{Error, ErrorKind, Srm, Touch, blocking, to_the_end};
use crate::fsdriver::{DriverError, Kind};
use crate::model::{Identity, RelPath, ReturnStatus};
use crate::namespace::Located;

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
            return Ok("Source SURL and target SURL are the same file.");
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
        site.permit(who, &target, Needs::MOVE_TO)?;
        self.move_located(source, target).await
    }

    async fn move_located(&self, source: Located, target: Located) -> Result<&'static str, Error> {
        let (from, to) = (source.key(), target.key());
        if from == to {
            return Ok("Source SURL and target SURL are the same file.");
        }
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
            let _guards = srm.core.locks.lock_all(&[&from, &to]).await;
            srm.unlocked(&from, Touch::Tree)?;
            srm.unlocked(&to, Touch::Tree)?;
            if srm.core.requests.put_on(&from).is_some() || srm.core.requests.is_pinned(&from) {
                return Err(Error::new(
                    ErrorKind::Busy,
                    "a put or get on the source is not done: finish, release or abort it first",
                ));
            }
            if srm.core.requests.put_on(&to).is_some() {
                return Err(Error::new(ErrorKind::Exists, "a put on the target is not done"));
            }
            let sync = srm.site().config.http.fsync;
            // A file is announced at both ends; nothing comes into a directory on its way.
            let looked = source.clone();
            let is_file = blocking(move || Ok(looked.area.driver.file_size(&looked.path))).await?;
            let is_file = matches!(is_file, Ok(Some(_)));
            let (mut announced, mut closed, mut records) = (Vec::new(), None, None);
            // Whoever moves or removes a directory above waits until this is over.
            let _changing = srm.core.usage.change(vec![from.clone(), to.clone()])?;
            let stood = [srm.core.usage.stands(&from), srm.core.usage.stands(&to)];
            if !is_file {
                srm.core.usage.will_make(&to.area, &to.path);
                closed = Some(srm.core.usage.close(from.clone()).await);
            }
            // What was announced is settled, whatever fails.
            let moved = async {
                // Before its ends, so that a start after a kill moves a record before it sees that
                // the file is gone from the old name.
                records = srm.announce_move(&from, &to).await?;
                for end in [&source, &target].into_iter().filter(|_| is_file) {
                    announced.push(srm.announce(end, None).await?);
                }
                blocking(move || {
                    rename(&source, &target)?;
                    let paths = [&source.path, &target.path];
                    Ok(if sync { sync_names(&source.area, &paths) } else { Ok(()) })
                })
                .await
            }
            .await;
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
            // Live puts below: their putDone fails, and what they wrote so far goes.
            srm.fail_moved(&from, &to.path).await;
            synced.map(|()| "moved")
        })
        .await
    }
}

fn rename(source: &Located, target: &Located) -> Result<(), Error> {
    let driver = &*source.area.driver;
    driver.stat(&source.path).map_err(|e| driver_error(e, &source.stfn))?;
    let parent = target.path.parent().unwrap_or_else(RelPath::root);
    match driver.stat(&parent) {
        Ok(_) | Err(DriverError::NotFound) => {}
        Err(error) => return Err(driver_error(error, &target.stfn)),
    }
    match driver.rename(&source.path, &target.path, false) {
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
