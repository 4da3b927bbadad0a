//! The pages that are no files: `/.storm/help` for everybody, `/.storm/passwords` for who signs in.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::form::{FORM_MAX, Form, Marks};
use super::help::{self, Address};
use super::page::{HELP, PASSWORDS};
use super::passwords::{self, Reader};
use super::{ask_to_sign_in, page};
use crate::model::{Identity, Stfn};
use crate::srm::{AppPasswordAsked, Error, ErrorKind, Srm, Target};

const DAY: u64 = 86_400;

/// What the pages of all ports share.
#[derive(Clone)]
pub struct OwnPages {
    srm: Srm,
    marks: Arc<Marks>,
}

/// At one port.
#[derive(Clone)]
struct AtPort {
    pages: OwnPages,
    secure: bool,
}

impl OwnPages {
    /// Forms of pages that others made are not taken.
    pub fn new(srm: Srm) -> Self {
        Self { srm, marks: Arc::new(Marks::new()) }
    }

    /// The two pages; nothing else is answered. `secure` behind TLS: elsewhere nobody gives passwords.
    pub fn router(&self, secure: bool) -> Router {
        let state = AtPort { pages: self.clone(), secure };
        Router::new()
            .route(HELP, get(show_help))
            .route(PASSWORDS, get(show_own).post(change_own))
            .with_state(state)
    }
}

async fn show_help(State(at): State<AtPort>, request: Request) -> Response {
    let srm = &at.pages.srm;
    let host = if at.secure { host(request.headers()) } else { None };
    let address = Address {
        host: host.unwrap_or_else(|| own_host(srm)),
        path: a_directory(srm, &who(&request)).await,
    };
    page::response(Body::from(help::page(&address)))
}

async fn show_own(State(at): State<AtPort>, request: Request) -> Response {
    let who = who(&request);
    let shown = async {
        let reader = at.reader(&who).await?;
        let own = at.pages.srm.own_app_passwords(&who).await?;
        Ok(page::response(Body::from(passwords::own(&reader, &own, None))))
    };
    shown.await.unwrap_or_else(|error| at.refused(&error, &who))
}

async fn change_own(State(at): State<AtPort>, request: Request) -> Response {
    let who = who(&request);
    let Ok(body) = to_bytes(request.into_body(), FORM_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the form is too large\n").into_response();
    };
    let form = Form::parse(&body);
    at.change(&who, &form).await.unwrap_or_else(|error| at.refused(&error, &who))
}

impl AtPort {
    async fn change(&self, who: &Identity, form: &Form) -> Result<Response, Error> {
        let reader = self.reader(who).await?;
        let srm = &self.pages.srm;
        if !self.pages.marks.holds(&reader.person.dn, form.get("mark")) {
            let why = "the form is not of this page, or of before a restart: load the page again";
            return Err(Error::new(ErrorKind::Denied, why));
        }
        let told = match form.get("do") {
            "revoke" => match srm.revoke_own_app_password(who, form.get("user")).await {
                Ok(()) => {
                    let to = [(header::LOCATION, HeaderValue::from_static(PASSWORDS))];
                    return Ok((StatusCode::SEE_OTHER, to).into_response());
                }
                Err(error) => error,
            },
            "create" => match srm.make_app_password(who, asked(form)?).await {
                Ok(new) => {
                    let mut made = page::response(Body::from(passwords::made(&new)));
                    let never = HeaderValue::from_static("no-store");
                    made.headers_mut().insert(header::CACHE_CONTROL, never);
                    return Ok(made);
                }
                Err(error) => error,
            },
            _ => Error::new(ErrorKind::InvalidRequest, "the form says neither create nor revoke"),
        };
        let own = srm.own_app_passwords(who).await?;
        let page = passwords::own(&reader, &own, Some(&told.explanation));
        let mut response = page::response(Body::from(page));
        *response.status_mut() = status(told.kind);
        Ok(response)
    }

    async fn reader<'w>(&self, who: &'w Identity) -> Result<Reader<'w>, Error> {
        if !self.secure {
            let why = "passwords are made, and taken, over https only: call this page there";
            return Err(Error::new(ErrorKind::Unauthenticated, why));
        }
        let person = self.pages.srm.app_password_maker(who).await?;
        let site = self.pages.srm.site();
        let lifetimes = &site.config.lifetimes;
        let most = lifetimes.app_password_maximum.as_secs() / DAY;
        let days = (lifetimes.app_password_default.as_secs() / DAY).clamp(1, most.max(1));
        let mark = self.pages.marks.of(&person.dn);
        Ok(Reader { person, mark, days: (days, most) })
    }

    fn refused(&self, error: &Error, who: &Identity) -> Response {
        let mut response = page::response(Body::from(passwords::refused(&error.explanation)));
        *response.status_mut() = status(error.kind);
        ask_to_sign_in(&mut response, who, self.secure);
        response
    }
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn asked(form: &Form) -> Result<AppPasswordAsked, Error> {
    let days = match form.get("days").trim() {
        "" => None,
        days => {
            Some(days.parse::<u64>().ok().and_then(|days| days.checked_mul(DAY)).ok_or_else(
                || Error::new(ErrorKind::InvalidRequest, "the days are a whole number"),
            )?)
        }
    };
    // The page sends them always: a script that writes them otherwise is not to get one for everything.
    if form.all("paths").next().is_none() {
        let why = "the form says no paths: send paths=, with nothing, for all that you may use";
        return Err(Error::new(ErrorKind::InvalidRequest, why));
    }
    Ok(AppPasswordAsked {
        name: form.get("name").to_owned(),
        paths: form.all("paths").flat_map(str::lines).map(str::to_owned).collect(),
        write: form.get("rights") == "write",
        lifetime_s: days,
    })
}

fn who(request: &Request) -> Identity {
    request.extensions().get::<Identity>().cloned().unwrap_or(Identity::Anonymous)
}

/// How we call ourselves.
fn own_host(srm: &Srm) -> String {
    let site = srm.site();
    help::host(&site.config.site.host, site.namespace.https_port())
}

/// How the client calls us.
fn host(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    is_host(host).then(|| host.to_owned())
}

/// True for what may be a host with or without a port. Anybody can send any `Host`, so only what looks
/// like one gets into a page.
pub fn is_host(text: &str) -> bool {
    let clean = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    !text.is_empty() && text.len() <= 255 && text.chars().all(clean)
}

/// Something at the top that the reader may see, as an example.
async fn a_directory(srm: &Srm, who: &Identity) -> String {
    let top = Target::Stfn(Stfn::top());
    let Ok(mut list) = srm.list(who, &top).await else { return "/".to_owned() };
    // Where the top is an area itself this is a name of a file or directory in it: then the top it is.
    let first = match list.entry.etag.as_str() {
        "way" => list.children.next().and_then(Result::ok),
        _ => None,
    };
    first.map_or_else(|| "/".to_owned(), |entry| format!("/{}", entry.name))
}
