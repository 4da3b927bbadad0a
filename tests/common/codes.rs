//! Which codes came over the wire, and which test asked: what docs/codes.md is made of.

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::{LazyLock, Mutex};

/// Writes down the codes of an answer, where `STORMD_CODES` names a folder. Whether a request still
/// waits depends on the moment, so that these codes count only where a test tells so itself: see
/// [`waited`].
pub fn record(operation: &str, xml: &str) {
    if PART.lock().unwrap().is_some_and(|(_, hurried)| hurried) {
        return;
    }
    let (request, files) = codes(xml);
    for code in request.iter().filter(|code| !WAITS.contains(&code.as_str())) {
        write(operation, "request", code);
    }
    for code in files.iter().filter(|code| !WAITS.contains(&code.as_str())) {
        write(operation, "file", code);
    }
}

/// A test made sure that this code came; true where it did.
pub fn waited(operation: &str, level: &str, code: &str, xml: &str) -> bool {
    let (request, files) = codes(xml);
    let came = match level {
        "request" => request.as_deref() == Some(code),
        _ => files.iter().any(|file| file == code),
    };
    if came {
        write(operation, level, code);
    }
    came
}

/// What the test is at from now on, where it is about many things. `hurried`: all that it receives
/// depends on the moment.
pub fn part(name: &'static str, hurried: bool) {
    *PART.lock().unwrap() = Some((name, hurried));
}

static PART: Mutex<Option<(&str, bool)>> = Mutex::new(None);

const WAITS: [&str; 2] = ["SRM_REQUEST_QUEUED", "SRM_REQUEST_INPROGRESS"];

/// Of the request, and of what it is about.
fn codes(xml: &str) -> (Option<String>, Vec<String>) {
    let (before, rest) = xml.split_once("<returnStatus").unwrap_or((xml, ""));
    let (status, after) = rest.split_once("</returnStatus>").unwrap_or((rest, ""));
    let mut files = Vec::new();
    for part in [before, after] {
        for piece in part.split("<statusCode").skip(1) {
            files.extend(super::soap::text(&format!("<statusCode{piece}"), "statusCode"));
        }
    }
    (super::soap::text(status, "statusCode"), files)
}

fn write(operation: &str, level: &str, code: &str) {
    static WRITTEN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let Some(folder) = std::env::var_os("STORMD_CODES") else { return };
    let thread = std::thread::current();
    // Only the test's own thread has its name.
    let Some(test) = thread.name().filter(|name| !name.starts_with("tokio-") && *name != "main")
    else {
        return;
    };
    let test = PART.lock().unwrap().map_or(test, |(part, _)| part).to_owned();
    let line = format!("{operation}\t{level}\t{code}\t{test}\n");
    if !WRITTEN.lock().unwrap().insert(line.clone()) {
        return;
    }
    // `operations-0123456789abcdef`
    let binary = std::env::current_exe().unwrap();
    let suite = binary.file_stem().unwrap().to_str().unwrap().rsplit_once('-').unwrap().0;
    let path = std::path::Path::new(&folder).join(format!("{suite}.tsv"));
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.unwrap().write_all(line.as_bytes()).unwrap();
}
