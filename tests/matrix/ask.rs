//! One cell: what is needed is put on disk, the operation is asked for, and the disk is looked at.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::common::soap::{self, Answer};
use super::common::wire::{Conn, Response};
use super::world::{Identity, Place, World};

const CONTENT: &str = "as it was";
const NEW: &str = "something new";
const SET: &str = "<propertyupdate xmlns='DAV:'><set><prop><colour xmlns='urn:x'>red</colour></prop></set>\
    </propertyupdate>";
const LOCK: &str = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype>\
    </lockinfo>";

/// What came of it, as matrix.tsv has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    No,
    Who,
    Path,
    /// None of these.
    Odd,
}

impl Outcome {
    pub fn parse(text: &str) -> Self {
        match text {
            "ok" => Outcome::Ok,
            "no" => Outcome::No,
            "who" => Outcome::Who,
            "path" => Outcome::Path,
            other => panic!("matrix.tsv: no outcome {other:?}"),
        }
    }

    fn of_code(code: &str) -> Self {
        match code {
            "SRM_SUCCESS" | "SRM_SPACE_AVAILABLE" | "SRM_FILE_PINNED" => Outcome::Ok,
            "SRM_AUTHORIZATION_FAILURE" => Outcome::No,
            "SRM_AUTHENTICATION_FAILURE" => Outcome::Who,
            "SRM_INVALID_PATH" => Outcome::Path,
            _ => Outcome::Odd,
        }
    }

    fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Outcome::Ok,
            403 => Outcome::No,
            401 => Outcome::Who,
            404 | 400 => Outcome::Path,
            _ => Outcome::Odd,
        }
    }
}

/// What was found.
pub struct Cell {
    pub outcome: Outcome,
    /// The disk shows what was asked for.
    pub done: bool,
    /// The disk is not as before.
    pub changed: bool,
    told: String,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outcome, done, changed, told } = self;
        write!(f, "found {outcome:?} (done {done}, changed {changed}): {told}")
    }
}

/// Somebody at a daemon, with connections that last.
pub struct Asker<'a> {
    world: &'a World,
    identity: &'a Identity,
    srm: Option<Conn>,
    http: Option<Conn>,
}

/// Every cell has a name of its own.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

impl<'a> Asker<'a> {
    pub fn new(world: &'a World, identity: &'a Identity) -> Self {
        Self { world, identity, srm: None, http: None }
    }

    /// Asks; `None` where this identity cannot.
    pub async fn ask(&mut self, operation: &str, place: &str) -> Option<Cell> {
        let place = self.world.place(place);
        let name = format!("{}c{}", place.prefix, NUMBER.fetch_add(1, Ordering::Relaxed));
        let at = place.folder.as_ref().map(|folder| folder.join(&name));
        if let Some(at) = &at {
            match operation {
                "mkdir" | "MKCOL" | "ptp" | "PUT" => {}
                "rmdir" => std::fs::create_dir(at).unwrap(),
                _ => std::fs::write(at, CONTENT).unwrap(),
            }
        }
        let before = at.as_deref().map(look);
        let (outcome, told) = if operation.chars().all(char::is_uppercase) || operation == "replace"
        {
            self.over_http(operation, &format!("{}/{name}", place.stfn)).await
        } else if self.identity.config.is_none() {
            // The SRM port speaks TLS only.
            return None;
        } else {
            self.over_srm(operation, &place, &name).await
        };
        let Some((at, before)) = at.zip(before) else {
            return Some(Cell { outcome, done: true, changed: false, told });
        };
        let after = look(&at);
        let done = match operation {
            "mkdir" | "MKCOL" => after == "directory",
            "rmdir" | "rm" | "DELETE" => after == "nothing",
            "mv" | "MOVE" => after == "nothing" && look(&moved(&at)) == CONTENT,
            "COPY" => after == before && look(&moved(&at)) == CONTENT,
            "PUT" | "replace" => after == NEW,
            _ => after == before,
        };
        let changed = before != after || look(&moved(&at)) != "nothing";
        Some(Cell { outcome, done, changed, told })
    }

    async fn over_http(&mut self, operation: &str, target: &str) -> (Outcome, String) {
        let (method, body) = match operation {
            "PUT" | "replace" => ("PUT", NEW),
            "PROPPATCH" => ("PROPPATCH", SET),
            "LOCK" => ("LOCK", LOCK),
            method => (method, ""),
        };
        let to = format!("{target}.moved");
        let headers: &[(&str, &str)] = match method {
            "PROPFIND" => &[("depth", "0")],
            "MOVE" | "COPY" => &[("destination", &to)],
            _ => &[],
        };
        let mut conn = match self.http.take() {
            Some(conn) => conn,
            None => match &self.identity.config {
                Some(config) => Conn::tls(config, self.world.storm.ports.https).await.unwrap(),
                None => Conn::tcp(self.world.storm.ports.plain).await.unwrap(),
            },
        };
        let answer = conn.request(method, target, headers, body.as_bytes()).await.unwrap();
        // A refused body ends its connection.
        if body.is_empty() && !closes(&answer) {
            self.http = Some(conn);
        }
        (Outcome::of_status(answer.status), format!("{} {}", answer.status, answer.text()))
    }

    async fn over_srm(&mut self, operation: &str, place: &Place, name: &str) -> (Outcome, String) {
        let path = format!("{}/{name}", place.stfn);
        let surl = match place.host {
            Some(host) => format!("srm://{host}:{}{path}", self.world.storm.ports.srm),
            None => self.world.storm.surl(&path),
        };
        let one = soap::escape(&surl);
        let mine = soap::token(&self.world.token);
        let its = self.world.storm.surl("/open/d/of-stranger1");
        let (name, inner) = match operation {
            "ping" => ("srmPing", String::new()),
            "protocols" => ("srmGetTransferProtocols", String::new()),
            "tokens" => ("srmGetSpaceTokens", String::new()),
            "spacemeta" => {
                let space = soap::escape(&self.world.space);
                let list = format!(
                    "<arrayOfSpaceTokens><stringArray>{space}</stringArray></arrayOfSpaceTokens>"
                );
                ("srmGetSpaceMetaData", list)
            }
            "statusput" => ("srmStatusOfPutRequest", mine),
            "statusget" => ("srmStatusOfGetRequest", mine),
            "abortfiles" => ("srmAbortFiles", mine + &soap::surls(&[its])),
            "putdone" => ("srmPutDone", mine + &soap::surls(&[its])),
            "release" => ("srmReleaseFiles", mine + &soap::surls(&[its])),
            "abort" => ("srmAbortRequest", mine),
            "ls" => ("srmLs", soap::surls(&[surl])),
            "rm" => ("srmRm", soap::surls(&[surl])),
            "mkdir" => ("srmMkdir", format!("<SURL>{one}</SURL>")),
            "rmdir" => ("srmRmdir", format!("<SURL>{one}</SURL>")),
            "mv" => ("srmMv", format!("<fromSURL>{one}</fromSURL><toSURL>{one}.moved</toSURL>")),
            "ptp" => ("srmPrepareToPut", soap::prepare_to_put(&[surl], None)),
            "ptg" => ("srmPrepareToGet", soap::prepare_to_get(&[surl])),
            other => panic!("no operation {other}"),
        };
        let answer = self.call(name, &inner).await;
        if matches!(operation, "ptp" | "ptg")
            && let Some(token) = &answer.token
        {
            self.call("srmAbortRequest", &soap::token(token)).await;
        }
        // srmPing has no status: a fault's text begins with the code.
        let code = match (operation, answer.code.as_str()) {
            ("ping", "FAULT") => answer.explanation.split(':').next().unwrap_or_default(),
            // What else it holds is no file.
            ("spacemeta", code) => code,
            ("ping", _) if answer.xml.contains("<versionInfo>v2.2<") => "SRM_SUCCESS",
            _ => answer.file_code(),
        };
        (Outcome::of_code(code), answer.xml.clone())
    }

    async fn call(&mut self, operation: &str, inner: &str) -> Answer {
        let config = self.identity.config.as_ref().map(Arc::clone).unwrap();
        let mut conn = match self.srm.take() {
            Some(conn) => conn,
            None => Conn::tls(&config, self.world.storm.ports.srm).await.unwrap(),
        };
        let answer = soap::call(&mut conn, operation, inner).await.unwrap();
        self.srm = Some(conn);
        answer
    }
}

fn closes(answer: &Response) -> bool {
    answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

fn moved(at: &Path) -> PathBuf {
    let mut name = at.as_os_str().to_owned();
    name.push(".moved");
    name.into()
}

/// What is there, in a word.
fn look(at: &Path) -> String {
    match std::fs::symlink_metadata(at) {
        Err(_) => "nothing".to_owned(),
        Ok(about) if about.is_dir() => "directory".to_owned(),
        Ok(_) => std::fs::read_to_string(at).unwrap(),
    }
}
