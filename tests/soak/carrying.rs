//! MOVE and COPY at the https door: a client's deed, and the rules of both.

use std::time::Instant;

use crate::link::Cut;
use crate::own::Own;
use crate::rules::Outcome;
use crate::world::{Node, State, Stored, World, parent, within};

/// What a refusal may be: which of several reasons is told is up to the daemon.
const REFUSED: &[&str] = &["403", "404", "409", "412", "423"];

impl Own {
    /// MOVE, or COPY of a file or of a directory alone.
    pub async fn carry(&mut self) -> Result<(), Cut> {
        let (from, to) = (self.name_there(), self.any_name());
        let (copy, over) = (self.rng.bool(), self.rng.u32(0..4) > 0);
        let path = |name: &str| format!("/test.vo/{}/{name}", self.home);
        let (method, source, target) = (if copy { "COPY" } else { "MOVE" }, path(&from), path(&to));
        let overwrite = if over { "T" } else { "F" };
        let mut headers = vec![("destination", target.as_str()), ("overwrite", overwrite)];
        headers.extend(copy.then_some(("depth", "0")));
        let rule = |world: &World| match copy {
            true => world.dav_copy(&from, &to, over),
            false => world.dav_move(&from, &to, over),
        };
        let (sent, what) = (Instant::now(), format!("{method} {source} {target} {overwrite}"));
        match self.link.http_with(method, &source, &headers, &[]).await {
            Ok((response, window)) => {
                self.pass(window);
                let text = response.text().replace('\n', " ");
                self.rule(&format!("{what} ({text:.100})"), &response.status.to_string(), &rule);
                Ok(())
            }
            Err(cut) => {
                self.doubt(&what, sent, &|world| rule(world).1);
                Err(cut)
            }
        }
    }
}

impl World {
    /// MOVE: onto the destination itself, in one step.
    fn dav_move(&self, from: &str, to: &str, over: bool) -> Outcome {
        let lies = within(to, from) || self.put_on(from).is_some() || self.is_pinned(from);
        if lies || !self.may_carry(from, to, over) {
            return (REFUSED, self.clone());
        }
        let mut world = self.clone();
        let code = world.make_way(to);
        let moved: Vec<String> =
            world.nodes.keys().filter(|path| within(path, from)).cloned().collect();
        for path in moved {
            if let Some(node) = world.nodes.remove(&path) {
                world.nodes.insert(format!("{to}{}", &path[from.len()..]), node);
            }
        }
        for put in self.puts_below(from) {
            world.set(put, State::Moved);
        }
        for pin in self.pins_within(from) {
            world.set(pin, State::Aborted);
        }
        (code, world)
    }

    /// COPY with Depth: 0.
    fn dav_copy(&self, from: &str, to: &str, over: bool) -> Outcome {
        if self.put_on(from).is_some() || !self.may_carry(from, to, over) {
            return (REFUSED, self.clone());
        }
        let mut world = self.clone();
        let code = world.make_way(to);
        let node = match self.stored(from) {
            // As a PUT: what is remembered of a file that is replaced stays.
            Some(source) => Node::File(match self.stored(to) {
                Some(old) => Stored { content: source.content, ..old.clone() },
                None => Stored::plain(source.content),
            }),
            None => Node::Dir,
        };
        world.nodes.insert(to.to_owned(), node);
        (code, world)
    }

    fn may_carry(&self, from: &str, to: &str, over: bool) -> bool {
        self.nodes.contains_key(from)
            && !within(from, to)
            && self.is_dir(parent(to))
            && (over || !self.nodes.contains_key(to))
            && self.put_on(to).is_none()
            && self.puts_below(to).is_empty()
    }

    /// What stands there goes, with all below it; what is answered then.
    fn make_way(&mut self, to: &str) -> &'static [&'static str] {
        for pin in self.pins_within(to) {
            self.set(pin, State::Aborted);
        }
        let replaced = self.nodes.contains_key(to);
        self.nodes.retain(|path, _| !within(path, to));
        if replaced { &["204"] } else { &["201"] }
    }
}
