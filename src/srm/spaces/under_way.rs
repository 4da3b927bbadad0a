//! Uploads to our own doors that are under way: their data is on disk already in part, in files without a
//! name, and is kept room for in whole.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::hold::Hold;
use crate::fsdriver::Stat;
use crate::namespace::StorageArea;

/// Bytes of a block of `st_blocks`.
const BLOCK: u64 = 512;

/// All of them.
#[derive(Default)]
pub(in super::super) struct Uploads {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// Numbers them.
    came: u64,
    uploads: HashMap<u64, Upload>,
}

struct Upload {
    area: Arc<str>,
    hold: Arc<Hold>,
    file: Weak<File>,
}

/// One of them, until it is dropped.
pub(in super::super) struct UnderWay {
    all: Arc<Uploads>,
    number: u64,
}

impl Uploads {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An upload into `file` begins, for which `hold` keeps room.
    pub(in super::super) fn enter(
        self: &Arc<Self>,
        area: &Arc<str>,
        hold: Option<&Arc<Hold>>,
        file: &Arc<File>,
    ) -> UnderWay {
        let mut table = self.lock();
        table.came += 1;
        let number = table.came;
        if let Some(hold) = hold {
            let (area, hold, file) = (Arc::clone(area), Arc::clone(hold), Arc::downgrade(file));
            table.uploads.insert(number, Upload { area, hold, file });
        }
        UnderWay { all: Arc::clone(self), number }
    }

    /// What was written so far in an area, and what is kept for it. Blocks.
    pub(super) fn written(&self, area: &StorageArea) -> Vec<(Arc<Hold>, u64)> {
        let table = self.lock();
        let here = table.uploads.values().filter(|upload| upload.area == area.name);
        let files = here.filter_map(|one| Some((Arc::clone(&one.hold), one.file.upgrade()?)));
        let files: Vec<(Arc<Hold>, Arc<File>)> = files.collect();
        drop(table);
        let bytes = |file: &File| area.driver.stat_file(file).ok().map(|stat| bytes_on_disk(&stat));
        files.into_iter().filter_map(|(hold, file)| Some((hold, bytes(&file)?))).collect()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let gone = self.all.lock().uploads.remove(&self.number);
        // Without the lock: with it goes the room that was kept.
        drop(gone);
    }
}

/// What a file takes on disk.
pub(super) fn bytes_on_disk(stat: &Stat) -> u64 {
    stat.blocks.saturating_mul(BLOCK)
}
