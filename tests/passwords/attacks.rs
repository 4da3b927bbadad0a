//! What somebody who has little does to get more, and to get in others' way.

use std::os::unix::fs::PermissionsExt;

use super::page::{PAGE, mark};
use super::*;

const LOCK: &str = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";

#[test]
fn a_lock_that_begins_above_its_paths_is_not_for_it() {
    let storm = site();
    let (user, password) = app_password(&storm, &["--path", "/test.vo/mine/below", "--write"]);
    let (app, maker) = (Who::Basic(&user, &password), Who::Proxy("voms"));
    let above = storm.url("/test.vo/mine");
    let lock = |who, url: &str| {
        let heard = curl(who, url, &["-X", "LOCK", "-d", LOCK]);
        assert_eq!(heard.status, 200, "{url}: {}", heard.body);
        heard.header("lock-token").unwrap().to_owned()
    };
    let refresh = |who, url: &str, token: &str| {
        let condition = format!("If: ({token})");
        curl(who, url, &["-X", "LOCK", "-H", &condition, "-H", "Timeout: Second-1"]).status
    };
    let unlock = |who, url: &str, token: &str| {
        curl(who, url, &["-X", "UNLOCK", "-H", &format!("Lock-Token: {token}")]).status
    };
    // PROPFIND tells its token below too.
    let token = lock(maker, &above);
    let below = storm.url("/test.vo/mine/below");
    assert_eq!(refresh(app, &below, &token), 403);
    assert_eq!(unlock(app, &below, &token), 403);
    assert_eq!(curl(maker, &format!("{above}/f"), &["-X", "PUT", "-d", "x"]).status, 423);
    assert_eq!(unlock(maker, &below, &token), 204, "its maker may, from below too");
    // Its own paths are.
    let token = lock(maker, &below);
    assert_eq!((refresh(app, &below, &token), unlock(app, &below, &token)), (200, 204));
}
#[test]
fn another_sites_page_is_answered_but_changes_nothing() {
    let storm = site();
    let url = storm.url("/test.vo/mine/f");
    let me = Who::Proxy("voms");
    let origin = ["-H", "Origin: https://evil.example", "-H", "Sec-Fetch-Site: cross-site"];
    let before = common::snapshot(&storm.root("test.vo"));
    // What a browser sends without asking first: POST. Here it means nothing.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let kind = format!("Content-Type: {kind}");
        let more = ["-X", "POST", "-d", "x", "-H", &kind, "-H", "X-HTTP-Method-Override: DELETE"];
        assert_eq!(curl(me, &url, &[&origin[..], &more].concat()).status, 405);
    }
    // For all else it asks, and hears no leave.
    for method in ["PUT", "DELETE", "MOVE", "PROPPATCH"] {
        let wanted = format!("Access-Control-Request-Method: {method}");
        let asked = curl(me, &url, &[&origin[..], &["-X", "OPTIONS", "-H", &wanted]].concat());
        assert!(!asked.head.contains("access-control-"), "{}", asked.head);
    }
    assert_eq!(common::snapshot(&storm.root("test.vo")), before);
}

#[test]
fn a_condition_on_what_it_may_not_see_does_not_hold() {
    let storm = site();
    let (user, password) = app_password(&storm, &["--path", "/test.vo/mine", "--write"]);
    let app = Who::Basic(&user, &password);
    let url = storm.url("/test.vo/mine/f");
    let put = |condition: &str| {
        let condition = format!("If: <{}> ({condition})", storm.url("/test.vo/other"));
        curl(app, &url, &["-X", "PUT", "-d", "new", "-H", &condition]).status
    };
    let before = common::snapshot(&storm.root("test.vo"));
    let other = curl(Who::Proxy("voms"), &storm.url("/test.vo/other"), &[]);
    let tag = format!("[{}]", other.header("etag").unwrap());
    // What is there, what is not, and their opposites: all the same.
    for condition in [&tag, "[\"x\"]", &format!("Not {tag}"), "Not [\"x\"]", "Not <urn:x>"] {
        assert_eq!(put(condition), 412, "{condition}");
    }
    assert_eq!(common::snapshot(&storm.root("test.vo")), before);
}

#[test]
fn who_was_put_into_an_open_file_is_not_vouched_for() {
    let storm = site();
    let file = storm.dir().join("users.db");
    let mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    passwd(&storm, &["alice"], CHOSEN);
    mode(0o666);
    let text = std::fs::read_to_string(&file).unwrap();
    let eve = text.lines().last().unwrap().replace("alice", "eve");
    std::fs::write(&file, format!("{text}{eve}\n")).unwrap();
    let (code, _, why) = stormd(&storm, &["passwd", "bob", "--stdin"], "long enough\n");
    assert!(code == 1 && why.contains("look who is in it"), "{code}: {why}");
    let eve = Who::Basic("eve", CHOSEN);
    assert_eq!(curl(eve, &storm.url("/test.vo/"), &[]).status, 401);
    // Once the site has looked.
    mode(0o600);
    assert_eq!(stormd(&storm, &["passwd", "eve", "--delete"], "").0, 0);
    passwd(&storm, &["bob"], CHOSEN);
    assert_eq!(curl(eve, &storm.url("/test.vo/"), &[]).status, 401);
}

#[test]
fn many_made_at_once_cost_little_and_are_no_more_than_allowed() {
    let storm = site();
    let url = storm.url(PAGE);
    let me = Who::Proxy("voms");
    let mark = format!("mark={}", mark(&curl(me, &url, &[])));
    let create =
        || curl(me, &url, &["-d", "do=create", "-d", &mark, "-d", "name=x", "-d", "paths="]).status;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let made: Vec<_> = (0..80).map(|_| scope.spawn(create)).collect();
        made.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count(200), count(400)), (50, 30), "{statuses:?}");
    assert_eq!(stormd(&storm, &["app-password", "list"], "").1.lines().count(), 50);
    // Nor do guesses.
    std::thread::scope(|scope| {
        for n in 0..30 {
            let (url, user) = (storm.url("/test.vo/other"), format!("user{n}"));
            scope.spawn(move || curl(Who::Basic(&user, CHOSEN), &url, &[]).status);
        }
    });
    // 19 MiB each: all at once would be a GiB and a half.
    let about = std::fs::read_to_string(format!("/proc/{}/status", storm.pid())).unwrap();
    let peak = about.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 200 << 10, "{peak} KiB");
}
