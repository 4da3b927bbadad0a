//! PROPFIND of any depth.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::blocking::BlockingBody;
use super::carry::Depth;
use super::files::Files;
use super::multistatus::{Children, Multistatus, Writer};
use super::propfind_request::{MAX_BODY, parse};
use super::reply::{Operation, Refusal};
use super::{Call, Handled, Incoming};
use crate::model::RelPath;
use crate::srm::{Entry, Error, ErrorKind, Found};

/// PROPFIND.
pub(super) async fn propfind<F: Files>(call: Call<'_, F>, body: &mut Incoming) -> Handled {
    let depth = Depth::of(call.headers)?;
    let body = small_body(&call, body).await?;
    let asked = parse(&body)
        .map_err(|why| Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, why))?;
    let (entry, children) = look(&call, depth).await?;
    let base = format!("{}{}", call.place.prefix, call.place.target.stfn());
    let writer = Writer::new(&asked, brief(call.headers), call.place.prefix);
    let beside = call.files.beside(call.who, &call.place.target, writer.wanted()).await;
    let source = Multistatus::new(writer, &base, entry, children, beside);
    let body = BlockingBody::start(source)
        .await
        .map_err(|error| Refusal::of(error, Operation::PropFind, call.who))?;
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = StatusCode::MULTI_STATUS;
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

async fn look<F: Files>(
    call: &Call<'_, F>,
    depth: Depth,
) -> Result<(Entry, Option<Children>), Refusal> {
    let fail = |error| Refusal::of(error, Operation::PropFind, call.who);
    let target = &call.place.target;
    let listed = match depth {
        Depth::Zero => Err(Error::new(ErrorKind::NotADirectory, "not to be looked into")),
        Depth::One => call.files.list(call.who, target).await.map(|lister| {
            let root = Arc::new(RelPath::root());
            let below = move |entry| Found::Entry(Arc::clone(&root), entry);
            let children = lister.children.map(move |entry| entry.map(&below));
            (lister.entry, Box::new(children) as Children)
        }),
        Depth::Infinity => {
            call.files.tree(call.who, target).await.map(|tree| (tree.entry, tree.members))
        }
    };
    match listed {
        Ok((entry, children)) => return Ok((entry, Some(children))),
        Err(error) if error.kind == ErrorKind::NotADirectory => {}
        Err(error) if error.kind == ErrorKind::NotSupported && depth == Depth::Infinity => {
            return Err(Refusal::new(StatusCode::FORBIDDEN, error.kind, error.explanation)
                .with_condition("propfind-finite-depth"));
        }
        Err(error) => return Err(fail(error)),
    }
    let entry = call.files.stat(call.who, target).await.map_err(fail)?;
    Ok((entry, None))
}

/// The whole body, which is small.
pub(super) async fn small_body<F>(
    call: &Call<'_, F>,
    body: &mut Incoming,
) -> Result<Vec<u8>, Refusal> {
    // A byte a minute would hold its place for weeks, and anybody may ask.
    let body = tokio::time::timeout(call.options.idle_body, read(call, body)).await;
    body.unwrap_or_else(|_| {
        let why = "the body did not come in time: send it again";
        Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, ErrorKind::InvalidRequest, why))
    })
}

async fn read<F>(call: &Call<'_, F>, body: &mut Incoming) -> Result<Vec<u8>, Refusal> {
    let mut all = Vec::new();
    while let Some(piece) = body.piece(call.options.idle_body).await? {
        if all.len() + piece.len() > MAX_BODY {
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorKind::InvalidRequest,
                format!("the body may have {MAX_BODY} bytes: ask for less at once"),
            ));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// `Brief: t` (Windows), or `Prefer: return=minimal` (RFC 8144 2.1).
fn brief(headers: &HeaderMap) -> bool {
    let says = |name, wanted: &str| {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value.split([',', ';']).any(|word| word.trim().eq_ignore_ascii_case(wanted))
        })
    };
    says("brief", "t") || says("prefer", "return=minimal")
}
