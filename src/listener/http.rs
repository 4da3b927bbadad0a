//! One request: what is put on it before the door sees it, and what is made of the door's answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONNECTION, HOST, HeaderName, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use rustls::pki_types::CertificateDer;
use tower::ServiceExt;
use tracing::Instrument;

use super::judge::{DelegatedCredential, Judge};
use super::log::{Entry, Log};
use super::sending::FileSending;
use super::timeout::{TimedBody, UnderWay};
use super::{ConnectionInfo, Door, Outcome, PortKind, Service};
use crate::config::Limits;
use crate::model::{Identity, Refusal};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who is at the other end of a connection, looked at again when that may have changed.
pub(super) struct Caller {
    chain: Vec<CertificateDer<'static>>,
    /// `None`: the identity is what it is.
    judge: Option<Arc<dyn Judge>>,
    /// The last verdict, and the judge's generation before it was asked.
    verdict: Mutex<(Identity, u64)>,
}

impl Caller {
    pub(super) fn anonymous() -> Self {
        Self::fixed(Identity::Anonymous)
    }

    /// That identity for ever.
    pub(super) fn fixed(identity: Identity) -> Self {
        Self { chain: Vec::new(), judge: None, verdict: Mutex::new((identity, 0)) }
    }

    /// Whoever showed that chain; nobody, if it is empty.
    pub(super) fn judged(chain: Vec<CertificateDer<'static>>, judge: Arc<dyn Judge>) -> Self {
        if chain.is_empty() {
            return Self::anonymous();
        }
        let generation = judge.generation();
        let identity = judge.identity(&chain, SystemTime::now());
        Self { chain, judge: Some(judge), verdict: Mutex::new((identity, generation)) }
    }

    /// Who it is now.
    pub(super) fn identity(&self) -> Identity {
        // A verdict is replaced whole: a poisoned lock holds a good one.
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judge) = &self.judge {
            let (now, generation) = (SystemTime::now(), judge.generation());
            let expired = verdict.0.person().is_some_and(|person| person.not_after < now);
            if expired || verdict.1 != generation {
                *verdict = (judge.identity(&self.chain, now), generation);
            }
        }
        verdict.0.clone()
    }
}

/// What the requests of one connection have in common.
pub(super) struct Exchange {
    kind: PortKind,
    info: ConnectionInfo,
    caller: Caller,
    delegated: Option<Arc<DelegatedCredential>>,
    judge: Arc<dyn Judge>,
    door: Door,
    log: Arc<Log>,
    idle_body: Duration,
    sending: Option<FileSending>,
}

impl Exchange {
    pub(super) fn new(
        kind: PortKind,
        info: ConnectionInfo,
        caller: Caller,
        delegated: Option<Arc<DelegatedCredential>>,
        judge: Arc<dyn Judge>,
        door: Door,
        limits: &Limits,
    ) -> Self {
        let log = Log::new(kind, info);
        let idle_body = limits.idle_body;
        Self { kind, info, caller, delegated, judge, door, log, idle_body, sending: None }
    }

    /// For a connection that takes bytes of files from there.
    pub(super) fn sending(self, sending: FileSending) -> Self {
        Self { sending: Some(sending), ..self }
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.info.peer
    }

    /// Whoever a request with a password says he is, else who is at the other end of the connection. A
    /// password names one person: if it is wrong, that he showed a certificate too does not help.
    /// Doors see no password.
    async fn who_asks<B>(&self, request: &mut Request<B>) -> Identity {
        if !matches!(self.kind, PortKind::Https | PortKind::Plain) {
            return self.caller.identity();
        }
        let Some(shown) = request.headers_mut().remove(AUTHORIZATION) else {
            return self.caller.identity();
        };
        let Some(credentials) = basic(&shown) else {
            request.headers_mut().insert(AUTHORIZATION, shown);
            return self.caller.identity();
        };
        match self.kind {
            PortKind::Https => self.judge.password(credentials, self.info.peer.ip()).await,
            _ => {
                let why = "passwords are taken over https only, and this one was not looked at: it has \
                           crossed the network where others may read it, so replace it, and call \
                           https://";
                Identity::Refused(Arc::new(Refusal::new(None, why.to_owned())))
            }
        }
    }

    fn newest_door(&self) -> Service {
        Service::clone(&self.door.load())
    }

    /// Takes a request to the door and its answer back.
    pub(super) async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        under_way: Arc<UnderWay>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let id = next_id();
        let identity = self.who_asks(&mut request).await;
        to_origin_form(&mut request);
        let bytes_in = Arc::new(AtomicU64::new(0));
        let entry = Entry::new(id.clone(), &self.log, &identity, &request, bytes_in.clone());
        // For who looks closely: most of what is told on the way names its own file or request.
        let span =
            tracing::debug_span!("request", id = %id, peer = %self.info.peer, dn = identity.dn());
        let head = request.method() == Method::HEAD;

        let response = if request.method() == Method::CONNECT {
            no_proxy()
        } else if !is_plainly_framed(request.headers()) {
            odd_coding()
        } else {
            let mut request = request.map(|body| {
                Body::new(TimedBody::new(body, self.idle_body, bytes_in, under_way.clone()))
            });
            let extensions = request.extensions_mut();
            extensions.insert(identity);
            extensions.insert(self.info);
            if let Some(delegated) = &self.delegated {
                extensions.insert(delegated.clone());
            }
            if let Some(sending) = &self.sending {
                extensions.insert(sending.clone());
            }
            let Ok(response) = self.newest_door().oneshot(request).instrument(span).await;
            response
        };
        Ok(finish(response, &id, head, entry, under_way))
    }
}

/// Puts the request's name on the answer and the log entry behind its body.
fn finish(
    mut response: Response<Body>,
    id: &str,
    head: bool,
    mut entry: Entry,
    under_way: Arc<UnderWay>,
) -> Response<AnswerBody> {
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    entry.answered(response.status(), response.extensions_mut().remove::<Outcome>());
    let bodyless = head
        || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || response.body().is_end_stream();
    let expected = if bodyless { Some(0) } else { response.body().size_hint().exact() };
    under_way.answers();
    response.map(|body| AnswerBody { body, entry, sent: 0, expected, under_way })
}

/// What stands behind `Basic` (RFC 7617 2); `None` for another scheme.
fn basic(shown: &HeaderValue) -> Option<&str> {
    let mut parts = shown.as_bytes().splitn(2, |byte| *byte == b' ');
    parts.next().filter(|scheme| scheme.eq_ignore_ascii_case(b"basic"))?;
    // What is no text is no base64 either, and still no reason to look elsewhere for who asks.
    let credentials = parts.next().and_then(|text| std::str::from_utf8(text).ok());
    Some(credentials.unwrap_or_default().trim())
}

/// CONNECT: this is no proxy.
fn no_proxy() -> Response<Body> {
    let mut response = Response::new(Body::from("this server is no proxy: CONNECT is refused\n"));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
    response
}

/// False where another server before us could see the end of the request elsewhere: any transfer
/// coding but `chunked`, once. hyper looks only at the last one.
fn is_plainly_framed(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// RFC 9112 6.1; and nothing more is read from this client.
fn odd_coding() -> Response<Body> {
    let mut response =
        Response::new(Body::from("no transfer coding but chunked is offered: leave it out\n"));
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// `POST httpg://host:8444/srm` becomes `POST /srm` with `Host: host:8444`: RFC 9112 3.2.2.
fn to_origin_form(request: &mut Request<Incoming>) {
    let Some((authority, path)) = split_absolute(request.uri()) else {
        return;
    };
    if let Some(host) = authority {
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = Uri::from(path);
}

/// The `Host` and the path of a target that has more than a path.
fn split_absolute(uri: &Uri) -> Option<(Option<HeaderValue>, PathAndQuery)> {
    let authority = uri.authority()?.as_str();
    // "user:password@" is for nobody's eyes.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = match uri.path_and_query() {
        // Written out, a missing path before a query is "/".
        Some(path) => path.to_string().parse().ok()?,
        None => PathAndQuery::from_static("/"),
    };
    Some((HeaderValue::from_str(host).ok(), path))
}

/// The name of one request in the logs and in the answer's `X-Request-Id`: short, and unique over
/// restarts for as long as logs are kept.
fn next_id() -> String {
    static START: LazyLock<u64> = LazyLock::new(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    });
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:x}-{:x}", *START, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An answer's body: counts what goes out; its log entry is written when it is dropped.
pub(super) struct AnswerBody {
    body: Body,
    entry: Entry,
    sent: u64,
    /// The whole length, where it is known.
    expected: Option<u64>,
    under_way: Arc<UnderWay>,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.body).poll_frame(cx);
        match &poll {
            Poll::Ready(Some(Ok(frame))) => {
                this.under_way.moves();
                this.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(None) => this.expected = Some(this.sent),
            _ => {}
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let whole = self.expected == Some(self.sent) || self.body.is_end_stream();
        self.entry.sent(self.sent, whole);
        self.under_way.answered();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_targets_lose_their_authority() {
        let split = |target: &str| {
            split_absolute(&target.parse().unwrap())
                .map(|(host, path)| (host.unwrap().to_str().unwrap().to_owned(), path.to_string()))
        };
        let of = |host: &str, path: &str| Some((host.to_owned(), path.to_owned()));
        assert_eq!(split("httpg://h:8444/srm?x=/y"), of("h:8444", "/srm?x=/y"));
        assert_eq!(split("davs://me:secret@h/a%20b"), of("h", "/a%20b"));
        assert_eq!(split("https://[::1]:8443"), of("[::1]:8443", "/"));
        assert_eq!(split("https://h?q"), of("h", "/?q"));
        assert_eq!(split("h:443"), of("h:443", "/"));
        for origin in ["/srm/managerv2", "*", "//h/p"] {
            assert_eq!(split(origin), None, "{origin}");
        }
    }

    #[test]
    fn only_chunked_and_only_once() {
        let framed = |codings: &[&str]| {
            let mut headers = HeaderMap::new();
            for coding in codings {
                headers.append(TRANSFER_ENCODING, coding.parse().unwrap());
            }
            is_plainly_framed(&headers)
        };
        assert!(framed(&[]) && framed(&["chunked"]) && framed(&["Chunked "]));
        for bad in [&["gzip, chunked"][..], &["chunked, chunked"], &["chunked", "chunked"], &[""]] {
            assert!(!framed(bad), "{bad:?}");
        }
    }

    #[test]
    fn basic_credentials_are_told_from_others() {
        for (shown, credentials) in [
            ("Basic YTpi", Some("YTpi")),
            ("bAsIc  YTpi ", Some("YTpi")),
            ("Basic", Some("")),
            ("Basic \u{fc}", Some("\u{fc}")),
            ("Bearer YTpi", None),
            ("Basics YTpi", None),
            ("", None),
        ] {
            let value = HeaderValue::from_bytes(shown.as_bytes()).unwrap();
            assert_eq!(basic(&value), credentials, "{shown}");
        }
    }

    #[test]
    fn ids_differ() {
        assert_ne!(next_id(), next_id());
    }
}
