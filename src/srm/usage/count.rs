//! A scan of an area, in memory. It counts while files come and go: what changes behind it is added to
//! its count, what changes before it will be counted, and what changes while it looks is looked at
//! again. So its count is exact at its end. Directories are counted parents first, in the order of
//! their names.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Area, State, Usage, bytes};
use crate::model::{FileKey, RelPath};
use crate::store::{Millis, ScanRow};

/// One area's.
pub(super) struct Scan {
    counted: i64,
    /// As the store has it.
    saved: Option<RelPath>,
    at: Position,
    /// Directories that came before the scan, where it may have read their parents' names already.
    made: BTreeSet<Made>,
    /// It can't be told any more what is counted: it has to begin anew.
    spoilt: bool,
}

/// A directory, in the order in which directories are counted.
#[derive(PartialEq, Eq)]
struct Made(RelPath);

impl Ord for Made {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&self.0, &other.0)
    }
}

impl PartialOrd for Made {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether a tree is counted, by the scan and by what the store has of it. `None` of either: some of it
/// may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::srm) struct Stand {
    pub(super) counted: Option<bool>,
    pub(super) saved: Option<bool>,
}

enum Position {
    /// All files of this directory and of those before it are counted; `None`: nothing is.
    After(Option<RelPath>),
    /// The names of this directory are being read; some changed meanwhile.
    Reading { directory: RelPath, touched: HashSet<String> },
    /// The files of this directory are being counted: all before `next`, but not those put off.
    Counting {
        directory: RelPath,
        names: Vec<Box<str>>,
        next: usize,
        put_off: HashSet<String>,
        touched: HashSet<String>,
    },
}

/// Scans.
impl Usage {
    /// Wants an area counted anew.
    pub(in crate::srm) fn ask_scan(&self, area: &Arc<str>) {
        self.lock().areas.entry(Arc::clone(area)).or_default().asked = true;
        self.wanted.notify_one();
    }

    /// An area lies elsewhere: what is known of it is of another place.
    pub(in crate::srm) fn forget(&self, area: &Arc<str>) {
        self.lock().areas.insert(Arc::clone(area), Area::default());
        self.wanted.notify_one();
    }

    /// It was never counted, its count was interrupted, or somebody asked.
    pub(in crate::srm) fn wants_scan(&self, area: &str) -> bool {
        let state = self.lock();
        let area = state.areas.get(area);
        area.is_none_or(|area| area.scanned.is_none() || area.scan.is_some() || area.asked)
    }

    /// Waits until somebody asks, for so long.
    pub(in crate::srm) async fn wait_for_scans(&self, most: Duration) {
        // Whether somebody asked is looked at anyhow.
        let _ = tokio::time::timeout(most, self.wanted.notified()).await;
    }

    /// Begins a scan, or goes on with the one that is under way: the last directory that is counted.
    pub(in crate::srm) fn begin_scan(&self, area: &Arc<str>) -> ScanRow {
        let mut state = self.lock();
        let area = state.areas.entry(Arc::clone(area)).or_default();
        // Who asks from now on wants another one.
        area.asked = false;
        let scan = area.scan.get_or_insert_with(Scan::begin);
        if scan.spoilt || !matches!(scan.at, Position::After(_)) {
            *scan = Scan::begin();
        }
        let after = match &scan.at {
            Position::After(after) => after.clone(),
            Position::Reading { .. } | Position::Counting { .. } => None,
        };
        ScanRow { after, counted: scan.counted }
    }

    /// A directory is about to come, by srmMkdir or another name: a scan that has not come so far is to
    /// see it, also where it has read the names around it already.
    pub(in crate::srm) fn will_make(&self, area: &str, directory: &RelPath) {
        self.with_scan(area, |scan| {
            if scan.position().is_none_or(|at| order(directory, at).is_gt()) {
                scan.made.insert(Made(directory.clone()));
            }
        });
    }

    /// Where to go instead of `next`: a directory that came and lies before it. `None` for `next` itself
    /// that has been counted since.
    pub(in crate::srm) fn go_to(&self, area: &str, next: Option<RelPath>) -> Option<RelPath> {
        let mut place = None;
        self.with_scan(area, |scan| {
            let at = scan.position().cloned();
            let left = |path: &RelPath| at.as_ref().is_none_or(|at| order(path, at).is_gt());
            while let Some(Made(first)) = scan.made.pop_first() {
                if !left(&first) {
                    continue;
                }
                if next.as_ref().is_some_and(|next| order(next, &first).is_lt()) {
                    scan.made.insert(Made(first));
                    break;
                }
                place = Some(first);
                return;
            }
            place = next.filter(left);
        });
        place
    }

    /// Whether a tree is counted; of an area that is not being counted it makes no difference.
    pub(in crate::srm) fn stands(&self, tree: &FileKey) -> Option<Stand> {
        let state = self.lock();
        let scan = state.areas.get(&tree.area)?.scan.as_ref()?;
        Some(scan.stands(&tree.path))
    }

    /// The names of `directory` are about to be read. False: the scan has to begin anew.
    pub(in crate::srm) fn enter(&self, area: &str, directory: &RelPath) -> bool {
        self.with_scan(area, |scan| {
            let directory = directory.clone();
            scan.at = Position::Reading { directory, touched: HashSet::new() };
        })
    }

    /// The names of the files in the directory that was entered, sorted.
    pub(in crate::srm) fn files(&self, area: &str, names: Vec<Box<str>>) {
        let mut state = self.lock();
        let State { areas, changing, .. } = &mut *state;
        let Some(scan) = areas.get_mut(area).and_then(|area| area.scan.as_mut()) else { return };
        let Position::Reading { directory, touched } = &mut scan.at else { return };
        let mut names = names;
        let touched = touched.drain().map(String::into_boxed_str);
        for name in touched.chain(changing_in(changing, area, directory).map(Box::from)) {
            if let Err(place) = names.binary_search(&name) {
                names.insert(place, name);
            }
        }
        let directory = directory.clone();
        scan.at = Position::Counting {
            directory,
            names,
            next: 0,
            put_off: HashSet::new(),
            touched: HashSet::new(),
        };
    }

    /// The next files to look at; empty when the directory is counted.
    pub(in crate::srm) fn next_files(&self, area: &str, most: usize) -> Vec<String> {
        let mut next_files = Vec::new();
        self.with_scan(area, |scan| {
            if let Position::Counting { names, next, put_off, touched, .. } = &mut scan.at {
                touched.clear();
                next_files.extend(put_off.iter().take(most).cloned());
                let fresh = names[*next..].iter().take(most - next_files.len());
                next_files.extend(fresh.map(|name| name.to_string()));
            }
        });
        next_files
    }

    /// Counts files that [`Usage::next_files`] gave; what changed meanwhile is put off. How many
    /// were counted.
    pub(in crate::srm) fn count(&self, area: &str, sizes: Vec<(String, Option<u64>)>) -> usize {
        let mut state = self.lock();
        let State { areas, changing, .. } = &mut *state;
        let Some(scan) = areas.get_mut(area).and_then(|area| area.scan.as_mut()) else { return 0 };
        let Position::Counting { directory, names, next, put_off, touched } = &mut scan.at else {
            return 0;
        };
        let busy: HashSet<&str> = changing_in(changing, area, directory).collect();
        let mut done = 0;
        for (name, size) in sizes {
            if names.get(*next).is_some_and(|fresh| **fresh == *name) {
                *next += 1;
            }
            if touched.contains(&name) || busy.contains(name.as_str()) {
                put_off.insert(name);
            } else {
                put_off.remove(&name);
                scan.counted += bytes(size);
                done += 1;
            }
        }
        done
    }

    /// The directory that was entered is counted.
    pub(in crate::srm) fn leave(&self, area: &str) -> bool {
        self.with_scan(area, |scan| {
            if let Position::Counting { directory, .. } = &scan.at {
                scan.at = Position::After(Some(directory.clone()));
            }
        })
    }

    /// What is to be noted of a scan between two directories. To be called under `order`.
    pub(in crate::srm) fn save(&self, area: &str) -> Option<ScanRow> {
        let mut state = self.lock();
        let scan = state.areas.get_mut(area)?.scan.as_mut().filter(|scan| !scan.spoilt)?;
        let Position::After(after) = &scan.at else { return None };
        scan.saved = after.clone();
        Some(ScanRow { after: after.clone(), counted: scan.counted })
    }

    /// Everything is counted: what the area holds, and what that is beside what was known. `None`:
    /// it has to begin anew. To be called under `order`.
    pub(in crate::srm) fn end_scan(&self, area: &str, at: Millis) -> Option<(i64, i64)> {
        let mut state = self.lock();
        let area = state.areas.get_mut(area)?;
        let over =
            |scan: &mut Scan| {
                while scan.made.first().is_some_and(|made| {
                    scan.position().is_some_and(|at| order(&made.0, at).is_le())
                }) {
                    scan.made.pop_first();
                }
                !scan.spoilt && scan.made.is_empty()
            };
        let scan = area.scan.take_if(over)?;
        let drift = if area.scanned.is_some() { scan.counted - area.used } else { 0 };
        (area.used, area.drift, area.scanned) = (scan.counted, drift, Some(at));
        Some((scan.counted, drift))
    }

    fn with_scan(&self, area: &str, work: impl FnOnce(&mut Scan)) -> bool {
        let mut state = self.lock();
        match state.areas.get_mut(area).and_then(|area| area.scan.as_mut()) {
            Some(scan) if !scan.spoilt => {
                work(scan);
                true
            }
            _ => false,
        }
    }
}

impl Scan {
    fn begin() -> Self {
        let at = Position::After(None);
        Self { counted: 0, saved: None, at, made: BTreeSet::new(), spoilt: false }
    }

    /// As the store remembers it.
    pub(in crate::srm) fn go_on(row: ScanRow) -> Self {
        let at = Position::After(row.after.clone());
        let made = BTreeSet::new();
        Self { counted: row.counted, saved: row.after, at, made, spoilt: false }
    }

    /// Bytes counted so far.
    pub(in crate::srm) fn counted(&self) -> i64 {
        self.counted
    }

    pub(in crate::srm) fn add(&mut self, bytes: i64) {
        self.counted += bytes;
    }

    /// It can't be told any more what is counted.
    pub(in crate::srm) fn spoil(&mut self) {
        self.spoilt = true;
    }

    /// Whether the store counts this file among what is counted.
    pub(in crate::srm) fn has_saved(&self, key: &FileKey) -> bool {
        let directory = key.path.parent().unwrap_or_else(RelPath::root);
        self.saved.as_ref().is_some_and(|saved| order(&directory, saved).is_le())
    }

    /// Whether a change of this file has to be added; notes that it changed.
    pub(in crate::srm) fn has_counted(&mut self, key: &FileKey) -> bool {
        let directory = key.path.parent().unwrap_or_else(RelPath::root);
        let name = key.path.name().unwrap_or_default();
        match &mut self.at {
            Position::After(None) => false,
            Position::After(Some(after)) => order(&directory, after).is_le(),
            Position::Reading { directory: here, touched } => match order(&directory, here) {
                Ordering::Less => true,
                Ordering::Equal => {
                    touched.insert(name.to_owned());
                    false
                }
                Ordering::Greater => false,
            },
            Position::Counting { directory: here, names, next, put_off, touched } => {
                match order(&directory, here) {
                    Ordering::Less => true,
                    Ordering::Equal => {
                        touched.insert(name.to_owned());
                        match names.binary_search_by(|known| (**known).cmp(name)) {
                            Ok(place) => place < *next && !put_off.contains(name),
                            // It came after the names were read.
                            Err(_) => true,
                        }
                    }
                    Ordering::Greater => false,
                }
            }
        }
    }

    /// The directory where it stands; `None`: it has just begun.
    fn position(&self) -> Option<&RelPath> {
        match &self.at {
            Position::After(at) => at.as_ref(),
            Position::Reading { directory, .. } | Position::Counting { directory, .. } => {
                Some(directory)
            }
        }
    }

    pub(super) fn stands(&self, tree: &RelPath) -> Stand {
        Stand {
            counted: tree_is_before(tree, self.position()),
            saved: tree_is_before(tree, self.saved.as_ref()),
        }
    }
}

fn tree_is_before(tree: &RelPath, at: Option<&RelPath>) -> Option<bool> {
    match at {
        None => Some(false),
        Some(at) if at.is_within(tree) => None,
        Some(at) => Some(order(tree, at).is_le()),
    }
}

/// Parents first, then by name: the order in which directories are counted.
fn order(one: &RelPath, other: &RelPath) -> Ordering {
    // The root has one empty part, which comes before any name.
    one.as_str().split('/').cmp(other.as_str().split('/'))
}

/// Names of the files right in a directory that are being changed.
fn changing_in<'c>(
    changing: &'c BTreeMap<FileKey, u32>,
    area: &str,
    directory: &RelPath,
) -> impl Iterator<Item = &'c str> {
    let (area, directory) = (area.to_owned(), directory.clone());
    let right_in =
        move |key: &&FileKey| *key.area == *area && key.path.parent().as_ref() == Some(&directory);
    changing.keys().filter(right_in).filter_map(|key| key.path.name())
}
