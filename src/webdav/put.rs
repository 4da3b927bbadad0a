//! PUT: the whole file or nothing. Data is gathered into large blocks; while one is written (and
//! its checksum taken) on the blocking pool, the next is gathered, and no more is taken from the
//! client than that.

use std::io::{ErrorKind as IoKind, IoSlice, Write};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderMap, StatusCode, header};
use simd_adler32::Adler32;
use tokio::task::JoinHandle;

use super::conditions::Conditions;
use super::files::{Files, UploadHandle};
use super::get::{text, validators};
use super::reply::{Operation, Refusal};
use super::{Call, Handled, Incoming, digest, reply};
use crate::srm::{Error, ErrorKind, Published, WriteOptions};

/// Bytes per write.
const BLOCK: usize = 1 << 20;
/// Pieces per write, about: `writev` takes 1024 at once.
const PIECES: usize = 1000;
/// How long a block waits for more of it.
const PAUSE: Duration = Duration::from_secs(1);
/// Pieces below this size are copied together.
const SMALL: usize = 8 * 1024;

/// PUT. What can be refused is refused before the body is asked for.
pub(super) async fn put<F: Files>(call: Call<'_, F>, body: &mut Incoming) -> Handled {
    check_headers(call.headers)?;
    if call.place.slash {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            ErrorKind::IsADirectory,
            "a path that ends in / names a directory: leave it out, or use MKCOL",
        ));
    }
    let claimed = digest::claimed_adler32(call.headers)?;
    let fail = |error| Refusal::of(error, Operation::Put, call.who);
    let conditions = Conditions::of(call.headers);
    let options = WriteOptions {
        expected_size: body.size(),
        precondition: conditions
            .any()
            .then(|| Box::new(move |entry: Option<&_>| conditions.allow_write(entry)) as Box<_>),
    };
    let upload = call.files.create(call.who, &call.place.target, options).await.map_err(fail)?;
    let expected = body.size();
    let idle = call.options.idle_body;
    let received = receive(upload, body, idle).await.map_err(|trouble| match trouble {
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
    let sum = received.adler.finish();
    if claimed.is_some_and(|claimed| claimed != sum) {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            ErrorKind::InvalidRequest,
            format!(
                "what came has adler32 {sum:08x}, not the one of the Digest header: send it again"
            ),
        ));
    }
    let Received { upload, size, .. } = received;
    let published = upload.publish(size, sum).await.map_err(fail)?;
    Ok(answer(&call, &published, sum))
}

fn answer<F>(call: &Call<'_, F>, published: &Published, sum: u32) -> axum::response::Response {
    let created = published.created;
    let status = if created { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    let mut response = reply::empty(status);
    validators(&mut response, &published.entry);
    if digest::wants_adler32(call.headers) {
        let told = digest::tell(&format!("{sum:08x}"));
        response.headers_mut().insert(digest::DIGEST, text(&told));
    }
    response
}

/// A PUT means the whole file as it stands. Every `Content-…` header that says otherwise, or that
/// is not known to be harmless, is refused: never is a fragment stored as the file.
fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |status, why: String| Err(Refusal::new(status, ErrorKind::NotSupported, why));
    for (name, value) in headers {
        let identity = value.as_bytes().eq_ignore_ascii_case(b"identity");
        match name.as_str() {
            "content-range" => {
                let why = "PUT of a part of a file is not offered: send the whole file".to_owned();
                return refuse(StatusCode::NOT_IMPLEMENTED, why);
            }
            "content-encoding" if !identity => {
                let why = "Content-Encoding is not offered: send the file as it is".to_owned();
                return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
            }
            "content-length"
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

/// What goes to the blocking pool and comes back with each block.
struct Received<U> {
    upload: U,
    adler: Adler32,
    size: u64,
}

/// Takes the whole body.
async fn receive<U: UploadHandle>(
    upload: U,
    body: &mut Incoming,
    idle: Duration,
) -> Result<Received<U>, Trouble> {
    let mut writer = Writer::Resting(Received { upload, adler: Adler32::new(), size: 0 });
    loop {
        // Both at once, so that a full disk is told at once, not when the client has sent more.
        let gathering = pin!(gather(body, idle));
        let resting = pin!(writer.rest());
        let (gathered, rested) = match select(gathering, resting).await {
            Either::Left((gathered, rest)) => (gathered, rest.await),
            Either::Right((Err(error), _)) => return Err(Trouble::Disk(error)),
            Either::Right((rested, gathering)) => (gathering.await, rested),
        };
        let (block, over) = gathered.map_err(Trouble::Client)?;
        let received = rested.map_err(Trouble::Disk)?;
        if block.is_empty() {
            return Ok(received);
        }
        writer = Writer::Writing(tokio::task::spawn_blocking(move || write(received, &block)));
        if over {
            return writer.rest().await.map_err(Trouble::Disk);
        }
    }
}

/// Takes a block; true when the body is over. What a client that pauses has sent is not kept in memory.
async fn gather(body: &mut Incoming, idle: Duration) -> Result<(Vec<Bytes>, bool), Refusal> {
    let mut block = Block::default();
    let mut over = false;
    while block.size < BLOCK && block.pieces.len() < PIECES {
        let piece = match block.size {
            0 => body.piece(idle).await?,
            _ => match tokio::time::timeout(PAUSE.min(idle), body.piece(idle)).await {
                Ok(piece) => piece?,
                Err(_) => break,
            },
        };
        match piece {
            Some(piece) => block.add(piece),
            None => {
                over = true;
                break;
            }
        }
    }
    metrics::counter!("stormd_http_received_bytes_total").increment(block.size as u64);
    Ok((block.finish(), over))
}

/// Pieces of a body. Small ones are copied together: each may hold on to the much larger buffer
/// it was read into.
#[derive(Default)]
struct Block {
    pieces: Vec<Bytes>,
    small: Vec<u8>,
    size: usize,
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

    fn finish(mut self) -> Vec<Bytes> {
        self.flush();
        self.pieces
    }
}

enum Writer<U> {
    Resting(Received<U>),
    Writing(JoinHandle<Result<Received<U>, Error>>),
}

impl<U> Writer<U> {
    /// Waits for the write under way.
    async fn rest(self) -> Result<Received<U>, Error> {
        match self {
            Writer::Resting(received) => Ok(received),
            Writer::Writing(handle) => handle.await.unwrap_or_else(|_| Err(failed())),
        }
    }
}

fn write<U: UploadHandle>(
    mut received: Received<U>,
    block: &[Bytes],
) -> Result<Received<U>, Error> {
    for piece in block {
        received.adler.write(piece);
        received.size += piece.len() as u64;
    }
    let mut slices: Vec<IoSlice<'_>> = block.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = slices.as_mut_slice();
    let mut file = received.upload.file();
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(unwritable(&IoKind::WriteZero.into())),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == IoKind::Interrupted => {}
            Err(error) => return Err(unwritable(&error)),
        }
    }
    Ok(received)
}

fn unwritable(error: &std::io::Error) -> Error {
    match error.kind() {
        IoKind::StorageFull | IoKind::QuotaExceeded => Error::new(
            ErrorKind::NoFreeSpace,
            "the storage area is full: remove something, or ask its administrator for more",
        ),
        IoKind::FileTooLarge => Error::new(
            ErrorKind::InvalidRequest,
            "the file is larger than the file system takes: store it in parts",
        ),
        _ => Error::new(
            ErrorKind::Internal,
            format!("the file cannot be written: {error}: tell the server's administrator"),
        ),
    }
}

fn failed() -> Error {
    Error::new(
        ErrorKind::Internal,
        "writing failed inside the server: try again, and tell its administrator",
    )
}
