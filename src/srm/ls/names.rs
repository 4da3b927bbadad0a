//! Names below the SURLs of one srmLs, close together, so that a million of them fit.

use crate::fsdriver::Kind;

/// Names, each with what the directory itself told of it, how deep it lies, and marks.
#[derive(Default)]
pub(super) struct Names {
    text: String,
    at: Vec<At>,
}

/// Eight bytes.
struct At {
    start: u32,
    /// File systems take no longer names.
    length: u8,
    depth: u8,
    kind: Option<Kind>,
    marks: Marks,
}

/// What is known of a name beside its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    /// It is told, and counts.
    Told,
    /// It is told and counts, but what it holds could not be read.
    Unread,
    /// It is only the way to others that are told.
    Way,
}

/// One name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Option<Kind>,
    /// 1 is right below the SURL. What stands before it and is less deep holds it.
    pub(super) depth: usize,
    pub(super) marks: Marks,
}

impl Names {
    /// False when there is no room for more (4 GiB), or the name is too long to be one.
    #[must_use]
    pub(super) fn push(&mut self, named: Named<'_>) -> bool {
        let Named { name, kind, depth, marks } = named;
        let (Ok(start), Ok(length), Ok(depth)) =
            (u32::try_from(self.text.len()), u8::try_from(name.len()), u8::try_from(depth))
        else {
            return false;
        };
        self.text.push_str(name);
        self.at.push(At { start, length, depth, kind, marks });
        true
    }

    /// Sorts by bytes; of equal names one stays.
    pub(super) fn sort(&mut self) {
        let text = self.text.as_str();
        self.at.sort_unstable_by(|a, b| a.of(text).cmp(b.of(text)));
        self.at.dedup_by(|a, b| a.of(text) == b.of(text));
    }

    /// Keeps the first names that fit in so many bytes: whether there were more.
    pub(super) fn keep_first(&mut self, bytes: usize) -> bool {
        let mut kept = Self::default();
        for named in self.iter() {
            // What fitted once fits again.
            if kept.bytes() + named.name.len() + size_of::<At>() > bytes || !kept.push(named) {
                break;
            }
        }
        let cut = kept.len() < self.len();
        *self = kept;
        cut
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    pub(super) fn get(&self, place: usize) -> Option<Named<'_>> {
        self.at.get(place).map(|at| at.named(&self.text))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Named<'_>> {
        self.at.iter().map(|at| at.named(&self.text))
    }

    pub(super) fn last(&self) -> Option<Named<'_>> {
        self.at.last().map(|at| at.named(&self.text))
    }

    /// Takes the last one away.
    pub(super) fn pop(&mut self) {
        if let Some(at) = self.at.pop() {
            self.text.truncate(at.start as usize);
        }
    }

    pub(super) fn mark(&mut self, place: usize, marks: Marks) {
        if let Some(at) = self.at.get_mut(place) {
            at.marks = marks;
        }
    }

    /// Bytes that hold something.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.at.len() * size_of::<At>()
    }

    /// Gives back what was set aside for more.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.at.shrink_to_fit();
    }
}

impl At {
    fn of<'t>(&self, text: &'t str) -> &'t str {
        let start = self.start as usize;
        text.get(start..start + usize::from(self.length)).unwrap_or_default()
    }

    fn named<'t>(&self, text: &'t str) -> Named<'t> {
        let depth = usize::from(self.depth);
        Named { name: self.of(text), kind: self.kind, depth, marks: self.marks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Named<'_> {
        Named { name, kind: None, depth: 1, marks: Marks::Told }
    }

    fn texts(names: &Names) -> Vec<&str> {
        names.iter().map(|named| named.name).collect()
    }

    #[test]
    fn names_are_sorted_once_each() {
        let mut names = Names::default();
        for name in ["b", "", "a", "b", "ä", "B"] {
            assert!(names.push(named(name)));
        }
        assert!(!names.push(named(&"x".repeat(256))));
        names.sort();
        assert_eq!(texts(&names), ["", "B", "a", "b", "ä"]);
        assert!(!names.keep_first(1000));
        assert_eq!(texts(&names), ["", "B", "a", "b", "ä"]);
        assert!(names.keep_first(3 * size_of::<At>() + 2));
        assert_eq!(texts(&names), ["", "B", "a"]);
        names.pop();
        assert_eq!(names.last(), Some(named("B")));
        assert_eq!(size_of::<At>(), 8);
    }
}
