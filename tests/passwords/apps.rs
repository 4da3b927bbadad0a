//! App passwords by the command: what is told, that they outlive a `kill -9`, and end when they should.

use super::*;

#[test]
fn made_listed_used_and_revoked() {
    let storm = site();
    let url = storm.url("/test.vo/other");
    let (user, password) = app_password(&storm, &["--path", "/test.vo", "--days", "7"]);
    assert!(user.starts_with("app-") && user.len() == 12, "{user}");
    let letters = password.replace('-', "");
    assert_eq!((password.len(), letters.len()), (35, 32), "160 bits");
    let list = || stormd(&storm, &["app-password", "list", "--dn", USER_DN], "").1;
    let told = list();
    assert!(
        told.starts_with(&format!("{user} \"laptop\" of {USER_DN} /test.vo: read /test.vo, ends ")),
        "{told}"
    );
    assert!(told.ends_with(", never used\n"), "{told}");
    assert!(!told.contains(&letters[..8]));
    assert_eq!(stormd(&storm, &["app-password", "list", "--dn", "/CN=x"], "").1, "");

    let heard = curl(Who::Basic(&user, &password), &url, &[]);
    assert_eq!((heard.status, heard.body.as_str()), (200, "other"));
    let line = storm
        .access_of("the read", |line| {
            line.get("status") == "200" && line.target().starts_with("/test.vo")
        })
        .pop()
        .unwrap();
    assert_eq!((line.dn(), line.get("proxy")), (USER_DN, "app-password"));
    assert!(common::wait_until(std::time::Duration::from_secs(5), || list().contains(", used 2")));

    let (code, told, _) = stormd(&storm, &["app-password", "revoke", &user], "");
    assert_eq!((code, told), (0, format!("{user}: revoked\n")));
    assert_eq!(curl(Who::Basic(&user, &password), &url, &[]).status, 401, "at once");
    assert_eq!(stormd(&storm, &["app-password", "revoke", &user], "").0, 1);
    assert_eq!(list(), "");
    let log = storm.log();
    assert!(log.contains("app password made") && log.contains("app password revoked"));
    assert!(!log.contains(&password) && !log.contains(&letters));
}

#[test]
fn what_was_told_outlives_a_kill() {
    let mut storm = site();
    let (user, password) = app_password(&storm, &["--write"]);
    let (gone, secret) = app_password(&storm, &[]);
    assert_eq!(stormd(&storm, &["app-password", "revoke", &gone], "").0, 0);
    storm.kill9();
    storm.restart();
    let url = storm.url("/test.vo/other");
    assert_eq!(curl(Who::Basic(&user, &password), &url, &[]).status, 200);
    assert_eq!(curl(Who::Basic(&gone, &secret), &url, &[]).status, 401);
    // Neither stands anywhere in the state directory.
    for entry in std::fs::read_dir(storm.dir().join("var")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap_or_default();
        let found = text.windows(password.len()).any(|part| part == password.as_bytes());
        assert!(!found, "{}", path.display());
    }
}

#[test]
fn it_ends_on_its_day() {
    let storm = site();
    // The command counts in days; the admin port in seconds.
    let token = std::fs::read_to_string(storm.dir().join("var/admin.token")).unwrap();
    let body = format!(
        "{{\"dn\":\"{USER_DN}\",\"fqans\":[\"/test.vo\"],\"name\":\"x\",\"lifetime_s\":2}}"
    );
    let admin = format!("http://127.0.0.1:{}/app-passwords", storm.ports.admin);
    let bearer = format!("Authorization: Bearer {}", token.trim());
    let made = curl(Who::Nobody, &admin, &["-H", &bearer, "-d", &body]);
    assert_eq!(made.status, 200, "{}", made.body);
    let made: serde_json::Value = serde_json::from_str(&made.body).unwrap();
    let user = made["about"]["user"].as_str().unwrap();
    let password = made["password"].as_str().unwrap();
    let url = storm.url("/test.vo/other");
    assert_eq!(curl(Who::Basic(user, password), &url, &[]).status, 200);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let heard = curl(Who::Basic(user, password), &url, &[]);
    assert!(heard.status == 401 && heard.body.contains("come to its end"), "{}", heard.body);
    // Only to who knows it.
    let heard = curl(Who::Basic(user, "something else"), &url, &[]);
    assert!(heard.status == 401 && heard.body.contains("wrong user name"), "{}", heard.body);
    assert_eq!(curl(Who::Nobody, &admin, &["-d", &body]).status, 401);
}

#[test]
fn what_cannot_be_made() {
    let storm = site();
    for (more, why) in [
        (&["--days", "366"][..], "365 days"),
        (&["--days", "0"], "365 days"),
        (&["--path", "relative"], "relative"),
        (&["--path", "/test.vo/../x"], ".."),
        (&["--fqan", "x"], "FQAN"),
    ] {
        let first = ["app-password", "create", "--dn", USER_DN, "--name", "x"];
        let (code, _, err) = stormd(&storm, &[&first[..], more].concat(), "");
        assert!(code == 1 && err.contains(why), "{more:?}: {code} {err}");
    }
    let (code, _, err) =
        stormd(&storm, &["app-password", "create", "--dn", "x", "--name", "x"], "");
    assert!(code == 1 && err.contains("no DN"), "{err}");
    assert_eq!(stormd(&storm, &["app-password", "list"], "").1, "");
}
