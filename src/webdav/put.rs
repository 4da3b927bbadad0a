//! PUT and PATCH: all that is sent or nothing. Data is gathered into large blocks; while one is written
//! (and its checksums taken) on the blocking pool, the next is gathered, and no more is taken from the
//! client than that.

use std::fs::File;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::time::Instant;

use super::conditions::Conditions;
use super::crowd::Crowd;
use super::digest::{Claims, Wishes};
use super::files::{Files, UploadHandle};
use super::get::validators;
use super::reply::{Operation, Refusal};
use super::{Call, Handled, Incoming, digest, part, reply};
use crate::model::Algorithm;
use crate::srm::{Entry, EntryKind, Error, ErrorKind, Hasher, Target, WriteOptions, append};

/// Bytes per hop to the blocking pool: so many that it hardly shows. 256 KiB took half as much of the processor
/// again.
const BLOCK: usize = 1 << 20;
/// Bytes per hop when there are very many writers.
const LEAST: usize = 64 * 1024;
/// Bodies that come. Up to two blocks of each stand in memory.
static WRITERS: Crowd = Crowd::new(128 << 20, LEAST, BLOCK);
/// A body up to this size is written where it gets its name: one hop to the blocking pool instead of three.
const AT_ONCE: usize = 64 * 1024;
/// Pieces per write, about: `writev` takes 1024 at once.
const PIECES: usize = 1000;
/// How long a block waits for more of it, from its first byte on.
const PAUSE: Duration = Duration::from_secs(1);
/// Pieces below this size are copied together.
const SMALL: usize = 8 * 1024;

/// Both ways (ownCloud).
const OC_MTIME: HeaderName = HeaderName::from_static("x-oc-mtime");

/// PUT. What can be refused is refused before the body is asked for.
pub(super) async fn put<F: Files>(call: Call<'_, F>, body: &mut Incoming) -> Handled {
    check_headers(call.headers)?;
    let asked = part::of_put(call.headers, body.size())?;
    store(call, body, asked, Operation::Put).await
}

/// PATCH, of a file that is there.
pub(super) async fn patch<F: Files>(call: Call<'_, F>, body: &mut Incoming) -> Handled {
    check_headers(call.headers)?;
    let asked = part::of_patch(call.headers, body.size())?;
    store(call, body, Some(asked), Operation::Patch).await
}

async fn store<F: Files>(
    call: Call<'_, F>,
    body: &mut Incoming,
    asked: Option<part::Asked>,
    operation: Operation,
) -> Handled {
    if call.place.slash {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            ErrorKind::IsADirectory,
            "a path that ends in / names a directory: leave it out, or use MKCOL",
        ));
    }
    let fail = |error| Refusal::of(error, operation, call.who);
    let mut part = asked.filter(|asked| !asked.is_whole());
    let mut new = false;
    if let Some(asked) = &part {
        let there = look(&call, operation).await?;
        asked.fits(there.as_ref())?;
        new = there.is_none();
    }
    // The first part of a new file is the file, so far.
    part = part.filter(|_| !new);
    let modified = modified(call.headers)?;
    let conditions = Conditions::of(call.headers).with(call.still.clone());
    let holds = move |entry: Option<&Entry>| !(new && entry.is_some()) && conditions(entry);
    let options = WriteOptions {
        expected_size: body.size().or_else(|| number(call.headers, "x-expected-entity-length")),
        modified: modified.filter(|_| part.is_none()),
        precondition: Some(Box::new(holds)),
        part: part.map(|asked| asked.part),
    };
    let claims = Claims::of(call.headers, part.is_some())?;
    let hasher = hasher(&call, &claims, part.is_some());
    let upload = call.files.create(call.who, &call.place.target, options).await.map_err(fail)?;
    let expected = body.size();
    let idle = call.options.idle_body;
    let received = receive(upload, hasher, body, idle).await.map_err(|trouble| match trouble {
        Trouble::Client(refusal) => refusal,
        Trouble::Disk(error) => fail(error),
    })?;
    if expected.is_some_and(|size| size != received.size) {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            ErrorKind::InvalidRequest,
            "the request's body is not as long as its head says: send it again",
        ));
    }
    if let Some(asked) = &asked {
        asked.has(Some(received.size))?;
    }
    let Received { upload, hasher, size, rest } = received;
    let digests = hasher.finish();
    claims.judge(&digests)?;
    if let Some(trailers) = &body.trailers {
        Claims::of(trailers, part.is_some())?.judge(&digests)?;
    }
    let published = upload.publish(rest, size, digests.clone()).await.map_err(fail)?;
    let created = published.created;
    let status = if created { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    let mut response = reply::empty(status);
    validators(&mut response, &published.entry);
    if part.is_none() {
        Wishes::of(call.headers).tell(&digests, response.headers_mut());
        if modified.is_some() {
            response.headers_mut().insert(OC_MTIME, HeaderValue::from_static("accepted"));
        }
    }
    Ok(response)
}

/// What is computed of a body: what is kept of every file, wanted in the answer, or claimed by the
/// client; all that is known, where it is claimed only behind the body.
fn hasher<F: Files>(call: &Call<'_, F>, claims: &Claims, part: bool) -> Hasher {
    let mut algorithms: Vec<Algorithm> = claims.algorithms().collect();
    if digest::in_trailer(call.headers) {
        algorithms.extend(Algorithm::ALL);
    }
    if !part {
        algorithms.push(Algorithm::Adler32);
        algorithms.extend(call.files.checksums());
        algorithms.extend(Wishes::of(call.headers).algorithms());
    }
    Hasher::new(algorithms)
}

/// The last modification that the client wants the file to have, as ownCloud's clients say it: seconds
/// since 1970.
fn modified(headers: &HeaderMap) -> Result<Option<SystemTime>, Refusal> {
    let Some(value) = headers.get(OC_MTIME) else { return Ok(None) };
    // Some tell fractions.
    let text = value.to_str().unwrap_or_default().trim();
    let seconds = text.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    let at = seconds.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    at.map(Some).ok_or_else(|| {
        let why = "X-OC-Mtime is no number of seconds since 1970: leave it out";
        Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, why)
    })
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// The file that a part is to be written of; `None`: there is none, and a PUT may begin it.
async fn look<F: Files>(
    call: &Call<'_, F>,
    operation: Operation,
) -> Result<Option<Entry>, Refusal> {
    if matches!(call.place.target, Target::Transfer(_)) {
        return Err(Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            ErrorKind::NotSupported,
            "under /fileTransfer/ files are taken whole: send all of it",
        ));
    }
    match call.files.stat(call.who, &call.place.target).await {
        Ok(entry) if entry.kind == EntryKind::Directory => {
            Err(Refusal::method("the path is a directory, and has no bytes".to_owned()))
        }
        Ok(entry) => Ok(Some(entry)),
        Err(error) if error.kind == ErrorKind::NotFound && operation == Operation::Put => Ok(None),
        Err(error) => Err(Refusal::of(error, operation, call.who)),
    }
}

/// What is sent is what is stored. Every `Content-…` header that says otherwise, or that is not known
/// to be harmless, is refused.
fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |status, why: String| Err(Refusal::new(status, ErrorKind::NotSupported, why));
    for (name, value) in headers {
        let identity = value.as_bytes().eq_ignore_ascii_case(b"identity");
        match name.as_str() {
            "content-encoding" if !identity => {
                let why = "Content-Encoding is not offered: send the file as it is".to_owned();
                return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
            }
            "content-length"
            | "content-range"
            | "content-type"
            | "content-md5"
            | "content-digest"
            | "content-language"
            | "content-disposition"
            | "content-location"
            | "content-encoding" => {}
            other if other.starts_with("content-") => {
                let why = format!("the header {other} is not understood: leave it out");
                return refuse(StatusCode::NOT_IMPLEMENTED, why);
            }
            _ => {}
        }
    }
    if let Some(value) = headers.get(header::EXPECT)
        && !value.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        let why = "only 100-continue can be expected here".to_owned();
        return refuse(StatusCode::EXPECTATION_FAILED, why);
    }
    Ok(())
}

enum Trouble {
    /// The client's fault, or the line's.
    Client(Refusal),
    /// Ours.
    Disk(Error),
}

/// What has come.
struct Received<U> {
    upload: U,
    hasher: Hasher,
    /// Bytes, with `rest`.
    size: u64,
    /// Not written yet.
    rest: Vec<Bytes>,
}

/// Takes the whole body. What is small is left to be written with what else is to be done on disk.
async fn receive<U: UploadHandle>(
    mut upload: U,
    mut hasher: Hasher,
    body: &mut Incoming,
    idle: Duration,
) -> Result<Received<U>, Trouble> {
    let writer = WRITERS.enter();
    let mut block = gather(body, idle, writer.piece()).await.map_err(Trouble::Client)?;
    if block.over && block.size <= AT_ONCE {
        block.pieces.iter().for_each(|piece| hasher.update(piece));
        return Ok(Received { upload, hasher, size: block.size as u64, rest: block.pieces });
    }
    let file = upload.begin().await.map_err(Trouble::Disk)?;
    let mut size = 0;
    loop {
        let Block { pieces, over, .. } = block;
        size += block.size as u64;
        let file = Arc::clone(&file);
        let writing = tokio::task::spawn_blocking(move || write(&file, hasher, &pieces));
        let writing = async { writing.await.unwrap_or_else(|_| Err(failed())) };
        if over {
            let hasher = writing.await.map_err(Trouble::Disk)?;
            return Ok(Received { upload, hasher, size, rest: Vec::new() });
        }
        // Both at once, so that a full disk is told at once, not when the client has sent more.
        let (gathering, writing) = (pin!(gather(body, idle, writer.piece())), pin!(writing));
        let (gathered, written) = match select(gathering, writing).await {
            Either::Left((gathered, writing)) => (gathered, writing.await),
            Either::Right((Err(error), _)) => return Err(Trouble::Disk(error)),
            Either::Right((written, gathering)) => (gathering.await, written),
        };
        block = gathered.map_err(Trouble::Client)?;
        hasher = written.map_err(Trouble::Disk)?;
    }
}

/// Takes a block of about `most` bytes. What a slow client has sent is not kept in memory.
async fn gather(body: &mut Incoming, idle: Duration, most: usize) -> Result<Block, Refusal> {
    let mut block = Block::default();
    let mut until = None;
    while block.size < most && block.pieces.len() < PIECES {
        let piece = match until {
            None => body.piece(idle).await?,
            Some(until) => match tokio::time::timeout_at(until, body.piece(idle)).await {
                Ok(piece) => piece?,
                Err(_) => break,
            },
        };
        until.get_or_insert_with(|| Instant::now() + PAUSE.min(idle));
        match piece {
            Some(piece) => block.add(piece),
            None => {
                block.over = true;
                break;
            }
        }
    }
    block.flush();
    metrics::counter!("stormd_http_received_bytes_total").increment(block.size as u64);
    Ok(block)
}

/// Pieces of a body. Small ones are copied together: each may hold on to the much larger buffer
/// it was read into.
#[derive(Default)]
struct Block {
    pieces: Vec<Bytes>,
    small: Vec<u8>,
    size: usize,
    /// It is the last.
    over: bool,
}

impl Block {
    fn add(&mut self, piece: Bytes) {
        self.size += piece.len();
        if piece.len() < SMALL {
            self.small.extend_from_slice(&piece);
        } else {
            self.flush();
            self.pieces.push(piece);
        }
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(Bytes::from(std::mem::take(&mut self.small)));
        }
    }
}

/// Blocks.
fn write(file: &File, mut hasher: Hasher, pieces: &[Bytes]) -> Result<Hasher, Error> {
    pieces.iter().for_each(|piece| hasher.update(piece));
    append(file, pieces)?;
    Ok(hasher)
}

fn failed() -> Error {
    Error::new(
        ErrorKind::Internal,
        "writing failed inside the server: try again, and tell its administrator",
    )
}
