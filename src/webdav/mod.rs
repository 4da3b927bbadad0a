//! Files over http: GET, PUT, PROPFIND and so on for grid clients, browsers and mounts. The door
//! decodes, calls the core and encodes; it holds open files that the core hands it, never a path.
//!
//! One door serves https and the anonymous plain port alike: who asks stands in the request's
//! extensions ([`crate::model::Identity`]; absent: anonymous), and the core judges it.

mod blocking;
mod carry;
mod conditions;
mod content;
mod crowd;
mod destination;
mod digest;
mod file_body;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod get;
mod if_header;
mod listing;
mod lock;
mod lock_request;
mod multistatus;
mod part;
mod place;
mod property;
mod propfind;
mod propfind_request;
mod proppatch;
mod proppatch_request;
mod put;
mod range;
mod reply;
mod sent_file;
#[cfg(test)]
mod tests;
mod xml;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::listener::{BodyTimeout, FileSending, Outcome};
use crate::model::Identity;
use crate::srm::{Entry, EntryKind, ErrorKind, Target};
use crate::web::ask_to_sign_in;
use if_header::{Judged, Still};
use place::Place;
use reply::{Operation, Refusal};

pub use files::{Files, UploadHandle};

/// How a door behaves.
#[derive(Clone, Debug)]
pub struct DoorOptions {
    /// True behind TLS: then the pages' help names `https` and `davs`.
    pub secure: bool,
    /// A body that brings no byte for this long is given up (`[limits] idle_body`).
    pub idle_body: Duration,
}

impl Default for DoorOptions {
    fn default() -> Self {
        Self { secure: true, idle_body: Duration::from_secs(60) }
    }
}

/// The door as an axum router: every path, every method. Each response carries an
/// [`Outcome`] in its extensions, for the access log.
pub fn router<F: Files>(files: Arc<F>, door: DoorOptions) -> Router {
    Router::new().fallback(serve::<F>).with_state(Door { files, options: Arc::new(door) })
}

/// True for what a page's script asks (Fetch Metadata). It shows the refusal itself; a browser's own window
/// for a password would stand before that.
fn is_by_script(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_some_and(|value| value == "empty")
}

/// Longest target that is logged, in characters: a path of ours, every byte of it escaped.
const MAX_LOGGED: usize = 3 * 4096;

struct Door<F> {
    files: Arc<F>,
    options: Arc<DoorOptions>,
}

impl<F> Clone for Door<F> {
    fn clone(&self) -> Self {
        Self { files: Arc::clone(&self.files), options: Arc::clone(&self.options) }
    }
}

/// A request without its body.
struct Call<'a, F> {
    files: &'a F,
    options: &'a DoorOptions,
    who: &'a Identity,
    headers: &'a HeaderMap,
    /// Of the request's target; empty without one.
    query: &'a str,
    place: Place,
    /// Whom the client says it speaks to.
    asked: Option<Authority>,
    /// What the `If` header wants of the file at the moment of its change.
    still: Option<Still>,
    /// Where the connection takes bytes of files from there.
    sending: Option<&'a FileSending>,
}

type Handled = Result<Response, Refusal>;

async fn serve<F: Files>(State(door): State<Door<F>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let who = head.extensions.get::<Identity>().cloned().unwrap_or(Identity::Anonymous);
    let operation = Operation::of(&head.method);
    let mut body = Incoming { body, polled: false, trailers: None };
    let handled = match place::locate(head.uri.path()) {
        Ok(place) => {
            let asked = destination::asked(&head.uri, &head.headers);
            let (files, headers) = (&door.files, &head.headers);
            let judged = if_header::judge(files, operation, &who, headers, &place, asked.as_ref());
            match judged.await {
                Ok(Judged { files, still }) => {
                    let call = Call {
                        files: files.as_ref(),
                        options: &door.options,
                        who: &who,
                        headers: &head.headers,
                        query: head.uri.query().unwrap_or_default(),
                        place: place.clone(),
                        asked,
                        still,
                        sending: head.extensions.get::<FileSending>(),
                    };
                    let handled = dispatch(call, operation, &head.method, &mut body).await;
                    lock::tell_roots(handled, files.as_ref(), &who, &place).await
                }
                Err(refusal) => Err(refusal),
            }
        }
        Err(_) if operation == Operation::Options && head.uri.path() == "*" => Ok(options()),
        Err(why) => Err(why),
    };
    body.give_up(&head.headers, head.version);
    let (mut response, told) = match handled {
        Ok(response) => (response, None),
        Err(refusal) => {
            let refusal = refusal.with_way_in(&who, door.options.secure);
            (refusal.response(&head.method), Some(refusal.told()))
        }
    };
    ask_to_sign_in(&mut response, &who, door.options.secure && !is_by_script(&head.headers));
    response.extensions_mut().insert(Outcome {
        operation: None,
        target: head.uri.path().chars().take(MAX_LOGGED).collect(),
        status: None,
        why: told,
    });
    response
}

async fn dispatch<F: Files>(
    call: Call<'_, F>,
    operation: Operation,
    method: &Method,
    body: &mut Incoming,
) -> Handled {
    match operation {
        Operation::Options => Ok(options()),
        Operation::Read if *method == Method::HEAD => get::head(call).await,
        Operation::Read => get::get(call).await,
        Operation::Put => put::put(call, body).await,
        Operation::Patch => put::patch(call, body).await,
        Operation::Delete => delete(call).await,
        Operation::MakeDirectory => make_directory(call, body).await,
        Operation::Move | Operation::Copy => carry::carry(call, operation).await,
        Operation::PropFind => propfind::propfind(call, body).await,
        Operation::Lock => lock::lock(call, body).await,
        Operation::Unlock => lock::unlock(call).await,
        Operation::PropPatch => proppatch::proppatch(call, body).await,
        Operation::Other => Err(Refusal::method(format!(
            "{} is not offered here: use {}",
            method.as_str().chars().take(32).collect::<String>(),
            reply::ALLOW
        ))),
    }
}

/// Answered for any path and anybody: clients find out here whether this is WebDAV at all.
fn options() -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(reply::ALLOW));
    headers.insert("dav", HeaderValue::from_static(reply::DAV));
    headers.insert("accept-patch", HeaderValue::from_static(part::PARTIAL));
    headers.insert("ms-author-via", HeaderValue::from_static("DAV"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

async fn delete<F: Files>(call: Call<'_, F>) -> Handled {
    let fail = |error| Refusal::of(error, Operation::Delete, call.who);
    let conditions = conditions::Conditions::of(call.headers);
    let transfer = matches!(call.place.target, Target::Transfer(_));
    let depth = carry::Depth::of(call.headers)?;
    // A TURL without data yet is not there to look at, but there to be removed.
    if transfer || conditions.any() || call.place.slash || depth != carry::Depth::Infinity {
        let entry = match call.files.stat(call.who, &call.place.target).await {
            Ok(entry) => Some(entry),
            Err(error) if error.kind == ErrorKind::NotFound => None,
            Err(error) => return Err(fail(error)),
        };
        let is = |kind| entry.as_ref().is_some_and(|e: &Entry| e.kind == kind);
        if transfer && is(EntryKind::Directory) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                ErrorKind::IsADirectory,
                "under /fileTransfer/ only files can be removed, and this is a directory",
            ));
        }
        if call.place.slash && is(EntryKind::File) {
            return Err(place::names_a_file());
        }
        if depth != carry::Depth::Infinity && is(EntryKind::Directory) {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                ErrorKind::InvalidRequest,
                "a directory goes with all below it: DELETE takes Depth: infinity alone",
            ));
        }
        if !conditions.allow_write(entry.as_ref()) {
            return Err(Refusal::precondition());
        }
    }
    let precondition =
        (conditions.any() || call.still.is_some()).then(|| conditions.with(call.still));
    call.files.remove(call.who, &call.place.target, precondition).await.map_err(fail)?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

async fn make_directory<F: Files>(call: Call<'_, F>, body: &mut Incoming) -> Handled {
    if !body.is_empty() {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorKind::NotSupported,
            "MKCOL takes no body here",
        ));
    }
    if matches!(call.place.target, Target::Transfer(_)) {
        return Err(Refusal::method("under /fileTransfer/ no directory can be made".to_owned()));
    }
    let conditions = conditions::Conditions::of(call.headers);
    if conditions.any() {
        let there = call.files.stat(call.who, &call.place.target).await.ok();
        if !conditions.allow_write(there.as_ref()) {
            return Err(Refusal::precondition());
        }
    }
    call.files
        .make_directory(call.who, &call.place.target)
        .await
        .map_err(|error| Refusal::of(error, Operation::MakeDirectory, call.who))?;
    Ok(reply::empty(StatusCode::CREATED))
}

/// A request's body, and whether anybody has begun to read it.
struct Incoming {
    body: Body,
    polled: bool,
    /// What came behind it.
    trailers: Option<HeaderMap>,
}

impl Incoming {
    /// True when there is none, as far as the head tells.
    fn is_empty(&self) -> bool {
        self.body.is_end_stream()
    }

    /// The exact size, where the head told it.
    fn size(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next piece of data; `None` at the end.
    async fn piece(&mut self, idle: Duration) -> Result<Option<bytes::Bytes>, Refusal> {
        self.polled = true;
        let silent = || {
            Err(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                ErrorKind::InvalidRequest,
                format!("no data came for {} s: send it again", idle.as_secs()),
            ))
        };
        loop {
            let frame = match tokio::time::timeout(idle, self.body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) if fell_silent(&error) => return silent(),
                Ok(Some(Err(error))) => {
                    return Err(Refusal::new(
                        StatusCode::BAD_REQUEST,
                        ErrorKind::InvalidRequest,
                        format!("the request's body ended early: {error}: send it again"),
                    ));
                }
                Err(_) => return silent(),
            };
            match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                Ok(_) => {}
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
    }

    /// Reads on for a while behind the answer when a body was refused: a client that sends it all
    /// before it listens would otherwise find the connection reset, not the answer. One that
    /// waits for `100 Continue` is not made to send it; by HTTP/2, where it may end its stream at any
    /// time, curl sends it all the same, and does not take a stream that we end (RFC 9113 8.1).
    fn give_up(self, headers: &HeaderMap, version: Version) {
        const DRAIN_BYTES: usize = 16 << 20;
        const DRAIN_TIME: Duration = Duration::from_secs(5);
        let waits =
            !self.polled && version < Version::HTTP_2 && headers.contains_key(header::EXPECT);
        if self.body.is_end_stream() || waits {
            return;
        }
        let mut body = self.body;
        tokio::spawn(tokio::time::timeout(DRAIN_TIME, async move {
            let mut left = DRAIN_BYTES;
            while let Some(Ok(frame)) = body.frame().await {
                let size = frame.data_ref().map_or(0, bytes::Bytes::len);
                match left.checked_sub(size) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        }));
    }
}

/// The listener gave the body up, before we did.
fn fell_silent(error: &axum::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<BodyTimeout>() {
            return true;
        }
        next = error.source();
    }
    false
}
