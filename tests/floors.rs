//! A room uses only its own floor and the floors below it, and no two rooms use each other in a
//! circle (ARCHITECTURE.md). Read out of `crate::room` in the sources.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The floor of each room; a new room gets its line here.
const FLOORS: &[(&str, u8)] = &[
    ("model", 1),
    ("config", 1),
    ("store", 2),
    ("fsdriver", 2),
    ("auth", 2),
    ("scheduler", 3),
    ("namespace", 3),
    ("listener", 3),
    ("srm", 4),
    ("soap", 5),
    ("webdav", 5),
    ("web", 5),
    ("rest", 5),
    ("info", 5),
    ("client", 6),
    ("daemon", 7),
    ("cli", 8),
    ("main", 8),
    ("fuzz", 8),
];

/// room -> room it uses -> a place where it does.
type Uses = BTreeMap<String, BTreeMap<String, String>>;

#[test]
fn no_room_uses_a_floor_above_its_own() {
    let mut wrong = Vec::new();
    for (room, used) in &uses() {
        for (other, place) in used {
            let (own, there) = (floor(room), floor(other));
            if there > own {
                wrong.push(format!("{place}: {room} (floor {own}) uses {other} (floor {there})"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_rooms_use_each_other_in_a_circle() {
    let uses = uses();
    let circles: Vec<String> = uses.keys().filter_map(|room| circle(&uses, room)).collect();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

#[test]
fn every_room_has_a_floor() {
    for (room, used) in &uses() {
        for name in std::iter::once(room).chain(used.keys()) {
            assert!(FLOORS.iter().any(|(n, _)| n == name), "give room {name} its floor here");
        }
    }
}

#[test]
fn references_are_found_in_every_form() {
    let source = "use crate::srm::Srm; // crate::soap::x\nuse crate::{store, webdav::{a, b},\n\
                  listener as l};\nfn f() { crate::auth::g(\"crate::web\") }\n/* crate::cli */\n\
                  use crate::{\n    model::x,\n    config::{self, y},\n};";
    let found: Vec<String> = references(source).into_iter().map(|(room, _)| room).collect();
    let wanted = ["auth", "config", "listener", "model", "srm", "store", "webdav"];
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted.map(String::from).into());
}

fn floor(room: &str) -> u8 {
    FLOORS.iter().find(|(name, _)| *name == room).map_or(0, |(_, floor)| *floor)
}

/// A way from `start` back to it, as text.
fn circle(uses: &Uses, start: &str) -> Option<String> {
    let mut ways = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for (next, place) in uses.get(way.last()?).into_iter().flatten() {
            if next == start {
                return Some(format!("{} -> {start} (last step: {place})", way.join(" -> ")));
            }
            if seen.insert(next.clone()) {
                let mut longer = way.clone();
                longer.push(next.clone());
                ways.push(longer);
            }
        }
    }
    None
}

fn uses() -> Uses {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 10, "no sources below {}", src.display());
    let mut uses = Uses::new();
    for file in files {
        let below = file.strip_prefix(&src).unwrap();
        let first = below.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let room = first.trim_end_matches(".rs").to_owned();
        if room == "lib" {
            continue; // It names every room.
        }
        let entry = uses.entry(room.clone()).or_default();
        for (other, line) in references(&std::fs::read_to_string(&file).unwrap()) {
            if other != room {
                entry.entry(other).or_insert_with(|| format!("src/{}:{line}", below.display()));
            }
        }
    }
    uses
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The rooms that a source names after `crate::` or `stormd::`, with the line.
fn references(source: &str) -> Vec<(String, usize)> {
    let code = without_comments_and_strings(source);
    let mut found = Vec::new();
    for prefix in ["crate::", "stormd::"] {
        for (at, _) in code.match_indices(prefix) {
            let word_before = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if word_before {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            let rest = &code[at + prefix.len()..];
            let names = match rest.strip_prefix('{') {
                None => vec![name(rest)],
                Some(group) => first_names(group),
            };
            found.extend(names.into_iter().filter(|n| is_room(n)).map(|n| (n, line)));
        }
    }
    found
}

/// The first name of each item of a `{a, b::{c, d}, e}` group, whose opening brace is gone.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut expect) = (0_usize, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expect = true,
            c if expect && !c.is_whitespace() => {
                names.push(name(&group[at..]));
                expect = false;
            }
            _ => {}
        }
    }
    names
}

fn name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// A module, not an item of the crate's root (`crate::Error`) or a macro.
fn is_room(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// Blanks out `// …`, `/* … */` and `"…"`, so that lines keep their numbers. Character literals
/// with a quote in them are seen to; raw strings are good enough as strings.
fn without_comments_and_strings(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let blank = |out: &mut String, text: &str| {
        out.extend(text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
    };
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("'\\\"'") {
            4
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |at| at + 5)
        } else if c == '"' {
            string_length(rest)
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        blank(&mut out, &rest[..length]);
        rest = &rest[length..];
    }
    out
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
