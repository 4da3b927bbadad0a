//! A page of a list: what is told of the names on it is looked up now, name by name.

use std::collections::HashSet;
use std::ops::Range;

use super::super::access::driver_error;
use super::super::{Error, ErrorKind, PathDetail};
use super::detail::{bare, refused};
use super::names::{Marks, Named};
use super::snapshots::Listing;
use super::view::{Place, View, child_of};
use super::walk::LEVELS;
use crate::fsdriver::{Directory, DriverError, Kind};
use crate::namespace::Located;

/// What a page tells.
pub(super) struct Page {
    /// One per SURL.
    pub(super) details: Vec<PathDetail>,
    /// Places in the list of what is no longer there; they rise.
    pub(super) gone: Vec<usize>,
    /// There is more behind the page.
    pub(super) cut: bool,
}

/// One page on its way.
pub(super) struct Pager<'a> {
    view: &'a View,
    listing: &'a Listing,
    levels: usize,
    go_on: &'a (dyn Fn() -> bool + Sync),
    /// The place of its first name in the list, and how many it may still tell.
    begin: usize,
    left: usize,
    gone: Vec<usize>,
    cut: bool,
}

/// A SURL or a name that is told, or the way to one.
struct Node {
    /// Its place in the list; a SURL has none.
    at: Option<usize>,
    detail: PathDetail,
    inside: Inside,
    children: Vec<PathDetail>,
    /// It is told for what it holds alone.
    way: bool,
}

/// What is known of what a node holds.
enum Inside {
    Unopened(Place),
    Open(Located, Box<dyn Directory>, HashSet<String>),
    /// Nothing of it is told.
    Closed,
    /// The node itself is no longer there.
    Gone,
}

impl<'a> Pager<'a> {
    /// `count` names from `from` on, which counts as the list does.
    pub(super) fn new(
        view: &'a View,
        listing: &'a Listing,
        levels: i32,
        (from, count): (usize, usize),
        go_on: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        // All that do not count stand first: they lead to the first that does.
        let ways = listing.names.len() - listing.counted;
        let begin = ways + from.saturating_sub(listing.first);
        let levels = usize::try_from(levels.min(LEVELS)).unwrap_or(0);
        Self { view, listing, levels, go_on, begin, left: count, gone: Vec::new(), cut: false }
    }

    /// The page. Of a SURL with a detail of its own no more is told than that. Blocks.
    pub(super) fn of<'s>(
        mut self,
        surls: impl Iterator<Item = (&'s str, Option<PathDetail>)>,
    ) -> Page {
        let mut details = Vec::new();
        let mut begin = 0;
        for (n, (surl, own)) in surls.enumerate() {
            let top = self.listing.tops.get(n);
            let (end, unread) = top.map_or((begin, false), |top| (top.end, top.unread));
            details.push(match own {
                Some(own) => {
                    self.gone.extend(begin..end);
                    own
                }
                None => self.surl(surl, begin..end, unread),
            });
            begin = end;
        }
        Page { details, gone: self.gone, cut: self.cut || self.listing.more }
    }

    fn surl(&mut self, surl: &str, range: Range<usize>, unread: bool) -> PathDetail {
        let mut top = match self.view.place(surl) {
            Ok(place) => self.reached(place, true),
            Err((path, error)) => return bare(path, error.into()),
        };
        if self.levels == 0 {
            return top.detail;
        }
        self.open(&mut top, unread);
        self.names(top, range)
    }

    /// What a path leads to that is not looked for in an open directory.
    fn reached(&self, place: Place, named: bool) -> Node {
        let describer = &self.view.describer;
        let located = match place {
            Place::Way(stfn) => {
                let detail = describer.way(stfn.to_string());
                return Node::new(detail, Inside::Unopened(Place::Way(stfn)));
            }
            Place::Area(located) => located,
        };
        let put = self.view.put_on(&located);
        match describer.describe(&located, None, put.as_ref()) {
            Ok((detail, Kind::Directory)) => {
                Node::new(detail, Inside::Unopened(Place::Area(located)))
            }
            Ok((detail, _)) => match describer.other_type(&located, put.as_ref()) {
                Some(error) if named => Node::new(bare(detail.path, error.into()), Inside::Closed),
                _ => Node::new(detail, Inside::Closed),
            },
            Err(error) => Node::new(refused(&located, error), Inside::Closed),
        }
    }

    /// Tells the names of the page that are below `top`.
    fn names(&mut self, top: Node, range: Range<usize>) -> PathDetail {
        let mut open = Vec::new();
        let mut top = top;
        let begin = self.begin.clamp(range.start, range.end);
        let mut above = self.above(range.start, begin);
        for at in begin..range.end {
            let Some(named) = self.listing.names.get(at) else { break };
            if self.left == 0 {
                self.cut = true;
                break;
            }
            above.truncate(named.depth.saturating_sub(1));
            if (self.go_on)() && self.climb(&mut top, &mut open, &above) {
                let parent = open.last_mut().unwrap_or(&mut top);
                if let Some(node) = self.child(parent, at, named) {
                    match node.inside {
                        Inside::Gone => self.gone.push(at),
                        _ => self.left -= 1,
                    }
                    open.push(node);
                }
            }
            above.push(at);
        }
        while let Some(done) = open.pop() {
            done.close(open.last_mut().unwrap_or(&mut top));
        }
        top.finish()
    }

    /// The places of what holds a name, from the top down; `from` is the first name below its SURL.
    fn above(&self, from: usize, at: usize) -> Vec<usize> {
        let depth_of = |place: usize| self.listing.names.get(place).map_or(1, |named| named.depth);
        let (mut above, mut depth, mut place) = (Vec::new(), depth_of(at), at);
        while depth > 1 && place > from {
            place -= 1;
            if depth_of(place) < depth {
                depth = depth_of(place);
                above.push(place);
            }
        }
        above.reverse();
        above
    }

    /// Closes what is open and does not hold the next name, and opens what does; false where that
    /// can't be told from.
    fn climb(&mut self, top: &mut Node, open: &mut Vec<Node>, above: &[usize]) -> bool {
        let same = open.iter().zip(above).take_while(|(node, at)| node.at == Some(**at)).count();
        while open.len() > same {
            if let Some(done) = open.pop() {
                done.close(open.last_mut().unwrap_or(top));
            }
        }
        for at in above.iter().skip(same) {
            let parent = open.last_mut().unwrap_or(top);
            let named = self.listing.names.get(*at);
            match named.and_then(|named| self.child(parent, *at, named)) {
                Some(node) => open.push(Node { way: true, ..node }),
                None => return false,
            }
        }
        true
    }

    /// One name; `None` where its directory can't be told from.
    fn child(&self, parent: &mut Node, at: usize, named: Named<'_>) -> Option<Node> {
        self.open(parent, false);
        let node = match &parent.inside {
            Inside::Closed => return None,
            Inside::Gone => Node::new(gone(), Inside::Gone),
            Inside::Unopened(Place::Way(stfn)) => {
                self.reached(self.view.way_on(&stfn.join(named.name).ok()?), false)
            }
            Inside::Unopened(Place::Area(_)) => return None,
            Inside::Open(located, directory, puts) => {
                let child = child_of(located, named.name)?;
                let put = puts.contains(named.name).then(|| self.view.put_on(&child)).flatten();
                let described =
                    self.view.describer.describe(&child, Some(&**directory), put.as_ref());
                match described {
                    // Links to directories are not gone through: they may go round.
                    Ok((detail, Kind::Directory)) if named.kind == Some(Kind::Directory) => {
                        Node::new(detail, Inside::Unopened(Place::Area(child)))
                    }
                    Ok((detail, _)) => Node::new(detail, Inside::Closed),
                    Err(DriverError::NotFound) => Node::new(gone(), Inside::Gone),
                    Err(DriverError::OtherArea) => {
                        Node::new(self.neighbour(&child), Inside::Closed)
                    }
                    Err(error) => Node::new(refused(&child, error), Inside::Closed),
                }
            }
        };
        let mut node = Node { at: Some(at), ..node };
        if named.depth >= self.levels && !matches!(node.inside, Inside::Gone) {
            node.inside = Inside::Closed;
        } else if named.marks == Marks::Unread {
            self.open(&mut node, true);
        }
        Some(node)
    }

    /// The root of another area that lies in this one: shown as what its own access point says.
    fn neighbour(&self, located: &Located) -> PathDetail {
        match self.view.way_on(&located.stfn) {
            Place::Area(own) if own.area.name != located.area.name => {
                self.reached(Place::Area(own), false).detail
            }
            _ => refused(located, DriverError::OtherArea),
        }
    }

    /// Opens a directory. With `unread` it could not be gone through when the list was made: why is told.
    fn open(&self, node: &mut Node, unread: bool) {
        let Inside::Unopened(Place::Area(located)) = &node.inside else { return };
        let told = |error| driver_error(error, &located.stfn);
        // Rules may be stricter there.
        let opened = self
            .view
            .permit(located)
            .and_then(|()| located.area.driver.directory(&located.path).map_err(told));
        node.inside = match opened {
            Ok(directory) => {
                if unread {
                    let why = "what it holds could not be read: list it by itself";
                    node.detail.status = Error::new(ErrorKind::Internal, why).into();
                }
                let puts = self.view.puts_in(located);
                Inside::Open(located.clone(), directory, puts)
            }
            Err(error) => {
                node.detail.status = error.into();
                Inside::Closed
            }
        };
    }
}

impl Node {
    fn new(detail: PathDetail, inside: Inside) -> Self {
        Self { at: None, detail, inside, children: Vec::new(), way: false }
    }

    fn finish(self) -> PathDetail {
        let children = match self.inside {
            Inside::Closed => None,
            _ => Some(self.children),
        };
        PathDetail { children, ..self.detail }
    }

    /// Nothing more comes into it.
    fn close(self, parent: &mut Node) {
        let empty = self.way && self.children.is_empty();
        if !empty && !matches!(self.inside, Inside::Gone) {
            parent.children.push(self.finish());
        }
    }
}

/// Nothing is told of what is gone.
fn gone() -> PathDetail {
    bare(String::new(), crate::model::ReturnStatus::success(""))
}
