//! GET of a directory: a page of it for a person, sorted as he asks.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;

use super::blocking::{BlockingBody, Source};
use super::files::Files;
use super::reply::{Operation, Refusal};
use super::{Call, Handled};
use crate::srm::{Browse, Entry, Error, ErrorKind};
use crate::web::{self, Page, page};

/// Entries on a page.
const COUNT: usize = 1000;
/// Bytes per piece of the page.
const PIECE: usize = 64 * 1024;

/// GET of what turned out to be a directory.
pub(super) async fn listing<F: Files>(call: Call<'_, F>) -> Handled {
    let fail = |error| Refusal::of(error, Operation::Read, call.who);
    let asked = asked(&call)?;
    let path = call.place.target.stfn().clone();
    let mut shown = call.files.browse(call.who, &path, asked.clone()).await.map_err(fail)?;
    let rows = std::mem::take(&mut shown.entries).into_iter();
    let origin = origin(&call);
    let page = Page { origin, prefix: call.place.prefix.to_owned(), path, asked, shown };
    let source = PageSource { page, rows, begun: false, over: false };
    let body = BlockingBody::start(source).await.map_err(fail)?;
    Ok(page::response(Body::new(body)))
}

/// HEAD of a directory.
pub(super) fn head<F>(call: &Call<'_, F>) -> Result<Response, Refusal> {
    asked(call)?;
    Ok(page::response(Body::empty()))
}

fn asked<F>(call: &Call<'_, F>) -> Result<Browse, Refusal> {
    let refuse = |why| Refusal::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, why);
    web::browse(call.query, COUNT).map_err(refuse)
}

/// How the client calls us, for the examples on the page.
fn origin<F>(call: &Call<'_, F>) -> Option<String> {
    let host = call.asked.as_ref()?.as_str();
    let scheme = if call.options.secure { "https" } else { "http" };
    web::is_host(host).then(|| format!("{scheme}://{host}"))
}

struct PageSource {
    page: Page,
    rows: std::vec::IntoIter<Entry>,
    begun: bool,
    over: bool,
}

impl Source for PageSource {
    fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut out = String::with_capacity(PIECE + 4096);
        if !self.begun {
            self.begun = true;
            self.page.head(&mut out);
        }
        while out.len() < PIECE && !self.over {
            match self.rows.next() {
                Some(entry) => self.page.row(&mut out, &entry),
                None => {
                    self.page.tail(&mut out);
                    self.over = true;
                }
            }
        }
        Ok((!out.is_empty()).then(|| Bytes::from(out)))
    }

    fn left(&self) -> Option<u64> {
        self.over.then_some(0)
    }
}
