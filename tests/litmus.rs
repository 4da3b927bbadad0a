//! litmus, the WebDAV test suite of Debian: every program of it, against the plain door where anybody may
//! write. Those that are whole have to pass to the last test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::process::{Command, Stdio};

use common::{TestStorm, leftovers};

/// Each program, how many tests it has, and whether all of them are to pass.
const PROGRAMS: [(&str, u32, bool); 5] = [
    ("basic", 16, true),
    ("copymove", 13, true),
    ("props", 30, true),
    ("locks", 41, true),
    ("http", 4, true),
];

/// What a program says of itself: tests run, passed, and the warnings.
struct Result {
    text: String,
    passed: Option<(u32, u32)>,
}

fn run(storm: &TestStorm, program: &str) -> Result {
    let folder = storm.dir().join("litmus").join(program);
    std::fs::create_dir_all(&folder).unwrap();
    let done = Command::new("timeout")
        .args(["-k", "5", "120", "litmus"])
        .arg(format!("http://localhost:{}/open/", storm.ports.plain))
        .env("TESTS", program)
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_ne!(done.status.code(), Some(127), "litmus is missing: make test installs it");
    let text = String::from_utf8_lossy(&done.stdout).replace('\r', "\n");
    // `<- summary for `basic': of 16 tests run: 16 passed, 0 failed. 100.0%`
    let summary = text.lines().find_map(|line| line.split_once("': of ")).map(|(_, rest)| rest);
    let passed = summary.map(|rest| {
        let number = |word: &str| word.parse::<u32>().unwrap_or_default();
        let words: Vec<&str> = rest.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "passed,").unwrap();
        (number(words[0]), number(words[at - 1]))
    });
    Result { text, passed }
}

#[test]
fn litmus() {
    let mut storm = TestStorm::start();
    storm.http = "anonymous_write = true".to_owned();
    storm.restart();
    let mut bad = Vec::new();
    for (program, tests, whole) in PROGRAMS {
        let Result { text, passed } = run(&storm, program);
        let told: Vec<&str> =
            text.lines().filter(|l| l.contains("WARNING") || l.contains("FAIL")).collect();
        println!("{program}: {passed:?} of {tests}\n{}", told.join("\n"));
        if whole && passed != Some((tests, tests)) {
            bad.push(format!("{program}: {passed:?} of {tests}\n{text}"));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert_eq!(leftovers(&storm.root("open")), Vec::<String>::new());
    assert!(storm.healthy());
}
