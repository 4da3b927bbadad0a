//! WHEN_FILES_ARE_DIFFERENT: what was put is compared with what stands there before any lock is taken,
//! since reading both may take long.

use std::fs::File;
use std::sync::Arc;

use super::Srm;
use super::checksum::read_checksum;
use super::compared::{Compared, Seen};
use super::files::adler32;
use super::live::Live;
use super::publish::{Publish, in_lanes};
use crate::fsdriver::{Driver, Stat};
use crate::model::{Algorithm, FileState};

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
        let new = see(driver, &new, &is, known, go_on)?;
        let old = see(driver, &old, &was, adler32(driver, &old, &was), go_on)?;
        Some(Compared { new, old })
    }
}

fn see(
    driver: &dyn Driver,
    file: &File,
    stat: &Stat,
    known: Option<String>,
    go_on: &mut dyn FnMut() -> bool,
) -> Option<Seen> {
    let adler32 = known.or_else(|| read_checksum(driver, file, Algorithm::Adler32, go_on));
    go_on().then(|| Seen::new(stat, adler32))
}
