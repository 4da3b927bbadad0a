//! `stormd passwd` and `stormd app-password`, as an administrator calls them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{TestStorm, USER_DN};

/// `stormd` of the site, with something on standard input.
pub fn stormd(storm: &TestStorm, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stormd"))
        .arg("--config")
        .arg(storm.dir().join("storm.toml"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that refuses at once may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let done = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code().unwrap_or(-1), text(&done.stdout), text(&done.stderr))
}

/// An app password of the person of the test PKI, made by the command: user name and password.
#[track_caller]
pub fn app_password(storm: &TestStorm, more: &[&str]) -> (String, String) {
    let first =
        ["app-password", "create", "--dn", USER_DN, "--fqan", "/test.vo", "--name", "laptop"];
    let (code, out, err) = stormd(storm, &[&first[..], more].concat(), "");
    assert_eq!(code, 0, "{more:?}: {err}");
    let field = |name: &str| {
        let line = out.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    };
    (field("user name:"), field("password:"))
}
