//! What comes between a request and its end: stopped or suspended before it is ready, resumed later, its
//! pins extended.

use std::time::{Duration, Instant};

use crate::common::soap;
use crate::link::{Cut, Window};
use crate::own::{Own, Place};
use crate::rules::{ABORTED, BUSY, INVALID, LATE, NO_PATH, Outcome, SUCCESS};
use crate::spaces::element;
use crate::world::{Ends, Kind, Request, State, Stop, World};

impl Own {
    fn each(&mut self, number: u32, change: impl Fn(&mut Request)) {
        let requests = self.worlds.iter_mut().filter_map(|world| world.requests.get_mut(&number));
        requests.for_each(change);
    }

    /// srmAbortRequest, before anybody asked what became of it.
    pub async fn stop(&mut self, number: u32) -> Result<(), Cut> {
        self.each(number, |request| request.stop = Stop::Asked);
        let inner = self.token(number);
        let (answer, _) = self.link.srm("srmAbortRequest", &inner).await?;
        self.each(number, |request| request.stop = Stop::Sure);
        self.await_answer(number, None).await?;
        self.keep(&format!("the early srmAbortRequest of {number}"), &answer.code, &|world| {
            let files = &world.requests[&number].files;
            let is = |state| files.iter().any(|file| file.state == state);
            let code = match is(State::Done) && !is(State::Aborted) {
                true => "SRM_FAILURE",
                false => "SRM_SUCCESS",
            };
            (answer.code == code).then(|| world.clone())
        });
        Ok(())
    }

    /// srmSuspendRequest, before anybody asked what became of it.
    pub async fn suspend(&mut self, number: u32) -> Result<(), Cut> {
        let inner = self.token(number);
        match self.link.srm("srmSuspendRequest", &inner).await {
            Ok((answer, _)) => {
                self.note(format!("srmSuspendRequest of {number}: {}", answer.code));
                match answer.code.as_str() {
                    "SRM_SUCCESS" => self.each(number, |request| request.suspended = true),
                    // Nothing waited any more.
                    "SRM_FAILURE" => {}
                    _ => self.keep("srmSuspendRequest", &answer.code, &|_| None),
                }
                self.await_answer(number, None).await
            }
            Err(cut) => {
                let before = self.worlds.clone();
                self.each(number, |request| request.suspended = true);
                self.worlds.extend(before);
                Err(cut)
            }
        }
    }

    /// srmResumeRequest of one that rests.
    pub async fn resume(&mut self) -> Result<(), Cut> {
        let rests = |world: &World, number: u32| {
            let request = world.requests.get(&number);
            request.is_some_and(|r| r.files.iter().any(|file| file.state == State::Suspended))
        };
        let mut numbers = self.known.keys().copied();
        let resting = numbers.find(|n| self.worlds.iter().all(|world| rests(world, *n)));
        let Some(number) = resting else { return Ok(()) };
        let inner = self.token(number);
        if let Some(known) = self.known.get_mut(&number) {
            // From now on it is made ready.
            (known.sent, known.waits) = (Instant::now(), true);
        }
        let before = self.worlds.clone();
        self.each(number, |request| {
            request.suspended = false;
            let resting = request.files.iter_mut().filter(|file| file.state == State::Suspended);
            resting.for_each(|file| file.state = State::Queued);
        });
        match self.link.srm("srmResumeRequest", &inner).await {
            Ok((answer, _)) => {
                let code = answer.code.as_str();
                self.keep(&format!("srmResumeRequest of {number}"), code, &|world| {
                    (code == "SRM_SUCCESS").then(|| world.clone())
                });
                self.await_answer(number, None).await
            }
            Err(cut) => {
                self.worlds.extend(before);
                Err(cut)
            }
        }
    }

    /// srmExtendFileLifeTime of pins and TURLs.
    pub async fn extend_pins(&mut self) -> Result<(), Cut> {
        let Some(number) = self.any_request(None) else { return Ok(()) };
        if matches!(self.worlds[0].requests[&number].kind, Kind::Copy { .. } | Kind::Change { .. })
        {
            return Ok(());
        }
        let (places, seconds) = (self.some_files(number), self.rng.u64(1..9));
        let inner =
            self.token(number) + &self.surls_of(&places) + &element("newPinLifeTime", seconds);
        let sent = Instant::now();
        let rule = |world: &World, place| world.extend_pin(place, sent, seconds);
        self.per_file("srmExtendFileLifeTime", &inner, &places, &rule).await
    }

    /// srmExtendFileLifeTime of a file.
    pub async fn extend_file(&mut self) -> Result<(), Cut> {
        let path = &self.name_there();
        let seconds = self.rng.u64(1..7);
        let inner = soap::surls(&[self.surl(path)]) + &element("newFileLifeTime", seconds);
        let sent = Instant::now();
        match self.link.srm("srmExtendFileLifeTime", &inner).await {
            Ok((answer, window)) => {
                self.pass(window);
                let code = answer.file_code();
                let what = format!("srmExtendFileLifeTime {inner}");
                self.keep_all(&what, code, &|world| {
                    let all = world.extend_file(path, sent, seconds).into_iter();
                    all.filter(|(codes, _)| codes.contains(&code)).map(|(_, after)| after).collect()
                });
                Ok(())
            }
            Err(cut) => {
                self.doubt(&format!("srmExtendFileLifeTime {inner}"), sent, &|world| {
                    let first = world.extend_file(path, sent, seconds).into_iter().next();
                    first.map_or_else(|| world.clone(), |(_, after)| after)
                });
                Err(cut)
            }
        }
    }
}

impl World {
    /// The worlds after a file of a request that was asked for has its answer, or rests.
    pub fn came(&self, place: Place, window: Window) -> Vec<Self> {
        let request = &self.requests[&place.0];
        let (state, lifetime) = (self.file(place).state, request.lifetime);
        if !matches!(state, State::Queued | State::Suspended) {
            return vec![self.clone()];
        }
        let with = |state| {
            let mut world = self.clone();
            world.set(place, state);
            world
        };
        let mut worlds = Vec::new();
        if let (State::Queued, Kind::Change { to }) = (state, &request.kind) {
            worlds = self.change_space(place, *to, window);
        } else if state == State::Queued {
            let mut done = self.clone().work(place, window.sent);
            done.change(place, |file| {
                (file.ends, file.since) = (Ends::after(window, lifetime), window.read);
            });
            let stopped = request.stop == Stop::Sure && done.file(place).state == State::Live;
            worlds.extend((!stopped).then_some(done));
        }
        match &request.kind {
            _ if request.stop == Stop::No => {}
            Kind::Change { to } => worlds.extend(self.change_in_part(place, *to, window)),
            _ => worlds.push(with(State::Aborted)),
        }
        if request.suspended {
            worlds.push(with(State::Suspended));
        }
        worlds
    }

    /// All files of a request have their answers.
    pub fn came_all(&mut self, number: u32) {
        if let Some(request) = self.requests.get_mut(&number) {
            if request.stop != Stop::No {
                request.aborted |= request.files.iter().any(|f| f.state == State::Aborted);
            }
            request.stop = Stop::No;
        }
    }

    fn extend_pin(&self, place: Place, sent: Instant, seconds: u64) -> Outcome {
        let mut world = self.clone();
        let code = match self.file(place).state {
            State::Live => {
                let window = Window { sent, read: Instant::now() };
                let longer = Ends::after(window, Duration::from_secs(seconds));
                world.change(place, |file| file.ends = file.ends.max(longer));
                SUCCESS
            }
            State::Released => &["SRM_RELEASED"],
            State::Aborted => ABORTED,
            State::Expired => LATE,
            State::Done | State::Queued | State::Suspended | State::Failed(_) | State::Moved => {
                INVALID
            }
        };
        (code, world)
    }

    /// Maybe it is over just now: then both may be said.
    fn extend_file(&self, path: &str, sent: Instant, seconds: u64) -> Vec<Outcome> {
        if self.put_on(path).is_some() {
            return vec![(BUSY, self.clone())];
        }
        let Some(stored) = self.stored(path) else { return vec![(NO_PATH, self.clone())] };
        let Some(life) = &stored.life else { return vec![(SUCCESS, self.clone())] };
        let window = Window { sent, read: Instant::now() };
        let mut longer = self.clone();
        if let Some(life) = longer.life(path) {
            life.ends = life.ends.max(Ends::after(window, Duration::from_secs(seconds)));
            life.gone = life.gone.max(life.ends.late);
        }
        match life.is_over(window) {
            Some(false) => vec![(SUCCESS, longer)],
            Some(true) => vec![(LATE, self.clone())],
            None => vec![(SUCCESS, longer), (LATE, self.clone())],
        }
    }
}
