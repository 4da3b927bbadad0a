//! What all pages for people share: the frame with its one stylesheet, the foot with its links, and what
//! browsers are told about them.

use std::fmt::Write;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};

use super::text::escape;

/// Light and dark, wide and narrow.
const STYLE: &str = include_str!("page.css");
/// What the page of a directory does for who may write there, without comments and indents; no other page has
/// a script.
pub(super) static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let lines = include_str!("list.js").lines().map(str::trim_start);
    lines.filter(|line| !line.starts_with("//")).flat_map(|line| [line, "\n"]).collect()
});

/// Where the app passwords of whoever asks are made.
pub(super) const PASSWORDS: &str = "/.storm/passwords";
/// How to mount this server.
pub(super) const HELP: &str = "/.storm/help";

/// At the foot of every page: words, and the path they lead to.
const LINKS: &[(&str, &str)] = &[("How to mount", HELP), ("App passwords", PASSWORDS)];

/// Goes with every page. What people upload is served from the same origin, so `'self'` would let it run: only
/// what has the digest of our own script and style is taken, and a name that got through unescaped could load
/// and run nothing.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        source(STYLE),
        source(&SCRIPT)
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// An inline script or style as a source of the policy (CSP 3, 2.3.1).
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

/// All that stands before a page's content; `title` is not yet escaped. Content is a `header` and a `main`.
pub fn open(out: &mut String, title: &str) {
    // Writing to a String does not fail, here and below.
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        escape(title)
    );
}

/// The foot, and the end.
pub fn close(out: &mut String) {
    out.push_str("<footer>");
    for (word, path) in LINKS {
        let _ = write!(out, "<a href=\"{path}\">{word}</a>");
    }
    out.push_str("</footer>");
    end(out);
}

/// The end alone: at a port that has not those pages.
pub fn end(out: &mut String) {
    out.push_str("\n</body>\n</html>\n");
}

/// 200 with a page, or with its head alone.
pub fn response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // What is shown, and what may be done, is the reader's own.
        (header::CACHE_CONTROL, "private, no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_takes_our_own_style_alone() {
        let response = response(Body::empty());
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let mut out = String::new();
        open(&mut out, "a & b");
        close(&mut out);
        assert!(out.contains("<title>a &amp; b</title>"));
        let style = out.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        assert!(policy.contains(&format!("style-src {};", source(style))), "{policy}");
        assert!(policy.contains(&format!("script-src {};", source(&SCRIPT))), "{policy}");
        assert!(
            SCRIPT.len() < 10_000 && !SCRIPT.contains("</script") && !STYLE.contains("</style")
        );
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
        assert!(!out.contains("<script") && out.ends_with("</footer>\n</body>\n</html>\n"));
    }
}
