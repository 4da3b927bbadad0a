//! The names in a directory, close together, so that a million of them fit; and lists that are kept
//! for a short while for somebody's next page.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::fsdriver::Kind;
use crate::model::FileKey;

/// A list is dropped so long after it was last asked for,
const IDLE: Duration = Duration::from_secs(60);
/// and so long after it was made.
const LIFE: Duration = Duration::from_secs(600);
/// Bytes of all lists together; a larger one is not kept.
const KEPT: usize = 64 << 20;
/// srmLs worked on at once; others wait.
const AT_ONCE: usize = 64;

/// Names with what the directory itself told of each.
#[derive(Default)]
pub(super) struct Names {
    text: String,
    at: Vec<At>,
}

struct At {
    start: u32,
    /// File systems take no longer names.
    length: u8,
    kind: Option<Kind>,
}

impl Names {
    /// False when there is no room for more (4 GiB), or the name is too long to be one.
    #[must_use]
    pub(super) fn push(&mut self, name: &str, kind: Option<Kind>) -> bool {
        let (Ok(start), Ok(length)) = (u32::try_from(self.text.len()), u8::try_from(name.len()))
        else {
            return false;
        };
        self.text.push_str(name);
        self.at.push(At { start, length, kind });
        true
    }

    /// Sorts by bytes; of equal names one stays.
    pub(super) fn sort(&mut self) {
        let text = self.text.as_str();
        self.at.sort_unstable_by(|a, b| a.of(text).cmp(b.of(text)));
        self.at.dedup_by(|a, b| a.of(text) == b.of(text));
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    /// From the `from`th on.
    pub(super) fn iter_from(&self, from: usize) -> impl Iterator<Item = (&str, Option<Kind>)> {
        let rest = self.at.get(from..).unwrap_or_default();
        rest.iter().map(|at| (at.of(&self.text), at.kind))
    }

    /// The same without the names at some places, which rise.
    pub(super) fn without(&self, gone: &[usize]) -> Self {
        let mut left = Self::default();
        for (place, (name, kind)) in self.iter_from(0).enumerate() {
            // What fitted once fits again.
            let _ = gone.binary_search(&place).is_ok() || left.push(name, kind);
        }
        left
    }

    fn bytes(&self) -> usize {
        self.text.capacity() + self.at.capacity() * size_of::<At>()
    }
}

impl At {
    fn of<'t>(&self, text: &'t str) -> &'t str {
        let start = self.start as usize;
        text.get(start..start + usize::from(self.length)).unwrap_or_default()
    }
}

/// Whose list, of which directory.
pub(super) type SnapshotKey = (String, FileKey);

/// Lists that somebody pages through.
pub(in crate::srm) struct Snapshots {
    kept: Mutex<Vec<Snapshot>>,
    /// A turn per srmLs at work: what each holds in memory adds up.
    pub(super) turns: Semaphore,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { kept: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }
}

struct Snapshot {
    key: SnapshotKey,
    made: Instant,
    asked: Instant,
    names: Arc<Names>,
}

impl Snapshot {
    fn is_fresh(&self) -> bool {
        self.asked.elapsed() < IDLE && self.made.elapsed() < LIFE
    }
}

impl Snapshots {
    pub(super) fn find(&self, key: &SnapshotKey) -> Option<Arc<Names>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(Snapshot::is_fresh);
        let found = kept.iter_mut().find(|snapshot| snapshot.key == *key)?;
        found.asked = Instant::now();
        Some(Arc::clone(&found.names))
    }

    /// Keeps a list; the oldest go where there is no room.
    pub(super) fn keep(&self, key: SnapshotKey, names: Arc<Names>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|snapshot| snapshot.key != key && snapshot.is_fresh());
        let wanted = names.bytes();
        if wanted > KEPT {
            return;
        }
        let mut used: usize = kept.iter().map(|snapshot| snapshot.names.bytes()).sum();
        while used + wanted > KEPT && !kept.is_empty() {
            used -= kept.remove(0).names.bytes();
        }
        let now = Instant::now();
        kept.push(Snapshot { key, made: now, asked: now, names });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RelPath;

    fn key(n: u32) -> SnapshotKey {
        (n.to_string(), FileKey { area: Arc::from("A"), path: RelPath::root() })
    }

    fn texts(names: &Names) -> Vec<&str> {
        names.iter_from(0).map(|(name, _)| name).collect()
    }

    #[test]
    fn names_are_sorted_once_each() {
        let mut names = Names::default();
        for name in ["b", "", "a", "b", "ä", "B"] {
            assert!(names.push(name, None));
        }
        assert!(!names.push(&"x".repeat(256), None));
        names.sort();
        assert_eq!(texts(&names), ["", "B", "a", "b", "ä"]);
        assert_eq!(texts(&names.without(&[0, 3])), ["B", "a", "ä"]);
        assert_eq!(names.iter_from(9).count(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let snapshots = Snapshots::default();
        let mut names = Names::default();
        let long = "x".repeat(250);
        while names.bytes() < KEPT / 3 {
            assert!(names.push(&long, None));
        }
        let names = Arc::new(names);
        for n in 0..10 {
            snapshots.keep(key(n), Arc::clone(&names));
        }
        let kept = snapshots.kept.lock().unwrap().iter().map(|s| s.names.bytes()).sum::<usize>();
        assert!(kept <= KEPT, "{kept}");
        assert!(snapshots.find(&key(9)).is_some());
        assert!(snapshots.find(&key(0)).is_none());
    }
}
