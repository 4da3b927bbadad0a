//! The admin port's closed pages: what storage areas hold, and a count of it; everybody's app passwords. JSON, for who shows the
//! bearer token that stands in `<state>/admin.token`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::{StatusCode, Uri, header};
use percent_encoding::percent_decode_str;

use crate::model::{Fqan, FqanError, Identity, Person, ProxyKind};
use crate::srm::{AppPasswordAsked, Error, ErrorKind, Srm};

/// Largest body that is read, in bytes.
const BODY_MAX: usize = 64 << 10;

/// An app password for somebody: the body of `POST /app-passwords`.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
pub struct NewFor {
    /// Whose it is.
    pub dn: String,
    /// The FQANs it has.
    #[serde(default)]
    pub fqans: Vec<String>,
    /// What it is to be.
    #[serde(flatten)]
    pub asked: AppPasswordAsked,
}

/// `GET /space`: every area's [`crate::srm::AreaUsage`]. `POST /space/check?area=NAME`: has an area counted anew,
/// or all of them: 202; the count is over when `scanned` of `GET /space` has moved on. `GET /app-passwords`: every
/// [`crate::srm::AppPassword`]; `POST`: makes one of a [`NewFor`] and answers with the
/// [`crate::srm::NewAppPassword`]; `DELETE /app-passwords/USER`: ends one.
pub fn router(srm: Srm, token: &str) -> Router {
    let token: Arc<str> = Arc::from(token);
    Router::new()
        .route("/space", get(show))
        .route("/space/check", post(check))
        .route("/app-passwords", get(app_passwords).post(make))
        .route("/app-passwords/{user}", delete(revoke))
        .with_state(srm)
        .layer(from_fn_with_state(token, admit))
}

async fn show(State(srm): State<Srm>) -> Response {
    json(&srm.usage())
}

fn json(told: &impl serde::Serialize) -> Response {
    match serde_json::to_string(told) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn refused(error: Error) -> Response {
    let status = match error.kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::InvalidRequest | ErrorKind::NotSupported => StatusCode::BAD_REQUEST,
        ErrorKind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.explanation + "\n").into_response()
}

async fn app_passwords(State(srm): State<Srm>) -> Response {
    json(&srm.all_app_passwords())
}

async fn make(State(srm): State<Srm>, request: Request) -> Response {
    let bad = |why: String| (StatusCode::BAD_REQUEST, why + "\n").into_response();
    let body = to_bytes(request.into_body(), BODY_MAX).await.unwrap_or_default();
    let NewFor { dn, fqans, asked } = match serde_json::from_slice(&body) {
        Ok(read) => read,
        Err(error) => return bad(format!("the body does not read: {error}")),
    };
    if !dn.starts_with('/') || dn.contains(char::is_control) {
        return bad(format!("{dn:?} is no DN: expected the form /C=IT/O=…/CN=…"));
    }
    let fqans = fqans.iter().map(|text| Fqan::parse(text)).collect::<Result<_, FqanError>>();
    let fqans = match fqans {
        Ok(fqans) => fqans,
        Err(error) => return bad(error.to_string()),
    };
    let who = Identity::Person(Arc::new(Person {
        dn,
        fqans,
        not_after: SystemTime::now() + Duration::from_secs(60),
        proxy: ProxyKind::EndEntity,
        notes: Vec::new(),
        scope: None,
    }));
    match srm.make_app_password(&who, asked).await {
        Ok(new) => json(&new),
        Err(error) => refused(error),
    }
}

async fn revoke(State(srm): State<Srm>, Path(user): Path<String>) -> Response {
    match srm.revoke_app_password(&user).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(error),
    }
}

async fn check(State(srm): State<Srm>, uri: Uri) -> Response {
    let area = uri.query().and_then(|query| query.strip_prefix("area="));
    let area = area.map(|area| percent_decode_str(area).decode_utf8_lossy());
    match srm.count_anew(area.as_deref()) {
        Ok(()) => (StatusCode::ACCEPTED, "the count has begun\n").into_response(),
        Err(error) => refused(error),
    }
}

async fn admit(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let known = shown.is_some_and(|shown| verify_slices_are_equal(shown, token.as_bytes()).is_ok());
    if known {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    let why = "the bearer token in <paths.state>/admin.token is needed\n";
    (StatusCode::UNAUTHORIZED, challenge, why).into_response()
}
