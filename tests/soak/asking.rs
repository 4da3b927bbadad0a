//! How a client in its own directory makes requests, feeds them and asks about them.

use std::time::{Duration, Instant};

use crate::common::soap::{self, Answer};
use crate::link::{Cut, Window};
use crate::own::{Ended, Known, Own};
use crate::rules::WAITS;
use crate::spaces::{MOST, element};
use crate::world::{Ends, File, Kind, Over, Request, State, Stop, World, within};

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
        let over = self.any_over();
        let made = self.rng.u32(0..4) == 0;
        let gives = self.any_gives();
        let mut sized = (!made && self.rng.u32(0..4) == 0).then_some(10);
        if gives.space.is_some() && self.rng.u32(0..10) == 0 {
            sized = Some(MOST + 1);
        }
        let surls: Vec<String> = names.iter().map(|name| self.surl(name)).collect();
        let mut inner = soap::prepare_to_put(&surls, sized);
        if made {
            inner = inner.replace(">https<", ">file<");
        }
        inner += &over.element();
        inner += &self.giving(&gives, "desiredFileLifeTime", "desiredFileStorageType");
        self.prepare(Kind::Put { over, made, sized, gives }, alone(names), inner).await
    }

    /// srmPrepareToGet or srmBringOnline.
    pub async fn prepare_get(&mut self) -> Result<(), Cut> {
        let names = self.names_there();
        let surls: Vec<String> = names.iter().map(|name| self.surl(name)).collect();
        let inner = soap::prepare_to_get(&surls);
        let kind = if self.rng.u32(0..3) == 0 { Kind::Bring } else { Kind::Get };
        self.prepare(kind, alone(names), inner).await
    }

    pub async fn prepare_copy(&mut self) -> Result<(), Cut> {
        let names = [self.name_there(), self.any_name(), self.name_there(), self.any_name()];
        let mut pairs: Vec<_> =
            names.chunks(2).map(|p| (p[1].clone(), Some(p[0].clone()))).collect();
        // Which of two is done first is up to the daemon.
        let meets = |a: &String, b: &String| within(a, b) || within(b, a);
        if names[..2].iter().any(|a| names[2..].iter().any(|b| meets(a, b))) {
            pairs.truncate(1);
        }
        let (over, gives) = (self.any_over(), self.any_gives());
        let mut inner = String::from("<arrayOfFileRequests>");
        for (target, source) in &pairs {
            let (source, target) =
                (self.surl(source.as_deref().unwrap_or_default()), self.surl(target));
            inner += &format!(
                "<requestArray><sourceSURL>{source}</sourceSURL>\
                 <targetSURL>{target}</targetSURL></requestArray>"
            );
        }
        inner += "</arrayOfFileRequests>";
        inner += &over.element();
        inner += &self.giving(&gives, "desiredTargetSURLLifeTime", "targetFileStorageType");
        self.prepare(Kind::Copy { over, gives }, pairs, inner).await
    }

    fn any_over(&mut self) -> Over {
        [Over::Never, Over::Always, Over::Always, Over::Different][self.rng.usize(0..4)]
    }

    /// Asks, and waits for the answer; or stops or suspends at once what was asked for.
    pub async fn prepare(
        &mut self,
        kind: Kind,
        files: Vec<(String, Option<String>)>,
        mut inner: String,
    ) -> Result<(), Cut> {
        let haste = self.rng.u32(0..12);
        let rests = matches!(kind, Kind::Bring | Kind::Copy { .. });
        // It may rest longer than the space is there.
        let suspends = (haste == 1 || (haste < 4 && rests)) && kind.space().is_none();
        if suspends && kind == Kind::Bring {
            inner += "<deferredStartTime>2</deferredStartTime>";
        }
        let Some((number, answer)) = self.submit(kind, files, inner).await? else {
            return Ok(());
        };
        match haste {
            0 if !suspends => self.stop(number).await,
            _ if suspends => self.suspend(number).await,
            _ => self.await_answer(number, Some(answer)).await,
        }
    }

    /// Its number and the first answer; `None` when it was refused as a whole.
    async fn submit(
        &mut self,
        kind: Kind,
        files: Vec<(String, Option<String>)>,
        inner: String,
    ) -> Result<Option<(u32, Answer)>, Cut> {
        let seconds = self.rng.u64(3..8);
        let lifetime = Duration::from_secs(seconds);
        let number = self.next;
        self.next += 1;
        let inner = match &kind {
            Kind::Change { .. } => inner,
            Kind::Copy { .. } => inner + &self.label(number),
            Kind::Bring => inner + &self.label(number) + &element("desiredLifeTime", seconds),
            _ => inner + &self.label(number) + &element("desiredPinLifeTime", seconds),
        };
        let sent = Instant::now();
        let queued = |world: &World| {
            let file = |(path, source): &(String, Option<String>)| File {
                path: path.clone(),
                source: source.clone(),
                state: State::Queued,
                since: sent,
                data: None,
                doubtful: false,
                ends: Ends::after(Window { sent, read: sent }, lifetime),
            };
            let files = files.iter().map(file).collect();
            let request = Request {
                kind: kind.clone(),
                files,
                lifetime,
                aborted: false,
                stop: Stop::No,
                suspended: false,
            };
            let mut world = world.clone();
            world.requests.insert(number, request);
            world
        };
        let operation = kind.operation();
        let answer = match self.link.srm(operation, &inner).await {
            Ok((answer, _)) => answer,
            Err(cut) => {
                self.note(format!("{operation} {files:?} as {number}: cut off"));
                if matches!(kind, Kind::Change { .. }) {
                    // It bears no label: nobody can tell whether, and when, it is done.
                    self.worlds.clear();
                    return Err(cut);
                }
                let known = Known { sent, token: None, waits: true, turls: Vec::new() };
                self.known.insert(number, known);
                let asked: Vec<World> = self.worlds.iter().map(queued).collect();
                self.worlds.extend(asked);
                return Err(cut);
            }
        };
        if answer.token.is_none() || answer.files.len() != files.len() {
            self.keep(operation, &format!("{} without files", answer.code), &|_| None);
            return Ok(None);
        }
        self.note(format!("{operation} {kind:?} {files:?} as {number}"));
        let known = Known { sent, token: answer.token.clone(), waits: true, turls: Vec::new() };
        self.known.insert(number, known);
        self.worlds = self.worlds.iter().map(queued).collect();
        Ok(Some((number, answer)))
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

    /// Asks until the request waits for nothing any more, or rests.
    pub async fn await_answer(&mut self, number: u32, first: Option<Answer>) -> Result<(), Cut> {
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
            self.keep_all(&what, &file.code, &|world| {
                // It may have been ready, and its time over, before the daemon was killed.
                let fits = |world: &World| world.status(place).contains(&file.code.as_str());
                let came = world.came(place, window).into_iter();
                came.flat_map(|world| world.pass(window)).filter(fits).collect()
            });
        }
        self.worlds.iter_mut().for_each(|world| world.came_all(number));
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
        let kind = self.worlds.first().map(|world| world.requests[&number].kind.clone());
        let operation = kind.unwrap_or(Kind::Get).status();
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

    /// Forgets what has ended, but for its token.
    pub fn forget_ended(&mut self) {
        let over = |world: &World, number: u32| {
            world.requests.get(&number).is_none_or(|request| {
                let files = &request.files;
                files.iter().all(|f| !f.state.is_open())
            })
        };
        let mut spare = self.known.len().saturating_sub(REMEMBERED);
        for number in self.known.keys().copied().collect::<Vec<_>>() {
            if spare == 0 || !self.worlds.iter().all(|world| over(world, number)) {
                continue;
            }
            spare -= 1;
            let mut kinds = self.worlds.iter().filter_map(|w| w.requests.get(&number));
            let status = kinds.next().map(|request| request.kind.status());
            self.worlds.iter_mut().for_each(|world| drop(world.requests.remove(&number)));
            let token = self.known.remove(&number).and_then(|known| known.token);
            if let (Some(status), Some(token)) = (status, token) {
                self.ended.push(Ended { status, token, codes: Vec::new() });
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
        let Ended { status, token, .. } = self.ended[at].clone();
        let (answer, _) = self.link.srm(status, &soap::token(&token)).await?;
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

fn waits(answer: &Answer) -> bool {
    answer.files.iter().any(|file| WAITS.contains(&file.code.as_str()))
}

/// Paths without a source.
fn alone(names: Vec<String>) -> Vec<(String, Option<String>)> {
    names.into_iter().map(|name| (name, None)).collect()
}
