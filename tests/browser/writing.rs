//! What one may change from the page.

use std::io::{Read, Write};
use std::net::TcpListener;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::common::access::Access;
use crate::common::client::Tls;
use crate::common::{TestStorm, USER_DN, bytes, leftovers, snapshot, wait_until, wire};
use crate::driver::{Browser, SOON, key};
use crate::writable;

#[test]
fn files_are_uploaded_by_the_button() {
    let (storm, url, root) = writable();
    let here = storm.dir().join("home");
    let big = bytes(30_000_000, 1);
    std::fs::write(here.join("big file.bin"), &big).unwrap();
    std::fs::write(here.join("empty"), b"").unwrap();
    std::fs::write(here.join("a.txt"), b"new").unwrap();
    std::fs::write(root.join("a.txt"), b"old").unwrap();
    let browser = Browser::open(1200, 900);
    browser.go(&url);
    let path = |name: &str| here.join(name).display().to_string();
    let paths = ["big file.bin", "empty", "a.txt"].map(path).join("\n");
    browser.type_into("#files", &paths);
    // What is there already is asked for.
    browser.wait_for("dialog", "Replace “a.txt”?");
    browser.picture("overwrite");
    browser.click("#ask-no");
    browser.wait_for("#say", "2 uploaded");
    browser.wait_for("#uploads", "skipped");
    assert_eq!(std::fs::read(root.join("a.txt")).unwrap(), b"old");
    assert_eq!(std::fs::read(root.join("big file.bin")).unwrap(), big);
    assert_eq!(std::fs::read(root.join("empty")).unwrap(), b"");
    // The list shows them, and nothing was loaded anew.
    assert_eq!(browser.texts("tr.f bdi"), ["a.txt", "big file.bin", "empty"]);
    browser.picture("uploaded");
    browser.type_into("#files", &path("a.txt"));
    browser.click("#ask-yes");
    browser.wait_for("#say", "1 uploaded");
    assert_eq!(std::fs::read(root.join("a.txt")).unwrap(), b"new");
    // One answer for all.
    std::fs::write(root.join("a.txt"), b"old").unwrap();
    browser.type_into("#files", &paths);
    browser.wait_for("dialog", "The same for all others");
    browser.click("#ask-same");
    browser.click("#ask-yes");
    browser.wait_for("#say", "3 uploaded");
    assert_eq!(std::fs::read(root.join("a.txt")).unwrap(), b"new");
    assert_eq!(leftovers(&root), Vec::<String>::new());
}

#[test]
fn files_and_folders_are_dropped() {
    let (storm, url, root) = writable();
    let here = storm.dir().join("home");
    std::fs::create_dir_all(here.join("tree/ä & b/deep")).unwrap();
    std::fs::create_dir_all(here.join("tree/none")).unwrap();
    for name in ["tree/one", "tree/ä & b/two 100%.txt", "tree/ä & b/deep/three", "alone"] {
        std::fs::write(here.join(name), name).unwrap();
    }
    let browser = Browser::open(1200, 900);
    browser.go(&url);
    browser.drop_files(&[here.join("tree"), here.join("alone")]);
    browser.wait_for("#say", "4 uploaded");
    for name in ["tree/one", "tree/ä & b/two 100%.txt", "tree/ä & b/deep/three", "alone"] {
        assert_eq!(std::fs::read_to_string(root.join(name)).unwrap(), name);
    }
    assert!(root.join("tree/none").is_dir());
    // What a page makes by itself, as another program's drop does.
    let made = "const d = new DataTransfer(); d.items.add(new File(['made'], 'made.txt')); \
                for (const kind of ['dragover', 'drop']) document.body.dispatchEvent(new DragEvent(kind, \
                {dataTransfer: d, bubbles: true, cancelable: true}))";
    browser.script(made, json!([]));
    browser.wait_for("#say", "1 uploaded");
    assert_eq!(std::fs::read_to_string(root.join("made.txt")).unwrap(), "made");
    // Where it would fall is shown.
    let over = "const d = new DataTransfer(); d.items.add(new File(['x'], 'x')); document.body.dispatchEvent(\
                new DragEvent('dragover', {dataTransfer: d, bubbles: true, cancelable: true}))";
    browser.script(over, json!([]));
    browser.wait_for("#drop", "Drop files and folders");
    browser.picture("drop");
}

#[tokio::test]
async fn folders_are_made_renamed_and_deleted() {
    let (storm, url, root) = writable();
    std::fs::write(root.join("there"), b"x").unwrap();
    let browser = Browser::open(1200, 900);
    browser.go(&url);
    browser.click("#folder");
    browser.wait_for("dialog", "New folder");
    browser.press("results of 100% <b>");
    browser.picture("new-folder");
    browser.press(key::ENTER);
    browser.wait_for("#say", "Made results of 100% <b>");
    assert!(root.join("results of 100% <b>").is_dir());
    // Nothing is made of names that are none, or taken.
    for (name, why) in
        [("a/b", "no slash"), ("..", "no slash"), ("there", "is there already"), (".storm.x", "")]
    {
        browser.click("#folder");
        browser.press(name);
        browser.press(key::ENTER);
        wait_until(SOON, || browser.text("#ask-yes") == "Close");
        browser.wait_for("dialog", why);
        let told = browser.text("#ask-text");
        assert!(!told.is_empty() && !told.contains("answered"), "{name}: {told}");
        browser.press(key::ESCAPE);
    }
    assert!(!root.join("a").exists());
    std::fs::write(root.join("results of 100% <b>/in it"), b"x").unwrap();
    // Onto what is there.
    browser.click("tr.d .acts button:nth-child(1)");
    browser.press("there");
    browser.press(key::ENTER);
    browser.wait_for("dialog", "was not renamed");
    assert!(browser.text("#ask-text").contains("there"), "{}", browser.text("#ask-text"));
    // There is nothing to choose.
    assert_eq!(browser.texts("dialog button:not([hidden])"), ["Close"]);
    browser.picture("refused");
    browser.press(key::ESCAPE);
    // Somebody else holds a lock.
    let tls = wire::config(None, Tls::Any);
    let lock = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
    let locked = wire::once(&tls, storm.ports.https, "LOCK", "/open/there", lock.as_bytes());
    assert_eq!(locked.await.unwrap().status, 200);
    browser.click("tr.f .acts button:nth-child(2)");
    browser.click("#ask-yes.bad");
    browser.wait_for("dialog", "“there” was not deleted");
    assert!(browser.text("#ask-text").contains("locked"), "{}", browser.text("#ask-text"));
    browser.press(key::ESCAPE);
    browser.click("tr.d .acts button:nth-child(2)");
    browser.wait_for("dialog", "The folder goes with everything in it.");
    browser.picture("delete");
    browser.click("#ask-yes");
    browser.wait_for("#say", "Deleted results");
    assert_eq!(browser.texts("tr.d"), Vec::<String>::new());
    assert!(!root.join("results of 100% <b>").exists());
}

/// The browser brings a certificate, and the page is its owner's.
#[test]
fn who_has_a_certificate_may_write() {
    let storm = TestStorm::start();
    let url = format!("https://localhost:{}/open/", storm.ports.https);
    let nobody = Browser::open(1200, 900);
    nobody.go(&url);
    assert_eq!(nobody.text("h1"), "open");
    assert_eq!(nobody.texts("button"), Vec::<String>::new());
    let browser = Browser::of("user", 1200, 900);
    browser.go(&url);
    std::fs::write(storm.dir().join("home/mine"), b"mine").unwrap();
    browser.type_into("#files", &storm.dir().join("home/mine").display().to_string());
    browser.wait_for("#say", "1 uploaded");
    assert_eq!(std::fs::read(storm.root("open").join("mine")).unwrap(), b"mine");
    let puts = storm.access_of("the upload", |line| line.op() == "PUT");
    assert_eq!((puts[0].dn(), puts[0].get("status")), (USER_DN, "201"));
    // The door of a VO he is not in stays shut, and says why.
    browser.go(&format!("https://localhost:{}/test.vo/", storm.ports.https));
    assert!(browser.text("body").contains("/test.vo"), "{}", browser.text("body"));
    assert_eq!(browser.all("table").len(), 0);
}

/// One sees how far a slow upload is; nobody sees the file before its end.
#[test]
fn uploads_show_how_far_they_are() {
    let (storm, url, root) = writable();
    let large = bytes(8_000_000, 3);
    std::fs::write(storm.dir().join("home/large.bin"), &large).unwrap();
    let browser = Browser::open(1200, 900);
    browser.go(&url);
    let slow = json!({"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_000_000});
    browser.devtools("Network.enable", json!({}));
    browser.devtools("Network.emulateNetworkConditions", slow);
    browser.type_into("#files", &storm.dir().join("home/large.bin").display().to_string());
    let value = "return document.querySelector('progress').value";
    let mut seen = Vec::new();
    let between = wait_until(SOON, || {
        seen.push(browser.script(value, json!([])).as_f64().unwrap());
        seen.last().is_some_and(|value| (0.2..0.95).contains(value))
    });
    assert!(between, "{seen:?}");
    assert!(browser.text("#uploads li").contains(" %"), "{}", browser.text("#uploads li"));
    browser.picture("progress");
    assert!(!root.join("large.bin").exists(), "it is seen whole or not at all");
    browser.wait_for("#say", "1 uploaded");
    assert_eq!(std::fs::read(root.join("large.bin")).unwrap(), large);
}

#[test]
fn who_is_refused_reads_why() {
    let (storm, url, root) = writable();
    std::fs::write(root.join("f"), b"old").unwrap();
    std::fs::write(storm.dir().join("home/g"), b"new").unwrap();
    let browser = Browser::open(1200, 900);
    browser.go(&url);
    // The area is closed to writers while the page is open.
    let rules = "@ALL@ / RL permit\n@ALL@ / WFDMN deny\n";
    std::fs::write(storm.dir().join("path-authz.db"), rules).unwrap();
    kill(Pid::from_raw(i32::try_from(storm.pid()).unwrap()), Signal::SIGHUP).unwrap();
    assert!(wait_until(SOON, || storm.log().contains("configuration read again")));
    let why = "path authorisation denies it on /open/f (line 2 of path-authz.db)";
    browser.click("tr.f .acts button:nth-child(2)");
    browser.click("#ask-yes.bad");
    browser.wait_for("dialog", "“f” was not deleted");
    browser.wait_for("#ask-text", why);
    browser.press(key::ESCAPE);
    browser.type_into("#files", &storm.dir().join("home/g").display().to_string());
    browser.wait_for("#say", "0 uploaded, 1 failed");
    browser.wait_for("#uploads .failed", &why.replace("/f ", "/g "));
    browser.picture("refused-upload");
    // Also of a file that is never sent to its end.
    std::fs::write(storm.dir().join("home/large"), vec![0; 100_000_000]).unwrap();
    browser.type_into("#files", &storm.dir().join("home/large").display().to_string());
    browser.wait_for("#uploads .failed bdi", "large");
    browser.wait_for("#uploads .failed span", &why.replace("/f ", "/large "));
    assert_eq!(std::fs::read_to_string(root.join("f")).unwrap(), "old");
    assert!(!root.join("g").exists());
    // Who comes now is not offered what he may not do.
    browser.go(&url);
    assert_eq!(browser.texts("button"), Vec::<String>::new());
    assert_eq!(browser.texts("tr.f bdi"), ["f"]);
}

/// Certificates and passwords go along with whatever the page of another site asks for. The browser asks
/// first, where it is more than a form could do, and must hear no yes.
#[tokio::test]
async fn other_sites_change_nothing() {
    let (storm, url, root) = writable();
    std::fs::write(root.join("f"), b"old").unwrap();
    let before = snapshot(&root);
    let browser = Browser::open(800, 600);
    let site = TcpListener::bind("127.0.0.1:0").unwrap();
    let another = format!("http://localhost:{}/", site.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for mut stream in site.incoming().flatten() {
            let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 21\r\n\
                          Connection: close\r\n\r\n<h1>another site</h1>";
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    browser.go(&another);
    let ask = "const [method, url, headers] = arguments; \
               return fetch(url, {method, headers, body: method === 'POST' || method === 'PUT' ? 'evil' : null, \
               credentials: 'include'}).then(answer => answer.status, () => 'kept off')";
    let overwrite = json!({"Destination": "/open/g", "Overwrite": "T"});
    for (method, headers) in [
        ("PUT", json!({})),
        ("DELETE", json!({})),
        ("MKCOL", json!({})),
        ("PROPPATCH", json!({})),
        ("LOCK", json!({})),
        ("MOVE", overwrite.clone()),
        ("COPY", overwrite),
        ("POST", json!({"Content-Type": "text/plain"})),
    ] {
        let told = browser.script(ask, json!([method, format!("{url}f"), headers]));
        assert_eq!(told, "kept off", "{method}");
        // What it asked first.
        let line = |line: &Access| line.op() == if method == "POST" { "POST" } else { "OPTIONS" };
        storm.access_of(method, line);
    }
    // A form needs no leave: there is nothing that one could do.
    let form = "const form = document.createElement('form'); form.method = 'POST'; form.action = arguments[0]; \
                document.body.append(form); form.submit()";
    browser.script(form, json!([format!("{url}f")]));
    browser.wait_for("body", "POST is not offered here");
    assert_eq!(snapshot(&root), before);
    let tls = wire::config(None, Tls::Any);
    for method in ["PUT", "DELETE", "MOVE", "PROPFIND", "GET"] {
        let mut door = wire::Conn::tls(&tls, storm.ports.https).await.unwrap();
        let headers =
            [("Origin", "https://evil.example"), ("Access-Control-Request-Method", method)];
        let answer = door.request("OPTIONS", "/open/f", &headers, b"").await.unwrap();
        assert_eq!(answer.status, 200);
        let granted = answer.headers.iter().any(|(name, _)| name.starts_with("access-control"));
        assert!(!granted, "{:?}", answer.headers);
    }
}
