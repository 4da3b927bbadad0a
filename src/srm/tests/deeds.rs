//! What each step does, and what it found.

use std::io::Read as _;
use std::sync::Arc;

use super::Step;
use super::world::{World, bytes, content};
use crate::model::{Algorithm, Event, FileState, OverwriteMode, RequestToken, StatusCode, Stfn};
use crate::srm::requests::now;
use crate::srm::transition::{As, Change};
use crate::srm::{
    Carry, CopyFile, CopyRequest, Error, ExtendRequest, GetFile, GetRequest, Hasher, PutFile,
    PutRequest, Target, WriteOptions,
};
use crate::store::FileRow;

/// Files of a request that keeps a worker busy for some milliseconds.
const BUSY: usize = 200;

/// Whatever is there.
const OVER: Carry = Carry { overwrite: true, deep: true, precondition: None };

/// What came of a step, as far as files are concerned.
#[derive(Debug)]
pub(super) enum Done {
    /// It is gone from here.
    Removed(usize),
    /// From the one to the other.
    Moved(usize),
    /// From the one to the other, by no request.
    Copied(usize),
    /// At its own path.
    Written(usize, u64),
    /// A put was done.
    Published(usize),
    /// Files of it were told to be suspended.
    Rests(RequestToken, Vec<usize>),
    /// What was read; `None` is no file.
    Read(usize, Option<u64>),
}

impl World {
    fn put(&self, files: &[usize], mode: OverwriteMode) -> PutRequest {
        let file = |file: &usize| PutFile { surl: Some(self.surl(*file)), ..PutFile::default() };
        PutRequest {
            files: Some(files.iter().map(file).collect()),
            overwrite: Some(mode),
            protocols: Some(vec!["https".to_owned()]),
            ..PutRequest::default()
        }
    }

    fn get(&self, file: usize) -> GetRequest {
        let file = GetFile { surl: Some(self.surl(file)), directory: None };
        GetRequest {
            files: Some(vec![file]),
            protocols: Some(vec!["https".to_owned()]),
            ..GetRequest::default()
        }
    }

    fn made(&self, token: Option<RequestToken>) -> RequestToken {
        let token = token.expect("a request that is accepted");
        self.tokens.lock().unwrap().push(token.clone());
        token
    }

    fn target(&self, file: usize) -> Stfn {
        Stfn::parse(&format!("/demo/{}", super::world::NAMES[file])).unwrap()
    }

    async fn write(&self, target: &Target, id: u64) -> Result<(), Error> {
        let upload = self.srm.create(&self.who, target, WriteOptions::default()).await?;
        let bytes = bytes(id);
        let mut hasher = Hasher::new([Algorithm::Adler32]);
        hasher.update(&bytes);
        let size = bytes.len() as u64;
        upload.publish(vec![bytes.into()], size, hasher.finish()).await.map(|_| ())
    }

    /// A request, the SURLs it names, and which files those are.
    fn asked(&self, which: usize) -> Option<(RequestToken, Vec<String>)> {
        let token = self.token(which)?;
        let surls = self.live(&token).files().iter().map(|file| file.surl.clone()).collect();
        Some((token, surls))
    }

    fn rests(&self, token: RequestToken) -> Done {
        let files = self.live(&token).files().into_iter().enumerate();
        let resting = files.filter(|(_, file)| file.state == FileState::Suspended);
        Done::Rests(token, resting.map(|(n, _)| n).collect())
    }

    pub(super) async fn step(&self, step: Step) -> Vec<Done> {
        let (srm, who) = (&self.srm, &self.who);
        match step {
            Step::Put(file, mode) => {
                self.made(srm.prepare_to_put(who, self.put(&[file], mode)).await.token);
            }
            Step::PutBoth(mode) => {
                self.made(srm.prepare_to_put(who, self.put(&[0, 1], mode)).await.token);
            }
            Step::PutAndSuspend(file) => {
                // The one worker has something to do, so that it waits.
                let nowhere = PutFile { surl: Some(self.nowhere()), expected_size: None };
                let busy = PutRequest { files: Some(vec![nowhere; BUSY]), ..PutRequest::default() };
                srm.prepare_to_put(who, busy).await.token.expect("a request that is accepted");
                let put = self.put(&[file], OverwriteMode::Always);
                let token = self.made(srm.prepare_to_put(who, put).await.token);
                srm.suspend_request(who, token.as_str()).await;
                return vec![self.rests(token)];
            }
            Step::Get(file) => {
                self.made(srm.prepare_to_get(who, self.get(file)).await.token);
            }
            Step::BringOnline(file) => {
                self.made(srm.bring_online(who, self.get(file), None).await.token);
            }
            Step::Copy(file, mode) => {
                let (source, target) = (self.surl(file), self.surl(file + 1));
                let pair = CopyFile { source, target, directory: None };
                let request = CopyRequest {
                    files: vec![pair],
                    description: None,
                    overwrite: Some(mode),
                    total_time: None,
                    file_lifetime: None,
                    storage_type: None,
                    space_token: None,
                    retention: None,
                };
                self.made(srm.copy(who, request).await.token);
            }
            Step::Upload(file) => {
                let id = self.new_content();
                self.uploaded.lock().unwrap().entry(file).or_default().push(id);
                // Refused where no put is live.
                let _ = self.write(&Target::Transfer(self.target(file)), id).await;
            }
            Step::Write(file) => {
                let id = self.new_content();
                let written = self.write(&Target::Stfn(self.target(file)), id).await;
                return written.is_ok().then_some(Done::Written(file, id)).into_iter().collect();
            }
            Step::Read(file) => {
                let found = srm.open(who, &Target::Stfn(self.target(file))).await;
                let found = found.ok().map(|mut reader| {
                    let mut bytes = Vec::new();
                    reader.file.read_to_end(&mut bytes).unwrap();
                    content(&bytes)
                });
                return vec![Done::Read(file, found)];
            }
            Step::Rm(file) => {
                let answer = srm.rm(who, vec![self.surl(file)]).await;
                let removed = answer.status.code == StatusCode::Success;
                return removed.then_some(Done::Removed(file)).into_iter().collect();
            }
            Step::Mv(file) => {
                let status = srm.mv(who, &self.surl(file), &self.surl(file + 1)).await;
                let moved = status.code == StatusCode::Success;
                return moved.then_some(Done::Moved(file)).into_iter().collect();
            }
            Step::MoveOver(file) => {
                let (from, to) = (self.target(file), self.target(1 - file));
                let moved = srm.move_to(who, &from, &to, OVER).await;
                return moved.is_ok().then_some(Done::Moved(file)).into_iter().collect();
            }
            Step::CopyOver(file) => {
                let (from, to) = (self.target(file), self.target(1 - file));
                let copied = srm.copy_to(who, &from, &to, OVER).await;
                return copied.is_ok().then_some(Done::Copied(file)).into_iter().collect();
            }
            _ => return self.step_of_request(step).await,
        }
        Vec::new()
    }

    async fn step_of_request(&self, step: Step) -> Vec<Done> {
        let (srm, who) = (&self.srm, &self.who);
        let (Step::PutDone(which)
        | Step::Release(which)
        | Step::Abort(which)
        | Step::AbortFile(which)
        | Step::Extend(which)
        | Step::Expire(which)
        | Step::Suspend(which)
        | Step::Resume(which)) = step
        else {
            return Vec::new();
        };
        let Some((token, mut surls)) = self.asked(which) else { return Vec::new() };
        let text = token.as_str();
        match step {
            Step::PutDone(_) => {
                let answer = srm.put_done(who, text, surls).await;
                let files = answer.files.unwrap_or_default().into_iter();
                let done = files.filter(|file| file.status.code == StatusCode::Success);
                return done.map(|file| Done::Published(self.file_of(&file.surl))).collect();
            }
            Step::Release(_) => drop(srm.release_files(who, Some(text), None, false).await),
            Step::Abort(_) => drop(srm.abort_request(who, text).await),
            Step::AbortFile(_) => {
                surls.truncate(1);
                srm.abort_files(who, text, surls).await;
            }
            Step::Extend(_) => {
                let token = Some(text.to_owned());
                let asked = ExtendRequest {
                    token,
                    surls,
                    file_lifetime: None,
                    pin_lifetime: Some(500_000),
                };
                srm.extend_lifetime(who, asked).await;
            }
            Step::Expire(_) => self.expire(&token).await,
            Step::Suspend(_) => drop(srm.suspend_request(who, text).await),
            Step::Resume(_) => drop(srm.resume_request(who, text).await),
            _ => {}
        }
        Vec::new()
    }

    /// The time of what a request holds is over now; then who ends what is over comes.
    async fn expire(&self, token: &RequestToken) {
        let live = self.live(token);
        let turn = live.turn.lock().await;
        let held: Vec<Arc<FileRow>> = (0..).map_while(|n| live.file(n)).collect();
        let held = held.iter().filter(|file| file.state.holds(live.kind()));
        let over = held.map(|file| {
            let row = FileRow { expires: Some(now()), ..FileRow::clone(file) };
            Change::new(&row, Event::Extend, file.explanation.clone())
        });
        let changed = self.srm.advance(&live, over.collect(), As::Whole).await.unwrap();
        assert!(changed.iter().all(Result::is_ok), "{changed:?}");
        drop(turn);
        self.srm.expire_due().await;
    }
}
