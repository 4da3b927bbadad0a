//! Passwords at the https door: local users, app passwords with their paths and rights, guessing, and that
//! no secret gets into a log. By curl and rclone, the commands, and the page.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

#[path = "passwords/apps.rs"]
mod apps;
#[path = "passwords/attacks.rs"]
mod attacks;
mod common;
#[path = "passwords/drive.rs"]
mod drive;
#[path = "passwords/guessing.rs"]
mod guessing;
#[path = "passwords/help.rs"]
mod help;
#[path = "passwords/local.rs"]
mod local;
#[path = "passwords/page.rs"]
mod page;
#[path = "passwords/rights.rs"]
mod rights;

use std::process::{Command, Stdio};

use common::passwords::{app_password, stormd};
use common::{TestStorm, USER_DN, bytes, pki};

/// A password that a person chose.
const CHOSEN: &str = "correct horse: battery ü";

/// What curl heard.
struct Heard {
    status: u16,
    /// Header lines in small letters.
    head: String,
    body: String,
}

impl Heard {
    fn header(&self, name: &str) -> Option<&str> {
        let begins = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(begins.as_str()))
    }
}

/// Somebody with curl.
#[derive(Clone, Copy)]
enum Who<'a> {
    Nobody,
    /// User name and password.
    Basic(&'a str, &'a str),
    /// A proxy of the test PKI.
    Proxy(&'a str),
    /// Both.
    Both(&'a str, &'a str, &'a str),
}

fn curl(who: Who<'_>, url: &str, arguments: &[&str]) -> Heard {
    let mut command = Command::new("curl");
    command.args(["-sS", "-i", "--http1.1", "-m", "60", "-w", "\n%{http_code}"]);
    command.arg("--cacert").arg(pki::dir().join("ca/cacert.pem"));
    let mut proxy = |kind: &str| {
        let proxy = pki::proxy(kind);
        command.arg("--cert").arg(&proxy).arg("--key").arg(&proxy);
    };
    if let Who::Proxy(kind) | Who::Both(kind, ..) = who {
        proxy(kind);
    }
    if let Who::Basic(user, password) | Who::Both(_, user, password) = who {
        command.args(["--basic", "-u", &format!("{user}:{password}")]);
    }
    let done = command.args(arguments).arg(url).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success(),
        "{url} {arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    let (text, status) = text.rsplit_once('\n').unwrap();
    // Behind what came before the answer itself, as `100 Continue`.
    let mut rest = text;
    let (head, body) = loop {
        let (head, body) = rest.split_once("\r\n\r\n").unwrap();
        if !head.starts_with("HTTP/1.1 100") {
            break (head, body);
        }
        rest = body;
    };
    let status = status.parse().unwrap();
    let head = head.to_lowercase().replace('\r', "");
    Heard { status, head, body: body.to_owned() }
}

#[track_caller]
fn passwd(storm: &TestStorm, arguments: &[&str], password: &str) -> String {
    let all = [&["passwd", "--stdin"], arguments].concat();
    let (code, out, err) = stormd(storm, &all, &format!("{password}\n"));
    assert_eq!(code, 0, "{arguments:?}: {err}");
    out
}

/// A daemon with files in the area of the VO.
fn site() -> TestStorm {
    let storm = TestStorm::start();
    let root = storm.root("test.vo");
    std::fs::create_dir_all(root.join("mine/below")).unwrap();
    std::fs::create_dir_all(root.join("mine2")).unwrap();
    std::fs::write(root.join("mine/f"), bytes(1000, 1)).unwrap();
    std::fs::write(root.join("mine2/f"), bytes(1000, 2)).unwrap();
    std::fs::write(root.join("other"), "other").unwrap();
    storm
}
