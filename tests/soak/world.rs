//! What one client's directory and requests may be like: one world. A client holds several where
//! it can't know (an answer was lost, a lifetime may just have ended), and each answer leaves only
//! those that agree with it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::life::Life;
use crate::link::Window;

/// How late the daemon's timer may be on a busy machine.
pub const SLACK: Duration = Duration::from_secs(3);
/// A put whose data has just come is given so long to be done, however short its lifetime.
pub const FOR_DONE: Duration = Duration::from_secs(10);

/// What a path holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Dir,
    File(Stored),
}

/// A published file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub content: u64,
    /// The reserved space it is in.
    pub space: Option<u32>,
    /// Of a volatile one.
    pub life: Option<Life>,
}

impl Stored {
    /// A permanent file outside of spaces.
    pub fn plain(content: u64) -> Self {
        Self { content, space: None, life: None }
    }
}

/// What a request gives its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gives {
    pub space: Option<u32>,
    /// Volatile: so long they live.
    pub life: Option<Duration>,
}

/// Where a file of a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    /// Its request is suspended: nothing of it happens.
    Suspended,
    /// SPACE_AVAILABLE, PINNED, or online.
    Live,
    /// Put, copy, change of space: done.
    Done,
    /// Get, bring online: no longer pinned.
    Released,
    Aborted,
    /// Put: not done in time.
    Expired,
    /// It was never ready, or putDone failed.
    Failed(&'static str),
    /// Put: its directory was moved.
    Moved,
}

impl State {
    /// It has not ended.
    pub fn is_open(self) -> bool {
        matches!(self, State::Queued | State::Suspended | State::Live)
    }
}

/// When the lifetime of a TURL ends: not before `early`, and at `late` it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub early: Instant,
    pub late: Instant,
}

impl Ends {
    /// The later of the two.
    pub fn max(self, other: Self) -> Self {
        Self { early: self.early.max(other.early), late: self.late.max(other.late) }
    }

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

impl Over {
    /// `overwriteOption`.
    pub fn element(self) -> String {
        let mode = match self {
            Over::Never => "NEVER",
            Over::Always => "ALWAYS",
            Over::Different => "WHEN_FILES_ARE_DIFFERENT",
        };
        format!("<overwriteOption>{mode}</overwriteOption>")
    }
}

/// What a request is, as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Get,
    Bring,
    /// `made`: over `file`, where the hidden file is there from the start.
    Put {
        over: Over,
        made: bool,
        sized: Option<u64>,
        gives: Gives,
    },
    /// Of the file's source to its path.
    Copy {
        over: Over,
        gives: Gives,
    },
    /// Into a reserved space, or out of all.
    Change {
        to: Option<u32>,
    },
}

impl Kind {
    /// The operation that begins it.
    pub fn operation(&self) -> &'static str {
        match self {
            Kind::Get => "srmPrepareToGet",
            Kind::Bring => "srmBringOnline",
            Kind::Put { .. } => "srmPrepareToPut",
            Kind::Copy { .. } => "srmCopy",
            Kind::Change { .. } => "srmChangeSpaceForFiles",
        }
    }

    /// The operation that tells its status.
    pub fn status(&self) -> &'static str {
        match self {
            Kind::Get => "srmStatusOfGetRequest",
            Kind::Bring => "srmStatusOfBringOnlineRequest",
            Kind::Put { .. } => "srmStatusOfPutRequest",
            Kind::Copy { .. } => "srmStatusOfCopyRequest",
            Kind::Change { .. } => "srmStatusOfChangeSpaceForFilesRequest",
        }
    }

    /// It pins what it asks for.
    pub fn pins(&self) -> bool {
        matches!(self, Kind::Get | Kind::Bring)
    }

    pub fn puts(&self) -> bool {
        matches!(self, Kind::Put { .. })
    }

    /// The space that it needs.
    pub fn space(&self) -> Option<u32> {
        match self {
            Kind::Put { gives, .. } | Kind::Copy { gives, .. } => gives.space,
            Kind::Change { to } => *to,
            Kind::Get | Kind::Bring => None,
        }
    }
}

/// Whether a request was told to stop before it was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    No,
    /// Maybe it came too late, or not at all.
    Asked,
    /// The answer came.
    Sure,
}

/// A reserved space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    pub total: u64,
    pub guaranteed: u64,
}

/// One file of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    pub path: String,
    /// Copy: what is copied.
    pub source: Option<String>,
    pub state: State,
    /// It was told that it is live.
    pub since: Instant,
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
    pub stop: Stop,
    pub suspended: bool,
}

/// One possibility.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct World {
    pub nodes: BTreeMap<String, Node>,
    pub requests: BTreeMap<u32, Request>,
    pub spaces: BTreeMap<u32, Space>,
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
        let kind = move |r: &Request| if put { r.kind.puts() } else { r.kind.pins() };
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

    /// A get on the path, which opens its TURL, is live.
    pub fn is_got(&self, path: &str) -> bool {
        self.holders(false).any(|(n, _, f)| f.path == path && self.requests[&n].kind == Kind::Get)
    }

    /// The file at a path.
    pub fn stored(&self, path: &str) -> Option<&Stored> {
        match self.nodes.get(path) {
            Some(Node::File(stored)) => Some(stored),
            _ => None,
        }
    }

    /// What holds a path: live puts, and pins.
    pub fn holders_of(&self, path: &str) -> Vec<(u32, usize)> {
        let both = self.holders(true).chain(self.holders(false));
        both.filter(|(_, _, f)| f.path == path).map(|(number, at, _)| (number, at)).collect()
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
    pub fn pass(mut self, window: Window) -> Vec<Self> {
        self.keep_held(window);
        let mut worlds = vec![self];
        for number in worlds[0].requests.keys().copied().collect::<Vec<_>>() {
            worlds = worlds.into_iter().flat_map(|world| world.pass_one(number, window)).collect();
        }
        worlds.into_iter().flat_map(|world| world.pass_files(window)).collect()
    }

    fn pass_one(self, number: u32, window: Window) -> Vec<Self> {
        let request = &self.requests[&number];
        let ended = if request.kind.pins() { State::Released } else { State::Expired };
        let live = |file: &File| file.state == State::Live;
        let due = |file: &File| live(file) && window.read >= file.ends.early;
        let due: Vec<usize> =
            (0..request.files.len()).filter(|at| due(&request.files[*at])).collect();
        // What was uploaded a moment ago is given time, whatever comes after it in the request.
        let has_data = |at: &usize| request.files[*at].data.is_some();
        let (alone, in_order): (Vec<usize>, Vec<usize>) = due.into_iter().partition(has_data);
        let mut worlds = vec![self.clone()];
        for at in in_order {
            let mut next = worlds[worlds.len() - 1].clone();
            next.set((number, at), ended);
            worlds.push(next);
        }
        for at in alone {
            let mut more = worlds.clone();
            more.iter_mut().for_each(|world| world.set((number, at), ended));
            worlds.extend(more);
        }
        let over = |file: &File| !live(file) || window.sent < file.ends.late;
        worlds.retain(|world| world.requests[&number].files.iter().all(over));
        worlds
    }

    /// After a restart the daemon does not know whether data came to an https TURL.
    pub fn restarted(&mut self) {
        for request in self.requests.values_mut().filter(|request| request.is_put_over_https()) {
            for file in request.files.iter_mut().filter(|file| file.state == State::Live) {
                file.doubtful = true;
            }
        }
        self.restarted_files();
    }
}

impl Request {
    pub fn is_put_over_https(&self) -> bool {
        matches!(self.kind, Kind::Put { made: false, .. })
    }
}
