//! The access log, one line per request, and the metrics of requests.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::{Method, Request, StatusCode};
use metrics::{counter, histogram};

use super::{ConnectionInfo, Outcome, PortKind};
use crate::model::Identity;

/// The longest DN, FQAN list or target that is logged, in bytes.
const TEXT_MAX: usize = 4096;

/// What stands for an answer that never began.
const CUT: &str = "CUT";

/// One request's line, written when it is dropped: with the answer's body, or with the request when
/// no answer came about.
pub(super) struct Entry {
    id: String,
    kind: PortKind,
    info: ConnectionInfo,
    identity: Identity,
    method: Method,
    path: String,
    begun: Instant,
    bytes_in: Arc<AtomicU64>,
    bytes_out: u64,
    whole: bool,
    status: Option<StatusCode>,
    outcome: Option<Outcome>,
}

impl Entry {
    /// Of a request that has just come; `bytes_in` is what its body counts. The query, which may
    /// hold a token, is left out.
    pub(super) fn new<B>(
        id: String,
        kind: PortKind,
        info: ConnectionInfo,
        identity: &Identity,
        request: &Request<B>,
        bytes_in: Arc<AtomicU64>,
    ) -> Self {
        Self {
            id,
            kind,
            info,
            identity: identity.clone(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            begun: Instant::now(),
            bytes_in,
            bytes_out: 0,
            whole: false,
            status: None,
            outcome: None,
        }
    }

    /// The answer has begun.
    pub(super) fn answered(&mut self, status: StatusCode, outcome: Option<Outcome>) {
        self.status = Some(status);
        self.outcome = outcome;
    }

    /// The answer's body is over; `whole`: all of it went out.
    pub(super) fn sent(&mut self, bytes: u64, whole: bool) {
        self.bytes_out = bytes;
        self.whole = whole;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let elapsed = self.begun.elapsed();
        let status: Cow<'static, str> = match (&self.outcome, self.status) {
            (Some(Outcome { status: Some(status), .. }), _) => (*status).into(),
            (_, Some(status)) => status.as_str().to_owned().into(),
            (_, None) => CUT.into(),
        };
        let label = self
            .outcome
            .as_ref()
            .and_then(|outcome| outcome.operation)
            .unwrap_or_else(|| known_method(&self.method));
        let port = self.kind.as_str();
        counter!("stormd_requests_total", "port" => port, "op" => label, "status" => status.clone())
            .increment(1);
        histogram!("stormd_request_seconds", "port" => port, "op" => label)
            .record(elapsed.as_secs_f64());

        let (op, target) = match &self.outcome {
            Some(outcome) => {
                (outcome.operation.unwrap_or(self.method.as_str()), outcome.target.as_str())
            }
            None => (self.method.as_str(), self.path.as_str()),
        };
        let (fqan, proxy) = match self.identity.person() {
            Some(person) => {
                let fqans: Vec<&str> = person.fqans.iter().map(|fqan| fqan.as_str()).collect();
                let fqans = if fqans.is_empty() { "-".to_owned() } else { fqans.join(",") };
                (fqans, person.proxy.to_string())
            }
            None => ("-".to_owned(), "-".to_owned()),
        };
        tracing::info!(
            target: "access",
            id = self.id,
            peer = %self.info.peer,
            port,
            dn = &*clean(self.identity.dn()),
            fqan = &*clean(&fqan),
            proxy = proxy,
            tls = self.info.tls.unwrap_or("-"),
            gsi = self.info.gsi,
            delegated = self.info.delegated,
            op = &*clean(op),
            target = &*clean(target),
            status = &*status,
            why = self.outcome.as_ref().and_then(|outcome| outcome.why.as_deref()).map(|why| clean(why).into_owned()),
            bytes_in = self.bytes_in.load(Ordering::Relaxed),
            bytes_out = self.bytes_out,
            whole = self.whole,
            ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        );
    }
}

/// The method as a label: one of the known ones, or `OTHER`.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: &[&str] = &[
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "OPTIONS",
        "PATCH",
        "TRACE",
        "CONNECT",
        "COPY",
        "LOCK",
        "MKCOL",
        "MOVE",
        "PROPFIND",
        "PROPPATCH",
        "UNLOCK",
    ];
    KNOWN.iter().find(|known| **known == method.as_str()).copied().unwrap_or("OTHER")
}

/// Text of a client's making, fit for one line: control characters as `\x0a`, and not too long.
fn clean(text: &str) -> Cow<'_, str> {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = &text[..end];
    // The two separators end a line for some readers of logs.
    let unfit = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if end == text.len() && !kept.contains(unfit) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(kept.len() + 8);
    for c in kept.chars() {
        if unfit(c) {
            out.push_str(&format!("\\x{:02x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    if end < text.len() {
        out.push('…');
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_on_its_line() {
        assert_eq!(clean("/C=IT/CN=Zoë"), "/C=IT/CN=Zoë");
        assert_eq!(clean("a\r\nid=2\u{85}\u{2028}b\0"), "a\\x0d\\x0aid=2\\x85\\x2028b\\x00");
        let long = clean(&"ö".repeat(TEXT_MAX)).into_owned();
        assert_eq!(long.len(), TEXT_MAX + '…'.len_utf8());
    }

    #[test]
    fn labels_are_few() {
        assert_eq!(known_method(&Method::from_bytes(b"PROPFIND").unwrap()), "PROPFIND");
        assert_eq!(known_method(&Method::from_bytes(b"propfind").unwrap()), "OTHER");
    }
}
