//! A client's own reserved spaces: large enough for all that it ever puts there, so that each answer is
//! known. What they use is the sum of the files in them.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::common::soap::{self, text};
use crate::link::{Cut, Window};
use crate::own::Own;
use crate::rules::{Outcome, SUCCESS};
use crate::world::{Gives, Kind, Space, World};

/// Bytes of no space are more.
pub const MOST: u64 = 4_000_000;
/// All that a client has in its directory at once, and more.
const LEAST: u64 = 3_000_000;
/// Spaces of one client.
const SPACES: usize = 2;
/// What goes by itself is counted a moment later.
const COUNTED: Duration = Duration::from_secs(3);
/// How long a space may be kept by a put that nobody knows.
const KEPT: Duration = Duration::from_secs(60);

/// What the daemon told of a space.
#[derive(Clone, Debug)]
pub struct Reserved {
    /// Until this is told nobody knows whether there is such a space.
    pub token: Option<String>,
}

/// `<name>value</name>`.
pub fn element(name: &str, value: impl Display) -> String {
    format!("<{name}>{value}</{name}>")
}

/// What srmReserveSpace asks in the area whose class this is.
pub fn reserving(policy: &str, guaranteed: u64, total: u64, label: &str) -> String {
    let class = element("retentionPolicy", policy) + &element("accessLatency", "ONLINE");
    element("userSpaceTokenDescription", label)
        + &element("retentionPolicyInfo", class)
        + &element("desiredSizeOfTotalSpace", total)
        + &element("desiredSizeOfGuaranteedSpace", guaranteed)
}

/// The `stringArray` elements of an answer.
pub fn strings(xml: &str) -> Vec<String> {
    let parts = xml.split("<stringArray").skip(1);
    parts.filter_map(|part| text(&format!("<stringArray{part}"), "stringArray")).collect()
}

/// `arrayOfSpaceTokens`.
pub fn tokens(token: &str) -> String {
    element("arrayOfSpaceTokens", element("stringArray", token))
}

impl Own {
    fn space_label(&self, number: u32) -> String {
        format!("{} space {number}", self.home)
    }

    /// A space that is there for sure.
    fn any_space(&mut self) -> Option<u32> {
        let known = self.spaces.iter().filter(|(_, space)| space.token.is_some());
        let there = |n: &u32| self.worlds.iter().all(|world| world.spaces.contains_key(n));
        let sure: Vec<u32> = known.map(|(number, _)| *number).filter(there).collect();
        (!sure.is_empty()).then(|| sure[self.rng.usize(0..sure.len())])
    }

    fn space_token(&self, number: u32) -> String {
        self.spaces[&number].token.clone().unwrap_or_default()
    }

    /// Where new files go, and how long they live.
    pub fn any_gives(&mut self) -> Gives {
        let space = if self.rng.u32(0..4) == 0 { self.any_space() } else { None };
        let volatile = self.rng.u32(0..5) == 0;
        let life = volatile.then(|| Duration::from_secs(self.rng.u64(1..6)));
        Gives { space, life }
    }

    /// The elements that say it.
    pub fn giving(&self, gives: &Gives, lifetime: &str, storage: &str) -> String {
        let space = gives.space.map(|n| element("targetSpaceToken", self.space_token(n)));
        let life = gives
            .life
            .map(|life| element(lifetime, life.as_secs()) + &element(storage, "VOLATILE"));
        space.unwrap_or_default() + &life.unwrap_or_default()
    }

    pub async fn of_spaces(&mut self) -> Result<(), Cut> {
        let there = |n: &u32| self.worlds.iter().any(|world| world.spaces.contains_key(n));
        let gone: Vec<u32> = self.spaces.keys().copied().filter(|n| !there(n)).collect();
        gone.iter().for_each(|n| drop(self.spaces.remove(n)));
        if self.spaces.len() < SPACES && self.rng.u32(0..3) == 0 {
            return self.reserve().await;
        }
        let Some(number) = self.any_space() else { return Ok(()) };
        match self.rng.u32(0..10) {
            0..2 => self.meta_data(number).await,
            2..6 => self.change().await,
            6 => self.purge(number).await,
            7 => self.update(number).await,
            _ => self.release_space(number).await,
        }
    }

    async fn reserve(&mut self) -> Result<(), Cut> {
        let number = self.next;
        self.next += 1;
        let (guaranteed, total) = (self.rng.u64(1..MOST), self.rng.u64(LEAST..MOST));
        let guaranteed = guaranteed.min(total);
        let inner = reserving("REPLICA", guaranteed, total, &self.space_label(number));
        let reserved = |world: &World| {
            let mut world = world.clone();
            world.spaces.insert(number, Space { total, guaranteed });
            world
        };
        self.spaces.insert(number, Reserved { token: None });
        match self.link.srm("srmReserveSpace", &inner).await {
            Ok((answer, _)) => {
                let token = text(&answer.xml, "spaceToken");
                let sizes = [
                    text(&answer.xml, "sizeOfTotalReservedSpace"),
                    text(&answer.xml, "sizeOfGuaranteedReservedSpace"),
                ];
                let said = format!("{} {sizes:?}", answer.code);
                let sizes = sizes.map(|size| size.and_then(|size| size.parse().ok()));
                let whole = answer.code == "SRM_SUCCESS"
                    && token.is_some()
                    && sizes == [Some(total), Some(guaranteed)];
                self.spaces.insert(number, Reserved { token });
                self.keep(&format!("srmReserveSpace {inner}"), &said, &|world| {
                    whole.then(|| reserved(world))
                });
                Ok(())
            }
            Err(cut) => {
                let asked: Vec<World> = self.worlds.iter().map(reserved).collect();
                self.worlds.extend(asked);
                self.note(format!("srmReserveSpace {inner}: cut off"));
                Err(cut)
            }
        }
    }

    /// After a restart: what became of reservations that were cut off?
    pub async fn resolve_spaces(&mut self) -> Result<(), Cut> {
        let unknown = self.spaces.iter().filter(|(_, space)| space.token.is_none());
        for number in unknown.map(|(number, _)| *number).collect::<Vec<_>>() {
            let inner = element("userSpaceTokenDescription", self.space_label(number));
            let (answer, _) = self.link.srm("srmGetSpaceTokens", &inner).await?;
            let token = strings(&answer.xml).pop();
            let there = token.is_some();
            self.keep(&format!("srmGetSpaceTokens {inner}"), &answer.code, &|world| {
                (world.spaces.contains_key(&number) == there).then(|| world.clone())
            });
            match there {
                true => self.spaces.insert(number, Reserved { token }),
                false => self.spaces.remove(&number),
            };
        }
        Ok(())
    }

    /// srmGetSpaceMetaData: of a space that may have been released.
    async fn meta_data(&mut self, number: u32) -> Result<(), Cut> {
        let inner = tokens(&self.space_token(number));
        let begun = Instant::now();
        loop {
            let (answer, window) = self.link.srm("srmGetSpaceMetaData", &inner).await?;
            self.pass(window);
            let size = |name| text(&answer.xml, name).and_then(|size| size.parse::<u64>().ok());
            let told = [size("totalSize"), size("guaranteedSize"), size("unusedSize")];
            let fits = |world: &World| {
                told == world.spaces.get(&number).map_or([None; 3], |space| {
                    let unused = space.total - world.used(number);
                    [Some(space.total), Some(space.guaranteed), Some(unused)]
                })
            };
            if self.worlds.iter().any(fits) || begun.elapsed() > COUNTED {
                let said = format!("{} {told:?}", answer.code);
                self.keep(&format!("srmGetSpaceMetaData of {number}"), &said, &|world| {
                    fits(world).then(|| world.clone())
                });
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All of them.
    pub async fn look_at_spaces(&mut self) -> Result<(), Cut> {
        let known = self.spaces.iter().filter(|(_, space)| space.token.is_some());
        for number in known.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.meta_data(number).await?;
        }
        Ok(())
    }

    /// srmChangeSpaceForFiles.
    async fn change(&mut self) -> Result<(), Cut> {
        let to = if self.rng.u32(0..3) == 0 { None } else { self.any_space() };
        let token = match to {
            Some(number) => self.space_token(number),
            None => {
                let inner = element("userSpaceTokenDescription", "TESTVO_TOKEN");
                let (answer, _) = self.link.srm("srmGetSpaceTokens", &inner).await?;
                strings(&answer.xml).pop().unwrap_or_default()
            }
        };
        let names = self.names_there();
        let surls: Vec<String> = names.iter().map(|name| self.surl(name)).collect();
        let inner = soap::surls(&surls) + &element("targetSpaceToken", token);
        let files = names.into_iter().map(|name| (name, None)).collect();
        self.prepare(Kind::Change { to }, files, inner).await
    }

    async fn purge(&mut self, number: u32) -> Result<(), Cut> {
        let path = &self.name_there();
        let inner =
            soap::surls(&[self.surl(path)]) + &element("spaceToken", self.space_token(number));
        self.asked("srmPurgeFromSpace", &inner, &|world| world.purge(path, number)).await
    }

    async fn update(&mut self, number: u32) -> Result<(), Cut> {
        let total = self.rng.u64(LEAST..MOST);
        let guaranteed = self.rng.u64(1..total);
        let inner = element("spaceToken", self.space_token(number))
            + &element("newSizeOfTotalSpaceDesired", total)
            + &element("newSizeOfGuaranteedSpaceDesired", guaranteed);
        let rule = |world: &World| {
            let mut world = world.clone();
            world.spaces.insert(number, Space { total, guaranteed });
            (SUCCESS, world)
        };
        self.of_space("srmUpdateSpace", &inner, &|world| vec![rule(world)]).await
    }

    async fn release_space(&mut self, number: u32) -> Result<(), Cut> {
        let force = self.rng.bool();
        let inner =
            element("spaceToken", self.space_token(number)) + &element("forceFileRelease", force);
        let sent = Instant::now();
        let rule = |world: &World| world.release_space(number, force, sent);
        self.of_space("srmReleaseSpace", &inner, &rule).await
    }

    /// An operation that is done in one step, or not at all.
    async fn of_space(
        &mut self,
        operation: &str,
        inner: &str,
        rule: &(dyn Fn(&World) -> Vec<Outcome> + Sync),
    ) -> Result<(), Cut> {
        let sent = Instant::now();
        match self.link.srm(operation, inner).await {
            Ok((answer, window)) => {
                self.pass(window);
                let code = answer.code.as_str();
                self.keep_all(&format!("{operation} {inner}"), code, &|world| {
                    let all = rule(world).into_iter();
                    all.filter(|(codes, _)| codes.contains(&code)).map(|(_, after)| after).collect()
                });
                Ok(())
            }
            Err(cut) => {
                self.pass(Window { sent, read: Instant::now() });
                let after = |world: &World| {
                    let all = rule(world).into_iter().map(|(_, after)| after);
                    all.flat_map(|mut after| {
                        after.doubt_lives(world);
                        // Files leave a space before it goes.
                        let kept = World { spaces: world.spaces.clone(), ..after.clone() };
                        [after, kept]
                    })
                    .collect::<Vec<_>>()
                };
                let after: Vec<World> = self.worlds.iter().flat_map(after).collect();
                self.worlds.extend(after);
                self.dedup();
                self.note(format!("{operation} {inner}: cut off"));
                Err(cut)
            }
        }
    }

    /// At the end: no space is left.
    pub async fn release_all(&mut self) -> Result<(), Cut> {
        let spaces = std::mem::take(&mut self.spaces).into_values();
        self.left.extend(spaces.filter_map(|space| space.token));
        let begun = Instant::now();
        while let Some(token) = self.left.last() {
            let inner = element("spaceToken", token) + &element("forceFileRelease", true);
            let (answer, _) = self.link.srm("srmReleaseSpace", &inner).await?;
            match answer.code.as_str() {
                "SRM_SUCCESS" | "SRM_INVALID_REQUEST" => drop(self.left.pop()),
                "SRM_FAILURE" if begun.elapsed() < KEPT => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                _ => {
                    let text = format!("{}: a space is not released: {}", self.home, answer.xml);
                    self.link.tally.wrong("stuck", text);
                    self.left.pop();
                }
            }
        }
        Ok(())
    }
}
