//! Guessing passwords, and what passwords cost.

use std::time::Instant;

use super::*;

#[test]
fn guesses_are_few_and_nobody_learns_who_there_is() {
    let storm = site();
    passwd(&storm, &["alice", "--fqan", "/test.vo"], CHOSEN);
    passwd(&storm, &["bob", "--fqan", "/test.vo"], CHOSEN);
    let url = storm.url("/test.vo/other");
    // Whoever is in, stays in.
    assert_eq!(curl(Who::Basic("bob", CHOSEN), &url, &[]).status, 200);
    let mut texts = Vec::new();
    for user in ["alice", "nobody-of-that-name"] {
        for n in 0..10 {
            let heard = curl(Who::Basic(user, &format!("guess number {n}")), &url, &[]);
            assert_eq!(heard.status, 401);
            texts.push(heard.body);
        }
        // The right one is not looked at either.
        let heard = curl(Who::Basic(user, CHOSEN), &url, &[]);
        assert_eq!(heard.status, 429, "{user}: {}", heard.body);
        let wait: u64 = heard.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=31).contains(&wait), "{wait}");
        assert!(heard.header("www-authenticate").is_none());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    // By address: 21 failures so far, of 30.
    let refused = (0..20)
        .map(|n| curl(Who::Basic(&format!("user{n}"), CHOSEN), &url, &[]).status)
        .filter(|status| *status == 429);
    assert!(refused.count() > 0);
    assert_eq!(curl(Who::Basic("bob", CHOSEN), &url, &[]).status, 200);
    // Certificates are not passwords.
    assert_eq!(curl(Who::Proxy("voms"), &url, &[]).status, 200);
    let log = storm.log();
    assert!(log.contains("wrong password") && log.contains("alice"), "told to the administrator");
    for secret in ["guess number", "horse", "nobody-of-that-name"] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[test]
fn a_mount_pays_for_its_password_once() {
    let storm = site();
    let (user, password) = app_password(&storm, &[]);
    let range = "/test.vo/mine/f?n=[1-200]";
    let fetch = || {
        let begun = Instant::now();
        // On one connection, of HTTP/2.
        let heard = Command::new("curl")
            .args([
                "-sS",
                "--http2",
                "-o",
                "/dev/null",
                "-w",
                "%{http_version} %{http_code}\n",
                "-u",
            ])
            .arg(format!("{user}:{password}"))
            .arg("--cacert")
            .arg(pki::dir().join("ca/cacert.pem"))
            .arg(storm.url(range))
            .output()
            .unwrap();
        let codes = String::from_utf8(heard.stdout).unwrap();
        assert_eq!(codes.lines().filter(|code| *code == "2 200").count(), 200, "{codes}");
        begun.elapsed()
    };
    let all = fetch();
    // An argon2 of a debug build takes some 50 ms: 200 of them, 10 s.
    assert!(all.as_secs() < 5, "{all:?}");
}

#[test]
fn many_connections_of_one_mount_begin_at_once() {
    let storm = site();
    let (user, password) = app_password(&storm, &[]);
    // More than one user name may be wrong.
    let url = storm.url("/test.vo/mine/f");
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                let heard = curl(Who::Basic(&user, &password), &url, &[]);
                assert_eq!(heard.status, 200, "{}", heard.body);
            });
        }
    });
}
