//! What desktops send, replayed from written tables (`tests/desktop/*.txt`) over one connection that is kept: by the
//! plain door where anybody may write, over TLS with a certificate, and by HTTP/2. Clients that no Debian has.
//!
//! A table has blocks with an empty line between them, each a request and its answer:
//!
//! - `# …` says what it is for, and `@ 5` which of [`POINTS`] it shows.
//! - `* Name: value` is a header of all requests from here on.
//! - `> METHOD target`, then `> Name: value`; after a `>` alone the body, line by line. With `Transfer-Encoding:
//!   chunked` it goes out in two chunks. A `Content-Length` that it does not reach ends the connection.
//! - `< 207` is the status; `< name: part` a header and what stands in it, `< !name` one that is not there.
//! - `<+ part`, `<- part`, `<~ pattern` and `<= all` are about the body: holds, does not hold, matches, is.
//! - `< name: {word=}` and `<~ …(…)… {word=}` keep a header, or the pattern's group, for `{word}` in what follows.
//!   `{base}` is the door's address, `{fill:1000}` so many bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;
#[path = "desktop/table.rs"]
mod table;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use common::client::Tls;
use common::http2::two;
use common::usage::{count, held, used};
use common::wire::{self, Conn};
use common::{TestStorm, leftovers};
use table::{Row, Two};

/// What all desktops need. Each has a row in one of the tables.
const POINTS: [&str; 9] = [
    "OPTIONS answers on any path, of the root and of what is not there too; a 401 tells of WebDAV",
    "PROPFIND answers on the root and every directory above, in all its forms; what is unknown is told as such",
    "hrefs are absolute, escaped, as they were asked for, with a slash behind directories",
    "dates, lengths and entity tags in the forms that clients read, the same everywhere",
    "locks: with and without Depth and body, on free names, refreshed, shown, obeyed",
    "properties of clients are kept, and Windows' times are applied",
    "quota of each directory, when asked for",
    "bodies of unknown length; what ends early is refused and changes nothing",
    "the connection is kept over 401 and errors",
];

fn tables() -> Vec<(String, Vec<Row>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/desktop");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "txt") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found
                .push((name.clone(), table::read(&name, &std::fs::read_to_string(&path).unwrap())));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn every_point_has_a_row() {
    let shown: BTreeSet<usize> =
        tables().into_iter().flat_map(|(_, rows)| rows).flat_map(|row| row.points).collect();
    let missing: Vec<_> = (1..=POINTS.len()).filter(|n| !shown.contains(n)).collect();
    assert!(missing.is_empty(), "no row shows {missing:?}");
    assert!(shown.iter().all(|n| (1..=POINTS.len()).contains(n)), "{shown:?}");
}

#[tokio::test]
async fn by_the_plain_door() {
    replay(Way::Plain).await;
}

#[tokio::test]
async fn over_tls() {
    replay(Way::Tls).await;
}

#[tokio::test]
async fn over_http2() {
    replay(Way::Http2).await;
}

/// Windows takes 1 MB of a list until its registry says otherwise: about 1000 names, as the help tells.
#[tokio::test]
async fn a_thousand_names_are_as_much_as_windows_takes() {
    let mut storm = TestStorm::start();
    storm.http = "anonymous_write = true".to_owned();
    storm.restart();
    let names = storm.root("open").join("names");
    std::fs::create_dir(&names).unwrap();
    for n in 0..1000 {
        std::fs::write(names.join(format!("A report of no special length {n:04}.docx")), "x")
            .unwrap();
    }
    let mut conn = Conn::tcp(storm.ports.plain).await.unwrap();
    let headers = [("depth", "1"), ("user-agent", "Microsoft-WebDAV-MiniRedir/10.0.19045")];
    let list = conn.request("PROPFIND", "/open/names", &headers, b"").await.unwrap();
    let text = list.text();
    // With all that one who may write is told.
    assert_eq!(text.matches("<d:response>").count(), 1001);
    assert_eq!(text.matches("<d:supportedlock><d:lockentry>").count(), 1001);
    assert!(text.len() < 1_000_000, "{} bytes", text.len());
}

/// How the tables are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Plain,
    Tls,
    Http2,
}

/// One connection, kept.
enum Line {
    One(Conn),
    Two(Two),
}

async fn replay(way: Way) {
    let tls = way != Way::Plain;
    let mut storm = TestStorm::start();
    storm.http = "anonymous_write = true".to_owned();
    storm.restart();
    count(&storm);
    let config = wire::config(Some("user2"), Tls::Any);
    let port = if tls { storm.ports.https } else { storm.ports.plain };
    let connect = async || match way {
        Way::Plain => Line::One(Conn::tcp(port).await.unwrap()),
        Way::Tls => Line::One(Conn::tls(&config, port).await.unwrap()),
        Way::Http2 => Line::Two(two(&config, port).await),
    };
    let scheme = if tls { "https" } else { "http" };
    let mut rows = 0;
    for (name, table) in tables() {
        std::fs::create_dir(storm.root("open").join(&name)).unwrap();
        let mut known = HashMap::from([
            ("base".to_owned(), format!("{scheme}://localhost:{port}")),
            ("top".to_owned(), format!("/open/{name}")),
            ("scheme".to_owned(), scheme.to_owned()),
        ]);
        let mut conn = connect().await;
        for row in &table {
            if row.door.as_ref().is_some_and(|door| door != scheme) {
                continue;
            }
            let at = format!("{name}.txt:{}, {way:?}: {}", row.line, row.request);
            let (answer, cut) = match &mut conn {
                Line::Two(conn) => match row.ask_two(conn, &known).await {
                    Some(answer) => (answer, false),
                    None => continue,
                },
                Line::One(conn) => {
                    let cut = row.send(conn, &known).await;
                    if cut {
                        conn.finish().await.unwrap();
                    }
                    let method = row.request.split(' ').next().unwrap();
                    let answer = conn.response(method).await;
                    (answer.unwrap_or_else(|e| panic!("{at}: {e}")), cut)
                }
            };
            rows += 1;
            row.judge(&answer, &mut known, &at);
            // One connection for all: only what ends early ends it.
            let closes =
                answer.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
            assert!(!closes || cut, "{at}: the connection is closed");
            if cut {
                conn = connect().await;
            }
        }
    }
    println!("rows={rows}");
    let root = storm.root("open");
    assert_eq!(leftovers(&root), Vec::<String>::new());
    assert_eq!(used(&storm, "OPEN").await, held(&root));
    let mut conn = Conn::tcp(storm.ports.plain).await.unwrap();
    let body = b"<propfind xmlns='DAV:'><prop><lockdiscovery/></prop></propfind>";
    let all = conn.request("PROPFIND", "/open/", &[("depth", "infinity")], body).await.unwrap();
    assert!(!all.text().contains("activelock"), "a lock is left: {}", all.text());
}
