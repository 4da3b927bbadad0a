//! A client on paths that all clients share: puts, gets, removals and moves at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::common::soap::{self, Answer};
use crate::common::wire;
use crate::content;
use crate::history::{History, Left};
use crate::link::{Cut, Link, Window};
use crate::rules::WAITS;
use crate::world::{FOR_DONE, SLACK};

/// Few, so that clients meet.
pub const PATHS: [&str; 3] = ["x", "y", "z"];
/// Where they lie, in the area.
pub const HOME: &str = "shared";
const LIFETIME: Duration = Duration::from_secs(4);

/// The client.
pub struct Shared {
    pub link: Link,
    pub rng: Rng,
    /// `srm://…/test.vo/shared/`
    pub base: String,
    pub number: u64,
    pub history: Arc<History>,
    /// The token of what it is at.
    pub own: Option<String>,
    /// Its put that is ready: path and number.
    pub ready: Option<(&'static str, u64)>,
    /// Where everybody shows a token of his: by person.
    pub board: Arc<std::sync::Mutex<[Option<String>; 2]>>,
    pub person: usize,
    pub written: u64,
    /// How its copy that is not answered yet is labelled.
    pub copying: Option<String>,
}

/// A change that was asked for and not answered yet.
pub type Asked = Option<(String, u64)>;

impl Shared {
    /// Works until there are no more kills.
    pub async fn run(mut self) {
        while !self.link.phase.borrow().closing {
            let mut asked = None;
            let done = self.turn(&mut asked).await;
            if done.is_err() {
                self.link.resume().await;
                while self.copying.is_some() && self.settle_copy(&mut asked).await.is_err() {
                    self.link.resume().await;
                }
                if let Some((path, id)) = asked {
                    self.history.doubt(&path, id);
                }
                if self.end_own().await.is_err() {
                    self.link.resume().await;
                }
            }
        }
        while self.end_own().await.is_err() {
            self.link.resume().await;
        }
        // Until the last one that was left is over.
        tokio::time::sleep(LIFETIME + FOR_DONE + SLACK).await;
    }

    /// Aborts what was left halfway; what has no token ends by itself.
    async fn end_own(&mut self) -> Result<(), Cut> {
        self.unready();
        if let Some(token) = self.own.clone() {
            self.link.srm("srmAbortRequest", &soap::token(&token)).await?;
            self.own = None;
        }
        Ok(())
    }

    fn unready(&mut self) {
        if let Some((path, put)) = self.ready.take() {
            self.history.unready(path, put);
        }
    }

    async fn turn(&mut self, asked: &mut Asked) -> Result<(), Cut> {
        let path = PATHS[self.rng.usize(0..PATHS.len())];
        match self.rng.u32(0..100) {
            0..32 => self.put(path, asked).await,
            32..49 => self.get(path).await,
            49..55 => self.copy(path, asked).await,
            55..63 => self.dav_put(path, asked).await,
            63..75 => self.read(&format!("/test.vo/{HOME}/{path}"), path).await,
            75..80 => {
                let inner = soap::surls(&[self.surl(path)]);
                self.change(path, Left::Nothing, "srmRm", &inner, asked).await
            }
            80..84 => self.dav_delete(path, asked).await,
            84..90 => self.list(path).await,
            90..96 => self.mv(path, asked).await,
            _ => self.ask_of_another().await,
        }
    }

    pub fn surl(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn new_content(&mut self) -> u64 {
        self.written += 1;
        (self.number << 32) + self.written
    }

    /// An SRM operation that changes one path, if it is answered with success.
    async fn change(
        &mut self,
        path: &str,
        left: Left,
        operation: &str,
        inner: &str,
        asked: &mut Asked,
    ) -> Result<(), Cut> {
        let id = self.history.begin(path, left);
        *asked = Some((path.to_owned(), id));
        let (answer, _) = self.link.srm(operation, inner).await?;
        self.history.end(path, id, answer.file_code() == "SRM_SUCCESS");
        *asked = None;
        Ok(())
    }

    async fn put(&mut self, path: &'static str, asked: &mut Asked) -> Result<(), Cut> {
        let surl = self.surl(path);
        let seconds = LIFETIME.as_secs();
        let inner = format!(
            "{}<overwriteOption>ALWAYS</overwriteOption>\
             <desiredPinLifeTime>{seconds}</desiredPinLifeTime>",
            soap::prepare_to_put(&[&surl], None)
        );
        let Some((answer, window)) =
            self.prepare("srmPrepareToPut", "srmStatusOfPutRequest", &inner).await?
        else {
            return Ok(());
        };
        let token = soap::token(self.own.as_deref().unwrap_or_default());
        if !self.one_of(&answer, &["SRM_SPACE_AVAILABLE", "SRM_FILE_BUSY", "SRM_ABORTED"]) {
            return Ok(());
        }
        let Some(turl) = answer.files.first().and_then(|file| file.turl.clone()) else {
            return Ok(());
        };
        match self.history.ready(path, window, LIFETIME) {
            Ok(put) => self.ready = Some((path, put)),
            Err(other) => {
                let text = format!("two live puts on {path}: {:?}, and {other}", answer.token);
                self.link.tally.violation(text);
                return Ok(());
            }
        }
        let content = self.new_content();
        let (_, target) = wire::split_url(&turl);
        let (stored, _) = self.link.http("PUT", &target, &content::bytes(content)).await?;
        let stored = (200..300).contains(&stored.status);
        match self.rng.u32(0..10) {
            // Left to expire.
            0 => (self.own, self.ready) = (None, None),
            1 => self.end_own().await?,
            _ => {
                self.unready();
                let inner = token + &soap::surls(&[&surl]);
                // Without data its own put ended, and another's took the path.
                let left = if stored { Left::File(content) } else { Left::Any };
                self.change(path, left, "srmPutDone", &inner, asked).await?;
                self.own = None;
            }
        }
        Ok(())
    }

    /// A request of one file, until it waits no more.
    pub async fn prepare(
        &mut self,
        operation: &str,
        status: &str,
        inner: &str,
    ) -> Result<Option<(Answer, Window)>, Cut> {
        let (mut answer, mut window) = self.link.srm(operation, inner).await?;
        let Some(token) = answer.token.clone() else {
            self.link.tally.violation(format!("{operation} without a token: {}", answer.xml));
            return Ok(None);
        };
        self.own = Some(token.clone());
        self.board.lock().unwrap()[self.person] = Some(token.clone());
        while WAITS.contains(&answer.file_code()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let told = self.link.srm(status, &soap::token(&token)).await?;
            (answer, window.read) = (told.0, told.1.read);
        }
        Ok(Some((answer, window)))
    }

    /// True for the first of these codes; another than these is wrong.
    pub fn one_of(&self, answer: &Answer, codes: &[&str]) -> bool {
        if !codes.contains(&answer.file_code()) {
            self.link.tally.violation(format!("none of {codes:?}: {}", answer.xml));
        }
        answer.file_code() == codes[0]
    }

    /// GET: what it gives must be the whole of something that may be there.
    pub async fn read(&mut self, target: &str, path: &str) -> Result<(), Cut> {
        self.read_content(target, path).await.map(|_| ())
    }

    /// The same, and what it was; the inner `None` is no file.
    pub async fn read_content(
        &mut self,
        target: &str,
        path: &str,
    ) -> Result<Option<Option<u64>>, Cut> {
        let (response, window) = self.link.http("GET", target, b"").await?;
        let found = match response.status {
            200 => match content::read(&response.body) {
                Some(content) => Some(content),
                None => {
                    let size = response.body.len();
                    let text = format!("GET {target}: {size} bytes that nobody wrote so");
                    self.link.tally.violation(text);
                    return Ok(None);
                }
            },
            // The TURL was closed, and tells of its put's own file.
            403 => return Ok(None),
            404 if target.starts_with("/fileTransfer") => return Ok(None),
            404 => None,
            status => {
                self.link.tally.violation(format!("GET {target}: {status} {}", response.text()));
                return Ok(None);
            }
        };
        // Of a person's put at work its TURL gives what was uploaded.
        if !target.starts_with("/fileTransfer")
            && let Some(wrong) = self.history.judge(path, window, found)
        {
            self.link.tally.violation(format!("GET {target}: {wrong}"));
        }
        Ok(Some(found))
    }

    async fn list(&mut self, path: &str) -> Result<(), Cut> {
        let inner = soap::surls(&[self.surl(path)]) + "<numOfLevels>0</numOfLevels>";
        let (answer, window) = self.link.list(&inner).await?;
        if answer.file_code() == "SRM_INVALID_PATH"
            && let Some(wrong) = self.history.judge(path, window, None)
        {
            self.link.tally.violation(format!("srmLs {path}: {wrong}"));
        }
        self.one_of(&answer, &["SRM_SUCCESS", "SRM_FILE_BUSY", "SRM_INVALID_PATH"]);
        Ok(())
    }

    async fn dav_put(&mut self, path: &str, asked: &mut Asked) -> Result<(), Cut> {
        let content = self.new_content();
        self.dav("PUT", path, Left::File(content), &content::bytes(content), asked).await
    }

    async fn dav_delete(&mut self, path: &str, asked: &mut Asked) -> Result<(), Cut> {
        self.dav("DELETE", path, Left::Nothing, b"", asked).await
    }

    async fn dav(
        &mut self,
        method: &str,
        path: &str,
        left: Left,
        body: &[u8],
        asked: &mut Asked,
    ) -> Result<(), Cut> {
        let id = self.history.begin(path, left);
        *asked = Some((path.to_owned(), id));
        let target = format!("/test.vo/{HOME}/{path}");
        let (response, _) = self.link.http(method, &target, body).await?;
        self.history.end(path, id, (200..300).contains(&response.status));
        *asked = None;
        Ok(())
    }

    async fn mv(&mut self, from: &str, asked: &mut Asked) -> Result<(), Cut> {
        let to = PATHS[self.rng.usize(0..PATHS.len())];
        if from == to {
            return Ok(());
        }
        let inner =
            format!("<fromSURL>{}</fromSURL><toSURL>{}</toSURL>", self.surl(from), self.surl(to));
        let (gone, come) =
            (self.history.begin(from, Left::Nothing), self.history.begin(to, Left::Any));
        *asked = Some((from.to_owned(), gone));
        match self.link.srm("srmMv", &inner).await {
            Ok((answer, _)) => {
                let done = answer.code == "SRM_SUCCESS";
                self.history.end(from, gone, done);
                self.history.end(to, come, done);
                *asked = None;
                Ok(())
            }
            Err(cut) => {
                // The caller tells of the other one.
                self.link.wait_up().await;
                self.history.doubt(to, come);
                Err(cut)
            }
        }
    }

    /// A token of another person: nothing is told of it, nothing done.
    async fn ask_of_another(&mut self) -> Result<(), Cut> {
        let other = self.board.lock().unwrap()[1 - self.person].clone();
        let Some(token) = other else { return Ok(()) };
        let operations = ["srmAbortRequest", "srmStatusOfPutRequest", "srmReleaseFiles"];
        let operation = operations[self.rng.usize(0..operations.len())];
        let (answer, _) = self.link.srm(operation, &soap::token(&token)).await?;
        if answer.code != "SRM_AUTHORIZATION_FAILURE" && answer.code != "SRM_INVALID_REQUEST" {
            let text = format!("{operation} of another's token: {}", answer.xml);
            self.link.tally.violation(text);
        }
        Ok(())
    }
}

/// What is found on a shared path when all is quiet.
pub async fn last_look(link: &mut Link, history: &History) {
    for path in PATHS {
        let target = format!("/test.vo/{HOME}/{path}");
        let sent = Instant::now();
        let Ok((response, _)) = link.http("GET", &target, b"").await else {
            link.tally.violation(format!("GET {target} was cut off at the end"));
            continue;
        };
        let found = if response.status == 200 {
            match content::read(&response.body) {
                Some(content) => Some(content),
                None => {
                    link.tally.lost(format!("{target} holds bytes that nobody wrote so"));
                    continue;
                }
            }
        } else {
            None
        };
        let window = Window { sent, read: Instant::now() };
        if let Some(wrong) = history.judge(path, window, found) {
            link.tally.lost(format!("{target}: {wrong}"));
        }
    }
}
