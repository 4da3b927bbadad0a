//! The rules: what each operation answers in a world, and the world after it; and in which worlds
//! an operation may have left us whose answer was cut off.

use std::time::Instant;

use crate::world::{FOR_DONE, Kind, Node, Over, SLACK, State, World, parent, within};

/// Codes any of which fit, and the world after it.
pub type Outcome = (&'static [&'static str], World);

pub const SUCCESS: &[&str] = &["SRM_SUCCESS"];
const FAILURE: &[&str] = &["SRM_FAILURE"];
const BUSY: &[&str] = &["SRM_FILE_BUSY"];
const EXISTS: &[&str] = &["SRM_DUPLICATION_ERROR"];
const NO_PATH: &[&str] = &["SRM_INVALID_PATH"];
const ABORTED: &[&str] = &["SRM_ABORTED"];
const LATE: &[&str] = &["SRM_FILE_LIFETIME_EXPIRED"];
const NOT_EMPTY: &[&str] = &["SRM_NON_EMPTY_DIRECTORY"];
pub const WAITS: &[&str] = &["SRM_REQUEST_QUEUED", "SRM_REQUEST_INPROGRESS"];

impl World {
    /// A worker makes a file ready, or fails it.
    pub fn work(self, id: (u32, usize)) -> Self {
        let mut world = self;
        let path = world.file(id).path.clone();
        let refused = match &world.requests[&id.0].kind {
            Kind::Get => world.refuses_get(&path),
            Kind::Put { over, .. } => world.refuses_put(&path, *over),
        };
        world.set(id, refused.map_or(State::Live, State::Failed));
        world
    }

    fn refuses_get(&self, path: &str) -> Option<&'static str> {
        if self.put_on(path).is_some() {
            return Some(BUSY[0]);
        }
        (!matches!(self.nodes.get(path), Some(Node::File(_)))).then_some(NO_PATH[0])
    }

    fn refuses_put(&self, path: &str, over: Over) -> Option<&'static str> {
        let never = over == Over::Never;
        match self.nodes.get(path) {
            Some(Node::Dir) => return Some(NO_PATH[0]),
            Some(Node::File(_)) if never => return Some(EXISTS[0]),
            None if !self.is_dir(parent(path)) => return Some(NO_PATH[0]),
            _ => {}
        }
        if self.put_on(path).is_some() {
            return Some(if never { EXISTS[0] } else { BUSY[0] });
        }
        self.is_pinned(path).then_some(BUSY[0])
    }

    /// What a status call says of a file.
    pub fn status(&self, id: (u32, usize)) -> &'static [&'static str] {
        let get = self.requests[&id.0].kind == Kind::Get;
        match self.file(id).state {
            State::Queued => WAITS,
            State::Live if get => &["SRM_FILE_PINNED"],
            State::Live => &["SRM_SPACE_AVAILABLE"],
            State::Done => SUCCESS,
            State::Released => &["SRM_RELEASED"],
            State::Aborted => ABORTED,
            State::Expired => LATE,
            State::Moved => NO_PATH,
            State::Failed("SRM_FILE_BUSY") => BUSY,
            State::Failed("SRM_DUPLICATION_ERROR") => EXISTS,
            State::Failed("SRM_INVALID_PATH") => NO_PATH,
            State::Failed(_) => FAILURE,
        }
    }

    /// srmPutDone of one file.
    pub fn put_done(&self, id: (u32, usize)) -> Outcome {
        let mut world = self.clone();
        let file = self.file(id).clone();
        let Kind::Put { made, sized, .. } = self.requests[&id.0].kind else {
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
                    None if sized => (None, FAILURE),
                    None => (Some(0), SUCCESS),
                };
                if let Some(content) = content {
                    world.nodes.insert(file.path, Node::File(content));
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
            State::Queued | State::Failed(_) | State::Released => FAILURE,
        };
        (code, world)
    }

    /// srmAbortFiles of one file; `aborted` is the state of a get that was not ready.
    pub fn abort_file(&self, id: (u32, usize)) -> Outcome {
        let mut world = self.clone();
        match self.file(id).state {
            State::Live | State::Queued => world.set(id, State::Aborted),
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
            if matches!(file.state, State::Live | State::Queued) {
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
            State::Queued => {
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
        world.nodes.insert(path.to_owned(), Node::File(content));
        let pins = self.pins_within(path).into_iter().filter(|pin| self.file(*pin).path == path);
        pins.for_each(|pin| world.set(pin, State::Aborted));
        (if self.nodes.contains_key(path) { &["204"] } else { &["201"] }, world)
    }

    /// DELETE of the file's own path, or of an empty directory's.
    pub fn dav_delete(&self, path: &str) -> Outcome {
        if self.nodes.get(path) == Some(&Node::Dir) {
            let (code, world) = self.rmdir(path, false);
            return (if code == SUCCESS { &["204"] } else { &["409", "423"] }, world);
        }
        let (code, world) = self.rm(path);
        // Below a file it is a conflict.
        let missing = if self.is_dir(parent(path)) { &["404"] } else { &["404", "409"][..] };
        (if code == SUCCESS { &["204"] } else { missing }, world)
    }
}

/// Where an operation that was cut off may have left us between these two worlds: each path that
/// differs, each request whose files differ, before or after. What a put had on disk goes before
/// its state changes (also where srmPutDone keeps the old content), and its content comes together
/// with its state.
pub fn between(before: &World, after: &World) -> Vec<World> {
    let mut worlds = vec![before.clone()];
    let fork = |worlds: &mut Vec<World>, change: &dyn Fn(&mut World)| {
        let mut more = worlds.clone();
        more.iter_mut().for_each(change);
        for world in more {
            if !worlds.contains(&world) {
                worlds.push(world);
            }
        }
    };
    let mut published = Vec::new();
    for (number, request) in &before.requests {
        for (at, file) in request.files.iter().enumerate() {
            let then = after.file((*number, at)).clone();
            if *file == then {
                continue;
            }
            let put = request.kind != Kind::Get;
            let content = after.nodes.get(&file.path).cloned();
            let publishes =
                then.state == State::Done && content != before.nodes.get(&file.path).cloned();
            if put && file.state == State::Live && !publishes {
                fork(&mut worlds, &|world| {
                    world.change((*number, at), |f| (f.data, f.doubtful) = (None, true));
                });
            }
            // The empty file that srmPutDone makes where nothing was written.
            if publishes && file.data.is_none() {
                fork(&mut worlds, &|world| {
                    world.change((*number, at), |f| f.data = Some(0));
                });
            }
            if publishes {
                published.push(file.path.clone());
            }
            fork(&mut worlds, &|world| {
                world.change((*number, at), |f| *f = then.clone());
                if let Some(content) = content.clone().filter(|_| publishes) {
                    world.nodes.insert(file.path.clone(), content);
                }
            });
        }
        let aborted = after.requests[number].aborted;
        if aborted != request.aborted {
            fork(&mut worlds, &|world| {
                if let Some(request) = world.requests.get_mut(number) {
                    request.aborted = aborted;
                }
            });
        }
    }
    let moved = after.nodes.keys().any(|path| !before.nodes.contains_key(path))
        && after.nodes.len() == before.nodes.len();
    if moved {
        // A rename is one step.
        fork(&mut worlds, &|world| world.nodes = after.nodes.clone());
        return worlds;
    }
    let paths = before.nodes.keys().chain(after.nodes.keys()).filter(|p| !published.contains(p));
    for path in paths.cloned().collect::<std::collections::BTreeSet<String>>() {
        let then = after.nodes.get(&path).cloned();
        if then == before.nodes.get(&path).cloned() {
            continue;
        }
        fork(&mut worlds, &|world| {
            match then.clone() {
                Some(node) => world.nodes.insert(path.clone(), node),
                None => world.nodes.remove(&path),
            };
        });
    }
    worlds
}
