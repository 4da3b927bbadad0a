//! The HTTP side: any path, any SOAPAction; POST is a request, GET asks for the WSDL. Only 200 and
//! 500 are ever answered, since gSOAP clients show nothing of any other answer.

use std::future::Future;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use tower::service_fn;

use crate::listener::{Outcome, Service};
use crate::model::Identity;
use crate::srm::Srm;

use super::body::Room;
use super::dispatch::stranger;
use super::fault::SoapFault;
use super::wsdl::wsdl;
use super::{Answer, answer};

/// Largest envelope of somebody who is refused in any case, in bytes: enough to say so in the
/// operation's own response.
const STRANGER_ENVELOPE: u64 = 1024 * 1024;

/// Bytes of large envelopes in memory at the same time.
const TOGETHER: usize = 256 << 20;

/// The same for all strangers, who so leave the persons' room alone.
const STRANGERS_TOGETHER: usize = 32 << 20;

/// Bounds of the door.
#[derive(Clone, Copy, Debug)]
pub struct SoapLimits {
    /// Largest envelope, in bytes (`[limits] envelope`).
    pub envelope: u64,
}

/// The door. The caller's [`Identity`] comes as a request extension (none: a stranger); [`Outcome`]
/// goes out as a response extension.
pub fn door(srm: Arc<Srm>, limits: SoapLimits) -> Service {
    door_to(limits, move |who, body| {
        let srm = Arc::clone(&srm);
        async move { answer(&srm, &who, body).await }
    })
}

/// A door that serves nobody: every request gets a fault with this text, and no second one is taken.
pub fn busy(why: &'static str) -> Service {
    Service::new(service_fn(move |_| async move {
        Ok(last(respond(Answer::fault(&SoapFault::server(why)))))
    }))
}

/// The door to whatever answers envelopes.
pub(super) fn door_to<F, A>(limits: SoapLimits, answer: F) -> Service
where
    F: Fn(Identity, Bytes) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let envelope = limits.envelope;
    let rooms = Rooms {
        persons: Room::new(envelope, TOGETHER),
        strangers: Room::new(envelope.min(STRANGER_ENVELOPE), STRANGERS_TOGETHER),
    };
    // All paths are one: a router would cost more than it finds out.
    Service::new(service_fn(move |request: Request| {
        let (rooms, answer) = (rooms.clone(), answer.clone());
        async move { Ok(handle(&rooms, answer, request).await) }
    }))
}

#[derive(Clone)]
struct Rooms {
    persons: Room,
    strangers: Room,
}

async fn handle<F, A>(rooms: &Rooms, answer: F, request: Request) -> Response
where
    F: Fn(Identity, Bytes) -> A,
    A: Future<Output = Answer>,
{
    match *request.method() {
        Method::POST => {}
        Method::GET | Method::HEAD => return description(request.uri(), request.headers()),
        ref other => {
            let other: String = other.as_str().chars().take(32).collect();
            return respond(Answer::fault(&SoapFault::client(format!(
                "SRM requests are sent with POST, not {other}; GET gives the WSDL"
            ))));
        }
    }
    let (head, body) = request.into_parts();
    let who = head.extensions.get::<Identity>().cloned().unwrap_or(Identity::Anonymous);
    let stranger = stranger(&who);
    let room = if stranger.is_some() { &rooms.strangers } else { &rooms.persons };
    let read = match from_a_page(&head.headers) {
        false => room.read(who.dn(), &head.headers, body).await,
        true => Err(SoapFault::client(
            "this request comes from a web page, which must not act in the name of its reader: use \
             an SRM client",
        )),
    };
    match read {
        Ok(envelope) => {
            let (bytes, _room) = envelope.take();
            respond(answer(who, Bytes::from(bytes)).await)
        }
        Err(fault) => {
            let fault = stranger.map_or(fault, |status| SoapFault::client(status.to_string()));
            // The rest of the body is not read, so nothing more can come over this connection.
            last(respond(Answer::fault(&fault)))
        }
    }
}

/// The last answer of a connection.
fn last(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// True for a request that a page in a browser made. The browser would show its reader's certificate,
/// whichever site the page is from; no SRM client sends these headers.
fn from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
        || headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() != b"none")
}

/// The WSDL, with the address the client itself used.
fn description(uri: &Uri, headers: &HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|a| a.as_str())).unwrap_or("localhost:8444");
    let path = match uri.path() {
        "" | "/" => "/srm/managerv2",
        path => path,
    };
    let body = Bytes::from(wsdl(&format!("https://{host}{path}")));
    let logged =
        Outcome { operation: Some("wsdl"), target: "-".to_owned(), status: None, why: None };
    respond(Answer { status: StatusCode::OK, body, logged })
}

fn respond(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    response.extensions_mut().insert(answer.logged);
    response
}
