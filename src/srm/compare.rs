//! WHEN_FILES_ARE_DIFFERENT: what was put is compared with what stands there before any lock is taken,
//! since reading both may take long. Who publishes sees by their stamps whether they are still the same.

use std::fs::File;
use std::sync::Arc;

use super::checksum::read_checksum;
use super::files::{adler32, version};
use super::live::Live;
use super::publish::{Origin, Publish, in_lanes};
use super::{Error, ErrorKind, Srm};
use crate::fsdriver::Stat;
use crate::model::{Algorithm, FileState};

const CHANGED: &str = "a file changed while it was compared with another: try again";

/// What was put, and what stands there.
pub(super) struct Compared {
    new: Seen,
    old: Seen,
}

/// One content.
struct Seen {
    version: String,
    /// `None`: it can't be read.
    adler32: Option<String>,
}

/// The checksums of what was put and of what stands there.
pub(super) type Sums = (Option<String>, Option<String>);

impl Srm {
    /// Compares what these are about to publish with what stands there, as far as that decides
    /// anything. It ends with the request or the daemon.
    pub(super) async fn compare_all(&self, live: &Arc<Live>, work: Vec<Publish>) -> Vec<Publish> {
        let (stopping, live) = (self.core.stopping.clone(), Arc::clone(live));
        let lane = move |lane: Vec<Publish>| {
            let one = |mut publish: Publish| {
                let mut go_on = || !stopping.is_cancelled() && is_open(&live, publish.n);
                publish.compared = publish.compare(&mut go_on);
                publish
            };
            lane.into_iter().map(one).collect()
        };
        in_lanes(work, lane).await
    }
}

fn is_open(live: &Live, n: u32) -> bool {
    let open = |state| matches!(state, FileState::SpaceAvailable | FileState::InProgress);
    live.file(n).is_some_and(|file| open(file.state))
}

impl Publish {
    /// `None` where there is nothing to compare, or `go_on` said no.
    fn compare(&self, go_on: &mut dyn FnMut() -> bool) -> Option<Compared> {
        let driver = &*self.area.driver;
        let new = driver.open_own(&self.hidden).ok()?;
        // Nobody is to open it any more: srmPutDone was called.
        driver.set_mode(&new, 0o660).ok()?;
        if driver.has_writer(&new).ok()? == Some(true) {
            return None;
        }
        let old = driver.open(&self.target).ok()?;
        let (is, was) = (driver.stat_file(&new).ok()?, driver.stat_file(&old).ok()?);
        if is.size != was.size {
            return None;
        }
        let known = self.known(&new, &is);
        let new = self.see(&new, &is, known, go_on)?;
        let old = self.see(&old, &was, adler32(driver, &old, &was), go_on)?;
        Some(Compared { new, old })
    }

    fn see(
        &self,
        file: &File,
        stat: &Stat,
        known: Option<String>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Option<Seen> {
        let read = || read_checksum(&*self.area.driver, file, Algorithm::Adler32, go_on);
        let adler32 = known.or_else(read);
        go_on().then(|| Seen { version: version(stat), adler32 })
    }

    /// What is known of the bytes that were put without reading them.
    pub(super) fn known(&self, file: &File, stat: &Stat) -> Option<String> {
        match &self.origin {
            Origin::Mover => None,
            Origin::Door => adler32(&*self.area.driver, file, stat),
            Origin::Copy(sum) => sum.clone(),
        }
    }

    /// Both checksums, of an open file and what stands at its target. Reads neither.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`]: one of the two changed since they were compared.
    pub(super) fn sums(&self, file: &File, stat: &Stat) -> Result<Sums, Error> {
        let driver = &*self.area.driver;
        let compared = self.compared.as_ref();
        let seen = |seen: Option<&Seen>, stat: &Stat| match seen {
            Some(seen) if seen.version == version(stat) => Ok(seen.adler32.clone()),
            _ => Err(Error::new(ErrorKind::Busy, CHANGED)),
        };
        let new = match self.known(file, stat) {
            None => seen(compared.map(|both| &both.new), stat)?,
            known => known,
        };
        // What can't be read any more is different.
        let Ok(old) = driver.open(&self.target) else { return Ok((new, None)) };
        let Ok(was) = driver.stat_file(&old) else { return Ok((new, None)) };
        let old = match adler32(driver, &old, &was) {
            None => seen(compared.map(|both| &both.old), &was)?,
            known => known,
        };
        Ok((new, old))
    }
}
