//! A scan is exact, whatever changes while it counts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::store::ScanRow;

/// Directories, parents first, in the order of a scan.
const DIRECTORIES: [&str; 5] = ["", "a", "a/b", "a-b", "c"];
const NAMES: [&str; 4] = ["f", "g", "h", "i"];

fn path(directory: &str, name: &str) -> RelPath {
    RelPath::parse(directory).unwrap().join(name)
}

fn area() -> Arc<str> {
    Arc::from("A")
}

fn key(path: &RelPath) -> FileKey {
    FileKey { area: area(), path: path.clone() }
}

/// What happens between two looks at the disk.
#[derive(Clone, Debug)]
enum Step {
    /// A file gets a size, or goes.
    Change(usize, usize, Option<u64>),
    /// The same, but the disk has it before `apply` is called some steps later.
    Begin(usize, usize, Option<u64>),
    /// What was begun is applied.
    Finish,
    /// The scan goes one step on.
    Scan,
    /// The daemon is killed: the store's memory is all there is.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let file = (0..DIRECTORIES.len(), 0..NAMES.len(), prop::option::of(0..100_u64));
    prop_oneof![
        3 => file.clone().prop_map(|(d, n, size)| Step::Change(d, n, size)),
        2 => file.prop_map(|(d, n, size)| Step::Begin(d, n, size)),
        2 => Just(Step::Finish),
        8 => Just(Step::Scan),
        1 => Just(Step::Kill),
    ]
}

/// Where the scan stands between two steps.
enum Next {
    Enter,
    Read,
    Look,
    Count(Vec<(String, Option<u64>)>),
}

struct World {
    disk: BTreeMap<RelPath, u64>,
    usage: Arc<Usage>,
    begun: Vec<(Resized, Changing)>,
    directory: usize,
    next: Next,
    /// As the store has it.
    used: i64,
    saved: ScanRow,
}

impl World {
    fn new() -> Self {
        let usage = Arc::new(Usage::default());
        let saved = usage.begin_scan(&area());
        Self {
            disk: BTreeMap::new(),
            usage,
            begun: Vec::new(),
            directory: 0,
            next: Next::Enter,
            used: 0,
            saved,
        }
    }

    fn begin(&mut self, directory: usize, name: usize, after: Option<u64>) {
        let path = path(DIRECTORIES[directory], NAMES[name]);
        // One at a time per file, as the files' locks have it.
        if self.begun.iter().any(|(begun, _)| begun.key.path == path) {
            return;
        }
        let changing = self.usage.change(vec![key(&path)]).unwrap();
        let before = self.disk.get(&path).copied();
        match after {
            Some(size) => self.disk.insert(path.clone(), size),
            None => self.disk.remove(&path),
        };
        self.begun.push((Resized { key: key(&path), before, after }, changing));
    }

    fn finish(&mut self) {
        let Some((resized, changing)) = self.begun.pop() else { return };
        self.settle(&[resized]);
        drop(changing);
    }

    fn settle(&mut self, resized: &[Resized]) {
        for delta in self.usage.deltas(resized) {
            self.used += delta.used;
            self.saved.counted += delta.counted;
        }
        self.usage.apply(resized);
    }

    fn in_directory(&self) -> Vec<Box<str>> {
        let here = RelPath::parse(DIRECTORIES[self.directory]).unwrap();
        let files = self.disk.keys().filter(|path| path.parent() == Some(here.clone()));
        files.map(|path| Box::from(path.name().unwrap())).collect()
    }

    /// False when all is counted.
    fn scan(&mut self) -> bool {
        let Some(directory) = DIRECTORIES.get(self.directory) else { return false };
        let here = RelPath::parse(directory).unwrap();
        match std::mem::replace(&mut self.next, Next::Look) {
            Next::Enter => {
                assert!(self.usage.enter("A", &here));
                self.next = Next::Read;
            }
            Next::Read => self.usage.files("A", self.in_directory()),
            Next::Look => {
                let names = self.usage.next_files("A", 2);
                if names.is_empty() {
                    assert!(self.usage.leave("A"));
                    self.saved = self.usage.save("A").unwrap();
                    self.directory += 1;
                    self.next = Next::Enter;
                } else {
                    let size =
                        |name: String| (name.clone(), self.disk.get(&here.join(&name)).copied());
                    self.next = Next::Count(names.into_iter().map(size).collect());
                }
            }
            Next::Count(sizes) => {
                self.usage.count("A", sizes);
            }
        }
        true
    }

    fn kill(&mut self) {
        let begun = std::mem::take(&mut self.begun);
        self.usage = Arc::new(Usage::default());
        let scan = Some(self.saved.clone());
        let row = UsageRow { area: area(), used: self.used, scanned: None, drift: 0, scan };
        self.usage.load(vec![row]);
        // The next start looks at what was announced.
        for (resized, _) in begun {
            self.settle(&[resized]);
        }
        let after = self.usage.begin_scan(&area()).after;
        let done = after.map_or(0, |after| {
            DIRECTORIES.iter().position(|known| *known == after.as_str()).unwrap() + 1
        });
        (self.directory, self.next) = (done, Next::Enter);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_scan_is_exact(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        // Files that nobody counted yet.
        for (n, directory) in DIRECTORIES.iter().enumerate() {
            world.disk.insert(path(directory, NAMES[n % NAMES.len()]), 1000 + n as u64);
        }
        for step in steps {
            match step {
                Step::Change(d, n, size) => {
                    world.begin(d, n, size);
                    world.finish();
                }
                Step::Begin(d, n, size) => world.begin(d, n, size),
                Step::Finish => world.finish(),
                Step::Scan => { world.scan(); }
                Step::Kill => world.kill(),
            }
        }
        while !world.begun.is_empty() {
            world.finish();
        }
        while world.scan() {}
        let (counted, _) = world.usage.end_scan("A", Millis(1)).unwrap();
        let held: u64 = world.disk.values().sum();
        prop_assert_eq!(counted, held as i64);
        prop_assert_eq!(world.usage.used("A").bytes, held);
    }
}

#[test]
fn directories_are_counted_parents_first() {
    let sorted: BTreeSet<Vec<&str>> =
        DIRECTORIES.iter().map(|path| path.split('/').collect()).collect();
    let paths: Vec<String> = sorted.into_iter().map(|parts| parts.join("/")).collect();
    assert_eq!(paths, DIRECTORIES);
}

#[tokio::test]
async fn a_closed_tree_waits_for_what_changes_below_it_and_lets_nothing_in() {
    let usage = Arc::new(Usage::default());
    let tree = key(&RelPath::parse("d").unwrap());
    let below = key(&path("d", "f"));
    let beside = key(&RelPath::parse("d-e").unwrap());
    let changing = usage.change(vec![below.clone()]).unwrap();
    let closing = tokio::spawn({
        let (usage, tree) = (Arc::clone(&usage), tree.clone());
        async move { usage.close(tree).await }
    });
    tokio::task::yield_now().await;
    assert!(!closing.is_finished());
    assert!(usage.change(vec![below.clone()]).is_err());
    assert!(usage.change(vec![tree, beside]).is_ok());
    drop(changing);
    let closed = closing.await.unwrap();
    assert!(usage.change(vec![below.clone()]).is_err());
    drop(closed);
    assert!(usage.change(vec![below]).is_ok());
}

#[test]
fn a_tree_that_moves_past_the_scan_has_it_begin_anew() {
    let moved = |from: &str, to: &str| {
        let usage = Arc::new(Usage::default());
        usage.begin_scan(&area());
        for directory in ["", "a", "b"] {
            let directory = RelPath::parse(directory).unwrap();
            assert!(usage.enter("A", &directory));
            usage.files("A", Vec::new());
            assert!(usage.leave("A"));
        }
        usage.save("A").unwrap();
        let tree = |text| key(&RelPath::parse(text).unwrap());
        let (from, to) = (tree(from), tree(to));
        usage.move_tree(&from, &to, [usage.stands(&from), usage.stands(&to)]);
        usage.save("A").is_some()
    };
    assert!(moved("a", "a0") && moved("c", "d"));
    assert!(!moved("a", "c") && !moved("c", "a") && !moved("b", "b0"));
}

#[test]
fn a_directory_that_comes_before_the_scan_is_gone_to_once() {
    let path = |text: &str| RelPath::parse(text).unwrap();
    let usage = Arc::new(Usage::default());
    usage.begin_scan(&area());
    let visit = |directory: &str| {
        assert!(usage.enter("A", &path(directory)));
        usage.files("A", Vec::new());
        assert!(usage.leave("A"));
    };
    visit("");
    visit("b");
    // Behind the scan, before it, and what it goes to anyhow.
    for made in ["a", "c", "d", "e"] {
        usage.will_make("A", &path(made));
    }
    assert_eq!(usage.go_to("A", Some(path("d"))), Some(path("c")));
    visit("c");
    assert_eq!(usage.go_to("A", Some(path("d"))), Some(path("d")));
    visit("d");
    assert_eq!(usage.go_to("A", Some(path("d"))), None, "it was counted");
    assert_eq!(usage.end_scan("A", Millis(1)), None, "one is left");
    assert_eq!(usage.go_to("A", None), Some(path("e")));
    visit("e");
    assert_eq!(usage.go_to("A", None), None);
    assert_eq!(usage.end_scan("A", Millis(1)), Some((0, 0)));
}
