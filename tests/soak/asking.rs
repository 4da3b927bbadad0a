//! How a client in its own directory makes requests, feeds them and asks about them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::common::soap::{self, Answer};
use crate::common::wire;
use crate::content;
use crate::link::{Cut, Link, Window};
use crate::own::{Ended, Known, Own, Place};
use crate::rules::WAITS;
use crate::world::{Ends, File, Kind, Over, Request, State, World};

/// Requests that a client remembers.
const REMEMBERED: usize = 6;
/// Ended ones that are looked at now and then.
const ENDED: usize = 40;
/// A request that waits longer is stuck.
const STUCK: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

impl Own {
    pub async fn prepare_put(&mut self) -> Result<(), Cut> {
        let names = self.any_names();
        let over = [Over::Never, Over::Always, Over::Always, Over::Different][self.rng.usize(0..4)];
        let made = self.rng.u32(0..4) == 0;
        let sized = !made && self.rng.u32(0..4) == 0;
        let surls: Vec<String> = names.iter().map(|name| self.surl(name)).collect();
        let mut inner = soap::prepare_to_put(&surls, sized.then_some(10));
        if made {
            inner = inner.replace(">https<", ">file<");
        }
        let mode = match over {
            Over::Never => "NEVER",
            Over::Always => "ALWAYS",
            Over::Different => "WHEN_FILES_ARE_DIFFERENT",
        };
        inner += &format!("<overwriteOption>{mode}</overwriteOption>");
        self.prepare(Kind::Put { over, made, sized }, names, inner).await
    }

    pub async fn prepare_get(&mut self) -> Result<(), Cut> {
        let names = self.any_names();
        let surls: Vec<String> = names.iter().map(|name| self.surl(name)).collect();
        self.prepare(Kind::Get, names, soap::prepare_to_get(&surls)).await
    }

    async fn prepare(&mut self, kind: Kind, names: Vec<String>, inner: String) -> Result<(), Cut> {
        let seconds = self.rng.u64(3..8);
        let lifetime = Duration::from_secs(seconds);
        let inner = format!("{inner}<desiredPinLifeTime>{seconds}</desiredPinLifeTime>");
        let operation = if kind == Kind::Get { "srmPrepareToGet" } else { "srmPrepareToPut" };
        let number = self.next;
        self.next += 1;
        let inner = inner + &self.label(number);
        let sent = Instant::now();
        let queued = |world: &World| {
            let file = |path: &String| File {
                path: path.clone(),
                state: State::Queued,
                data: None,
                doubtful: false,
                ends: Ends::after(Window { sent, read: sent }, lifetime),
            };
            let files = names.iter().map(file).collect();
            let request = Request { kind: kind.clone(), files, lifetime, aborted: false };
            let mut world = world.clone();
            world.requests.insert(number, request);
            world
        };
        let answer = match self.link.srm(operation, &inner).await {
            Ok((answer, _)) => answer,
            Err(cut) => {
                let known = Known { sent, token: None, waits: true, turls: Vec::new() };
                self.known.insert(number, known);
                let asked: Vec<World> = self.worlds.iter().map(queued).collect();
                self.worlds.extend(asked);
                self.note(format!("{operation} {names:?} as {number}: cut off"));
                return Err(cut);
            }
        };
        if answer.token.is_none() || answer.files.len() != names.len() {
            self.keep(operation, &format!("{} without files", answer.code), &|_| None);
            return Ok(());
        }
        let known = Known { sent, token: answer.token.clone(), waits: true, turls: Vec::new() };
        self.known.insert(number, known);
        self.worlds = self.worlds.iter().map(queued).collect();
        self.await_answer(number, Some(answer)).await
    }

    fn label(&self, number: u32) -> String {
        format!("<userRequestDescription>{} {number}</userRequestDescription>", self.home)
    }

    /// After a restart: what became of requests that were cut off?
    pub async fn resolve(&mut self) -> Result<(), Cut> {
        let waiting = self.known.iter().filter(|(_, known)| known.waits);
        for number in waiting.map(|(number, _)| *number).collect::<Vec<_>>() {
            if self.known[&number].token.is_none() {
                let inner = self.label(number);
                let (answer, _) = self.link.srm("srmGetRequestTokens", &inner).await?;
                let token = answer.token.or_else(|| soap::text(&answer.xml, "requestToken"));
                let there = token.is_some();
                self.keep("srmGetRequestTokens", &answer.code, &|world| {
                    (world.requests.contains_key(&number) == there).then(|| world.clone())
                });
                match self.known.get_mut(&number) {
                    Some(known) if there => known.token = token,
                    _ => {
                        self.known.remove(&number);
                        continue;
                    }
                }
            }
            // It may have been ready before the daemon was killed, or only now.
            let before = self.worlds.iter().filter(|w| w.requests[&number].is_put_over_https());
            let mut before: Vec<World> = before.cloned().collect();
            for request in before.iter_mut().filter_map(|world| world.requests.get_mut(&number)) {
                request.files.iter_mut().for_each(|file| file.doubtful = true);
            }
            self.worlds.extend(before);
            self.dedup();
            self.await_answer(number, None).await?;
        }
        Ok(())
    }

    /// Asks until the request waits for nothing any more.
    async fn await_answer(&mut self, number: u32, first: Option<Answer>) -> Result<(), Cut> {
        let begun = Instant::now();
        let mut answer = match first {
            Some(answer) => answer,
            None => self.ask_status(number).await?.0,
        };
        while waits(&answer) {
            if begun.elapsed() > STUCK {
                let text = format!("{} waits for ever: {}", self.token(number), answer.xml);
                self.link.tally.wrong("stuck", text);
                self.worlds.clear();
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
            (answer, _) = self.ask_status(number).await?;
        }
        let Some(known) = self.known.get_mut(&number) else { return Ok(()) };
        known.waits = false;
        known.turls = vec![None; answer.files.len()];
        let window = Window { sent: known.sent, read: Instant::now() };
        self.pass(window);
        for (at, file) in answer.files.iter().enumerate() {
            let place = (number, at);
            let what = format!("request {number} {}", file.surl);
            self.keep(&what, &file.code, &|world| {
                let mut world = world.clone().work(place);
                let lifetime = world.requests[&number].lifetime;
                world.change(place, |file| file.ends = Ends::after(window, lifetime));
                // It may have been ready, and its time over, before the daemon was killed.
                let fits = |world: &World| world.status(place).contains(&file.code.as_str());
                world.pass(window).into_iter().find(fits)
            });
        }
        self.take_turls(number, &answer);
        Ok(())
    }

    fn take_turls(&mut self, number: u32, answer: &Answer) {
        let Some(known) = self.known.get_mut(&number) else { return };
        for (turl, file) in known.turls.iter_mut().zip(&answer.files) {
            *turl = file.turl.clone().or(turl.take());
        }
    }

    async fn ask_status(&mut self, number: u32) -> Result<(Answer, Window), Cut> {
        let get = self.worlds.first().is_some_and(|w| w.requests[&number].kind == Kind::Get);
        let operation = if get { "srmStatusOfGetRequest" } else { "srmStatusOfPutRequest" };
        let inner = self.token(number);
        self.link.srm(operation, &inner).await
    }

    pub async fn status(&mut self) -> Result<(), Cut> {
        match self.any_request(None) {
            Some(number) => self.status_of(number).await,
            None => Ok(()),
        }
    }

    pub async fn status_of(&mut self, number: u32) -> Result<(), Cut> {
        let (answer, window) = self.ask_status(number).await?;
        self.pass(window);
        let Some(files) = self.worlds.first().map(|w| w.requests[&number].files.len()) else {
            return Ok(());
        };
        for at in 0..files {
            let code = answer.files.get(at).map_or(&answer.code, |file| &file.code);
            let what = format!("status of {number} file {at}");
            self.rule(&what, code, &|world| (world.status((number, at)), world.clone()));
        }
        self.take_turls(number, &answer);
        Ok(())
    }

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

    /// Forgets what has ended, but for its token.
    pub fn forget_ended(&mut self) {
        let over = |world: &World, number: u32| {
            world.requests.get(&number).is_none_or(|request| {
                let files = &request.files;
                files.iter().all(|f| !matches!(f.state, State::Queued | State::Live))
            })
        };
        let mut spare = self.known.len().saturating_sub(REMEMBERED);
        for number in self.known.keys().copied().collect::<Vec<_>>() {
            if spare == 0 || !self.worlds.iter().all(|world| over(world, number)) {
                continue;
            }
            spare -= 1;
            let get =
                self.worlds.iter().find_map(|w| Some(w.requests.get(&number)?.kind == Kind::Get));
            self.worlds.iter_mut().for_each(|world| drop(world.requests.remove(&number)));
            let token = self.known.remove(&number).and_then(|known| known.token);
            if let (Some(get), Some(token)) = (get, token) {
                self.ended.push(Ended { get, token, codes: Vec::new() });
            }
        }
        if self.ended.len() > ENDED {
            self.ended.remove(0);
        }
        self.dedup();
    }

    /// Looks at a request that ended some time ago: it is as it was.
    pub async fn recheck(&mut self) -> Result<(), Cut> {
        if self.ended.is_empty() {
            return Ok(());
        }
        let at = self.rng.usize(0..self.ended.len());
        self.recheck_one(at).await
    }

    pub async fn recheck_one(&mut self, at: usize) -> Result<(), Cut> {
        let Ended { get, token, .. } = self.ended[at].clone();
        let operation = if get { "srmStatusOfGetRequest" } else { "srmStatusOfPutRequest" };
        let (answer, _) = self.link.srm(operation, &soap::token(&token)).await?;
        let files = answer.files.iter().map(|file| file.code.clone());
        let codes: Vec<String> = std::iter::once(answer.code.clone()).chain(files).collect();
        let before = &mut self.ended[at].codes;
        if codes.len() < 2 {
            self.link.tally.lost(format!("the ended request {token} is gone: {codes:?}"));
        } else if before.is_empty() {
            *before = codes;
        } else if *before != codes {
            let text = format!("the ended request {token} was {before:?} and is {codes:?}");
            self.link.tally.violation(text);
        }
        Ok(())
    }
}

fn file_ended(world: &World, place: Place) -> bool {
    matches!(world.file(place).state, State::Expired)
}

fn waits(answer: &Answer) -> bool {
    answer.files.iter().any(|file| WAITS.contains(&file.code.as_str()))
}
