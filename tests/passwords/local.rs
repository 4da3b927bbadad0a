//! Local users, and how the door asks for a password.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::common::access::Access;
use super::*;

#[test]
fn a_local_user_is_what_the_site_says() {
    let storm = site();
    let url = storm.url("/test.vo/mine/f");
    assert_eq!(curl(Who::Basic("alice", CHOSEN), &url, &[]).status, 401);
    // Without FQAN nobody opens the area to him; with one the running daemon sees it at once.
    let told = passwd(&storm, &["alice"], CHOSEN);
    assert_eq!(told, "alice: added: /CN=local/CN=alice\n");
    let denied = curl(Who::Basic("alice", CHOSEN), &url, &[]);
    assert_eq!(denied.status, 403, "{}", denied.body);
    assert!(denied.header("www-authenticate").is_none());
    passwd(&storm, &["alice", "--dn", USER_DN, "--fqan", "/test.vo"], CHOSEN);
    let read = curl(Who::Basic("alice", CHOSEN), &url, &[]);
    assert_eq!(read.status, 200);
    let line = storm
        .access_of("the read", |line| {
            line.get("status") == "200" && line.target().starts_with("/test.vo")
        })
        .pop()
        .unwrap();
    assert_eq!((line.dn(), line.get("proxy")), (USER_DN, "password"));
    // A new password keeps who he is, and the old one opens nothing.
    let told = passwd(&storm, &["alice"], "another password");
    assert_eq!(told, format!("alice: changed: {USER_DN} /test.vo\n"));
    assert_eq!(curl(Who::Basic("alice", CHOSEN), &url, &[]).status, 401);
    assert_eq!(curl(Who::Basic("alice", "another password"), &url, &[]).status, 200);

    let file = storm.dir().join("users.db");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\nalice:$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
    let (_, list, _) = stormd(&storm, &["passwd", "--list"], "");
    assert_eq!(list, format!("alice: {USER_DN} /test.vo\n"));
    assert_eq!(stormd(&storm, &["passwd", "alice", "--delete"], "").0, 0);
    assert_eq!(curl(Who::Basic("alice", "another password"), &url, &[]).status, 401);
    assert_eq!(stormd(&storm, &["passwd", "alice", "--delete"], "").0, 1);
}

#[test]
fn what_root_makes_the_daemon_can_read() {
    let account = common::accounts::service();
    let storm = TestStorm::set_up(common::storm::Setup {
        account: Some(account.clone()),
        ..common::storm::Setup::default()
    });
    passwd(&storm, &["alice", "--fqan", "/test.vo"], CHOSEN);
    let about = std::fs::metadata(storm.dir().join("users.db")).unwrap();
    assert_eq!((about.uid(), about.permissions().mode() & 0o7777), (account.uid, 0o600));
    assert_eq!(curl(Who::Basic("alice", CHOSEN), &storm.url("/test.vo/"), &[]).status, 200);
}

#[test]
fn at_a_terminal_it_is_asked_for_twice_and_not_shown() {
    let storm = site();
    let passwd = |user: &str, second: &str| {
        let stormd = env!("CARGO_BIN_EXE_stormd");
        let config = storm.dir().join("storm.toml");
        // `script` makes the terminal; what is typed too early, before echo is off, would show.
        let typed = format!("(sleep 3; echo '{CHOSEN}'; sleep 3; echo '{second}')");
        let command = format!("'{stormd}' --config '{}' passwd {user}", config.display());
        let line = format!("{typed} | script -qec \"{command}\" /dev/null");
        let done = Command::new("bash").args(["-c", &line]).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (done, shown) = passwd("alice", CHOSEN);
    assert!(done && shown.contains("alice: added") && !shown.contains("horse"), "{shown}");
    let (done, shown) = passwd("bob", "something else");
    assert!(!done && shown.contains("not the same") && !shown.contains("horse"), "{shown}");
    let (_, list, _) = stormd(&storm, &["passwd", "--list"], "");
    assert_eq!(list, "alice: /CN=local/CN=alice\n");
}

#[test]
fn what_the_command_refuses() {
    let storm = site();
    for (arguments, password, why) in [
        (&["alice", "--stdin"][..], "short", "at least 8"),
        (&["a b", "--stdin"], CHOSEN, "no user name"),
        (&["app-x", "--stdin"], CHOSEN, "app passwords"),
        (&["alice", "--stdin", "--dn", "CN=x"], CHOSEN, "--dn"),
        (&["alice", "--stdin", "--fqan", "vo"], CHOSEN, "FQAN"),
        // Nobody sits at a terminal.
        (&["alice"], CHOSEN, "--stdin"),
    ] {
        let all = [&["passwd"], arguments].concat();
        let (code, _, err) = stormd(&storm, &all, &format!("{password}\n"));
        assert!(code == 1 && err.contains(why), "{arguments:?}: {code} {err}");
        assert!(!err.contains("horse"), "{err}");
    }
    assert!(!storm.dir().join("users.db").exists());
}

#[test]
fn a_file_that_others_may_write_to_keeps_the_daemon_from_starting() {
    let storm = site();
    passwd(&storm, &["alice"], CHOSEN);
    let file = storm.dir().join("users.db");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    let (code, out, _) = stormd(&storm, &["check"], "");
    assert!(code == 2 && out.contains("users.db") && out.contains("chmod 0600"), "{code} {out}");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let (code, out, _) = stormd(&storm, &["check"], "");
    assert!(code == 0 && out.contains("others may read"), "{code} {out}");
}

/// The answer asks for a password, and says that this is WebDAV.
#[track_caller]
fn asks(heard: &Heard) {
    assert_eq!(heard.status, 401, "{}", heard.body);
    let asked = heard.header("www-authenticate");
    assert_eq!(asked, Some("basic realm=\"stormd\", charset=\"utf-8\""), "{}", heard.head);
    assert!(heard.header("dav").is_some_and(|dav| dav.starts_with("1, 2, 3")));
}

#[test]
fn who_is_asked_for_a_password() {
    let storm = site();
    passwd(&storm, &["alice", "--fqan", "/test.vo"], CHOSEN);
    for (method, path) in [
        ("GET", "/test.vo/mine/f"),
        ("HEAD", "/test.vo/mine/f"),
        ("PROPFIND", "/test.vo"),
        ("PUT", "/open/new"),
        ("MKCOL", "/test.vo/new"),
        ("DELETE", "/test.vo/mine"),
    ] {
        let method = if method == "HEAD" { vec!["-I"] } else { vec!["-X", method] };
        asks(&curl(Who::Nobody, &storm.url(path), &method));
    }
    // Who knows a name, and not the password.
    let wrong = curl(Who::Basic("alice", "wrong password"), &storm.url("/test.vo"), &[]);
    asks(&wrong);
    assert!(wrong.body.contains("wrong user name or password"), "{}", wrong.body);
    // Nobody is asked where anybody may read; and OPTIONS, which clients try first, is for all.
    assert_eq!(curl(Who::Nobody, &storm.url("/open/"), &[]).status, 200);
    let options = curl(Who::Nobody, &storm.url("/test.vo/x"), &["-X", "OPTIONS"]);
    assert!(options.status == 200 && options.header("dav").is_some());
    // A broken header is told.
    let broken = curl(Who::Nobody, &storm.url("/test.vo"), &["-H", "Authorization: Basic !!!"]);
    asks(&broken);
    assert!(broken.body.contains("base64"), "{}", broken.body);
    // The password of a request names who asks: a certificate does not help who is wrong.
    let both =
        curl(Who::Both("voms", "alice", "wrong password"), &storm.url("/test.vo/other"), &[]);
    assert_eq!(both.status, 401);
    let both = curl(Who::Both("rfc", "alice", CHOSEN), &storm.url("/test.vo/other"), &[]);
    assert_eq!((both.status, both.body.as_str()), (200, "other"));
}

#[test]
fn a_top_that_shows_nothing_to_nobody_asks() {
    let storm = TestStorm::set_up(common::storm::Setup {
        changes: Vec::new(),
        ..common::storm::Setup::default()
    });
    let namespace = storm.dir().join("namespace.xml");
    let text = std::fs::read_to_string(&namespace).unwrap();
    let closed = text.replace("<anonymous-http-read>true<", "<anonymous-http-read>false<");
    std::fs::write(&namespace, closed).unwrap();
    let mut storm = storm;
    storm.restart();
    passwd(&storm, &["alice", "--fqan", "/test.vo"], CHOSEN);
    for method in ["GET", "PROPFIND"] {
        let nobody = curl(Who::Nobody, &storm.url("/"), &["-X", method, "-H", "Depth: 1"]);
        assert_eq!(nobody.status, 401, "{method}: {}", nobody.body);
        assert!(nobody.header("www-authenticate").is_some());
        let known =
            curl(Who::Basic("alice", CHOSEN), &storm.url("/"), &["-X", method, "-H", "Depth: 1"]);
        assert!(matches!(known.status, 200 | 207) && known.body.contains("/test.vo/"), "{method}");
    }
    assert_eq!(curl(Who::Nobody, &storm.url("/nothing"), &[]).status, 404);
}

#[test]
fn the_plain_port_takes_no_password() {
    let storm = site();
    passwd(&storm, &["alice", "--fqan", "/test.vo"], CHOSEN);
    let plain = |path: &str| format!("http://localhost:{}{path}", storm.ports.plain);
    // Also where anybody may read: the person learns that the password was seen.
    for path in ["/test.vo/other", "/open/"] {
        let heard = curl(Who::Basic("alice", CHOSEN), &plain(path), &[]);
        assert!(heard.status == 401 && heard.body.contains("https"), "{}", heard.body);
        assert!(heard.header("www-authenticate").is_none());
    }
    let nobody = curl(Who::Nobody, &plain("/test.vo/other"), &[]);
    assert!(nobody.status == 401 && nobody.body.contains("over https"), "{}", nobody.body);
    assert!(nobody.header("www-authenticate").is_none());
    assert_eq!(curl(Who::Nobody, &plain("/open/"), &[]).status, 200);
}

/// Many clients show a password only when they were asked for it, also where a body is on its way by then. (By
/// HTTP/2 no more than a stream's window: curl 7.88 reads nothing while it sends the rest of it.)
#[test]
fn an_upload_is_asked_for_a_password() {
    let storm = site();
    passwd(&storm, &["alice", "--fqan", "/test.vo"], CHOSEN);
    let data = storm.dir().join("data");
    for (n, version) in ["--http1.1", "--http2"].into_iter().enumerate() {
        for (size, expect) in [(1000, "Expect:"), (3_000_000, "Expect: 100-continue")] {
            let content = bytes(size, n as u64);
            std::fs::write(&data, &content).unwrap();
            let url = storm.url(&format!("/test.vo/{n}-{size}"));
            let how = ["--anyauth", version, "-H", expect, "-T", data.to_str().unwrap()];
            let heard = curl(Who::Basic("alice", CHOSEN), &url, &how);
            assert_eq!(heard.status, 201, "{version} {size}: {}", heard.body);
            let disk = storm.root("test.vo").join(format!("{n}-{size}"));
            assert!(std::fs::read(disk).unwrap() == content, "{version} {size}");
            let target = format!("/test.vo/{n}-{size}");
            for status in ["401", "201"] {
                let is =
                    |line: &Access| line.get("target") == target && line.get("status") == status;
                assert_eq!(storm.access_of(status, is).len(), 1, "{version} {size}");
            }
        }
    }
}

#[test]
fn a_ban_holds_for_passwords() {
    let storm = site();
    passwd(&storm, &["alice", "--dn", USER_DN, "--fqan", "/test.vo"], CHOSEN);
    let (app, secret) = app_password(&storm, &[]);
    let url = storm.url("/test.vo/other");
    assert_eq!(curl(Who::Basic("alice", CHOSEN), &url, &[]).status, 200);
    assert_eq!(curl(Who::Basic(&app, &secret), &url, &[]).status, 200);
    std::fs::create_dir_all(storm.dir().join("etc")).unwrap();
    std::fs::write(storm.dir().join("etc/ban_users.db"), format!("\"{USER_DN}\"\n")).unwrap();
    let banned = || curl(Who::Basic("alice", CHOSEN), &url, &[]).status == 403;
    assert!(common::wait_until(std::time::Duration::from_secs(10), banned));
    let heard = curl(Who::Basic(&app, &secret), &url, &[]);
    assert!(heard.status == 403 && heard.body.contains("banned"), "{}", heard.body);
    // Nor does he make another one.
    let made = ["app-password", "create", "--dn", USER_DN, "--name", "x"];
    let (code, _, err) = stormd(&storm, &made, "");
    assert!(code == 1 && err.contains("banned"), "{err}");
}

#[test]
fn rclone_works_with_a_password() {
    let storm = site();
    passwd(&storm, &["alice", "--dn", USER_DN, "--fqan", "/test.vo"], CHOSEN);
    let rclone = |arguments: &[&str], environment: &[(&str, &str)]| {
        let done = Command::new("timeout")
            .args([
                "-k",
                "5",
                "60",
                "rclone",
                "--config",
                "/dev/null",
                "--retries",
                "1",
                "--ca-cert",
            ])
            .arg(pki::dir().join("ca/cacert.pem"))
            .args(arguments)
            .envs(environment.iter().copied())
            .env("HOME", storm.dir().join("home"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.success(), text(&done.stdout), text(&done.stderr))
    };
    let (_, obscured, _) = rclone(&["obscure", CHOSEN], &[]);
    let url = storm.url("/test.vo/");
    // As the help says.
    let mut environment = vec![
        ("RCLONE_WEBDAV_URL", url.as_str()),
        ("RCLONE_WEBDAV_VENDOR", "owncloud"),
        ("RCLONE_WEBDAV_USER", "alice"),
        ("RCLONE_WEBDAV_PASS", obscured.trim()),
    ];
    let tree = storm.dir().join("tree");
    std::fs::create_dir_all(tree.join("a/b")).unwrap();
    for n in 0..40 {
        std::fs::write(tree.join(format!("a/b/{n}")), bytes(n * 100, n as u64)).unwrap();
    }
    let (done, _, why) = rclone(&["copy", tree.to_str().unwrap(), ":webdav:copied"], &environment);
    assert!(done, "{why}");
    let (done, _, why) = rclone(&["check", tree.to_str().unwrap(), ":webdav:copied"], &environment);
    assert!(done, "{why}");
    assert_eq!(
        std::fs::read(storm.root("test.vo").join("copied/a/b/39")).unwrap(),
        bytes(3900, 39)
    );
    // All of that cost one look at the password, or a few at once.
    let (_, obscured, _) = rclone(&["obscure", "wrong password"], &[]);
    environment[3].1 = obscured.trim();
    let (done, ..) = rclone(&["lsf", ":webdav:copied"], &environment);
    assert!(!done);
}
