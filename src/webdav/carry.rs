//! MOVE and COPY (RFC 4918 9.8 and 9.9) between paths of ours. What other servers take part in,
//! third-party copy, is told apart and refused here.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::conditions::Conditions;
use super::destination::destination;
use super::files::Files;
use super::place::{self, Place};
use super::reply::{Operation, Refusal};
use super::{Call, Handled, reply};
use crate::model::Stfn;
use crate::srm::{Carried, Carry, EntryKind, Error, ErrorKind, Target};
use crate::web::{encode_path, escape};

/// `Depth` (RFC 4918 10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    Zero,
    One,
    /// Also where none is named.
    Infinity,
}

impl Depth {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        match headers.get("depth").map(HeaderValue::as_bytes) {
            None => Ok(Depth::Infinity),
            Some(b"0") => Ok(Depth::Zero),
            Some(b"1") => Ok(Depth::One),
            Some(value) if value.eq_ignore_ascii_case(b"infinity") => Ok(Depth::Infinity),
            Some(_) => Err(bad("Depth is 0, 1 or infinity")),
        }
    }
}

/// MOVE and COPY.
pub(super) async fn carry<F: Files>(call: Call<'_, F>, operation: Operation) -> Handled {
    refuse_third_party(call.headers)?;
    let to = destination(call.headers, call.asked.as_ref(), |host, port| {
        call.files.is_own_address(host, port)
    })?;
    let (from, into) = (own_path(&call.place)?, own_path(&to)?);
    let copy = operation == Operation::Copy;
    let deep = match Depth::of(call.headers)? {
        Depth::Infinity => true,
        Depth::Zero if copy => false,
        _ if copy => return Err(bad("COPY takes Depth: 0 or infinity")),
        _ => return Err(bad("MOVE takes Depth: infinity alone")),
    };
    let overwrite = overwrite(call.headers)?;
    let fail = |error| Refusal::of(error, operation, call.who);
    if call.place.slash {
        let entry = call.files.stat(call.who, &call.place.target).await.map_err(fail)?;
        if entry.kind == EntryKind::File {
            return Err(place::names_a_file());
        }
    }
    let conditions = Conditions::of(call.headers);
    let precondition =
        (conditions.any() || call.still.is_some()).then(|| conditions.of_both(call.still));
    let carry = Carry { overwrite, deep, precondition };
    let carried = match copy {
        true => call.files.copy_to(call.who, from, into, carry).await,
        false => call.files.move_to(call.who, from, into, carry).await,
    };
    match carried.map_err(fail)? {
        Carried::Done { failed, .. } if !failed.is_empty() => {
            let status = |error| Refusal::of(error, operation, call.who).status;
            Ok(failures(to.prefix, failed, status))
        }
        Carried::Done { created: true, .. } => Ok(reply::empty(StatusCode::CREATED)),
        Carried::Done { created: false, .. } => Ok(reply::empty(StatusCode::NO_CONTENT)),
        Carried::Same => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            ErrorKind::InvalidRequest,
            "source and destination are the same",
        )),
        Carried::Nested => Err(Refusal::new(
            StatusCode::CONFLICT,
            ErrorKind::InvalidRequest,
            "source and destination lie in one another: choose another destination",
        )),
    }
}

/// A `Source`, or what is to be handed on to another server, asks for a third-party copy.
fn refuse_third_party(headers: &HeaderMap) -> Result<(), Refusal> {
    let handed_on = headers.keys().any(|name| name.as_str().starts_with("transferheader"));
    match (headers.contains_key("source"), headers.contains_key("destination")) {
        (true, true) => Err(bad("Source and Destination together make no sense: send one of them")),
        (true, false) => Err(third_party()),
        (false, true) if handed_on => Err(third_party()),
        _ => Ok(()),
    }
}

fn third_party() -> Refusal {
    Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        ErrorKind::NotSupported,
        "third-party copy is not offered here: get the file and put it here",
    )
}

fn own_path(place: &Place) -> Result<&Stfn, Refusal> {
    match &place.target {
        Target::Stfn(stfn) => Ok(stfn),
        Target::Transfer(_) => Err(Refusal::method(
            "under /fileTransfer/ nothing is moved or copied: a TURL is for GET, PUT and DELETE"
                .to_owned(),
        )),
    }
}

/// `Overwrite` (RFC 4918 10.6).
fn overwrite(headers: &HeaderMap) -> Result<bool, Refusal> {
    match headers.get("overwrite").map(HeaderValue::as_bytes) {
        None | Some(b"T" | b"t") => Ok(true),
        Some(b"F" | b"f") => Ok(false),
        Some(_) => Err(bad("Overwrite is T or F")),
    }
}

fn bad(why: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, why)
}

/// 207 with those members that failed (RFC 4918 9.8.5). The core bounds how many they can be.
fn failures(
    prefix: &str,
    failed: Vec<(Stfn, Error)>,
    status: impl Fn(Error) -> StatusCode,
) -> Response {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<d:multistatus xmlns:d=\"DAV:\">\n",
    );
    for (stfn, error) in failed {
        let href = encode_path(&format!("{prefix}{}", stfn.as_str()));
        let why = escape(&error.explanation);
        let status = status(error);
        text.extend([
            "<d:response><d:href>",
            &href,
            "</d:href><d:status>HTTP/1.1 ",
            status.as_str(),
            " ",
            status.canonical_reason().unwrap_or("Failed"),
            "</d:status><d:responsedescription>",
            &why,
            "</d:responsedescription></d:response>\n",
        ]);
    }
    text.push_str("</d:multistatus>\n");
    let length = HeaderValue::from(text.len());
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::MULTI_STATUS;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, length);
    response
}
