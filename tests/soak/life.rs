//! Volatile files: not lost before their second, gone soon after it, unless somebody holds them then.

use std::time::{Duration, Instant};

use crate::link::Window;
use crate::world::{Ends, Node, SLACK, State, World};

/// The life of a volatile file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    pub lifetime: Duration,
    pub ends: Ends,
    /// By then it is gone, if nobody holds it.
    pub gone: Instant,
    /// It began with something that was cut off: maybe with the next start.
    pub doubtful: bool,
}

impl Life {
    /// One that begins in this window.
    pub fn new(window: Window, lifetime: Duration) -> Self {
        let ends = Ends::after(window, lifetime);
        Self { lifetime, ends, gone: ends.late, doubtful: false }
    }

    /// One that begins, or is set anew, between then and now.
    pub fn since(sent: Instant, lifetime: Duration) -> Self {
        Self::new(Window { sent, read: Instant::now() }, lifetime)
    }

    /// Whether it is over in this window: `None` where that can't be known.
    pub fn is_over(&self, window: Window) -> Option<bool> {
        if window.read < self.ends.early {
            Some(false)
        } else if window.sent >= self.ends.late {
            Some(true)
        } else {
            None
        }
    }
}

impl World {
    /// Files that may be over by the end of a window, with the paths they lie at.
    fn due(&self, window: Window) -> Vec<String> {
        let due = self.nodes.iter().filter(|(_, node)| {
            matches!(node, Node::File(stored)
                if stored.life.as_ref().is_some_and(|life| window.read >= life.ends.early))
        });
        due.map(|(path, _)| path.clone()).collect()
    }

    /// Something is there that goes by itself.
    pub fn has_lives(&self) -> bool {
        self.nodes.keys().any(|path| self.stored(path).is_some_and(|s| s.life.is_some()))
    }

    pub fn life(&mut self, path: &str) -> Option<&mut Life> {
        match self.nodes.get_mut(path) {
            Some(Node::File(stored)) => stored.life.as_mut(),
            _ => None,
        }
    }

    /// What is over and held goes once it is free.
    pub fn keep_held(&mut self, window: Window) {
        for path in self.due(window) {
            let held = !self.holders_of(&path).is_empty();
            if let Some(life) = self.life(&path).filter(|_| held) {
                life.gone = life.gone.max(window.read + SLACK);
            }
        }
    }

    /// The worlds in which each file that may be gone is, or is not.
    pub fn pass_files(self, window: Window) -> Vec<Self> {
        let mut worlds = vec![self];
        for path in worlds[0].due(window) {
            worlds = worlds.into_iter().flat_map(|world| world.pass_file(&path, window)).collect();
        }
        worlds
    }

    fn pass_file(mut self, path: &str, window: Window) -> Vec<Self> {
        let holders = self.holders_of(path);
        let Some(life) = self.life(path).cloned() else { return vec![self] };
        // Who came when it was over already may have come too late.
        if holders.iter().any(|holder| self.file(*holder).since <= life.ends.early) {
            return vec![self];
        }
        let mut gone = self.clone();
        gone.nodes.remove(path);
        for holder in &holders {
            if gone.requests[&holder.0].kind.pins() {
                gone.set(*holder, State::Aborted);
            }
        }
        if holders.is_empty() && window.sent >= life.gone {
            return vec![gone];
        }
        vec![self, gone]
    }

    /// What was over while the daemon was down goes after its start; what began with something that
    /// was cut off may have begun with it.
    pub fn restarted_files(&mut self) {
        let now = Instant::now();
        for path in self.nodes.keys().cloned().collect::<Vec<_>>() {
            let Some(life) = self.life(&path) else { continue };
            if std::mem::take(&mut life.doubtful) {
                life.ends.late = life.ends.late.max(now + life.lifetime + SLACK);
            }
            life.gone = life.gone.max(life.ends.late).max(now + SLACK);
        }
    }

    /// Lives that are not as in `before` began with what was cut off.
    pub fn doubt_lives(&mut self, before: &Self) {
        for path in self.nodes.keys().cloned().collect::<Vec<_>>() {
            let as_before = before.nodes.get(&path) == self.nodes.get(&path);
            if let Some(life) = self.life(&path).filter(|_| !as_before) {
                life.doubtful = true;
            }
        }
    }
}
