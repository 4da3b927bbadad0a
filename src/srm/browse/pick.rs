//! From all names of a directory to those on one page.

use std::cmp::Ordering;
use std::time::SystemTime;

use super::super::files::is_hidden;
use super::super::{Entry, EntryKind, Error};
use super::{Browse, Browsed, May, PageFrom, Position, Sort, SortBy};
use crate::fsdriver::Kind;

impl Browse {
    /// Picks the page out of all names with their kinds (where these are known); `names` gives them from the
    /// beginning, and `look` tells of one name: `None` where it is no longer there.
    ///
    /// # Errors
    /// Those of `names` and `look`.
    pub fn page<N>(
        &self,
        names: impl Fn() -> Result<N, Error>,
        look: impl Fn(&str) -> Result<Option<Entry>, Error>,
    ) -> Result<Browsed, Error>
    where
        N: Iterator<Item = Result<(String, Option<Kind>), Error>>,
    {
        let found = Vec::new();
        let mut picked = Picked { browse: self, found, cut: false, outside: 0, total: 0 };
        for name in names()? {
            let (name, kind) = name?;
            if is_hidden(&name) || kind == Some(Kind::Other) {
                continue;
            }
            let known = kind.filter(|_| self.sort.by == SortBy::Name);
            match known {
                Some(kind) => {
                    let directory = kind == Kind::Directory;
                    picked.push(Position { directory, value: 0, name }, None);
                }
                None => {
                    if let Some(entry) = look(&name)? {
                        picked.push(self.sort.position(&entry), Some(entry));
                    }
                }
            }
        }
        picked.cut();
        // Going back from a page that did not begin at a multiple of the count.
        if matches!(self.from, PageFrom::Before(_)) && picked.found.len() < self.count {
            return Self { from: PageFrom::Start, ..self.clone() }.page(names, look);
        }
        picked.show(look)
    }

    /// Pages are picked from this end of the order.
    fn backwards(&self) -> bool {
        matches!(self.from, PageFrom::Before(_) | PageFrom::End)
    }
}

impl Sort {
    /// Where an entry stands.
    pub fn position(self, entry: &Entry) -> Position {
        let directory = entry.kind == EntryKind::Directory;
        let value = match self.by {
            SortBy::Name => 0,
            SortBy::Size => i128::from(entry.size),
            SortBy::Modified => nanoseconds(entry.modified),
        };
        Position { directory, value, name: entry.name.clone() }
    }

    fn compare(self, a: &Position, b: &Position) -> Ordering {
        let turned = |order: Ordering| if self.descending { order.reverse() } else { order };
        let by_name = a.name.cmp(&b.name);
        b.directory.cmp(&a.directory).then_with(|| match self.by {
            SortBy::Name => turned(by_name),
            SortBy::Size | SortBy::Modified => turned(a.value.cmp(&b.value)).then(by_name),
        })
    }
}

/// What may be on the page, of what was found so far.
struct Picked<'a> {
    browse: &'a Browse,
    found: Vec<(Position, Option<Entry>)>,
    /// The last of `found` is the worst that may be on it.
    cut: bool,
    /// Names before or behind what pages are picked from.
    outside: u64,
    total: u64,
}

impl Picked<'_> {
    fn push(&mut self, position: Position, entry: Option<Entry>) {
        let sort = self.browse.sort;
        self.total += 1;
        let within = match &self.browse.from {
            PageFrom::Start | PageFrom::End => true,
            PageFrom::After(from) => sort.compare(&position, from) == Ordering::Greater,
            PageFrom::Before(from) => sort.compare(&position, from) == Ordering::Less,
        };
        self.outside += u64::from(!within);
        let worst = self.found.get(self.browse.count.wrapping_sub(1)).filter(|_| self.cut);
        let good = worst.is_none_or(|(worst, _)| self.order(&position, worst) == Ordering::Less);
        if within && good {
            self.found.push((position, entry));
            if self.found.len() >= 2 * self.browse.count {
                self.cut();
            }
        }
    }

    /// The best first.
    fn order(&self, a: &Position, b: &Position) -> Ordering {
        let order = self.browse.sort.compare(a, b);
        if self.browse.backwards() { order.reverse() } else { order }
    }

    /// Lets go of what is not on the page.
    fn cut(&mut self) {
        let mut found = std::mem::take(&mut self.found);
        found.sort_unstable_by(|a, b| self.order(&a.0, &b.0));
        found.truncate(self.browse.count);
        self.cut = found.len() == self.browse.count;
        self.found = found;
    }

    fn show(
        mut self,
        look: impl Fn(&str) -> Result<Option<Entry>, Error>,
    ) -> Result<Browsed, Error> {
        let picked = self.found.len() as u64;
        let before = match self.browse.backwards() {
            true => self.total - self.outside - picked,
            false => self.outside,
        };
        if self.browse.backwards() {
            self.found.reverse();
        }
        let ends = self.found.first().zip(self.found.last());
        let ends = ends.map(|(first, last)| (first.0.clone(), last.0.clone()));
        let mut entries = Vec::with_capacity(self.found.len());
        for (position, entry) in self.found {
            match entry {
                Some(entry) => entries.push(entry),
                None => entries.extend(look(&position.name)?),
            }
        }
        let after = self.total - before - picked;
        Ok(Browsed { entries, ends, before, after, total: self.total, may: May::default() })
    }
}

/// Nanoseconds since 1970, before which they are negative.
fn nanoseconds(at: SystemTime) -> i128 {
    let whole = |since: std::time::Duration| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX);
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => whole(since),
        Err(before) => -whole(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::super::super::ErrorKind;
    use super::*;

    /// `d0`… and `f0`…, whose sizes and times go round in different ways.
    fn entry(name: &str) -> Entry {
        let n: u64 = name.get(1..).unwrap().parse().unwrap();
        let directory = name.starts_with('d');
        Entry {
            name: name.to_owned(),
            kind: if directory { EntryKind::Directory } else { EntryKind::File },
            size: if directory { 0 } else { n * 7919 % 101 },
            modified: SystemTime::UNIX_EPOCH + Duration::from_millis(n * 31 % 97),
            created: None,
            etag: String::new(),
            adler32: None,
        }
    }

    fn names() -> Vec<String> {
        (0..20).map(|n| format!("d{n}")).chain((0..203).map(|n| format!("f{n}"))).collect()
    }

    /// A page, and of how many names the attributes were read.
    fn page(sort: Sort, from: PageFrom, count: usize) -> (Browsed, usize) {
        let looked = Cell::new(0);
        let all = || {
            let kind =
                |name: &str| if name.starts_with('d') { Kind::Directory } else { Kind::File };
            let hidden = [Ok((".storm.x".to_owned(), Some(Kind::File)))];
            let named = names().into_iter().map(move |name| {
                let kind = kind(&name);
                Ok((name, Some(kind)))
            });
            Ok(named.chain(hidden).chain([Ok(("fifo".to_owned(), Some(Kind::Other)))]))
        };
        let look = |name: &str| {
            looked.set(looked.get() + 1);
            Ok(Some(entry(name)))
        };
        let browsed = Browse { sort, from, count }.page(all, look).unwrap();
        (browsed, looked.get())
    }

    fn told(page: &Browsed) -> Vec<String> {
        page.entries.iter().map(|entry| entry.name.clone()).collect()
    }

    #[test]
    fn pages_follow_each_other_in_every_order_and_both_ways() {
        for by in [SortBy::Name, SortBy::Size, SortBy::Modified] {
            for descending in [false, true] {
                let sort = Sort { by, descending };
                let mut all: Vec<Entry> = names().iter().map(|name| entry(name)).collect();
                all.sort_by(|a, b| sort.compare(&sort.position(a), &sort.position(b)));
                let all: Vec<String> = all.into_iter().map(|entry| entry.name).collect();
                assert!(all[..20].iter().all(|name| name.starts_with('d')), "{all:?}");
                let (mut from, mut forth) = (PageFrom::Start, Vec::new());
                loop {
                    let (page, looked) = page(sort, from, 10);
                    assert_eq!((page.before, page.total), (forth.len() as u64, 223));
                    assert_eq!(looked, if by == SortBy::Name { page.entries.len() } else { 223 });
                    forth.extend(told(&page));
                    match page.ends {
                        Some((_, last)) => from = PageFrom::After(last),
                        None => break,
                    }
                }
                assert_eq!(forth, all, "{sort:?}");
                let (mut from, mut back) = (PageFrom::End, Vec::new());
                loop {
                    let (page, _) = page(sort, from, 10);
                    let mut entries = told(&page);
                    if page.before == 0 {
                        // The first page is full, though only 3 are left.
                        assert_eq!(entries, all[..10]);
                        entries.truncate(3);
                    }
                    assert_eq!(page.before, 223 - back.len() as u64 - entries.len().max(3) as u64);
                    back.splice(0..0, entries);
                    if page.before == 0 {
                        break;
                    }
                    from = PageFrom::Before(page.ends.unwrap().0);
                }
                assert_eq!(back, all, "{sort:?}");
            }
        }
    }

    #[test]
    fn positions_need_not_be_there() {
        let sort = Sort { by: SortBy::Name, descending: false };
        let at = Position { directory: false, value: 0, name: "f1000".into() };
        let (page, _) = page(sort, PageFrom::After(at), 2);
        assert_eq!((told(&page), page.before), (vec!["f101".to_owned(), "f102".into()], 24));
    }

    #[test]
    fn what_is_gone_when_it_is_looked_at_is_left_out() {
        let sort = Sort { by: SortBy::Name, descending: true };
        let names =
            || Ok(["a", "b", "c"].map(|n| Ok((n.to_owned(), Some(Kind::File)))).into_iter());
        let look =
            |name: &str| Ok((name != "c").then(|| Entry { name: name.into(), ..entry("f1") }));
        let page = Browse { sort, from: PageFrom::Start, count: 2 }.page(names, look).unwrap();
        assert_eq!((told(&page), page.total), (vec!["b".to_owned()], 3));
        assert_eq!(page.ends.unwrap().1.name, "b");
        let broken = |_: &str| Err(Error::new(ErrorKind::Internal, "I/O error"));
        let failed = Browse { sort, from: PageFrom::Start, count: 2 }.page(names, broken);
        assert_eq!(failed.unwrap_err().kind, ErrorKind::Internal);
    }
}
