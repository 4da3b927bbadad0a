//! docs/codes.md: each code that the specification lets an operation answer, and the test that received
//! it over the wire, or why stormd never gives it. Other suites write down what they receive
//! (`tests/common/codes.rs`); what none of them is about is asked for here.
//!
//! A code with neither test nor reason fails this suite, and so does a reason that a test disproves.
//! Suites: operations requests spaces permissions copies
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "codes/allowed.rs"]
mod allowed;
#[path = "codes/asked.rs"]
mod asked;
#[path = "codes/outcomes.rs"]
mod outcomes;
#[path = "codes/reasons.rs"]
mod reasons;
#[path = "codes/spaces.rs"]
mod spaces;
#[path = "codes/waits.rs"]
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use allowed::ALLOWED;
use common::codes::part;
use reasons::REASONS;

/// By operation, level and code: the tests that received it.
type Received = BTreeMap<(String, String, String), BTreeSet<String>>;

#[tokio::test]
async fn every_code_has_a_test_or_a_reason() {
    // In one test, so that the page is written when all have been asked.
    part("refused_certificates", false);
    asked::refused_certificates().await;
    part("unknown_tokens", false);
    asked::unknown_tokens().await;
    part("requests_that_wait", true);
    Box::pin(waits::requests_that_wait()).await;
    part("first_answers_and_status_calls", false);
    Box::pin(outcomes::first_answers_and_status_calls()).await;
    part("requests_that_rest", false);
    Box::pin(outcomes::requests_that_rest()).await;
    part("ends", false);
    Box::pin(outcomes::ends()).await;
    part("what_spaces_take", false);
    Box::pin(spaces::what_they_take()).await;
    part("who_may_not", false);
    Box::pin(spaces::who_may_not()).await;
    part("too_many", false);
    Box::pin(spaces::too_many()).await;
    let received = received();
    let mut wrong = String::new();
    let text = table(&received, &mut wrong);
    for (operation, level, code) in received.keys() {
        let known = ALLOWED.iter().find(|(name, ..)| name == operation);
        let Some((_, request, file)) = known else { continue };
        let codes = if level == "request" { request } else { file };
        if !codes.split(' ').any(|allowed| allowed == code) {
            let tests = &received[&(operation.clone(), level.clone(), code.clone())];
            let _ =
                writeln!(wrong, "{operation} {level} {code}: not of the specification: {tests:?}");
        }
    }
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/codes.md"), text).unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}

/// What the suites named above received, and this one: the page is the same when all others ran too.
fn received() -> Received {
    let named = include_str!("codes.rs").lines().find_map(|line| line.strip_prefix("//! Suites: "));
    let suites: BTreeSet<&str> = named.unwrap().split(' ').chain(["codes"]).collect();
    let folder = std::env::var_os("STORMD_CODES").expect("run it by: make test T=codes");
    let mut received = Received::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let suite = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if !suites.contains(suite.as_str()) {
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let [operation, level, code, test] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{}: {line:?}", path.display());
            };
            // What is received around a kill depends on the moment.
            if test.starts_with("kills::") {
                continue;
            }
            let code = code.strip_prefix("SRM_").unwrap_or(code);
            let key = (operation.to_owned(), level.to_owned(), code.to_owned());
            received.entry(key).or_default().insert(format!("{suite}: {test}"));
        }
    }
    received
}

fn table(received: &Received, wrong: &mut String) -> String {
    let mut text = String::from(
        "# Codes\n\nWhat the specification (GFD.129) lets each operation answer, and the test that received it over the wire: \
         the code of the request,\nand of each file, space, token or permission it is about. Where stormd never gives a code \
         it says why. `make test T=codes` writes this page.\nsrmPing has no status: it refuses by a SOAP fault.\n",
    );
    let mut used = BTreeSet::new();
    for (operation, request, file) in ALLOWED {
        let _ = write!(
            text,
            "\n## {operation}\n\n| level | code | test, or why not |\n|---|---|---|\n"
        );
        for (level, codes) in [("request", request), ("file", file)] {
            for code in codes.split(' ').filter(|code| !code.is_empty()) {
                let key = (operation.to_string(), level.to_owned(), code.to_owned());
                let test = received.get(&key).and_then(BTreeSet::first);
                let reason = REASONS.iter().position(|reason| reason.fits(operation, level, code));
                let told = match (test, reason) {
                    (Some(test), _) => format!("`{test}`"),
                    (None, Some(at)) => {
                        used.insert(at);
                        REASONS[at].why.to_owned()
                    }
                    (None, None) => {
                        let _ =
                            writeln!(wrong, "{operation} {level} {code}: neither test nor reason");
                        continue;
                    }
                };
                let _ = writeln!(text, "| {level} | SRM_{code} | {told} |");
            }
        }
    }
    for (at, reason) in REASONS.iter().enumerate() {
        if !used.contains(&at) {
            let _ = writeln!(wrong, "a reason that nothing needs: {reason:?}");
        }
    }
    text
}
