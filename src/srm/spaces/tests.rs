//! The book, whatever is asked of it in whatever order: never more is promised than there is, and what
//! is given back is free again.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::ErrorKind;
use super::book::{Books, Shift, Wish};
use super::hold::Hold;
use super::limits::Limits;
use crate::model::{AccessLatency, RetentionPolicy, SpaceToken};
use crate::store::{Millis, RecordDelta, SpaceRow};

const SIZE: u64 = 1000;
const NOW: Millis = Millis(1_000);

#[derive(Clone, Debug)]
enum Step {
    Open(u64, u64),
    Take(Option<usize>, u64),
    Grow(usize, u64),
    /// A writer is done, with so many bytes.
    Publish(usize),
    GiveBack(usize),
    Update(usize, Option<u64>, Option<u64>),
    Shift(usize, Option<usize>),
    Release(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || 0..SIZE + 100;
    let which = || 0..8_usize;
    prop_oneof![
        (bytes(), 0..300_u64).prop_map(|(total, guaranteed)| Step::Open(total, guaranteed)),
        (prop::option::of(which()), bytes()).prop_map(|(space, bytes)| Step::Take(space, bytes)),
        (which(), bytes()).prop_map(|(hold, bytes)| Step::Grow(hold, bytes)),
        which().prop_map(Step::Publish),
        which().prop_map(Step::GiveBack),
        (which(), prop::option::of(bytes()), prop::option::of(bytes()))
            .prop_map(|(space, total, guaranteed)| Step::Update(space, total, guaranteed)),
        (which(), prop::option::of(which())).prop_map(|(file, to)| Step::Shift(file, to)),
        which().prop_map(Step::Release),
    ]
}

/// A file: the space it is in, and its bytes.
type File = (Option<SpaceToken>, u64);

/// An empty area on a disk that has room for it.
fn limits() -> Limits {
    Limits { area: Arc::from("A"), size: Some(SIZE), used: 0, free: SIZE, device: 1 }
}

fn space(token: &str, guaranteed: u64) -> SpaceRow {
    SpaceRow {
        token: SpaceToken(token.to_owned()),
        area: Arc::from("A"),
        user: "/CN=u".to_owned(),
        fqans: Vec::new(),
        description: None,
        retention: RetentionPolicy::Replica,
        latency: AccessLatency::Online,
        total: guaranteed,
        guaranteed,
        created: NOW,
        lifetime: -1,
        expires: None,
    }
}

#[test]
fn a_hold_of_no_bytes_keeps_its_space() {
    let books: Arc<Books> = Arc::default();
    let row = space("s", 10);
    books.open(row.clone(), &limits(), NOW).unwrap();
    let hold = books.take(&limits(), Some(&row.token), 0, NOW).unwrap();
    assert!(books.close(&row.token).is_err());
    drop(hold);
    books.close(&row.token).unwrap();
    assert!(books.take(&limits(), Some(&row.token), 0, NOW).is_err());
}

#[test]
fn what_is_counted_so_far_is_used_and_the_reason_is_told() {
    let books: Arc<Books> = Arc::default();
    let full = Limits { used: 900, ..limits() };
    let disk = Limits { free: 100, ..limits() };
    for (limits, kind) in [(full, ErrorKind::NoFreeSpace), (disk, ErrorKind::DiskFull)] {
        assert!(books.take(&limits, None, 100, NOW).is_ok());
        let refused = books.take(&limits, None, 101, NOW).err();
        assert_eq!(refused.map(|error| error.kind), Some(kind));
    }
}

struct World {
    books: Arc<Books>,
    spaces: Vec<SpaceRow>,
    holds: Vec<Hold>,
    files: Vec<File>,
    opened: usize,
}

impl World {
    fn limits(&self) -> Limits {
        let used = self.files.iter().map(|(_, bytes)| bytes).sum();
        Limits { used, free: SIZE - used, ..limits() }
    }

    fn space(&self, which: usize) -> Option<SpaceRow> {
        let count = self.spaces.len();
        (count > 0).then(|| self.spaces[which % count].clone())
    }

    fn delta(&self, space: &Option<SpaceToken>, bytes: i64) {
        let delta = RecordDelta { area: Arc::from("A"), space: space.clone(), bytes, records: 0 };
        self.books.apply(&[delta]);
    }

    fn step(&mut self, step: Step) {
        let limits = self.limits();
        match step {
            Step::Open(total, guaranteed) => {
                self.opened += 1;
                let total = total.max(guaranteed);
                let row = SpaceRow { total, ..space(&self.opened.to_string(), guaranteed) };
                if self.books.open(row.clone(), &limits, NOW).is_ok() {
                    self.spaces.push(row);
                }
            }
            Step::Take(space, bytes) => {
                let space = space.and_then(|which| self.space(which)).map(|row| row.token);
                self.holds.extend(self.books.take(&limits, space.as_ref(), bytes, NOW));
            }
            Step::Grow(which, bytes) if !self.holds.is_empty() => {
                let hold = &self.holds[which % self.holds.len()];
                let _ = hold.grow(&limits, bytes, NOW);
                assert!(hold.bytes() <= SIZE);
            }
            Step::Publish(which) if !self.holds.is_empty() => {
                let hold = self.holds.swap_remove(which % self.holds.len());
                let file = (hold.space().cloned(), hold.bytes());
                self.delta(&file.0, file.1 as i64);
                self.files.push(file);
            }
            Step::GiveBack(which) if !self.holds.is_empty() => {
                self.holds.swap_remove(which % self.holds.len());
            }
            Step::Update(which, total, guaranteed) => {
                let Some(row) = self.space(which) else { return };
                let wish = Wish { total, guaranteed, lifetime: None };
                if total.zip(guaranteed).is_some_and(|(total, guaranteed)| total < guaranteed) {
                    return;
                }
                if let Ok((_, new, _)) = self.books.update(&row.token, wish, &limits, NOW) {
                    assert!(new.guaranteed <= new.total, "{new:?}");
                }
            }
            Step::Shift(which, to) if !self.files.is_empty() => {
                let at = which % self.files.len();
                let to = to.and_then(|which| self.space(which)).map(|row| row.token);
                let (from, bytes) = self.files[at].clone();
                let shift = Shift { from, to: to.clone(), bytes };
                if self.books.shift(&shift, &limits, NOW).is_ok() {
                    self.books.unshift("A", &shift);
                    self.delta(&shift.from, -(bytes as i64));
                    self.delta(&to, bytes as i64);
                    self.files[at].0 = to;
                }
            }
            Step::Release(which) => {
                let Some(row) = self.space(which) else { return };
                let used = self.holds.iter().any(|hold| hold.space() == Some(&row.token));
                assert_eq!(self.books.close(&row.token).is_err(), used);
                if !used {
                    self.books.forget(&row.token);
                    self.spaces.retain(|space| space.token != row.token);
                    for file in &mut self.files {
                        if file.0.as_ref() == Some(&row.token) {
                            file.0 = None;
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Reckoned anew from what the steps came to.
    fn check(&self) {
        let mut promised: u64 = 0;
        let inside = |token: &SpaceToken| {
            let files = self.files.iter().filter(|file| file.0.as_ref() == Some(token));
            let holds = self.holds.iter().filter(|hold| hold.space() == Some(token));
            (files.map(|file| file.1).sum::<u64>(), holds.map(Hold::bytes).sum::<u64>())
        };
        for row in &self.spaces {
            let space = self.books.find(&row.token).unwrap();
            let (used, live) = inside(&row.token);
            assert_eq!(space.used, used);
            assert!(used + live <= space.row.total, "{space:?} {live}");
            promised += space.row.guaranteed.max(used + live);
        }
        promised += self.files.iter().filter(|file| file.0.is_none()).map(|f| f.1).sum::<u64>();
        let outside = self.holds.iter().filter(|hold| hold.space().is_none());
        promised += outside.map(Hold::bytes).sum::<u64>();
        assert!(promised <= SIZE, "{promised} bytes of {SIZE} are promised");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_more_is_promised_than_there_is(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World {
            books: Arc::default(),
            spaces: Vec::new(),
            holds: Vec::new(),
            files: Vec::new(),
            opened: 0,
        };
        for step in steps {
            world.step(step);
            world.check();
        }
        // All that is left is what was written.
        world.holds.clear();
        for row in std::mem::take(&mut world.spaces) {
            world.books.close(&row.token).unwrap();
            world.books.forget(&row.token);
        }
        world.files.iter_mut().for_each(|file| file.0 = None);
        let limits = world.limits();
        let free = limits.free;
        prop_assert!(world.books.take(&limits, None, free + 1, NOW).is_err());
        prop_assert!(world.books.take(&limits, None, free, NOW).is_ok());
    }
}
