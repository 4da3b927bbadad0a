//! The HTTP side: any path, any SOAPAction; POST is a request, GET asks for the WSDL. Only 200 and
//! 500 are ever answered, since gSOAP clients show nothing of any other answer.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::listener::Outcome;
use crate::model::Identity;
use crate::srm::Srm;

use super::dispatch::stranger;
use super::fault::SoapFault;
use super::wsdl::wsdl;
use super::{Answer, answer};

/// Largest envelope of somebody who is refused in any case, in bytes: enough to say so in the
/// operation's own response.
const STRANGER_ENVELOPE: u64 = 1024 * 1024;

/// Bounds of the door.
#[derive(Clone, Copy, Debug)]
pub struct SoapLimits {
    /// Largest envelope, in bytes (`[limits] envelope`).
    pub envelope: u64,
}

/// The door as an axum router. The caller's [`Identity`] comes as a request extension (none: a
/// stranger); [`Outcome`] goes out as a response extension.
pub fn router(srm: Arc<Srm>, limits: SoapLimits) -> Router {
    routes(limits, move |who, body| {
        let srm = Arc::clone(&srm);
        async move { answer(&srm, &who, body).await }
    })
}

/// The router over whatever answers envelopes.
pub(super) fn routes<F, A>(limits: SoapLimits, answer: F) -> Router
where
    F: Fn(Identity, Bytes) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    Router::new().fallback(move |request: Request| {
        let answer = answer.clone();
        async move { handle(limits, answer, request).await }
    })
}

async fn handle<F, A>(limits: SoapLimits, answer: F, request: Request) -> Response
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
    let most = if stranger.is_some() { STRANGER_ENVELOPE } else { u64::MAX };
    match read(limits.envelope.min(most), &head.headers, body).await {
        Ok(body) => respond(answer(who, body).await),
        Err(fault) => {
            let fault = stranger.map_or(fault, |status| SoapFault::client(status.to_string()));
            let mut response = respond(Answer::fault(&fault));
            // The rest of the body is not read, so nothing more can come over this connection.
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

/// The whole body, which must not be longer than the limit; no more than that is ever held.
async fn read(limit: u64, headers: &HeaderMap, body: Body) -> Result<Bytes, SoapFault> {
    let too_large = || {
        SoapFault::client(format!(
            "the message is larger than {limit} bytes: ask for fewer files at a time"
        ))
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|value| value.parse().ok()).is_some_and(|length: u64| length > limit) {
        return Err(too_large());
    }
    let limited = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
    match limited.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => {
            Err(SoapFault::client(format!("the message could not be read to its end: {error}")))
        }
    }
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
