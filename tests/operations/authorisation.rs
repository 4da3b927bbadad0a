//! Who may do what: approachable rules, path authorisation, the areas' own rules, anonymous people.

use super::common::client::Tls;
use super::common::scene::Scene;
use super::common::storm::{Area, TestStorm};
use super::common::{USER_DN, USER2_DN, bytes, snapshot, soap, wire};
use super::{children, details, list, mkdir, mv, plain, rm, rmdir};

fn area(name: &'static str, stfn: &'static str) -> Area {
    Area { name, stfn, vo: None, anonymous: true, root: None }
}

/// Replaces something in the file and starts the daemon with it.
fn edit(storm: &mut TestStorm, change: impl Fn(String) -> String) {
    let path = storm.dir().join("namespace.xml");
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text, "nothing to replace");
    std::fs::write(path, changed).unwrap();
    storm.restart();
}

/// The `<filesystem>` of an area, changed.
fn in_area(text: &str, name: &str, from: &str, to: &str) -> String {
    let start = text.find(&format!("<filesystem name=\"{name}\"")).unwrap();
    let end = start + text[start..].find("</filesystem>").unwrap();
    format!("{}{}{}", &text[..start], text[start..end].replace(from, to), &text[end..])
}

#[tokio::test]
async fn rules_that_open_areas() {
    let mut scene = Scene::with("", vec![area("MINE", "mine")], |storm| {
        std::fs::write(storm.root("mine").join("file"), "mine").unwrap();
    });
    let subjects = format!("<app-rule name=\"MINE-rule\"><subjects><dn>{USER_DN}</dn>");
    edit(&mut scene.storm, |text| {
        let rule = "<app-rule name=\"MINE-rule\"><subjects><dn>*</dn>";
        text.replace(rule, &subjects)
    });
    let port = scene.storm.ports.srm;
    let codes = async |who: Option<&str>| {
        let config = wire::config(who, Tls::Any);
        let mut codes = Vec::new();
        for path in ["/mine", "/test.vo/dir", "/open", "/closed"] {
            let surls = soap::surls(&[scene.storm.surl(path)]);
            let answer = soap::once(&config, port, "srmLs", &surls).await.unwrap();
            codes.push(answer.file_code().trim_start_matches("SRM_").to_owned());
        }
        codes.join(" ")
    };
    let no = "AUTHORIZATION_FAILURE";
    assert_eq!(codes(Some("voms")).await, format!("SUCCESS SUCCESS SUCCESS {no}"));
    assert_eq!(codes(Some("voms-user2")).await, format!("{no} SUCCESS SUCCESS {no}"), "{USER2_DN}");
    assert_eq!(codes(Some("rfc")).await, format!("SUCCESS {no} SUCCESS {no}"));
}

#[tokio::test]
async fn path_authorisation() {
    let mut scene = Scene::with("", Vec::new(), |storm| {
        let root = storm.root("test.vo");
        for directory in ["ro", "t/kept", "t/secret", "drop"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        for file in ["ro/f", "t/kept/f", "t/secret/f", "drop/f"] {
            std::fs::write(root.join(file), "x").unwrap();
        }
    });
    let rules = "algorithm=it.grid.storm.authz.path.model.PathAuthzAlgBestMatch\n\
                 @ALL@ / WRFDLMN permit\n\
                 @ALL@ /test.vo/ro WFDMN deny\n\
                 @ALL@ /test.vo/t/kept D deny\n\
                 @ALL@ /test.vo/t/secret L deny\n\
                 @ALL@ /test.vo/drop D deny\n";
    std::fs::write(scene.storm.dir().join("path-authz.db"), rules).unwrap();
    scene.storm.restart();
    let no = "SRM_AUTHORIZATION_FAILURE";
    list(&scene, "/test.vo/ro/f", "").await.expect("SRM_SUCCESS");
    assert_eq!(scene.http("GET", "/test.vo/ro/f", b"").await.0, 200);
    for answer in [
        mkdir(&scene, "/test.vo/ro/d").await,
        rmdir(&scene, "/test.vo/ro", true).await,
        rm(&scene, &["/test.vo/ro/f"]).await,
        mv(&scene, "/test.vo/ro/f", "/test.vo/f").await,
        mv(&scene, "/test.vo/dir/file", "/test.vo/ro/g").await,
        mv(&scene, "/test.vo/dir/file", "/test.vo/ro").await,
        // The dots are resolved before the rules are asked.
        mkdir(&scene, "/test.vo/dir/../ro/d").await,
        mkdir(&scene, "/test.vo/dir/%2e%2e/ro/d").await,
        mkdir(&scene, "/test.vo//ro///d").await,
        // Not below a directory that keeps its files either.
        rmdir(&scene, "/test.vo/t", true).await,
        mv(&scene, "/test.vo/t", "/test.vo/u").await,
    ] {
        assert_eq!(answer.code, no, "{}", answer.xml);
    }
    let put = soap::prepare_to_put(&[scene.storm.surl("/test.vo/ro/new")], None);
    scene.srm("srmPrepareToPut", &put).await.expect(no);
    for (method, path) in [
        ("PUT", "/test.vo/ro/new"),
        ("PUT", "/test.vo/ro/f"),
        ("DELETE", "/test.vo/ro/f"),
        ("MKCOL", "/test.vo/ro/d"),
        // No right to delete: no right to replace.
        ("PUT", "/test.vo/drop/f"),
        ("DELETE", "/test.vo/drop/f"),
        ("PROPFIND", "/test.vo/t/secret"),
    ] {
        let answer = scene.https(method, path, &[("depth", "1")], b"").await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
    }
    // What may not be listed is not listed from above either.
    let all = "<allLevelRecursive>true</allLevelRecursive>";
    let answer = list(&scene, "/test.vo/t", all).await;
    assert_eq!(answer.code, "SRM_PARTIAL_SUCCESS");
    let told = children(&answer, "/test.vo/t");
    assert_eq!(told, ["kept", "kept/f", &format!("secret:{no}")]);
    scene.before.remove("test.vo/t/secret/f");
    let mut after = snapshot(&scene.storm.dir().join("areas"));
    after.remove("test.vo/t/secret/f");
    assert_eq!(after, scene.before);
    assert_eq!(scene.http("PUT", "/test.vo/drop/new", b"new").await.0, 201);
}

#[tokio::test]
async fn areas_with_rules_of_their_own() {
    let areas = vec![area("SHUT", "shut"), area("DB", "db")];
    let mut scene = Scene::with("", areas, |storm| {
        for name in ["shut", "db"] {
            std::fs::write(storm.root(name).join("f"), "x").unwrap();
        }
    });
    let acl =
        format!("ace.1=dn:{USER_DN}:RWC:ALLOW\nace.2=EVERYONE:R:ALLOW\nace.3=EVERYONE:WC:DENY\n");
    std::fs::write(scene.storm.dir().join("db.authz"), acl).unwrap();
    edit(&mut scene.storm, |text| {
        let text = in_area(&text, "SHUT", "permit-all", "deny-all");
        in_area(&text, "DB", "<fixed>permit-all</fixed>", "<authz-db>db.authz</authz-db>")
    });
    list(&scene, "/shut/f", "").await.expect("SRM_AUTHORIZATION_FAILURE");
    rm(&scene, &["/shut/f"]).await.expect("SRM_AUTHORIZATION_FAILURE");
    assert_eq!(scene.http("GET", "/shut/f", b"").await.0, 403);
    assert_eq!(plain(&scene, "GET", "/shut/f", b"").await.status, 401);
    list(&scene, "/db/f", "").await.expect("SRM_SUCCESS");
    assert_eq!(scene.http("PUT", "/db/g", b"g").await.0, 201);
    let other = wire::config(Some("voms-user2"), Tls::Any);
    let (srm, port) = (scene.storm.ports.srm, scene.storm.ports.https);
    let surls = soap::surls(&[scene.storm.surl("/db/f")]);
    soap::once(&other, srm, "srmLs", &surls).await.unwrap().expect("SRM_SUCCESS");
    let refused = soap::once(&other, srm, "srmRm", &surls).await.unwrap();
    assert_eq!(refused.code, "SRM_AUTHORIZATION_FAILURE", "{}", refused.xml);
    for (method, status) in [("PROPFIND", 207), ("GET", 403), ("PUT", 403), ("DELETE", 403)] {
        let mut conn = wire::Conn::tls(&other, port).await.unwrap();
        let answer = conn.request(method, "/db/f", &[("depth", "0")], b"").await.unwrap();
        assert_eq!(answer.status, status, "{method}: {}", answer.text());
    }
    assert_eq!(std::fs::read(scene.storm.root("db").join("f")).unwrap(), b"x");
}

#[tokio::test]
async fn anonymous_people_read_where_it_is_open() {
    let scene = Scene::new();
    for (method, path, status) in [
        ("GET", "/open/file", 200),
        ("HEAD", "/open/file", 200),
        ("PROPFIND", "/open/", 207),
        ("GET", "/test.vo/dir/file", 401),
        ("GET", "/closed/", 401),
        ("PUT", "/open/new", 401),
        ("PUT", "/open/file", 401),
        ("DELETE", "/open/file", 401),
        ("MKCOL", "/open/new", 401),
        ("GET", "/fileTransfer/open/file", 401),
        ("GET", "/open/../test.vo/dir/file", 400),
        ("GET", "/open/%2e%2e/test.vo/dir/file", 400),
    ] {
        let answer = plain(&scene, method, path, b"").await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    let top = plain(&scene, "PROPFIND", "/", b"").await.text();
    assert!(top.contains("/open") && !top.contains("test.vo"), "{top}");
    scene.unchanged();
}

#[tokio::test]
async fn an_area_whose_root_lies_in_another() {
    let mut scene = Scene::with("", vec![area("TAPE", "tape")], |storm| {
        std::fs::create_dir_all(storm.root("test.vo").join("d/tape")).unwrap();
    });
    let root = scene.storm.root("test.vo").join("d/tape");
    std::fs::write(root.join("f"), bytes(10, 1)).unwrap();
    edit(&mut scene.storm, |text| {
        let old = scene_root(&text, "TAPE");
        in_area(&text, "TAPE", &old, &format!("<root>{}</root>", root.display()))
    });
    list(&scene, "/tape/f", "").await.expect("SRM_SUCCESS");
    let no = "SRM_AUTHORIZATION_FAILURE";
    list(&scene, "/test.vo/d/tape/f", "").await.expect(no);
    let listed = list(&scene, "/test.vo/d", "<allLevelRecursive>true</allLevelRecursive>").await;
    assert_eq!(children(&listed, "/test.vo/d"), [format!("tape:{no}")]);
    assert_eq!(details(&listed).len(), 2);
    for answer in [
        mkdir(&scene, "/test.vo/d/tape/x").await,
        rm(&scene, &["/test.vo/d/tape/f"]).await,
        rmdir(&scene, "/test.vo/d/tape", true).await,
        rmdir(&scene, "/test.vo/d", true).await,
        mv(&scene, "/test.vo/d/tape/f", "/test.vo/f").await,
        mv(&scene, "/test.vo/dir/file", "/test.vo/d/tape/x").await,
        // The root itself stays where it is.
        mv(&scene, "/test.vo/d/tape", "/test.vo/x").await,
        mv(&scene, "/test.vo/d", "/test.vo/x").await,
    ] {
        assert_eq!(answer.code, no, "{}", answer.xml);
    }
    std::fs::remove_file(root.join("f")).unwrap();
    assert_eq!(rmdir(&scene, "/test.vo/d/tape", false).await.code, no);
    assert_eq!(scene.http("DELETE", "/test.vo/d/tape", b"").await.0, 403);
    assert!(root.is_dir());
    // Where its access point is in the listed path, it is shown as what it is.
    edit(&mut scene.storm, |text| text.replace("<stfn-root>/tape<", "<stfn-root>/test.vo/d/tape<"));
    let listed = list(&scene, "/test.vo/d", "").await.expect("SRM_SUCCESS");
    assert_eq!(children(&listed, "/test.vo/d"), ["tape"]);
}

fn scene_root(text: &str, name: &str) -> String {
    let start = text.find(&format!("<filesystem name=\"{name}\"")).unwrap();
    let root = text[start..].find("<root>").unwrap() + start;
    let end = text[root..].find("</root>").unwrap() + root + "</root>".len();
    text[root..end].to_owned()
}
