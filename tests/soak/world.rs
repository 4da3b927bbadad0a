//! What one client's directory and requests may be like: one world. A client holds several where
//! it can't know (an answer was lost, a lifetime may just have ended), and each answer leaves only
//! those that agree with it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::link::Window;

/// How late the daemon's timer may be on a busy machine.
pub const SLACK: Duration = Duration::from_secs(3);
/// A put whose data has just come is given so long to be done, however short its lifetime.
pub const FOR_DONE: Duration = Duration::from_secs(10);

/// What a path holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Dir,
    File(u64),
}

/// Where a file of a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    /// SPACE_AVAILABLE or PINNED.
    Live,
    /// Put: done.
    Done,
    /// Get: no longer pinned.
    Released,
    Aborted,
    /// Put: not done in time.
    Expired,
    /// It was never ready, or putDone failed.
    Failed(&'static str),
    /// Put: its directory was moved.
    Moved,
}

/// When the lifetime of a TURL ends: not before `early`, and at `late` it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub early: Instant,
    pub late: Instant,
}

impl Ends {
    pub fn after(window: Window, lifetime: Duration) -> Self {
        Self { early: window.sent + lifetime, late: window.read + lifetime + SLACK }
    }
}

/// How a put treats what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Never,
    Always,
    Different,
}

/// What a request is, as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Get,
    /// `made`: over `file`, where the hidden file is there from the start.
    Put {
        over: Over,
        made: bool,
        sized: bool,
    },
}

/// One file of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    pub path: String,
    pub state: State,
    /// Put: what was uploaded.
    pub data: Option<u64>,
    /// Put: whether data came is no longer known to the daemon, or its file is gone.
    pub doubtful: bool,
    pub ends: Ends,
}

/// One request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub kind: Kind,
    pub files: Vec<File>,
    /// Of its TURLs.
    pub lifetime: Duration,
    /// srmAbortRequest ended some of it.
    pub aborted: bool,
}

/// One possibility.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct World {
    pub nodes: BTreeMap<String, Node>,
    pub requests: BTreeMap<u32, Request>,
}

/// True for `path` itself and what lies below it.
pub fn within(path: &str, directory: &str) -> bool {
    if directory.is_empty() {
        return true;
    }
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The directory that holds a path; empty: the client's own.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(above, _)| above)
}

impl World {
    pub fn is_dir(&self, path: &str) -> bool {
        path.is_empty() || self.nodes.get(path) == Some(&Node::Dir)
    }

    fn holders(&self, put: bool) -> impl Iterator<Item = (u32, usize, &File)> {
        let kind = move |request: &Request| (request.kind != Kind::Get) == put;
        self.requests.iter().filter(move |(_, request)| kind(request)).flat_map(|(number, r)| {
            let live = r.files.iter().enumerate().filter(|(_, f)| f.state == State::Live);
            live.map(|(at, file)| (*number, at, file))
        })
    }

    /// The live put on a path.
    pub fn put_on(&self, path: &str) -> Option<(u32, usize)> {
        self.holders(true).find(|(_, _, f)| f.path == path).map(|(number, at, _)| (number, at))
    }

    /// Live puts on files below a directory.
    pub fn puts_below(&self, directory: &str) -> Vec<(u32, usize)> {
        let below = self.holders(true).filter(|(_, _, f)| within(&f.path, directory));
        below.map(|(number, at, _)| (number, at)).collect()
    }

    /// Live gets on a path, or below it.
    pub fn pins_within(&self, path: &str) -> Vec<(u32, usize)> {
        let below = self.holders(false).filter(|(_, _, f)| within(&f.path, path));
        below.map(|(number, at, _)| (number, at)).collect()
    }

    pub fn is_pinned(&self, path: &str) -> bool {
        self.holders(false).any(|(_, _, f)| f.path == path)
    }

    pub fn file(&self, (number, at): (u32, usize)) -> &File {
        &self.requests[&number].files[at]
    }

    pub fn set(&mut self, (number, at): (u32, usize), state: State) {
        if let Some(request) = self.requests.get_mut(&number) {
            request.files[at].state = state;
        }
    }

    pub fn change(&mut self, (number, at): (u32, usize), change: impl FnOnce(&mut File)) {
        if let Some(request) = self.requests.get_mut(&number) {
            change(&mut request.files[at]);
        }
    }

    /// The worlds in which each lifetime that may have ended has, or has not. Lifetimes of one request
    /// end in the order of its files.
    pub fn pass(self, window: Window) -> Vec<Self> {
        let mut worlds = vec![self];
        for number in worlds[0].requests.keys().copied().collect::<Vec<_>>() {
            worlds = worlds.into_iter().flat_map(|world| world.pass_one(number, window)).collect();
        }
        worlds
    }

    fn pass_one(mut self, number: u32, window: Window) -> Vec<Self> {
        let request = &self.requests[&number];
        let ended = if request.kind == Kind::Get { State::Released } else { State::Expired };
        let live = |file: &File| file.state == State::Live;
        let due = |file: &File| live(file) && window.read >= file.ends.early;
        let over = |file: &File| !live(file) || window.sent < file.ends.late;
        let due: Vec<usize> =
            (0..request.files.len()).filter(|at| due(&request.files[*at])).collect();
        let mut worlds = Vec::new();
        for at in due {
            if self.requests[&number].files.iter().all(over) {
                worlds.push(self.clone());
            }
            self.set((number, at), ended);
        }
        worlds.push(self);
        worlds
    }

    /// After a restart the daemon does not know whether data came to an https TURL.
    pub fn restarted(&mut self) {
        for request in self.requests.values_mut().filter(|request| request.is_put_over_https()) {
            for file in request.files.iter_mut().filter(|file| file.state == State::Live) {
                file.doubtful = true;
            }
        }
    }
}

impl Request {
    pub fn is_put_over_https(&self) -> bool {
        matches!(self.kind, Kind::Put { made: false, .. })
    }
}

/// For whoever has to find out what went wrong.
impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.nodes)?;
        for (number, Request { kind, files, aborted, .. }) in &self.requests {
            write!(f, "\n    {number} {kind:?}")?;
            if *aborted {
                write!(f, " aborted")?;
            }
            for File { path, state, data, doubtful, ends } in files {
                let left = |at: Instant| at.saturating_duration_since(Instant::now()).as_secs_f32();
                write!(f, "; {path} {state:?} data {data:?}")?;
                write!(f, " ends in {:.1} to {:.1} s", left(ends.early), left(ends.late))?;
                write!(f, "{}", if *doubtful { " doubtful" } else { "" })?;
            }
        }
        Ok(())
    }
}
