//! Paths and rights of app passwords, over every method: beyond them an app password is nothing, whatever
//! its maker may do.

use std::path::Path;

use super::*;

/// What there is to do: method, path, further arguments of curl, and whether it writes. `{}` is a directory,
/// and `URL` the address of the server.
const DEEDS: &[(&str, &str, &[&str], bool)] = &[
    ("GET", "{}/f", &[], false),
    ("HEAD", "{}/f", &["-I"], false),
    ("GET", "{}/", &[], false),
    ("PROPFIND", "{}", &["-H", "Depth: 0"], false),
    ("PROPFIND", "{}", &["-H", "Depth: 1"], false),
    ("PROPFIND", "{}", &["-H", "Depth: infinity"], false),
    ("PUT", "{}/f", &["-d", "new"], true),
    ("PUT", "{}/new", &["-d", "new"], true),
    ("PUT", "{}/f", &["-d", "n", "-H", "Content-Range: bytes 0-0/*"], true),
    (
        "PATCH",
        "{}/f",
        &[
            "-d",
            "n",
            "-H",
            "Content-Type: application/x-sabredav-partialupdate",
            "-H",
            "X-Update-Range: bytes=0-0",
        ],
        true,
    ),
    ("MKCOL", "{}/made", &[], true),
    ("COPY", "{}/f", &["-H", "Destination: URL{}/copy"], true),
    ("MOVE", "{}/copy", &["-H", "Destination: URL{}/moved"], true),
    (
        "PROPPATCH",
        "{}/f",
        &[
            "-d",
            "<propertyupdate xmlns='DAV:'><set><prop><x xmlns='u:'>1</x></prop></set></propertyupdate>",
        ],
        true,
    ),
    (
        "LOCK",
        "{}/f",
        &[
            "-d",
            "<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>",
        ],
        true,
    ),
    (
        "LOCK",
        "{}/locked",
        &[
            "-d",
            "<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>",
        ],
        true,
    ),
    ("DELETE", "{}/moved", &[], true),
    ("DELETE", "{}/made", &[], true),
];

fn deed(storm: &TestStorm, who: Who<'_>, at: usize, directory: &str) -> u16 {
    let (method, path, more, _) = DEEDS[at];
    let base = storm.url("");
    let fill = |text: &str| text.replace("{}", directory).replace("URL", &base);
    let more: Vec<String> = more.iter().map(|text| fill(text)).collect();
    let mut arguments: Vec<&str> = more.iter().map(String::as_str).collect();
    if method != "HEAD" {
        arguments.extend(["-X", method]);
    }
    curl(who, &storm.url(&fill(path)), &arguments).status
}

#[test]
fn every_method_keeps_to_paths_and_rights() {
    let storm = site();
    let (reader, read) = app_password(&storm, &["--path", "/test.vo/mine"]);
    let (writer, write) = app_password(&storm, &["--path", "/test.vo/mine/", "--write"]);
    let (reader, writer) = (Who::Basic(&reader, &read), Who::Basic(&writer, &write));
    let before = common::snapshot(&storm.root("test.vo"));
    for (at, (method, path, _, writes)) in DEEDS.iter().enumerate() {
        let expected = if *writes { 403 } else { 200 };
        let got = deed(&storm, reader, at, "/test.vo/mine");
        assert!(got == expected || (!writes && got == 207), "{method} {path}: {got}");
        // A path whose name goes on is another one; and other areas, and their roots.
        for directory in ["/test.vo/mine2", "/webdav/test.vo/mine2", "/open", "/test.vo/mine%32"] {
            for who in [reader, writer] {
                let got = deed(&storm, who, at, directory);
                assert_eq!(got, 403, "{method} {path} in {directory}");
            }
        }
    }
    assert_eq!(common::snapshot(&storm.root("test.vo")), before);
    for (at, (method, path, ..)) in DEEDS.iter().enumerate() {
        let got = deed(&storm, writer, at, "/webdav/test.vo/mine");
        assert!((200..300).contains(&got), "{method} {path}: {got}");
    }
}

#[test]
fn nothing_leaves_or_enters_by_a_destination() {
    let storm = site();
    let (user, password) = app_password(&storm, &["--path", "/test.vo/mine", "--write"]);
    let app = Who::Basic(&user, &password);
    let before = common::snapshot(&storm.root("test.vo"));
    for method in ["COPY", "MOVE"] {
        for (from, to) in [
            ("/test.vo/mine/f", "/test.vo/taken"),
            ("/test.vo/mine/below", "/test.vo/mine2/below"),
            ("/test.vo/mine", "/open/mine"),
            ("/test.vo/other", "/test.vo/mine/other"),
            ("/test.vo/mine2", "/test.vo/mine/taken"),
            ("/test.vo/mine/f", "/fileTransfer/test.vo/mine2/f"),
        ] {
            let to = format!("Destination: {}", storm.url(to));
            let got = curl(app, &storm.url(from), &["-X", method, "-H", &to]).status;
            assert!(matches!(got, 403 | 405), "{method} {from} {to}: {got}");
        }
        // Up out of it is no path at all.
        let to = format!("Destination: {}", storm.url("/test.vo/mine/../taken"));
        let url = storm.url("/test.vo/mine/f");
        assert_eq!(curl(app, &url, &["-X", method, "-H", &to]).status, 400);
    }
    let up = ["--path-as-is"];
    for path in ["/test.vo/mine/../other", "/test.vo/mine/%2e%2e/other", "/test.vo/mine/..%2fother"]
    {
        assert_eq!(curl(app, &storm.url(path), &up).status, 400, "{path}");
    }
    assert_eq!(common::snapshot(&storm.root("test.vo")), before);
}

#[test]
fn the_way_there_shows_nothing_beside_it() {
    let storm = site();
    let (user, password) =
        app_password(&storm, &["--path", "/test.vo/mine/below", "--path", "/test.vo/mine2"]);
    let app = Who::Basic(&user, &password);
    let list = |path: &str| {
        let heard = curl(app, &storm.url(path), &["-X", "PROPFIND", "-H", "Depth: 1"]);
        assert_eq!(heard.status, 207, "{path}: {}", heard.body);
        let hrefs = heard.body.split("<d:href>").skip(1);
        let mut found: Vec<_> =
            hrefs.map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
        found.sort();
        found.join(" ")
    };
    assert_eq!(list("/"), "/ /test.vo/");
    assert_eq!(list("/test.vo"), "/test.vo/ /test.vo/mine/ /test.vo/mine2/");
    assert_eq!(list("/test.vo/mine/"), "/test.vo/mine/ /test.vo/mine/below/");
    assert_eq!(list("/test.vo/mine2"), "/test.vo/mine2/ /test.vo/mine2/f");
    let page = curl(app, &storm.url("/test.vo/"), &[]);
    assert!(page.status == 200 && !page.body.contains("other"), "{}", page.body);
    for path in ["/test.vo/other", "/test.vo/mine/f", "/open", "/closed"] {
        assert_eq!(curl(app, &storm.url(path), &[]).status, 403, "{path}");
    }
}

#[tokio::test]
async fn the_makers_turls_and_locks_are_not_for_it() {
    let scene = common::scene::Scene::new();
    let storm = &scene.storm;
    let (user, password) = app_password(storm, &["--path", "/test.vo/dir", "--write"]);
    let (reader, read) = app_password(storm, &[]);
    let (_, token, _, turl) = scene.put("new", None).await;
    let app = Who::Basic(&user, &password);
    for method in ["PUT", "GET", "DELETE"] {
        let got = curl(app, &storm.url(&turl), &["-X", method, "-d", "x"]).status;
        assert_eq!(got, 403, "{method} {turl}");
    }
    assert_eq!(
        curl(Who::Basic(&reader, &read), &storm.url(&turl), &["-X", "PUT", "-d", "x"]).status,
        403
    );
    // A lock of the maker's: who may read only does not open it.
    let url = storm.url("/test.vo/dir/file");
    let info = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
    let lock = curl(Who::Proxy("voms"), &url, &["-X", "LOCK", "-d", info]);
    let opened = format!("Lock-Token: {}", lock.header("lock-token").unwrap());
    let unlock = ["-X", "UNLOCK", "-H", &opened];
    assert_eq!(curl(Who::Basic(&reader, &read), &url, &unlock).status, 403);
    assert_eq!(curl(app, &url, &unlock).status, 204, "its maker's, where it may write");
    scene.abort(&token).await;
    scene.unchanged();
    assert!(Path::new(&storm.root("test.vo").join("dir/file")).exists());
}
