//! The page on which people make their app passwords.

use super::*;

pub(super) const PAGE: &str = "/.storm/passwords";

/// The mark of the forms on a page.
pub(super) fn mark(page: &Heard) -> String {
    let rest = page.body.split_once("name=\"mark\" value=\"").expect("a form").1;
    rest.split_once('"').unwrap().0.to_owned()
}

fn code(page: &Heard, id: &str) -> String {
    let rest = page.body.split_once(&format!("<code id=\"{id}\">")).expect(id).1;
    rest.split_once('<').unwrap().0.to_owned()
}

#[test]
fn a_person_makes_uses_and_revokes_one() {
    let storm = site();
    let url = storm.url(PAGE);
    let me = Who::Proxy("voms");
    let page = curl(me, &url, &[]);
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(
        page.body.contains(USER_DN)
            && page.body.contains("/test.vo")
            && page.body.contains("You have none")
    );
    let mark = format!("mark={}", mark(&page));
    let form = [
        "-d",
        "do=create",
        "-d",
        &mark,
        "-d",
        "name=my+laptop",
        "--data-urlencode",
        "paths=/test.vo/mine\r\n/open",
        "-d",
        "rights=write",
        "-d",
        "days=30",
    ];
    let made = curl(me, &url, &form);
    assert_eq!(made.status, 200, "{}", made.body);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let (user, password) = (code(&made, "user"), code(&made, "password"));
    let app = Who::Basic(&user, &password);
    assert_eq!(curl(app, &storm.url("/test.vo/mine/f"), &["-X", "PUT", "-d", "x"]).status, 204);
    assert_eq!(curl(app, &storm.url("/test.vo/other"), &[]).status, 403);
    let page = curl(me, &url, &[]);
    assert!(
        page.body.contains(&user)
            && page.body.contains("my laptop")
            && !page.body.contains(&password)
    );
    // It makes no other, and sees none.
    let heard = curl(app, &url, &[]);
    assert!(heard.status == 403 && heard.body.contains("cannot make"), "{}", heard.body);
    assert_eq!(curl(app, &url, &form).status, 403);
    // Nobody else sees or ends it.
    let other = Who::Proxy("user2");
    let theirs = curl(other, &url, &[]);
    assert!(theirs.status == 200 && !theirs.body.contains(&user), "{}", theirs.body);
    let their_mark = format!("mark={}", super::page::mark(&theirs));
    let named = format!("user={user}");
    let end =
        |mark: &str, who| curl(who, &url, &["-d", "do=revoke", "-d", mark, "-d", &named]).status;
    assert_eq!(end(&their_mark, other), 404);
    assert_eq!(end(&mark, me), 303);
    assert_eq!(curl(app, &storm.url("/test.vo/mine/f"), &[]).status, 401);
}

#[test]
fn a_local_user_signs_in_there() {
    let storm = site();
    passwd(&storm, &["alice", "--fqan", "/test.vo"], CHOSEN);
    let url = storm.url(PAGE);
    let nobody = curl(Who::Nobody, &url, &[]);
    assert!(nobody.status == 401 && nobody.header("www-authenticate").is_some(), "{}", nobody.body);
    assert!(nobody.body.contains("sign in"), "{}", nobody.body);
    let alice = Who::Basic("alice", CHOSEN);
    let mark = format!("mark={}", mark(&curl(alice, &url, &[])));
    let made = curl(alice, &url, &["-d", "do=create", "-d", &mark, "-d", "name=x", "-d", "paths="]);
    let (user, password) = (code(&made, "user"), code(&made, "password"));
    assert_eq!(curl(Who::Basic(&user, &password), &storm.url("/test.vo/other"), &[]).status, 200);
    let line = storm.access_of("it", |line| line.get("proxy") == "app-password").pop().unwrap();
    assert_eq!(line.dn(), "/CN=local/CN=alice");
    // Its maker's password does not hold it up.
    assert_eq!(stormd(&storm, &["passwd", "alice", "--delete"], "").0, 0);
    assert_eq!(curl(Who::Basic(&user, &password), &storm.url("/test.vo/other"), &[]).status, 200);
    let plain = format!("http://localhost:{}{PAGE}", storm.ports.plain);
    let heard = curl(Who::Nobody, &plain, &[]);
    assert!(heard.status == 401 && heard.body.contains("https only"), "{}", heard.body);
    assert!(heard.header("www-authenticate").is_none());
}

#[test]
fn forms_of_others_and_broken_ones_are_not_taken() {
    let storm = site();
    let url = storm.url(PAGE);
    let me = Who::Proxy("voms");
    let mark = format!("mark={}", mark(&curl(me, &url, &[])));
    let list = || stormd(&storm, &["app-password", "list"], "").1;
    let create = ["-d", "do=create", "-d", "name=x", "-d", "paths="];
    for forged in ["", "mark=", "mark=x"] {
        let heard = curl(me, &url, &[&create[..], &["-d", forged]].concat());
        assert!(heard.status == 403 && heard.body.contains("not of this page"), "{}", heard.body);
    }
    for (more, status) in [
        ("do=create&paths=", 400),
        ("do=create&name=x", 400),
        ("do=create&paths=&name=%00", 400),
        ("do=create&paths=&name=x&days=x", 400),
        ("do=create&paths=&name=x&days=9999999999999999999", 400),
        ("do=create&paths=&name=x&days=366", 400),
        ("do=create&name=x&paths=&paths=..", 400),
        ("do=revoke&user=app-abcdefgh", 404),
        ("do=other", 400),
        ("", 400),
    ] {
        let heard = curl(me, &url, &["-d", &mark, "-d", more]);
        assert_eq!(heard.status, status, "{more}: {}", heard.body);
    }
    // A limited proxy was made to do less.
    let limited = curl(Who::Proxy("rfc-limited"), &url, &[]);
    assert!(limited.status == 403 && limited.body.contains("limited proxy"), "{}", limited.body);
    assert_eq!(list(), "");
    let large = format!("{mark}&name={}", "x".repeat(70_000));
    let file = storm.dir().join("large");
    std::fs::write(&file, large).unwrap();
    let body = format!("@{}", file.display());
    assert_eq!(curl(me, &url, &["-d", &body]).status, 413);
}
