//! The admin port's closed pages: what storage areas hold, and a count of it. JSON, for who shows the
//! bearer token that stands in `<state>/admin.token`.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, Uri, header};
use percent_encoding::percent_decode_str;

use crate::srm::{Error, ErrorKind, Srm};

/// `GET /space`: every area's [`crate::srm::AreaUsage`]. `POST /space/check?area=NAME`: has an area counted anew,
/// or all of them: 202; the count is over when `scanned` of `GET /space` has moved on.
pub fn router(srm: Srm, token: &str) -> Router {
    let token: Arc<str> = Arc::from(token);
    Router::new()
        .route("/space", get(show))
        .route("/space/check", post(check))
        .with_state(srm)
        .layer(from_fn_with_state(token, admit))
}

async fn show(State(srm): State<Srm>) -> Response {
    match serde_json::to_string(&srm.usage()) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn check(State(srm): State<Srm>, uri: Uri) -> Response {
    let area = uri.query().and_then(|query| query.strip_prefix("area="));
    let area = area.map(|area| percent_decode_str(area).decode_utf8_lossy());
    match srm.count_anew(area.as_deref()) {
        Ok(()) => (StatusCode::ACCEPTED, "the count has begun\n").into_response(),
        Err(Error { kind: ErrorKind::NotFound, explanation }) => {
            (StatusCode::NOT_FOUND, explanation + "\n").into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.explanation + "\n").into_response(),
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
