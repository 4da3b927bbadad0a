//! LOCK and UNLOCK (RFC 4918 9.10, 9.11).

use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::files::Files;
use super::lock_request::{lifetime, parse};
use super::place::Place;
use super::property::active_lock;
use super::propfind::small_body;
use super::reply::{Operation, Refusal, text};
use super::{Call, Handled, Incoming, place, reply};
use crate::model::Identity;
use crate::srm::{DavLock, EntryKind, ErrorKind};

const LOCK_TOKEN: HeaderName = HeaderName::from_static("lock-token");

/// LOCK: a new one, or without a body a refresh.
pub(super) async fn lock<F: Files>(call: Call<'_, F>, body: &mut Incoming) -> Handled {
    let body = small_body(&call, body).await?;
    let wanted = parse(call.headers, &body).map_err(broken)?;
    let fail = |error| Refusal::of(error, Operation::Lock, call.who);
    let target = &call.place.target;
    let Some(wanted) = wanted else {
        if !call.headers.contains_key("if") {
            return Err(broken(
                "a LOCK without a body is a refresh, and needs an If header".into(),
            ));
        }
        let lifetime = lifetime(call.headers);
        let lock = call.files.refresh_lock(call.who, target, lifetime).await.map_err(fail)?;
        return Ok(answer(&call.place, &lock, StatusCode::OK));
    };
    if call.place.slash {
        match call.files.stat(call.who, target).await {
            Ok(entry) if entry.kind == EntryKind::File => return Err(place::names_a_file()),
            Err(error) if error.kind == ErrorKind::NotFound => {
                return Err(Refusal::new(
                    StatusCode::CONFLICT,
                    ErrorKind::NotFound,
                    "there is no such directory: make it first with MKCOL",
                ));
            }
            _ => {}
        }
    }
    let (lock, created) = call.files.lock(call.who, target, wanted).await.map_err(fail)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answer(&call.place, &lock, status);
    response.headers_mut().insert(LOCK_TOKEN, text(&format!("<{}>", lock.token)));
    Ok(response)
}

/// UNLOCK.
pub(super) async fn unlock<F: Files>(call: Call<'_, F>) -> Handled {
    let token = call.headers.get(LOCK_TOKEN).and_then(|value| value.to_str().ok());
    let token = token.and_then(|token| token.trim().strip_prefix('<')?.strip_suffix('>'));
    let token = token.ok_or_else(|| {
        broken("UNLOCK needs the token of the lock as Lock-Token: <token>".to_owned())
    })?;
    call.files
        .unlock(call.who, &call.place.target, token)
        .await
        .map_err(|error| Refusal::of(error, Operation::Unlock, call.who))?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// Adds to a 423 what is locked (RFC 4918 16, `lock-token-submitted`).
pub(super) async fn tell_roots<F: Files>(
    handled: Handled,
    files: &F,
    who: &Identity,
    place: &Place,
) -> Handled {
    match handled {
        Err(refusal) if matches!(refusal.kind, ErrorKind::Locked | ErrorKind::LockConflict) => {
            let mut roots = files.locks_about(who, &place.target).await;
            // What is in the way lies elsewhere, at the destination.
            if roots.is_empty() {
                roots.push(place.target.stfn().as_str().to_owned());
            }
            let hrefs = roots.iter().map(|root| format!("{}{root}", place.prefix)).collect();
            Err(refusal.with_hrefs(hrefs))
        }
        handled => handled,
    }
}

fn broken(why: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, why)
}

fn answer(place: &Place, lock: &DavLock, status: StatusCode) -> Response {
    let told = active_lock(lock, place.prefix, SystemTime::now());
    let mut response = Response::new(Body::from(format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<d:prop xmlns:d=\"DAV:\"><d:lockdiscovery>{told}\
         </d:lockdiscovery></d:prop>\n"
    )));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
