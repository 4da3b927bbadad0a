//! Bans, pools and `stormd authz explain` at a daemon that runs.

use std::time::Duration;

use super::accounts::{gridmapdir, make};
use super::common::client::{Person, Tls};
use super::common::storm::TestStorm;
use super::common::{USER_DN, USER2_DN, soap, wait_until, wire};

/// The code and text of a srmLs of `/open` by somebody.
async fn list(storm: &TestStorm, kind: &str) -> (String, String) {
    let surls = soap::surls(&[storm.surl("/open")]);
    let config = wire::config(Some(kind), Tls::Any);
    let answer = soap::once(&config, storm.ports.srm, "srmLs", &surls).await.unwrap();
    (answer.file_code().to_owned(), answer.file_explanation().to_owned())
}

/// Waits until a srmLs has this code.
async fn becomes(storm: &TestStorm, kind: &str, code: &str) -> String {
    let end = std::time::Instant::now() + Duration::from_secs(8);
    loop {
        let (found, text) = list(storm, kind).await;
        if found == code {
            return text;
        }
        assert!(std::time::Instant::now() < end, "{kind}: {found} {text}, not {code}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const OK: &str = "SRM_SUCCESS";
const BANNED: &str = "SRM_AUTHORIZATION_FAILURE";

#[tokio::test]
async fn a_ban_holds_while_its_file_is_written_emptied_or_gone() {
    let mut storm = TestStorm::start();
    std::fs::create_dir(storm.dir().join("etc")).unwrap();
    let bans = storm.dir().join("etc/ban_users.db");
    assert_eq!(list(&storm, "rfc").await.0, OK);
    // A DN as OpenSSL 3 or an old tool may have written it; the control is another person.
    std::fs::write(&bans, format!("# out\n\"{}\"\n", USER_DN.to_uppercase())).unwrap();
    let why = becomes(&storm, "rfc", BANNED).await;
    assert!(why.contains("banned at this site"), "{why}");
    assert_eq!(list(&storm, "user2").await.0, OK);
    let seen = Person::new(&storm, "rfc").run("gfal-ls", &[storm.surl("/open")]).refused();
    assert!(seen.err.contains("banned at this site"), "{seen}");
    let seen = Person::new(&storm, "rfc").curl(&[storm.url("/open/")]).ok();
    assert!(seen.out.contains("banned at this site"), "{seen}");
    for harm in ["", "\"/C=IT/O=Test", "\"/C=IT/O=Test\n", "not a name\n"] {
        std::fs::write(&bans, harm).unwrap();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(list(&storm, "rfc").await.0, BANNED, "{harm:?}");
    }
    std::fs::remove_file(&bans).unwrap();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(list(&storm, "rfc").await.0, BANNED);
    let log = storm.log();
    for told in ["is empty now", "ends within a line", "a quote is opened", "cannot be read"] {
        assert!(log.contains(told), "{told}");
    }
    // By FQAN.
    std::fs::write(&bans, "\"/test.vo/Role=*\"\n").unwrap();
    becomes(&storm, "rfc", OK).await;
    becomes(&storm, "voms", BANNED).await;
    assert_eq!(list(&storm, "voms-user2").await.0, OK);
    std::fs::write(&bans, "# nobody\n").unwrap();
    becomes(&storm, "voms", OK).await;
    // A file that does not read keeps a daemon from starting.
    std::fs::write(&bans, "not a name\n").unwrap();
    storm.kill9();
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_stormd"))
        .args(["check", "--config"])
        .arg(storm.dir().join("storm.toml"))
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stdout).contains("ban_users.db:1: error"));
}

#[tokio::test]
async fn a_pool_that_is_exhausted() {
    make();
    let mut storm = TestStorm::start();
    let etc = storm.dir().join("etc");
    gridmapdir(&etc.join("gridmapdir"), &["stpool1"]);
    let map = format!("\"{USER_DN}\" .stpool\n\"{USER2_DN}\" .stpool\n");
    std::fs::write(etc.join("grid-mapfile"), map).unwrap();
    storm.auth = "require_mapping = true".to_owned();
    storm.restart();
    assert_eq!(list(&storm, "rfc").await.0, OK);
    let lease = etc.join("gridmapdir/%2fc%3dit%2fo%3dtest%20grid%2fcn%3dtest%20user");
    assert!(lease.exists());
    let refused = "SRM_AUTHENTICATION_FAILURE";
    let (code, why) = list(&storm, "user2").await;
    assert_eq!(code, refused);
    assert!(why.contains("every account of the pool stpool is taken: ask the site"), "{why}");
    let port = storm.ports.https;
    let user2 = wire::config(Some("user2"), Tls::Any);
    let answer = wire::once(&user2, port, "GET", "/open", b"").await.unwrap();
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("is taken"), "{}", answer.text());
    // The site ends the lease.
    std::fs::remove_file(&lease).unwrap();
    becomes(&storm, "user2", OK).await;
    // A map that names somebody no more holds at once for him, and for nobody else.
    std::fs::write(etc.join("grid-mapfile"), format!("\"{USER2_DN}\" .stpool\n")).unwrap();
    let why = becomes(&storm, "rfc", refused).await;
    assert!(why.contains("names neither your DN nor your VO"), "{why}");
    assert_eq!(list(&storm, "user2").await.0, OK);
    // Half of it is none of it.
    std::fs::write(etc.join("grid-mapfile"), "").unwrap();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(list(&storm, "user2").await.0, OK);
}

#[tokio::test]
async fn a_table_in_storm_toml() {
    make();
    let mut storm = TestStorm::start();
    storm.auth = format!(
        "require_mapping = true\nmapping = \"static\"\n\
         map = {{ \"/test.vo/Role=admin\" = \"stfix\", \"{USER2_DN}\" = \"stdn1\" }}"
    );
    storm.restart();
    assert_eq!(list(&storm, "voms").await.0, OK);
    assert_eq!(list(&storm, "user2").await.0, OK);
    assert_eq!(list(&storm, "rfc").await.0, "SRM_AUTHENTICATION_FAILURE");
}

/// With `none` a grid-mapfile that is there counts for nothing.
#[tokio::test]
async fn accounts_for_nobody() {
    let mut storm = TestStorm::start();
    let etc = storm.dir().join("etc");
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(etc.join("grid-mapfile"), format!("\"{USER_DN}\" nobody\n")).unwrap();
    storm.restart();
    let who = ["--dn", USER_DN, "--op", "list", "/open"];
    let (_, text) = explain(&storm, &who);
    assert!(text.contains("local account: nobody, uid"), "{text}");
    storm.auth = "mapping = \"none\"".to_owned();
    storm.restart();
    let (code, text) = explain(&storm, &who);
    assert!(text.contains("local account: none: this site gives nobody a local account"), "{text}");
    assert_eq!((code, list(&storm, "rfc").await.0.as_str()), (Some(0), OK));
}

/// `stormd authz explain`: exit code and text.
fn explain(storm: &TestStorm, arguments: &[&str]) -> (Option<i32>, String) {
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_stormd"))
        .args(["authz", "explain", "--config"])
        .arg(storm.dir().join("storm.toml"))
        .args(arguments)
        .output()
        .unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_decision_is_explained() {
    make();
    let mut storm = TestStorm::start();
    let etc = storm.dir().join("etc");
    gridmapdir(&etc.join("gridmapdir"), &["stpool1", "stpool2"]);
    std::fs::write(etc.join("grid-mapfile"), "\"/test.vo*\" .stpool\n").unwrap();
    std::fs::write(etc.join("groupmapfile"), "\"/test.vo\" stvo\n").unwrap();
    std::fs::write(etc.join("ban_users.db"), format!("\n{USER2_DN}\n")).unwrap();
    let rules = "@ALL@ / RL permit\n# more\nstvo /test.vo WRFDLMN permit\n@ALL@ /open/x W deny\n";
    std::fs::write(storm.dir().join("path-authz.db"), rules).unwrap();
    storm.restart();
    let said = |arguments: &[&str], code: i32, words: &[&str]| {
        let (found, text) = explain(&storm, arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {text}");
        for word in words {
            assert!(text.contains(word), "{arguments:?}: no {word:?} in {text}");
        }
    };
    let surl = storm.surl("/test.vo/f");
    let put = ["--dn", USER_DN, "--fqan", "/test.vo", "--op", "srmPrepareToPut"];
    said(
        &[&put[..], &["/test.vo/f"]].concat(),
        0,
        &[
            "neither the DN nor an FQAN is banned",
            "etc/grid-mapfile:1: \"/test.vo*\" gives an account of the pool .stpool",
            "etc/groupmapfile:1: \"/test.vo\" gives the group stvo",
            "stpool1 would be leased, as %2fc%3dit%2fo%3dtest%20grid%2fcn%3dtest%20user:stvo",
            "TESTVO-rule opens the area",
            "path-authz.db:3: the entry of /test.vo permits WN",
            "\npermitted\n",
        ],
    );
    assert!(!etc.join("gridmapdir/%2fc%3dit%2fo%3dtest%20grid%2fcn%3dtest%20user:stvo").exists());
    said(&[&put[..2], &put[4..], &[surl.as_str()]].concat(), 1, &["may not approach", "denied: "]);
    said(
        &["--dn", USER_DN, "--op", "PUT", "/open/x/f"],
        1,
        &["path-authz.db:4: the entry of /open/x denies W", "local account: none:"],
    );
    said(
        &["--dn", USER2_DN, "--fqan", "/test.vo", "--op", "GET", "/open/f"],
        1,
        &["etc/ban_users.db:2: ", "denied: SRM_AUTHORIZATION_FAILURE: you, or a group"],
    );
    said(&["--op", "GET", "/open/f"], 0, &["open to anonymous clients"]);
    said(&["--op", "DELETE", "/open/f"], 1, &["closed to anonymous clients"]);
    said(&["--op", "list", "/nowhere"], 1, &["lies in no storage area"]);
    said(&["--op", "chmod", "/open/f"], 2, &["unknown operation"]);
    // What it says is what the daemon does.
    let voms = wire::config(Some("voms"), Tls::Any);
    let answer = wire::once(&voms, storm.ports.https, "PUT", "/test.vo/f", b"x").await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let answer = wire::once(&voms, storm.ports.https, "PUT", "/open/f", b"x").await.unwrap();
    assert_eq!(answer.status, 403);
    assert!(wait_until(Duration::from_secs(1), || {
        etc.join("gridmapdir/%2fc%3dit%2fo%3dtest%20grid%2fcn%3dtest%20user:stvo").exists()
    }));
}
