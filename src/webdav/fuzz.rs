//! This room's entries for hostile bytes: see `crate::fuzz`.

use http::HeaderMap;

use super::{if_header, lock_request, propfind_request, proppatch_request};

/// The bodies of PROPFIND, PROPPATCH and LOCK.
pub fn body(bytes: &[u8]) {
    let _ = propfind_request::parse(bytes);
    let _ = proppatch_request::parse(bytes);
    let _ = lock_request::parse(&HeaderMap::new(), bytes);
}

/// The query of a directory's page.
pub fn page(bytes: &[u8]) {
    let _ = crate::web::browse(&String::from_utf8_lossy(bytes), 1000);
}

/// The `If` header.
pub fn if_header(bytes: &[u8]) {
    if_header::fuzz(&String::from_utf8_lossy(bytes));
}
