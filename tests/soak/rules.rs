//! The rules of requests and names: what each operation answers in a world, and the world after it.

use std::time::Instant;

use crate::life::Life;
use crate::world::{
    FOR_DONE, Gives, Kind, Node, Over, SLACK, State, Stored, World, parent, within,
};

/// Codes any of which fit, and the world after it.
pub type Outcome = (&'static [&'static str], World);

pub const SUCCESS: &[&str] = &["SRM_SUCCESS"];
pub const FAILURE: &[&str] = &["SRM_FAILURE"];
pub const BUSY: &[&str] = &["SRM_FILE_BUSY"];
pub const EXISTS: &[&str] = &["SRM_DUPLICATION_ERROR"];
pub const NO_PATH: &[&str] = &["SRM_INVALID_PATH"];
pub const ABORTED: &[&str] = &["SRM_ABORTED"];
pub const LATE: &[&str] = &["SRM_FILE_LIFETIME_EXPIRED"];
const EXCEEDS: &[&str] = &["SRM_EXCEED_ALLOCATION"];
const RESTS: &[&str] = &["SRM_REQUEST_SUSPENDED"];
pub const INVALID: &[&str] = &["SRM_INVALID_REQUEST"];
const NOT_EMPTY: &[&str] = &["SRM_NON_EMPTY_DIRECTORY"];
pub const WAITS: &[&str] = &["SRM_REQUEST_QUEUED", "SRM_REQUEST_INPROGRESS"];

impl World {
    /// A worker makes a file ready, copies it, or fails it.
    pub fn work(self, id: (u32, usize), sent: Instant) -> Self {
        let mut world = self;
        let kind = world.requests[&id.0].kind.clone();
        let path = world.file(id).path.clone();
        let state = match &kind {
            Kind::Get | Kind::Bring => world.refuses_get(&path).map_or(State::Live, State::Failed),
            Kind::Put { over, sized, gives, .. } => {
                world.refuses_put(&path, *over, *sized, gives).map_or(State::Live, State::Failed)
            }
            Kind::Copy { over, gives } => match world.copy(id, *over, gives, sent) {
                Ok(()) => State::Done,
                Err(code) => State::Failed(code),
            },
            // See [`World::change_space`].
            Kind::Change { .. } => return world,
        };
        world.set(id, state);
        world
    }

    fn copy(
        &mut self,
        id: (u32, usize),
        over: Over,
        gives: &Gives,
        sent: Instant,
    ) -> Result<(), &'static str> {
        let file = self.file(id);
        let (path, source) = (file.path.clone(), file.source.clone().unwrap_or_default());
        let content = self.stored(&source).ok_or(NO_PATH[0])?.content;
        let refused = self.refuses_put(&path, over, None, gives);
        refused.map_or(Ok(()), Err)?;
        if self.put_on(&source).is_some() {
            return Err(BUSY[0]);
        }
        let same = self.stored(&path).is_some_and(|old| old.content == content);
        if over != Over::Different || !same {
            self.nodes.insert(path, Node::File(Stored::given(content, gives, sent)));
        }
        Ok(())
    }

    fn refuses_get(&self, path: &str) -> Option<&'static str> {
        if self.put_on(path).is_some() {
            return Some(BUSY[0]);
        }
        (!matches!(self.nodes.get(path), Some(Node::File(_)))).then_some(NO_PATH[0])
    }

    fn refuses_put(
        &self,
        path: &str,
        over: Over,
        sized: Option<u64>,
        gives: &Gives,
    ) -> Option<&'static str> {
        let never = over == Over::Never;
        match self.nodes.get(path) {
            Some(Node::Dir) => return Some(NO_PATH[0]),
            Some(Node::File(_)) if never => return Some(EXISTS[0]),
            None if !self.is_dir(parent(path)) => return Some(NO_PATH[0]),
            _ => {}
        }
        let total = gives.space.and_then(|space| self.spaces.get(&space)).map(|space| space.total);
        if total.is_some_and(|total| sized.is_some_and(|size| size > total)) {
            return Some(EXCEEDS[0]);
        }
        if self.put_on(path).is_some() {
            return Some(if never { EXISTS[0] } else { BUSY[0] });
        }
        self.is_pinned(path).then_some(BUSY[0])
    }

    /// What a status call says of a file.
    pub fn status(&self, id: (u32, usize)) -> &'static [&'static str] {
        match (self.file(id).state, &self.requests[&id.0].kind) {
            (state, _) if state != State::Live => state.code(),
            (_, Kind::Get) => &["SRM_FILE_PINNED"],
            (_, Kind::Bring) => SUCCESS,
            _ => &["SRM_SPACE_AVAILABLE"],
        }
    }

    /// srmPutDone of one file.
    pub fn put_done(&self, id: (u32, usize), sent: Instant) -> Outcome {
        let mut world = self.clone();
        let file = self.file(id).clone();
        let Kind::Put { over, made, sized, gives } = self.requests[&id.0].kind else {
            return (FAILURE, world);
        };
        let code = match file.state {
            State::Live => {
                let there = self.nodes.contains_key(&file.path);
                let (content, code) = match file.data {
                    // Nothing was written over it: the old content stays.
                    Some(0) | None if made && !file.doubtful && there => (None, SUCCESS),
                    Some(id) => (Some(id), SUCCESS),
                    None if file.doubtful && made => (None, NO_PATH),
                    None if file.doubtful => (None, FAILURE),
                    None if there => (None, SUCCESS),
                    None if sized.is_some() => (None, FAILURE),
                    None => (Some(0), SUCCESS),
                };
                // Two empty files are no different.
                let same = |content: &u64| {
                    let old = self.stored(&file.path).map(|old| old.content);
                    over == Over::Different && old == Some(*content)
                };
                if let Some(content) = content.filter(|content| !same(content)) {
                    let stored = Stored::given(content, &gives, sent);
                    world.nodes.insert(file.path, Node::File(stored));
                }
                let failed = State::Failed(code[0]);
                world.set(id, if code == SUCCESS { State::Done } else { failed });
                code
            }
            State::Done => EXISTS,
            State::Aborted => ABORTED,
            State::Expired => LATE,
            State::Moved => NO_PATH,
            // One that failed at putDone for want of its directory says so again.
            State::Failed("SRM_INVALID_PATH") => &["SRM_FAILURE", "SRM_INVALID_PATH"],
            State::Queued | State::Suspended | State::Failed(_) | State::Released => FAILURE,
        };
        (code, world)
    }

    /// srmAbortFiles of one file; `aborted` is the state of a get that was not ready.
    pub fn abort_file(&self, id: (u32, usize)) -> Outcome {
        let mut world = self.clone();
        match self.file(id).state {
            State::Live | State::Queued | State::Suspended => world.set(id, State::Aborted),
            State::Aborted => {}
            _ => return (FAILURE, world),
        }
        (SUCCESS, world)
    }

    /// srmAbortRequest.
    pub fn abort_request(&self, number: u32) -> Outcome {
        let mut world = self.clone();
        let Some(request) = world.requests.get_mut(&number) else { return (FAILURE, world) };
        let mut open = false;
        for file in &mut request.files {
            if matches!(file.state, State::Live | State::Queued | State::Suspended) {
                file.state = State::Aborted;
                open = true;
            }
        }
        let done = request.files.iter().any(|file| file.state == State::Done);
        let stopped = request.files.iter().all(|file| file.state == State::Aborted);
        let refused = !open && done && !request.aborted && !stopped;
        request.aborted |= open;
        (if refused { FAILURE } else { SUCCESS }, world)
    }

    /// srmReleaseFiles of one file of a get.
    pub fn release(&self, id: (u32, usize)) -> Outcome {
        let mut world = self.clone();
        let code = match self.file(id).state {
            State::Live => {
                world.set(id, State::Released);
                SUCCESS
            }
            State::Queued | State::Suspended => {
                world.set(id, State::Aborted);
                ABORTED
            }
            State::Released => SUCCESS,
            State::Aborted => ABORTED,
            _ => NO_PATH,
        };
        (code, world)
    }

    /// srmRm of one path: whatever holds it.
    pub fn rm(&self, path: &str) -> Outcome {
        let mut world = self.clone();
        let put = world.put_on(path);
        if let Some(put) = put {
            world.set(put, State::Aborted);
        }
        match world.nodes.get(path) {
            Some(Node::Dir) => return (NO_PATH, world),
            Some(Node::File(_)) => {
                world.nodes.remove(path);
            }
            // Below a file nothing is looked for.
            None if matches!(world.nodes.get(parent(path)), Some(Node::File(_))) => {
                return (NO_PATH, world);
            }
            None => {}
        }
        let gone = self.nodes.contains_key(path);
        let pins = world.pins_within(path).into_iter().filter(|pin| self.file(*pin).path == path);
        for pin in pins.collect::<Vec<_>>() {
            world.set(pin, State::Aborted);
        }
        (if gone || put.is_some() { SUCCESS } else { NO_PATH }, world)
    }

    /// srmMv.
    pub fn mv(&self, from: &str, to: &str) -> Outcome {
        let world = self.clone();
        if from == to {
            return (SUCCESS, world);
        }
        let mut target = to.to_owned();
        if self.nodes.get(to) == Some(&Node::Dir) {
            target = format!("{to}/{}", from.rsplit('/').next().unwrap_or(from));
        }
        if target == from {
            return (SUCCESS, world);
        }
        if within(&target, from) {
            return (NO_PATH, world);
        }
        if self.put_on(from).is_some() || self.is_pinned(from) {
            return (BUSY, world);
        }
        if self.put_on(&target).is_some() {
            return (EXISTS, world);
        }
        if !self.nodes.contains_key(from) || !self.is_dir(parent(&target)) {
            return (NO_PATH, world);
        }
        if self.nodes.contains_key(&target) {
            return (EXISTS, world);
        }
        let mut world = world;
        let moved: Vec<String> =
            world.nodes.keys().filter(|path| within(path, from)).cloned().collect();
        for path in moved {
            if let Some(node) = world.nodes.remove(&path) {
                world.nodes.insert(format!("{target}{}", &path[from.len()..]), node);
            }
        }
        for put in self.puts_below(from) {
            world.set(put, State::Moved);
        }
        for pin in self.pins_within(from) {
            world.set(pin, State::Aborted);
        }
        (SUCCESS, world)
    }

    /// srmMkdir.
    pub fn mkdir(&self, path: &str) -> Outcome {
        let mut world = self.clone();
        let code = match self.nodes.get(path) {
            _ if self.put_on(path).is_some() => EXISTS,
            Some(Node::Dir) => EXISTS,
            Some(Node::File(_)) => NO_PATH,
            None if !self.is_dir(parent(path)) => NO_PATH,
            None => {
                world.nodes.insert(path.to_owned(), Node::Dir);
                SUCCESS
            }
        };
        (code, world)
    }

    /// srmRmdir.
    pub fn rmdir(&self, path: &str, recursive: bool) -> Outcome {
        let mut world = self.clone();
        let puts = self.puts_below(path).into_iter().any(|put| self.file(put).path != path);
        let below = self.nodes.keys().any(|found| found != path && within(found, path));
        let code = match self.nodes.get(path) {
            _ if puts && recursive => FAILURE,
            _ if puts => NOT_EMPTY,
            Some(Node::Dir) if below && !recursive => NOT_EMPTY,
            Some(Node::Dir) => {
                world.nodes.retain(|found, _| !within(found, path));
                SUCCESS
            }
            _ => NO_PATH,
        };
        if recursive && code == SUCCESS {
            for pin in self.pins_within(path) {
                world.set(pin, State::Aborted);
            }
        }
        (code, world)
    }

    /// PUT to a TURL.
    pub fn upload(&self, path: &str, content: u64) -> Outcome {
        let mut world = self.clone();
        match self.put_on(path) {
            None => (&["403"], world),
            Some(put) => {
                let late = Instant::now() + FOR_DONE + SLACK;
                world.change(put, |file| {
                    file.data = Some(content);
                    file.ends.late = file.ends.late.max(late);
                });
                (&["201", "204"], world)
            }
        }
    }

    /// PUT to the file's own path.
    pub fn dav_put(&self, path: &str, content: u64) -> Outcome {
        let mut world = self.clone();
        if self.nodes.get(path) == Some(&Node::Dir) || !self.is_dir(parent(path)) {
            return (&["405", "409"], world);
        }
        if self.put_on(path).is_some() {
            return (&["423"], world);
        }
        // What is remembered of a file that is replaced stays.
        let new = Stored::plain(content);
        let stored = self.stored(path).map_or(new, |old| Stored { content, ..old.clone() });
        world.nodes.insert(path.to_owned(), Node::File(stored));
        let pins = self.pins_within(path).into_iter().filter(|pin| self.file(*pin).path == path);
        pins.for_each(|pin| world.set(pin, State::Aborted));
        (if self.nodes.contains_key(path) { &["204"] } else { &["201"] }, world)
    }

    /// DELETE of a path of its own: a file, or a directory with all below it.
    pub fn dav_delete(&self, path: &str) -> Outcome {
        if self.nodes.get(path) == Some(&Node::Dir) {
            let (code, world) = self.rmdir(path, true);
            return (if code == SUCCESS { &["204"] } else { &["409", "423"] }, world);
        }
        let (code, world) = self.rm(path);
        // Below a file it is a conflict.
        let missing = if self.is_dir(parent(path)) { &["404"] } else { &["404", "409"][..] };
        (if code == SUCCESS { &["204"] } else { missing }, world)
    }
}

impl State {
    /// What tells it, but for a live one.
    fn code(self) -> &'static [&'static str] {
        match self {
            State::Queued | State::Live => WAITS,
            State::Suspended => RESTS,
            State::Done => SUCCESS,
            State::Released => &["SRM_RELEASED"],
            State::Aborted => ABORTED,
            State::Expired => LATE,
            State::Moved => NO_PATH,
            State::Failed("SRM_FILE_BUSY") => BUSY,
            State::Failed("SRM_DUPLICATION_ERROR") => EXISTS,
            State::Failed("SRM_INVALID_PATH") => NO_PATH,
            State::Failed("SRM_EXCEED_ALLOCATION") => EXCEEDS,
            State::Failed("SRM_FILE_LIFETIME_EXPIRED") => LATE,
            State::Failed(_) => FAILURE,
        }
    }
}

impl Stored {
    /// What a request publishes.
    fn given(content: u64, gives: &Gives, sent: Instant) -> Self {
        let life = gives.life.map(|lifetime| Life::since(sent, lifetime));
        Self { content, space: gives.space, life }
    }
}
