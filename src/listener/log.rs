//! The access log, one line per request, and the metrics of requests.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::{Method, Request, StatusCode};
use metrics::{Counter, Histogram, counter, histogram};

use super::{ConnectionInfo, Outcome, PortKind};
use crate::model::{Fqan, Identity};

/// The longest DN, FQAN list or target that is logged, in bytes.
const TEXT_MAX: usize = 4096;

/// What stands for an answer that never began.
const CUT: &str = "CUT";

/// The log of one connection. What its requests have in common is put together once.
pub(super) struct Log {
    port: &'static str,
    info: ConnectionInfo,
    /// Who was there last, and how the lines say so.
    caller: Mutex<Option<(Identity, Arc<str>)>>,
    /// Where the last request was counted: the next one is often of the same kind.
    counted: Mutex<Option<Counted>>,
}

struct Counted {
    label: &'static str,
    status: Cow<'static, str>,
    requests: Counter,
    seconds: Histogram,
}

impl Log {
    pub(super) fn new(kind: PortKind, info: ConnectionInfo) -> Arc<Self> {
        let (caller, counted) = Default::default();
        Arc::new(Self { port: kind.as_str(), info, caller, counted })
    }

    /// The fields that say who asks, and how he came.
    fn caller(&self, identity: &Identity) -> Arc<str> {
        let mut last = self.caller.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((who, text)) = &*last
            && same(who, identity)
        {
            return Arc::clone(text);
        }
        let text: Arc<str> = self.fields(identity).into();
        *last = Some((identity.clone(), Arc::clone(&text)));
        text
    }

    fn fields(&self, identity: &Identity) -> String {
        let mut line = Line(String::new());
        line.value("peer", self.info.peer);
        line.word("port", self.port);
        line.text("dn", identity.dn());
        match identity.person() {
            Some(person) => {
                line.list("fqan", person.fqans.iter().map(Fqan::as_str));
                line.word("proxy", &person.proxy.to_string());
            }
            None => {
                line.word("fqan", "-");
                line.word("proxy", "-");
            }
        }
        line.word("tls", self.info.tls.unwrap_or("-"));
        line.value("gsi", self.info.gsi);
        line.value("delegated", self.info.delegated);
        line.0
    }

    fn count(&self, label: &'static str, status: Cow<'static, str>, seconds: f64) {
        let mut last = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.take().filter(|last| last.label == label && last.status == status);
        let counted = last.insert(known.unwrap_or_else(|| {
            let port = self.port;
            Counted {
                label,
                status: status.clone(),
                requests: counter!(
                    "stormd_requests_total", "port" => port, "op" => label, "status" => status
                ),
                seconds: histogram!("stormd_request_seconds", "port" => port, "op" => label),
            }
        }));
        counted.requests.increment(1);
        counted.seconds.record(seconds);
    }
}

/// The very same verdict.
fn same(one: &Identity, other: &Identity) -> bool {
    match (one, other) {
        (Identity::Anonymous, Identity::Anonymous) => true,
        (Identity::Person(one), Identity::Person(other)) => Arc::ptr_eq(one, other),
        (Identity::Refused(one), Identity::Refused(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}

/// One request's line, written when it is dropped: with the answer's body, or with the request when
/// no answer came about.
pub(super) struct Entry {
    id: String,
    log: Arc<Log>,
    caller: Arc<str>,
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
        log: &Arc<Log>,
        identity: &Identity,
        request: &Request<B>,
        bytes_in: Arc<AtomicU64>,
    ) -> Self {
        Self {
            id,
            log: Arc::clone(log),
            caller: log.caller(identity),
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
        self.log.count(label, status.clone(), elapsed.as_secs_f64());

        let (op, target) = match &self.outcome {
            Some(outcome) => {
                (outcome.operation.unwrap_or(self.method.as_str()), outcome.target.as_str())
            }
            None => (self.method.as_str(), self.path.as_str()),
        };
        // Room for most lines.
        let mut line = Line(String::with_capacity(512));
        for part in ["id=\"", &self.id, "\"", &self.caller] {
            line.0.push_str(part);
        }
        line.text("op", op);
        line.text("target", target);
        line.word("status", &status);
        if let Some(why) = self.outcome.as_ref().and_then(|outcome| outcome.why.as_deref()) {
            line.text("why", why);
        }
        line.value("bytes_in", self.bytes_in.load(Ordering::Relaxed));
        line.value("bytes_out", self.bytes_out);
        line.value("whole", self.whole);
        line.value("ms", elapsed.as_millis());
        tracing::info!(target: "access", "{}", line.0);
    }
}

/// A line in the making: `key=value` with texts in quotes, as tracing writes fields. Put together
/// here, since each field would cost more there than all of them do here.
struct Line(String);

impl Line {
    fn value(&mut self, key: &str, value: impl Display) {
        // A String takes everything.
        let _ = write!(self.0, " {key}={value}");
    }

    /// A value that needs no care: one of our own words.
    fn word(&mut self, key: &str, word: &str) {
        for part in [" ", key, "=\"", word, "\""] {
            self.0.push_str(part);
        }
    }

    /// A text of a client's making.
    fn text(&mut self, key: &str, text: &str) {
        self.list(key, std::iter::once(text));
    }

    /// Texts with commas between them; `-` for none.
    fn list<'t>(&mut self, key: &str, texts: impl Iterator<Item = &'t str>) {
        for part in [" ", key, "=\""] {
            self.0.push_str(part);
        }
        let begin = self.0.len();
        for (n, text) in texts.enumerate() {
            if n > 0 {
                self.0.push(',');
            }
            push_clean(&mut self.0, text, begin + TEXT_MAX);
        }
        if self.0.len() == begin {
            self.0.push('-');
        }
        self.0.push('"');
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

/// Text of a client's making, fit for one line: quotes and backslashes behind a backslash, control
/// characters as `\x0a`, and cut before `line` is longer than `end` bytes.
fn push_clean(line: &mut String, text: &str, end: usize) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if line.len() + text.len() <= end && text.bytes().all(plain) {
        line.push_str(text);
        return;
    }
    for c in text.chars() {
        if line.len() + c.len_utf8() > end {
            line.push('…');
            return;
        }
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            // The two separators end a line for some readers of logs.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(line, "\\x{:02x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_on_its_line() {
        let clean = |text: &str| {
            let mut line = Line(String::new());
            line.text("k", text);
            line.0
        };
        assert_eq!(clean("/C=IT/CN=Zoë"), " k=\"/C=IT/CN=Zoë\"");
        assert_eq!(
            clean("a\r\nid=\"2\\\u{85}\u{2028}b\0"),
            " k=\"a\\x0d\\x0aid=\\\"2\\\\\\x85\\x2028b\\x00\""
        );
        assert_eq!(clean(""), " k=\"-\"");
        let long = clean(&"ö".repeat(TEXT_MAX));
        assert_eq!(long.len(), TEXT_MAX + "…".len() + " k=\"\"".len());
        let mut line = Line(String::new());
        line.list("fqan", ["/a", "/a/Role=b"].into_iter());
        assert_eq!(line.0, " fqan=\"/a,/a/Role=b\"");
    }

    #[test]
    fn labels_are_few() {
        assert_eq!(known_method(&Method::from_bytes(b"PROPFIND").unwrap()), "PROPFIND");
        assert_eq!(known_method(&Method::from_bytes(b"propfind").unwrap()), "OTHER");
    }
}
