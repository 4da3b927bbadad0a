//! A client in a directory of its own, where nobody else works: every answer is checked against the
//! worlds that its own deeds allow.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use fastrand::Rng;

use crate::common::soap;
use crate::content;
use crate::link::{Cut, Link};
use crate::rules::Outcome;
use crate::spaces::Reserved;
use crate::world::{Request, SLACK, State, World};

/// What is done to files and directories, few so that they meet.
const NAMES: [&str; 7] = ["a", "b", "d", "d/a", "d/b", "e", "e/a"];
/// Worlds that are looked into before anything else is done.
const WORLDS: usize = 16;

/// What the daemon told of a request.
#[derive(Clone, Debug)]
pub struct Known {
    pub sent: Instant,
    /// Until this is told nobody knows whether there is such a request.
    pub token: Option<String>,
    /// It waits for the answer.
    pub waits: bool,
    pub turls: Vec<Option<String>>,
}

/// A request that has ended, as it was last told: that never changes.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The operation that tells it.
    pub status: &'static str,
    pub token: String,
    pub codes: Vec<String>,
}

/// The client.
pub struct Own {
    pub link: Link,
    pub rng: Rng,
    /// `srm://…/test.vo/`
    pub base: String,
    /// Its directory, without slashes.
    pub home: String,
    pub number: u64,
    pub worlds: Vec<World>,
    pub known: BTreeMap<u32, Known>,
    pub ended: Vec<Ended>,
    pub spaces: BTreeMap<u32, Reserved>,
    /// Tokens of spaces of earlier directories.
    pub left: Vec<String>,
    /// Half an upload was left at this moment.
    pub torn: Option<Instant>,
    pub closed: bool,
    pub next: u32,
    written: u64,
    moves: u32,
    /// What was done last, for whoever has to find out.
    pub trace: VecDeque<String>,
}

/// What a step is about.
pub type Place = (u32, usize);

impl Own {
    pub fn new(link: Link, rng: Rng, base: String, number: u64) -> Self {
        Self {
            link,
            rng,
            base,
            home: format!("c{number}"),
            number,
            worlds: Vec::new(),
            known: BTreeMap::new(),
            ended: Vec::new(),
            spaces: BTreeMap::new(),
            left: Vec::new(),
            torn: None,
            closed: false,
            next: 0,
            written: 0,
            moves: 0,
            trace: VecDeque::new(),
        }
    }

    /// Works until there are no more kills, then ends what it began.
    pub async fn run(mut self) -> Self {
        loop {
            let closing = self.link.phase.borrow().closing;
            let done = async {
                self.resolve().await?;
                self.resolve_spaces().await?;
                if closing { self.close().await } else { self.turn().await }
            };
            match done.await {
                Ok(()) if self.closed => return self,
                Ok(()) => {}
                Err(Cut) => {
                    self.link.resume().await;
                    self.worlds.iter_mut().for_each(World::restarted);
                    self.dedup();
                }
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Cut> {
        if self.worlds.is_empty() {
            return self.settle_in().await;
        }
        self.forget_ended();
        if self.worlds.len() > WORLDS {
            return self.observe().await;
        }
        let path = self.any_name();
        match self.rng.u32(0..100) {
            0..14 => self.prepare_put().await,
            14..26 => self.upload().await,
            26..40 => self.put_done().await,
            40..42 => self.abort_request().await,
            42..44 => self.of_files("srmAbortFiles", &World::abort_file).await,
            44..51 => self.prepare_get().await,
            51..56 => self.prepare_copy().await,
            56..60 => self.read(&path).await,
            60..63 => self.of_files("srmReleaseFiles", &World::release).await,
            63..65 => self.extend_pins().await,
            65..67 => self.extend_file().await,
            67..69 => self.resume().await,
            69..73 => self.status().await,
            73..76 => self.list().await,
            76..80 => self.rm(&path).await,
            80..82 => self.mv(&path).await,
            82..86 => self.carry().await,
            86..89 => self.one("srmMkdir", &path, "", &|world: &World| world.mkdir(&path)).await,
            89..91 => {
                let all = self.rng.bool();
                let more = format!("<recursive>{all}</recursive>");
                self.one("srmRmdir", &path, &more, &|world: &World| world.rmdir(&path, all)).await
            }
            91..94 => self.dav(&path, true).await,
            94..95 => self.dav(&path, false).await,
            95..98 => self.of_spaces().await,
            98 if self.rng.bool() => self.observe().await,
            _ => self.recheck().await,
        }
    }

    /// A new directory: at the start, and after something went wrong in the old one.
    pub async fn settle_in(&mut self) -> Result<(), Cut> {
        while let Some((number, known)) = self.known.last_key_value() {
            let number = *number;
            if let Some(token) = &known.token {
                self.link.srm("srmAbortRequest", &soap::token(token)).await?;
            }
            self.known.remove(&number);
        }
        let spaces = std::mem::take(&mut self.spaces).into_values();
        self.left.extend(spaces.filter_map(|space| space.token));
        self.home = format!("c{}-{}", self.number, self.moves);
        self.moves += 1;
        let surl = format!("<SURL>{}{}</SURL>", self.base, self.home);
        let (answer, _) = self.link.srm("srmMkdir", &surl).await?;
        if answer.code == "SRM_SUCCESS" {
            self.worlds = vec![World::default()];
        }
        Ok(())
    }

    pub fn surl(&self, path: &str) -> String {
        format!("{}{}/{path}", self.base, self.home)
    }

    pub fn any_name(&mut self) -> String {
        NAMES[self.rng.usize(0..NAMES.len())].to_owned()
    }

    pub fn any_names(&mut self) -> Vec<String> {
        let mut names = NAMES;
        self.rng.shuffle(&mut names);
        let count = [1, 1, 1, 2, 3][self.rng.usize(0..5)];
        names[..count].iter().map(|name| (*name).to_owned()).collect()
    }

    /// The same, with a file first, mostly.
    pub fn names_there(&mut self) -> Vec<String> {
        let mut names = self.any_names();
        let first = self.name_there();
        names.retain(|name| *name != first);
        names.insert(0, first);
        names
    }

    /// Mostly a file.
    pub fn name_there(&mut self) -> String {
        let any = self.any_name();
        let Some(world) = self.worlds.first().filter(|_| self.rng.u32(0..4) > 0) else {
            return any;
        };
        let files: Vec<&String> =
            world.nodes.keys().filter(|p| world.stored(p).is_some()).collect();
        if files.is_empty() { any } else { files[self.rng.usize(0..files.len())].clone() }
    }

    /// A content that nobody wrote before.
    pub fn new_content(&mut self) -> u64 {
        self.written += 1;
        // Sometimes nothing at all.
        if self.rng.u32(0..12) == 0 { 0 } else { (self.number << 32) + self.written }
    }

    /// A remembered request of a kind, rather one with something under way.
    pub fn any_request(&mut self, put: Option<bool>) -> Option<u32> {
        let world = self.worlds.first()?;
        let fits = |r: &Request| match put {
            Some(true) => r.kind.puts(),
            Some(false) => r.kind.pins(),
            None => true,
        };
        let fitting = world.requests.iter().filter(|(n, r)| {
            fits(r) && self.known.get(*n).is_some_and(|known| known.token.is_some())
        });
        let (live, over): (Vec<_>, Vec<_>) = fitting
            .map(|(n, r)| (*n, r.files.iter().any(|f| f.state == State::Live)))
            .partition(|(_, live)| *live);
        let from = if live.is_empty() || self.rng.u32(0..6) == 0 { over } else { live };
        (!from.is_empty()).then(|| from[self.rng.usize(0..from.len())].0)
    }

    pub fn token(&self, number: u32) -> String {
        soap::token(self.known[&number].token.as_deref().unwrap_or_default())
    }

    /// Some files of a request.
    pub fn some_files(&mut self, number: u32) -> Vec<Place> {
        let count = self.worlds[0].requests[&number].files.len();
        let mut places: Vec<Place> = (0..count).map(|at| (number, at)).collect();
        if self.rng.bool() {
            let at = self.rng.usize(0..count);
            places = vec![(number, at)];
        }
        places
    }

    pub fn surls_of(&self, places: &[Place]) -> String {
        let surls: Vec<String> =
            places.iter().map(|place| self.surl(&self.worlds[0].file(*place).path)).collect();
        soap::surls(&surls)
    }

    /// An operation with one code.
    async fn one(
        &mut self,
        operation: &str,
        path: &str,
        more: &str,
        rule: &(dyn Fn(&World) -> Outcome + Sync),
    ) -> Result<(), Cut> {
        let inner = format!("<SURL>{}</SURL>{more}", self.surl(path));
        self.asked(operation, &inner, rule).await
    }

    pub async fn asked(
        &mut self,
        operation: &str,
        inner: &str,
        rule: &(dyn Fn(&World) -> Outcome + Sync),
    ) -> Result<(), Cut> {
        let sent = Instant::now();
        match self.link.srm(operation, inner).await {
            Ok((answer, window)) => {
                self.pass(window);
                let what = format!("{operation} {inner}");
                self.rule(&what, answer.file_code(), rule);
                Ok(())
            }
            Err(cut) => {
                self.doubt(&format!("{operation} {inner}"), sent, &|world| rule(world).1);
                Err(cut)
            }
        }
    }

    /// An operation with a code per file.
    pub async fn per_file(
        &mut self,
        operation: &str,
        inner: &str,
        places: &[Place],
        rule: &(dyn Fn(&World, Place) -> Outcome + Sync),
    ) -> Result<(), Cut> {
        let sent = Instant::now();
        match self.link.srm(operation, inner).await {
            Ok((answer, window)) => {
                self.pass(window);
                for (at, place) in places.iter().enumerate() {
                    let code = answer.files.get(at).map_or(&answer.code, |file| &file.code);
                    // The daemon may not have noticed yet that its client went away.
                    let torn = self.torn.is_some_and(|at| at.elapsed() < SLACK);
                    if torn && code == "SRM_FILE_BUSY" && operation == "srmPutDone" {
                        continue;
                    }
                    let what = format!("{operation} {place:?} of {inner}");
                    self.rule(&what, code, &|world| rule(world, *place));
                }
                Ok(())
            }
            Err(cut) => {
                let all = |world: &World| {
                    places.iter().fold(world.clone(), |world, place| rule(&world, *place).1)
                };
                self.doubt(&format!("{operation} {inner}"), sent, &all);
                Err(cut)
            }
        }
    }

    async fn of_files(
        &mut self,
        operation: &str,
        rule: &(dyn Fn(&World, Place) -> Outcome + Sync),
    ) -> Result<(), Cut> {
        let put = (operation == "srmReleaseFiles").then_some(false);
        let Some(number) = self.any_request(put) else { return Ok(()) };
        let places = self.some_files(number);
        let inner = self.token(number) + &self.surls_of(&places);
        self.per_file(operation, &inner, &places, rule).await
    }

    async fn put_done(&mut self) -> Result<(), Cut> {
        let Some(number) = self.any_request(Some(true)) else { return Ok(()) };
        let places = self.some_files(number);
        let inner = self.token(number) + &self.surls_of(&places);
        let sent = Instant::now();
        let rule = |world: &World, place| world.put_done(place, sent);
        self.per_file("srmPutDone", &inner, &places, &rule).await
    }

    pub async fn abort_request(&mut self) -> Result<(), Cut> {
        let Some(number) = self.any_request(None) else { return Ok(()) };
        self.abort(number).await
    }

    pub async fn abort(&mut self, number: u32) -> Result<(), Cut> {
        let inner = self.token(number);
        self.asked("srmAbortRequest", &inner, &move |world| world.abort_request(number)).await
    }

    async fn rm(&mut self, path: &str) -> Result<(), Cut> {
        let inner = soap::surls(&[self.surl(path)]);
        self.asked("srmRm", &inner, &|world| world.rm(path)).await
    }

    async fn mv(&mut self, from: &str) -> Result<(), Cut> {
        let to = self.any_name();
        let (source, target) = (self.surl(from), self.surl(&to));
        let inner = format!("<fromSURL>{source}</fromSURL><toSURL>{target}</toSURL>");
        self.asked("srmMv", &inner, &|world| world.mv(from, &to)).await
    }

    async fn dav(&mut self, path: &str, put: bool) -> Result<(), Cut> {
        let content = self.new_content();
        let bytes = if put { content::bytes(content) } else { Vec::new() };
        let method = if put { "PUT" } else { "DELETE" };
        let target = format!("/test.vo/{}/{path}", self.home);
        let rule = |world: &World| {
            if put { world.dav_put(path, content) } else { world.dav_delete(path) }
        };
        self.over_http(method, &target, &bytes, &rule).await
    }

    pub async fn over_http(
        &mut self,
        method: &str,
        target: &str,
        bytes: &[u8],
        rule: &(dyn Fn(&World) -> Outcome + Sync),
    ) -> Result<(), Cut> {
        let sent = Instant::now();
        match self.link.http(method, target, bytes).await {
            Ok((response, window)) => {
                self.pass(window);
                let text = response.text().replace('\n', " ");
                let what = format!("{method} {target} ({text:.100})");
                self.rule(&what, &response.status.to_string(), rule);
                Ok(())
            }
            Err(cut) => {
                self.doubt(&format!("{method} {target}"), sent, &|world| rule(world).1);
                Err(cut)
            }
        }
    }
}
