//! What a client knows after an answer, and after none.

use std::time::Instant;

use crate::between::between;
use crate::link::Window;
use crate::own::Own;
use crate::rules::Outcome;
use crate::world::World;

/// Steps shown of a client that found something wrong.
const TRACE: usize = 150;

impl Own {
    /// Time went by.
    pub fn pass(&mut self, window: Window) {
        let worlds = std::mem::take(&mut self.worlds);
        self.worlds = worlds.into_iter().flat_map(|world| world.pass(window)).collect();
        self.dedup();
    }

    pub fn dedup(&mut self) {
        let mut seen: Vec<World> = Vec::with_capacity(self.worlds.len());
        for world in std::mem::take(&mut self.worlds) {
            if !seen.contains(&world) {
                seen.push(world);
            }
        }
        self.worlds = seen;
    }

    /// Keeps the worlds that agree with an answer; where none does, something is wrong.
    pub fn keep(&mut self, what: &str, said: &str, agree: &dyn Fn(&World) -> Option<World>) {
        self.keep_all(what, said, &|world| agree(world).into_iter().collect());
    }

    /// The same, where one answer may mean several things.
    pub fn keep_all(&mut self, what: &str, said: &str, agree: &dyn Fn(&World) -> Vec<World>) {
        if self.worlds.is_empty() {
            return;
        }
        let kept: Vec<World> = self.worlds.iter().flat_map(agree).collect();
        if kept.is_empty() {
            let trace: Vec<&str> = self.trace.iter().map(String::as_str).collect();
            let mut text = format!("{}: {what} said {said}\nbefore it:\n  ", self.home);
            text += &trace.join("\n  ");
            self.worlds.iter().for_each(|world| text += &format!("\n  world: {world}"));
            if what.starts_with("srmGetSpaceMetaData") {
                self.link.tally.wrong("drift", text);
            } else if said.contains("SRM_INVALID_REQUEST") || said.starts_with("404") {
                self.link.tally.lost(text);
            } else {
                self.link.tally.violation(text);
            }
        }
        self.worlds = kept;
        self.dedup();
        self.note(format!("{what}: {said}"));
    }

    pub fn note(&mut self, what: String) {
        let what = what.replace(&self.surl(""), "");
        self.trace.push_back(format!("{what} ({} worlds)", self.worlds.len()));
        if self.trace.len() > TRACE {
            self.trace.pop_front();
        }
    }

    /// [`Own::keep`] by a rule and a code.
    pub fn rule(&mut self, what: &str, code: &str, rule: &dyn Fn(&World) -> Outcome) {
        self.keep(what, code, &|world| {
            let (codes, after) = rule(world);
            codes.contains(&code).then_some(after)
        });
    }

    /// The answer was cut off: some, all or none of it may have come to be.
    pub fn doubt(&mut self, what: &str, sent: Instant, after: &dyn Fn(&World) -> World) {
        self.pass(Window { sent, read: Instant::now() });
        let worlds = std::mem::take(&mut self.worlds);
        self.worlds = worlds
            .iter()
            .flat_map(|world| {
                let mut after = after(world);
                after.doubt_lives(world);
                between(world, &after)
            })
            .collect();
        self.dedup();
        self.note(format!("{what}: cut off"));
    }
}
