//! GET and HEAD: files whole or in ranges, directories as a page.

use std::fs::File;
use std::ops::Range;
use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::blocking::{BlockingBody, Source};
use super::conditions::{Conditions, Verdict, range_holds};
use super::content::{content_type, is_active};
use super::digest::Wishes;
use super::file_body::FileSource;
use super::files::Files;
use super::range::{Wanted, wanted};
use super::reply::{Operation, Refusal, text};
use super::sent_file::{SentFile, WORTH_IT};
use super::{Call, Handled, listing, place};
use crate::model::Digests;
use crate::srm::{Entry, EntryKind, Error, ErrorKind, Reader, Target};

/// HEAD.
pub(super) async fn head<F: Files>(call: Call<'_, F>) -> Handled {
    let entry = call
        .files
        .stat(call.who, &call.place.target)
        .await
        .map_err(|error| Refusal::of(error, Operation::Read, call.who))?;
    if entry.kind == EntryKind::Directory {
        return match call.place.target {
            Target::Stfn(_) => listing::head(&call),
            Target::Transfer(_) => Err(no_listing()),
        };
    }
    if let Some(answer) = judge(&call, &entry)? {
        return Ok(answer);
    }
    let mut response = described(&call, &entry).await;
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(entry.size));
    Ok(response)
}

/// GET.
pub(super) async fn get<F: Files>(call: Call<'_, F>) -> Handled {
    match call.files.open(call.who, &call.place.target).await {
        Ok(reader) => file(&call, reader).await,
        Err(error) if error.kind == ErrorKind::IsADirectory => match call.place.target {
            Target::Stfn(_) => listing::listing(call).await,
            Target::Transfer(_) => Err(no_listing()),
        },
        Err(error) => Err(Refusal::of(error, Operation::Read, call.who)),
    }
}

async fn file<F: Files>(call: &Call<'_, F>, reader: Reader) -> Handled {
    let Reader { file, entry } = reader;
    if let Some(answer) = judge(call, &entry)? {
        return Ok(answer);
    }
    let mut response = described(call, &entry).await;
    let asked = call.headers.get(header::RANGE).map(|v| v.to_str().unwrap_or_default());
    let asked = asked.filter(|_| range_holds(call.headers, &entry, SystemTime::now()));
    let source = match wanted(asked, entry.size) {
        Wanted::Whole => Stretches::One(file, 0..entry.size),
        Wanted::Unsatisfiable => {
            return Err(out_of_range(&entry, "the file has no such bytes: ask for its size first"));
        }
        Wanted::TooMany => return Err(out_of_range(&entry, "too many ranges: ask for fewer")),
        Wanted::Parts(mut parts) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let headers = response.headers_mut();
            if parts.len() == 1 {
                let part = parts.remove(0);
                let told = format!("bytes {}-{}/{}", part.start, part.end - 1, entry.size);
                headers.insert(header::CONTENT_RANGE, text(&told));
                Stretches::One(file, part)
            } else {
                let boundary = format!("stormd-{}", uuid::Uuid::new_v4().simple());
                let kind = format!("multipart/byteranges; boundary={boundary}");
                headers.insert(header::CONTENT_TYPE, text(&kind));
                let kind = content_type(&entry.name);
                Stretches::Many(FileSource::multipart(file, parts, entry.size, kind, &boundary))
            }
        }
    };
    if entry.size == 0 {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        return Ok(response);
    }
    let body = match (source, call.sending) {
        (Stretches::One(file, stretch), Some(sending))
            if stretch.end - stretch.start >= WORTH_IT =>
        {
            body(SentFile::new(file, stretch, sending.clone())).await
        }
        (Stretches::One(file, stretch), _) => body(FileSource::one(file, stretch)).await,
        (Stretches::Many(source), _) => body(source).await,
    };
    *response.body_mut() = body.map_err(|error| Refusal::of(error, Operation::Read, call.who))?;
    Ok(response)
}

/// What is to be sent of a file.
enum Stretches {
    One(File, Range<u64>),
    Many(FileSource),
}

async fn body<S: Source + Unpin>(source: S) -> Result<Body, Error> {
    Ok(Body::new(BlockingBody::start(source).await?))
}

/// The conditions: an answer instead of the file, or none.
fn judge<F>(call: &Call<'_, F>, entry: &Entry) -> Result<Option<Response>, Refusal> {
    if call.place.slash {
        return Err(place::names_a_file());
    }
    match Conditions::of(call.headers).judge_read(entry) {
        Verdict::Go => Ok(None),
        Verdict::Failed => Err(Refusal::precondition()),
        Verdict::NotModified => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            validators(&mut response, entry);
            Ok(Some(response))
        }
    }
}

/// 200 with all headers that do not depend on the range.
async fn described<F: Files>(call: &Call<'_, F>, entry: &Entry) -> Response {
    let mut response = Response::new(Body::empty());
    validators(&mut response, entry);
    let wishes = Wishes::of(call.headers);
    let mut known = Digests::new();
    for algorithm in wishes.algorithms() {
        let found = call.files.checksum(call.who, &call.place.target, entry, algorithm).await;
        known.extend(found.map(|value| (algorithm, value)));
    }
    let headers = response.headers_mut();
    let kind = content_type(&entry.name);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_active(kind) {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    wishes.tell(&known, headers);
    response
}

/// `ETag` and `Last-Modified`.
pub(super) fn validators(response: &mut Response, entry: &Entry) {
    let headers = response.headers_mut();
    headers.insert(header::ETAG, text(&format!("\"{}\"", entry.etag)));
    headers.insert(header::LAST_MODIFIED, text(&crate::web::http_date(entry.modified)));
}

fn out_of_range(entry: &Entry, why: &str) -> Refusal {
    Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorKind::InvalidRequest, why)
        .with_header(header::CONTENT_RANGE, text(&format!("bytes */{}", entry.size)))
}

fn no_listing() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        ErrorKind::IsADirectory,
        "under /fileTransfer/ there are files only, and this is a directory",
    )
}
