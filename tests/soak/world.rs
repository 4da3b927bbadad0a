//! What one client's directory and requests may be like: one world. A client holds several where
//! it can't know (an answer was lost, a lifetime may just have ended), and each answer leaves only
//! those that agree with it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::link::Window;

/// How late the daemon's timer may be on a busy machine.
pub const SLACK: Duration = Duration::from_secs(3);
/// How soon after a restart what was queued is worked on.
pub const WORKED: Duration = Duration::from_secs(4);

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
    /// Until when files may still be queued; `None` before a restart.
    pub until: Option<Instant>,
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

    /// The worlds in which each lifetime that may have ended has, or has not.
    pub fn pass(self, window: Window) -> Vec<Self> {
        let mut worlds = vec![self];
        let all: Vec<(u32, usize)> = worlds[0]
            .requests
            .iter()
            .flat_map(|(number, r)| (0..r.files.len()).map(move |at| (*number, at)))
            .collect();
        for id in all {
            let mut next = Vec::new();
            for world in worlds {
                next.extend(world.pass_one(id, window));
            }
            worlds = next;
        }
        worlds
    }

    fn pass_one(self, id: (u32, usize), window: Window) -> Vec<Self> {
        let mut worlds = Vec::new();
        let (file, until) = (self.file(id).clone(), self.requests[&id.0].until);
        let mut live = vec![self];
        if file.state == State::Queued
            && let Some(until) = until
        {
            let worked = live[0].clone().work(id);
            if window.sent > until {
                live.clear();
            }
            live.push(worked);
        }
        for world in live {
            if world.file(id).state == State::Live && window.read >= file.ends.early {
                let mut ended = world.clone();
                let put = ended.requests[&id.0].kind != Kind::Get;
                ended.set(id, if put { State::Expired } else { State::Released });
                worlds.push(ended);
            }
            if world.file(id).state != State::Live || window.sent < file.ends.late {
                worlds.push(world);
            }
        }
        worlds
    }

    /// After a restart the daemon does not know whether data came to an https TURL; what was queued
    /// is taken up, and ready then.
    pub fn restarted(mut self, now: Instant) -> Vec<Self> {
        let last = |request: &Request| now + WORKED + request.lifetime + SLACK;
        let mut queued = Vec::new();
        for (number, request) in &mut self.requests {
            request.until = Some(now + WORKED);
            let (last, https) = (last(request), request.is_put_over_https());
            for (at, file) in request.files.iter_mut().enumerate() {
                match file.state {
                    State::Queued => {
                        file.ends.late = file.ends.late.max(last);
                        queued.push(((*number, at), https));
                    }
                    State::Live => file.doubtful |= https,
                    _ => {}
                }
            }
        }
        let mut worlds = vec![self];
        for (place, https) in queued {
            // It may have been ready before the daemon was killed.
            let ready = worlds.iter().map(|world| {
                let mut world = world.clone().work(place);
                world.change(place, |file| file.doubtful |= https);
                world
            });
            let ready: Vec<Self> = ready.collect();
            worlds.extend(ready);
        }
        worlds
    }
}

impl Request {
    fn is_put_over_https(&self) -> bool {
        matches!(self.kind, Kind::Put { made: false, .. })
    }
}

/// For whoever has to find out what went wrong.
impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.nodes)?;
        for (number, Request { kind, files, until, aborted, .. }) in &self.requests {
            write!(f, "\n    {number} {kind:?}")?;
            if *aborted {
                write!(f, " aborted")?;
            }
            if until.is_some() {
                write!(f, " before a restart")?;
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
