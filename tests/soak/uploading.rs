//! How a client in its own directory writes to TURLs.

use std::path::PathBuf;
use std::time::Instant;

use crate::common::wire;
use crate::content;
use crate::link::{Cut, Link, Window};
use crate::own::{Own, Place};
use crate::world::{State, World};

impl Own {
    /// Writes to a TURL, open or closed.
    pub async fn upload(&mut self) -> Result<(), Cut> {
        let Some(number) = self.any_request(Some(true)) else { return Ok(()) };
        let turls: Vec<(usize, String)> = self.known[&number]
            .turls
            .iter()
            .enumerate()
            .filter_map(|(at, turl)| Some((at, turl.clone()?)))
            .collect();
        for (at, turl) in turls {
            if self.worlds.is_empty() {
                break;
            }
            let (place, content) = ((number, at), self.new_content());
            if let Some(rest) = turl.strip_prefix("file://") {
                self.write(place, rest, content);
                continue;
            }
            let (_, target) = wire::split_url(&turl);
            let bytes = content::bytes(content);
            if self.rng.u32(0..12) == 0 {
                self.link.half_upload(&target, &bytes).await;
                self.torn = Some(Instant::now());
                continue;
            }
            let path = self.worlds[0].file(place).path.clone();
            self.over_http("PUT", &target, &bytes, &|world| world.upload(&path, content)).await?;
        }
        Ok(())
    }

    /// As a mover on this machine: in place.
    fn write(&mut self, place: Place, rest: &str, content: u64) {
        let at = rest.find('/').unwrap_or_default();
        let path = PathBuf::from(format!("/{}", rest[at..].trim_start_matches('/')));
        let sent = Instant::now();
        let wrote = Link::write(&path, &content::bytes(content));
        self.pass(Window { sent, read: Instant::now() });
        self.keep(&format!("writing {}", path.display()), &wrote.to_string(), &|world| {
            let file = world.file(place);
            let there = file.state == State::Live && !file.doubtful;
            let mut world = world.clone();
            if there && wrote {
                world.change(place, |file| file.data = Some(content));
            }
            // It may have been opened just before its time was over.
            (there == wrote || (wrote && file_ended(&world, place))).then_some(world)
        });
    }
}

fn file_ended(world: &World, place: Place) -> bool {
    matches!(world.file(place).state, State::Expired)
}
