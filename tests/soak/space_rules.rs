//! The rules of reserved spaces.

use std::time::{Duration, Instant};

use crate::content;
use crate::life::Life;
use crate::link::Window;
use crate::own::Place;
use crate::rules::{BUSY, FAILURE, INVALID, LATE, NO_PATH, Outcome, SUCCESS};
use crate::world::{Node, State, Stored, World, within};

impl Stored {
    /// Bytes.
    pub fn size(&self) -> u64 {
        content::bytes(self.content).len() as u64
    }
}

impl World {
    fn in_space(&self, number: u32) -> impl Iterator<Item = (&String, &Stored)> {
        let files = self.nodes.keys().filter_map(|path| Some((path, self.stored(path)?)));
        files.filter(move |(_, stored)| stored.space == Some(number))
    }

    /// Bytes of all files in a space.
    pub fn used(&self, number: u32) -> u64 {
        self.in_space(number).map(|(_, stored)| stored.size()).sum()
    }

    /// srmChangeSpaceForFiles of one path: what may become of it, and the world then. A file that is
    /// just over may have been, or not.
    pub fn change_space(&self, place: Place, to: Option<u32>, window: Window) -> Vec<Self> {
        let path = self.file(place).path.clone();
        let set = |mut world: Self, state| {
            world.set(place, state);
            world
        };
        if self.nodes.get(&path) != Some(&Node::Dir) {
            let all = self.change_file(&path, to, window).into_iter();
            return all.map(|(code, world)| set(world, of_code(code))).collect();
        }
        // Each file below; what is told of the first that fails is told of all.
        let mut worlds = vec![(Vec::new(), self.clone())];
        for file in self.nodes.keys().filter(|p| within(p, &path) && self.stored(p).is_some()) {
            let one = |(codes, world): (Vec<_>, Self)| {
                let all = world.change_file(file, to, window).into_iter();
                let with =
                    move |(code, world)| (codes.iter().copied().chain([code]).collect(), world);
                all.map(with).collect::<Vec<_>>()
            };
            worlds = worlds.into_iter().flat_map(one).collect();
        }
        let mut told = Vec::new();
        for (codes, world) in worlds {
            let mut failed: Vec<_> = codes.into_iter().filter(|code| *code != SUCCESS[0]).collect();
            failed.dedup();
            if failed.is_empty() {
                failed.push(SUCCESS[0]);
            }
            told.extend(failed.into_iter().map(|code| set(world.clone(), of_code(code))));
        }
        told
    }

    /// The same, where it was stopped: a directory may be done in part.
    pub fn change_in_part(&self, place: Place, to: Option<u32>, window: Window) -> Vec<Self> {
        let path = &self.file(place).path;
        let mut worlds = vec![self.clone()];
        if self.nodes.get(path) == Some(&Node::Dir) {
            for file in self.nodes.keys().filter(|p| within(p, path) && self.stored(p).is_some()) {
                let one = |world: &Self| world.change_file(file, to, window);
                let done: Vec<_> = worlds.iter().flat_map(one).collect();
                let done = done.into_iter().filter(|(code, _)| *code == SUCCESS[0]);
                worlds.extend(done.map(|(_, world)| world).collect::<Vec<_>>());
            }
        }
        worlds.iter_mut().for_each(|world| world.set(place, State::Aborted));
        worlds
    }

    fn change_file(
        &self,
        path: &str,
        to: Option<u32>,
        window: Window,
    ) -> Vec<(&'static str, Self)> {
        let as_is = |code: &[&'static str]| vec![(code[0], self.clone())];
        if self.put_on(path).is_some() {
            return as_is(BUSY);
        }
        let Some(stored) = self.stored(path) else { return as_is(NO_PATH) };
        if stored.space == to {
            return as_is(SUCCESS);
        }
        let mut changed = self.clone();
        let there = Stored { space: to, ..stored.clone() };
        changed.nodes.insert(path.to_owned(), Node::File(there));
        match stored.life.as_ref().map_or(Some(false), |life| life.is_over(window)) {
            Some(true) => as_is(LATE),
            Some(false) => vec![(SUCCESS[0], changed)],
            None => vec![(SUCCESS[0], changed), (LATE[0], self.clone())],
        }
    }

    pub fn purge(&self, path: &str, number: u32) -> Outcome {
        let code = match self.stored(path) {
            _ if self.put_on(path).is_some() => FAILURE,
            None => NO_PATH,
            Some(stored) if stored.space != Some(number) => INVALID,
            Some(_) if self.is_pinned(path) => FAILURE,
            Some(_) => &["SRM_LAST_COPY"],
        };
        (code, self.clone())
    }

    /// srmReleaseSpace: what may be said.
    pub fn release_space(&self, number: u32, force: bool, sent: Instant) -> Vec<Outcome> {
        let puts = self.puts_below("").into_iter();
        let kept = puts.map(|put| self.requests[&put.0].kind.space()).any(|s| s == Some(number));
        let window = Window { sent, read: Instant::now() };
        // Files that are not over, or pinned; `None` where some may be.
        let mut open = Some(false);
        for (path, stored) in self.in_space(number) {
            let over = match &stored.life {
                Some(life) if !self.is_pinned(path) => life.is_over(window),
                _ => Some(false),
            };
            match over {
                Some(false) => open = Some(true),
                None if open == Some(false) => open = None,
                _ => {}
            }
        }
        let mut after = self.clone();
        after.spaces.remove(&number);
        let inside: Vec<String> = self.in_space(number).map(|(path, _)| path.clone()).collect();
        for path in inside {
            let Some(Node::File(stored)) = after.nodes.get_mut(&path) else { continue };
            stored.space = None;
            if let Some(life) = stored.life.as_mut().filter(|_| force) {
                // It is over now.
                let now = Life::since(sent, Duration::ZERO);
                life.ends.early = life.ends.early.min(now.ends.early);
                life.ends.late = life.ends.late.min(now.ends.late);
                life.gone = life.gone.max(now.gone);
            }
        }
        match open {
            _ if kept => vec![(FAILURE, self.clone())],
            Some(true) if !force => vec![(FAILURE, self.clone())],
            None if !force => vec![(FAILURE, self.clone()), (SUCCESS, after)],
            _ => vec![(SUCCESS, after)],
        }
    }
}

fn of_code(code: &'static str) -> State {
    if code == SUCCESS[0] { State::Done } else { State::Failed(code) }
}
