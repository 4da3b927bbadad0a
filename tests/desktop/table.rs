//! Reads the tables, sends their requests, and judges the answers.

use std::convert::Infallible;

use ::bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::SendRequest;

use super::*;
use crate::common::bytes;
use crate::common::http2::answered;
use crate::common::wire::Response;

/// A connection that speaks HTTP/2.
pub type Two = SendRequest<BoxBody<Bytes, Infallible>>;

/// A request and its answer.
pub struct Row {
    /// Where it stands.
    pub line: usize,
    /// The points it shows.
    pub points: Vec<usize>,
    /// `http` or `https`, where it makes sense by one door only.
    pub door: Option<String>,
    /// Method and target.
    pub request: String,
    headers: Vec<(String, String)>,
    /// Line by line; `None`: there is none, and no length is told.
    body: Option<Vec<String>>,
    expected: Vec<Expected>,
}

/// What is expected of an answer.
pub enum Expected {
    Status(u16),
    Header(String, String),
    NoHeader(String),
    Holds(String),
    HoldsNot(String),
    /// A pattern, and the name its group is kept under.
    Matches(String, Option<String>),
    Is(String),
}

/// All rows of a table.
pub fn read(name: &str, text: &str) -> Vec<Row> {
    let (mut rows, mut common) = (Vec::new(), Vec::new());
    let mut row: Option<Row> = None;
    let (mut points, mut door) = (Vec::new(), None);
    for (n, line) in text.lines().chain([""]).enumerate() {
        let at = format!("{name}.txt:{}: {line}", n + 1);
        let header = |text: &str| {
            let (name, value) = text.split_once(": ").unwrap_or_else(|| panic!("{at}"));
            (name.to_owned(), value.to_owned())
        };
        let (sign, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (sign, &mut row) {
            ("", row) => {
                if let Some(row) = row.take() {
                    assert!(!row.expected.is_empty(), "{name}.txt:{}: no answer", row.line);
                    rows.push(row);
                }
            }
            ("#", _) => {}
            ("@", _) => points = rest.split(' ').map(|n| n.parse().unwrap()).collect(),
            ("door", _) => door = Some(rest.to_owned()),
            ("*", _) => common.push(header(rest)),
            (">", None) => {
                row = Some(Row {
                    line: n + 1,
                    points: std::mem::take(&mut points),
                    door: door.take(),
                    request: rest.to_owned(),
                    headers: common.clone(),
                    body: None,
                    expected: Vec::new(),
                });
            }
            (">", Some(row)) => match &mut row.body {
                Some(body) => body.push(rest.to_owned()),
                body if rest.is_empty() => *body = Some(Vec::new()),
                None => row.headers.push(header(rest)),
            },
            (sign, Some(row)) => {
                let expected = expected(sign, rest);
                row.expected.push(expected.unwrap_or_else(|| panic!("{at}")));
            }
            (_, None) => panic!("{at}"),
        }
    }
    rows
}

fn expected(sign: &str, rest: &str) -> Option<Expected> {
    let text = rest.to_owned();
    Some(match sign {
        "<" => match (rest.parse(), rest.strip_prefix('!'), rest.split_once(": ")) {
            (Ok(status), ..) => Expected::Status(status),
            (_, Some(name), _) => Expected::NoHeader(name.to_owned()),
            (.., Some((name, part))) => Expected::Header(name.to_owned(), part.to_owned()),
            _ => return None,
        },
        "<+" => Expected::Holds(text),
        "<-" => Expected::HoldsNot(text),
        "<=" => Expected::Is(text),
        "<~" => match kept(rest)
            .and_then(|word| rest.strip_suffix(&format!(" {{{word}=}}")).map(|p| (p, word)))
        {
            Some((pattern, word)) => Expected::Matches(pattern.to_owned(), Some(word.to_owned())),
            None => Expected::Matches(text, None),
        },
        _ => return None,
    })
}

/// As much as a person reads of it.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(3000).collect()
}

/// The word of a `{word=}` at the end.
fn kept(text: &str) -> Option<&str> {
    text.strip_suffix("=}")?.rsplit_once('{').map(|(_, word)| word)
}

/// Puts what is known in the place of `{word}`.
pub fn fill(text: &str, known: &HashMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (word, value) in known {
        text = text.replace(&format!("{{{word}}}"), value);
    }
    text
}

/// The bytes of a body; `{fill:n}` alone is n of them.
fn content(text: &str, known: &HashMap<String, String>) -> Vec<u8> {
    let count = text.strip_prefix("{fill:").and_then(|rest| rest.strip_suffix('}'));
    match count {
        Some(count) => bytes(count.parse().unwrap(), 7),
        None => fill(text, known).into_bytes(),
    }
}

/// A request with every word filled in.
struct Filled {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunked: bool,
    /// `Content-Length`, where the table has one.
    told: Option<usize>,
}

impl Filled {
    /// The body in two pieces.
    fn halves(&self) -> impl Iterator<Item = &[u8]> {
        let body = self.body.as_deref().unwrap_or_default();
        body.chunks(body.len().div_ceil(2).max(1))
    }

    /// Less comes than the head says.
    fn is_cut(&self) -> bool {
        self.told.is_some_and(|told| told > self.body.as_ref().map_or(0, Vec::len))
    }
}

impl Row {
    fn filled(&self, known: &HashMap<String, String>) -> Filled {
        let (method, target) = self.request.split_once(' ').unwrap();
        let headers: Vec<(String, String)> =
            self.headers.iter().map(|(n, v)| (n.clone(), fill(v, known))).collect();
        let named = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        Filled {
            method: method.to_owned(),
            target: fill(target, known),
            body: self.body.as_ref().map(|lines| content(&lines.join("\n"), known)),
            chunked: named("transfer-encoding").is_some(),
            told: named("content-length").map(|(_, value)| value.parse::<usize>().unwrap()),
            headers,
        }
    }

    /// Sends it over HTTP/1.1; true where less came than its head says.
    pub async fn send(&self, conn: &mut Conn, known: &HashMap<String, String>) -> bool {
        let filled = self.filled(known);
        let Filled { method, target, headers, body, chunked, told } = &filled;
        let length = body.as_ref().map(Vec::len).filter(|_| !chunked && told.is_none());
        let pairs: Vec<(&str, &str)> =
            headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut all = wire::head(method, target, &pairs, length).into_bytes();
        match chunked {
            true => {
                for chunk in filled.halves() {
                    all.extend(
                        [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat(),
                    );
                }
                all.extend(b"0\r\n\r\n");
            }
            false => all.extend(body.as_deref().unwrap_or_default()),
        }
        conn.send(&all).await.unwrap();
        filled.is_cut()
    }

    /// The same over HTTP/2, whole; `None` for what it has no way to say.
    pub async fn ask_two(
        &self,
        conn: &mut Two,
        known: &HashMap<String, String>,
    ) -> Option<Response> {
        let filled = self.filled(known);
        if filled.is_cut() || filled.target == "*" {
            return None;
        }
        let uri = format!("{}{}", known["base"], filled.target);
        let mut request = http::Request::builder().method(filled.method.as_str()).uri(uri);
        let spoken = |name: &String| !name.eq_ignore_ascii_case("transfer-encoding");
        for (name, value) in filled.headers.iter().filter(|(name, _)| spoken(name)) {
            request = request.header(name, value);
        }
        let body = match filled.chunked {
            true => {
                let halves: Vec<_> = filled.halves().map(Bytes::copy_from_slice).collect();
                let frames = halves.into_iter().map(|half| Ok(Frame::data(half)));
                BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)))
            }
            false => Full::from(filled.body.unwrap_or_default()).boxed(),
        };
        Some(answered(conn, request.body(body).unwrap()).await)
    }

    /// Fails the test where the answer is not as expected; keeps what is to be kept.
    pub fn judge(&self, answer: &Response, known: &mut HashMap<String, String>, at: &str) {
        // Quotes may be written either way.
        let text = answer.text().replace("&quot;", "\"");
        let told = || format!("{at}\n{} {:?}\n{}", answer.status, answer.headers, short(&text));
        for expected in &self.expected {
            match expected {
                Expected::Status(status) => assert_eq!(answer.status, *status, "{}", told()),
                Expected::Header(name, part) => {
                    let value = answer.header(name);
                    let value = value.unwrap_or_else(|| panic!("no {name}: {}", told()));
                    if let Some(word) = kept(part) {
                        known.insert(word.to_owned(), value.to_owned());
                        continue;
                    }
                    let part = fill(part, known);
                    assert!(value.contains(&part), "{name} has no {part}: {}", told());
                }
                Expected::NoHeader(name) => {
                    assert!(answer.header(name).is_none(), "{name} is there: {}", told());
                }
                Expected::Holds(part) => {
                    let part = fill(part, known);
                    assert!(text.contains(&part), "no {part}: {}", told());
                }
                Expected::HoldsNot(part) => {
                    let part = fill(part, known);
                    assert!(!text.contains(&part), "{part} is there: {}", told());
                }
                Expected::Matches(pattern, word) => {
                    let pattern = regex_lite::Regex::new(&fill(pattern, known)).unwrap();
                    let found = pattern.captures(&text);
                    let found = found.unwrap_or_else(|| panic!("no {pattern}: {}", told()));
                    if let Some(word) = word {
                        known.insert(word.clone(), found[1].to_owned());
                    }
                }
                Expected::Is(all) => {
                    assert!(answer.body == content(all, known), "not the same: {}", told());
                }
            }
        }
    }
}
