//! From what the core says to a status line: one table for every method.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use crate::model::{Identity, told};
use crate::srm::{Error, ErrorKind};
use crate::web::{encode_path, escape};

/// The methods of this door.
pub(super) const ALLOW: &str = "OPTIONS, GET, HEAD, PUT, PATCH, DELETE, MKCOL, COPY, MOVE, PROPFIND, \
     PROPPATCH, LOCK, UNLOCK";
/// The compliance classes of RFC 4918 18, and sabre/dav's PATCH.
pub(super) const DAV: &str = "1, 2, 3, sabredav-partialupdate";

/// Of the `message` in an `error` that desktop clients show to people: sabre/dav's.
const MESSAGES: &str = "http://sabredav.org/ns";

/// Text of our own as a header's value; what no header can hold is left out.
pub(super) fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What a method does, as far as the meaning of an error depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Options,
    /// GET and HEAD.
    Read,
    Put,
    /// A part of a file.
    Patch,
    Delete,
    MakeDirectory,
    Move,
    Copy,
    PropFind,
    PropPatch,
    Lock,
    Unlock,
    /// Not offered.
    Other,
}

impl Operation {
    pub(super) fn of(method: &Method) -> Self {
        match method.as_str() {
            "OPTIONS" => Operation::Options,
            "GET" | "HEAD" => Operation::Read,
            "PUT" => Operation::Put,
            "PATCH" => Operation::Patch,
            "DELETE" => Operation::Delete,
            "MKCOL" => Operation::MakeDirectory,
            "MOVE" => Operation::Move,
            "COPY" => Operation::Copy,
            "PROPFIND" => Operation::PropFind,
            "PROPPATCH" => Operation::PropPatch,
            "LOCK" => Operation::Lock,
            "UNLOCK" => Operation::Unlock,
            _ => Operation::Other,
        }
    }
}

impl Operation {
    /// True for what the `If` header is judged for.
    pub(super) fn changes(self) -> bool {
        !matches!(self, Operation::Options | Operation::Read | Operation::PropFind)
    }
}

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) kind: ErrorKind,
    /// One line, for a person.
    pub(super) explanation: String,
    header: Option<(HeaderName, HeaderValue)>,
    /// The condition of RFC 4918 16 or RFC 4331 6 that does not hold; the body is XML then.
    condition: Option<Box<Condition>>,
}

/// A condition of RFC 4918 16 or RFC 4331 6, and the paths of what it is about.
#[derive(Debug)]
struct Condition {
    name: &'static str,
    hrefs: Vec<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, kind: ErrorKind, explanation: impl Into<String>) -> Self {
        let explanation = told(explanation.into());
        Self { status, kind, explanation, header: None, condition: None }
    }

    /// What the core said.
    pub(super) fn of(error: Error, operation: Operation, who: &Identity) -> Self {
        let refusal = Self::new(status(error.kind, operation, who), error.kind, error.explanation);
        match error.kind {
            ErrorKind::Locked => refusal.with_condition("lock-token-submitted"),
            ErrorKind::LockConflict if operation == Operation::Unlock => {
                refusal.with_condition("lock-token-matches-request-uri")
            }
            ErrorKind::LockConflict => refusal.with_condition("no-conflicting-lock"),
            ErrorKind::NoFreeSpace | ErrorKind::NoUserSpace | ErrorKind::ExceedAllocation => {
                refusal.with_condition("quota-not-exceeded")
            }
            ErrorKind::DiskFull => refusal.with_condition("sufficient-disk-space"),
            _ => refusal,
        }
    }

    /// 405.
    pub(super) fn method(explanation: String) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorKind::NotSupported, explanation)
    }

    /// 412.
    pub(super) fn precondition() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            ErrorKind::Precondition,
            "the file is not as the request's If-... headers want it: look at it again",
        )
    }

    /// Adds a header.
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// Names a condition of RFC 4918 16.
    pub(super) fn with_condition(mut self, condition: &'static str) -> Self {
        self.condition = Some(Box::new(Condition { name: condition, hrefs: Vec::new() }));
        self
    }

    /// Names what is in the way of it, by path.
    pub(super) fn with_hrefs(mut self, hrefs: Vec<String>) -> Self {
        if let Some(condition) = &mut self.condition {
            condition.hrefs = hrefs;
        }
        self
    }

    /// Adds to a 401 what would help beside a certificate.
    pub(super) fn with_way_in(mut self, who: &Identity, secure: bool) -> Self {
        if self.status == StatusCode::UNAUTHORIZED && matches!(who, Identity::Anonymous) {
            self.explanation += match secure {
                true => "; a user name and password do, too",
                false => "; over https, a user name and password do, too",
            };
        }
        self
    }

    /// For the access log.
    pub(super) fn told(&self) -> String {
        format!("{:?}: {}", self.kind, one_line(&self.explanation))
    }

    /// The answer: a line of text. A HEAD gets its headers only.
    pub(super) fn response(self: &Refusal, method: &Method) -> Response {
        let (kind, text) = match &self.condition {
            None => ("text/plain; charset=utf-8", format!("{}\n", one_line(&self.explanation))),
            Some(condition) => {
                let Condition { name, hrefs } = &**condition;
                let href = |path: &String| format!("<d:href>{}</d:href>", encode_path(path));
                let condition = match hrefs.iter().map(href).collect::<String>() {
                    none if none.is_empty() => format!("<d:{name}/>"),
                    hrefs => format!("<d:{name}>{hrefs}</d:{name}>"),
                };
                (
                    "application/xml; charset=utf-8",
                    format!(
                        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
                         <d:error xmlns:d=\"DAV:\" xmlns:s=\"{MESSAGES}\">{condition}\
                         <s:message>{}</s:message></d:error>\n",
                        escape(&one_line(&self.explanation))
                    ),
                )
            }
        };
        let length = HeaderValue::from(text.len());
        let body = if *method == Method::HEAD { Body::empty() } else { Body::from(text) };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CONTENT_LENGTH, length);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static(ALLOW));
            }
            // Mounts ask without a credential first and give up on a 401 that is no WebDAV.
            StatusCode::UNAUTHORIZED => {
                headers.insert("dav", HeaderValue::from_static(DAV));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        if let Some((name, value)) = &self.header {
            headers.insert(name, value.clone());
        }
        response
    }
}

/// An answer without content.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}

/// The status of an error. A failed PUT never gets 500, with which gfal-copy ends as if all were
/// well; and 503 only where the core is too busy to begin.
fn status(kind: ErrorKind, operation: Operation, who: &Identity) -> StatusCode {
    let put = matches!(operation, Operation::Put | Operation::Patch);
    let read = matches!(operation, Operation::Read | Operation::PropFind);
    match kind {
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Denied => match who {
            Identity::Anonymous | Identity::Refused(_) => StatusCode::UNAUTHORIZED,
            Identity::Person(_) => StatusCode::FORBIDDEN,
        },
        ErrorKind::NotFound | ErrorKind::InvalidPath => StatusCode::NOT_FOUND,
        ErrorKind::ParentMissing | ErrorKind::NotADirectory if read => StatusCode::NOT_FOUND,
        ErrorKind::ParentMissing | ErrorKind::NotADirectory => StatusCode::CONFLICT,
        ErrorKind::IsADirectory if put => StatusCode::METHOD_NOT_ALLOWED,
        ErrorKind::IsADirectory | ErrorKind::NotEmpty => StatusCode::CONFLICT,
        ErrorKind::Exists if operation == Operation::MakeDirectory => {
            StatusCode::METHOD_NOT_ALLOWED
        }
        ErrorKind::Exists | ErrorKind::Precondition => StatusCode::PRECONDITION_FAILED,
        ErrorKind::LockConflict if operation == Operation::Unlock => StatusCode::CONFLICT,
        ErrorKind::Busy | ErrorKind::Locked | ErrorKind::LockConflict => StatusCode::LOCKED,
        ErrorKind::InvalidRequest => StatusCode::BAD_REQUEST,
        ErrorKind::NoFreeSpace
        | ErrorKind::DiskFull
        | ErrorKind::NoUserSpace
        | ErrorKind::ExceedAllocation => StatusCode::INSUFFICIENT_STORAGE,
        ErrorKind::NotSupported if put => StatusCode::CONFLICT,
        ErrorKind::NotSupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Aborted | ErrorKind::Expired | ErrorKind::SpaceExpired => StatusCode::CONFLICT,
        ErrorKind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal if put => StatusCode::CONFLICT,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Explanations name files, and files have odd names.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::model::{Person, ProxyKind};

    #[test]
    fn statuses_by_operation() {
        let nobody = Identity::Anonymous;
        let somebody = Identity::Person(Arc::new(Person {
            dn: "/CN=x".into(),
            fqans: Vec::new(),
            not_after: SystemTime::UNIX_EPOCH,
            proxy: ProxyKind::EndEntity,
            notes: Vec::new(),
            scope: None,
        }));
        use ErrorKind as K;
        use Operation as O;
        for (kind, operation, who, code) in [
            (K::Unauthenticated, O::Read, &somebody, 401),
            (K::Denied, O::Read, &nobody, 401),
            (K::Denied, O::Put, &somebody, 403),
            (K::NotFound, O::Delete, &somebody, 404),
            (K::ParentMissing, O::Put, &somebody, 409),
            (K::ParentMissing, O::Read, &somebody, 404),
            (K::IsADirectory, O::Put, &somebody, 405),
            (K::Exists, O::MakeDirectory, &somebody, 405),
            (K::Exists, O::Put, &somebody, 412),
            (K::NotEmpty, O::Delete, &somebody, 409),
            (K::Busy, O::Put, &somebody, 423),
            (K::NoFreeSpace, O::Put, &somebody, 507),
            (K::DiskFull, O::Put, &somebody, 507),
            (K::Precondition, O::Put, &somebody, 412),
            (K::Overloaded, O::Put, &somebody, 503),
            (K::Internal, O::Read, &somebody, 500),
            (K::Internal, O::Put, &somebody, 409),
            (K::NotSupported, O::Put, &somebody, 409),
        ] {
            let refusal = Refusal::of(Error::new(kind, "because"), operation, who);
            assert_eq!(refusal.status.as_u16(), code, "{kind:?} {operation:?}");
        }
    }

    #[test]
    fn explanations_stay_on_one_line() {
        let refusal = Refusal::new(StatusCode::NOT_FOUND, ErrorKind::NotFound, "no a\r\nb");
        assert_eq!(refusal.told(), "NotFound: no a  b");
    }

    #[tokio::test]
    async fn conditions_come_with_a_word_for_people() {
        for (kind, condition) in [
            (ErrorKind::Locked, "lock-token-submitted"),
            (ErrorKind::NoFreeSpace, "quota-not-exceeded"),
            (ErrorKind::ExceedAllocation, "quota-not-exceeded"),
            (ErrorKind::DiskFull, "sufficient-disk-space"),
        ] {
            let error = Error::new(kind, "/a<b is so:\nask");
            let refusal = Refusal::of(error, Operation::Put, &Identity::Anonymous);
            let body = refusal.response(&Method::PUT).into_body();
            let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
            assert_eq!(
                std::str::from_utf8(&body).unwrap(),
                format!(
                    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
                     <d:error xmlns:d=\"DAV:\" xmlns:s=\"http://sabredav.org/ns\"><d:{condition}/>\
                     <s:message>/a&lt;b is so: ask</s:message></d:error>\n"
                )
            );
        }
    }
}
