//! PROPPATCH (RFC 4918 9.2): all of it or nothing.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::files::Files;
use super::property::write_name;
use super::propfind::small_body;
use super::proppatch_request::{Change, Deed, parse};
use super::reply::{Operation, Refusal};
use super::{Call, Handled, Incoming, place};
use crate::srm::{DeadProperty, EntryKind, ErrorKind, PropertyPatch};
use crate::web::encode_path;

const OK: &str = "200 OK";
const FORBIDDEN: &str = "403 Forbidden";
const CONFLICT: &str = "409 Conflict";
const FAILED_DEPENDENCY: &str = "424 Failed Dependency";
const FULL: &str = "507 Insufficient Storage";

/// PROPPATCH.
pub(super) async fn proppatch<F: Files>(call: Call<'_, F>, body: &mut Incoming) -> Handled {
    let body = small_body(&call, body).await?;
    let changes = parse(&body)
        .map_err(|why| Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, why))?;
    let fail = |error| Refusal::of(error, Operation::PropPatch, call.who);
    let entry = call.files.stat(call.who, &call.place.target).await.map_err(fail)?;
    if call.place.slash && entry.kind == EntryKind::File {
        return Err(place::names_a_file());
    }
    let refused = |change: &Change| match change.deed {
        Deed::Protected => Some(FORBIDDEN),
        Deed::NoTime => Some(CONFLICT),
        Deed::Set(_) | Deed::Remove | Deed::Modified(..) => None,
    };
    let told: Vec<&str> = if changes.iter().any(|change| refused(change).is_some()) {
        changes.iter().map(|change| refused(change).unwrap_or(FAILED_DEPENDENCY)).collect()
    } else {
        let patch = patch(&changes);
        match call.files.patch_properties(call.who, &call.place.target, patch).await {
            Ok(()) => vec![OK; changes.len()],
            Err(error) if error.kind.is_full() => vec![FULL; changes.len()],
            Err(error) => return Err(fail(error)),
        }
    };
    let slash = if entry.kind == EntryKind::Directory { "/" } else { "" };
    let path = format!("{}{}", call.place.prefix, call.place.target.stfn());
    let href = format!("{}{slash}", path.trim_end_matches('/'));
    Ok(answer(&href, &changes, &told))
}

fn patch(changes: &[Change]) -> PropertyPatch {
    let mut patch = PropertyPatch::default();
    for Change { name, deed } in changes {
        let element = match deed {
            Deed::Set(element) => Some(element.clone()),
            Deed::Remove => None,
            Deed::Modified(at, kept) => {
                patch.modified = Some(*at);
                match kept {
                    Some(element) => Some(element.clone()),
                    None => continue,
                }
            }
            Deed::Protected | Deed::NoTime => continue,
        };
        let (namespace, name) = (name.namespace.clone(), name.local.clone());
        patch.changes.push(DeadProperty { namespace, name, element });
    }
    patch
}

/// The properties in the order of the request, those that follow each other with one status together.
fn answer(href: &str, changes: &[Change], told: &[&str]) -> Response {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<d:multistatus xmlns:d=\"DAV:\"><d:response>\
         <d:href>{}</d:href>",
        encode_path(href)
    );
    let pairs: Vec<(&Change, &str)> = changes.iter().zip(told.iter().copied()).collect();
    for group in pairs.chunk_by(|a, b| a.1 == b.1) {
        out.push_str("<d:propstat><d:prop>");
        for (change, _) in group {
            write_name(&mut out, &change.name.namespace, &change.name.local);
        }
        let status = group.first().map_or(OK, |(_, status)| status);
        out.extend(["</d:prop><d:status>HTTP/1.1 ", status, "</d:status>"]);
        if status == FORBIDDEN {
            out.push_str("<d:error><d:cannot-modify-protected-property/></d:error>");
        }
        out.push_str("</d:propstat>");
    }
    out.push_str("</d:response></d:multistatus>\n");
    let mut response = Response::new(Body::from(out));
    *response.status_mut() = StatusCode::MULTI_STATUS;
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
