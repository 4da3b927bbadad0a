//! GET of a directory: a page, sorted by name up to a size, in the directory's own order beyond.

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;

use super::blocking::{BlockingBody, Source};
use super::files::Files;
use super::reply::{Operation, Refusal};
use super::{Call, Handled};
use crate::srm::{Entry, Error};
use crate::web::{Page, host, page};

/// Directories with more entries are not sorted: they would have to stand in memory first.
const SORTED: usize = 10_000;
/// Bytes per piece of the page.
const PIECE: usize = 64 * 1024;

/// GET of what turned out to be a directory.
pub(super) async fn listing<F: Files>(call: Call<'_, F>) -> Handled {
    let fail = |error| Refusal::of(error, Operation::Read, call.who);
    let lister = call.files.list(call.who, &call.place.target).await.map_err(fail)?;
    let page = Page {
        origin: origin(call.headers, call.options.secure),
        prefix: call.place.prefix.to_owned(),
        path: call.place.target.stfn().clone(),
    };
    let source = PageSource { page, stage: Stage::Start, children: lister.children, count: 0 };
    let body = BlockingBody::start(source).await.map_err(fail)?;
    Ok(page::response(Body::new(body)))
}

/// How the client calls us, for the examples on the page.
fn origin(headers: &HeaderMap, secure: bool) -> Option<String> {
    Some(format!("{}://{}", if secure { "https" } else { "http" }, host(headers)?))
}

type Children = Box<dyn Iterator<Item = Result<Entry, Error>> + Send>;

struct PageSource {
    page: Page,
    stage: Stage,
    children: Children,
    count: u64,
}

enum Stage {
    /// Nothing is written yet.
    Start,
    /// Read, not yet written; with `done`, that was all (or all until that error).
    Rows {
        rows: std::vec::IntoIter<Entry>,
        done: Option<Result<(), Error>>,
    },
    Over,
}

impl PageSource {
    /// Reads up to [`SORTED`] entries and sorts them if there are no more.
    fn begin(&mut self, out: &mut String) {
        let mut entries = Vec::new();
        let done = loop {
            if entries.len() > SORTED {
                break None;
            }
            match self.children.next() {
                Some(Ok(entry)) => entries.push(entry),
                Some(Err(error)) => break Some(Err(error)),
                None => break Some(Ok(())),
            }
        };
        if done.is_some() {
            entries.sort_by(|a, b| a.name.cmp(&b.name));
        }
        self.page.head(out, done.is_some());
        self.stage = Stage::Rows { rows: entries.into_iter(), done };
    }
}

impl Source for PageSource {
    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut out = String::with_capacity(PIECE + 4096);
        if matches!(self.stage, Stage::Start) {
            self.begin(&mut out);
        }
        while out.len() < PIECE {
            let Stage::Rows { rows, done } = &mut self.stage else { break };
            let next = match (rows.next(), &done) {
                (Some(entry), _) => Some(Ok(entry)),
                (None, None) => self.children.next(),
                (None, Some(Ok(()))) => None,
                (None, Some(Err(error))) => Some(Err(error.clone())),
            };
            match next {
                Some(Ok(entry)) => {
                    self.count += 1;
                    self.page.row(&mut out, &entry);
                }
                Some(Err(error)) => {
                    self.page.tail(&mut out, self.count, Some(&error.explanation));
                    self.stage = Stage::Over;
                }
                None => {
                    self.page.tail(&mut out, self.count, None);
                    self.stage = Stage::Over;
                }
            }
        }
        Ok((!out.is_empty()).then(|| Bytes::from(out)))
    }

    fn left(&self) -> Option<u64> {
        match self.stage {
            Stage::Over => Some(0),
            Stage::Start | Stage::Rows { .. } => None,
        }
    }
}
