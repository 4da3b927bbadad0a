//! What one can see and reach, with and without JavaScript, by mouse and by keyboard.

use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::common::{TestStorm, bytes, wait_until};
use crate::driver::{Browser, SOON, key};
use crate::writable;

/// Names in the table, in their order.
fn names(browser: &Browser) -> Vec<String> {
    browser.texts("#list tbody tr:not(.up) bdi")
}

fn open(storm: &TestStorm) -> String {
    format!("https://localhost:{}/open/", storm.ports.https)
}

/// Directories and files of different sizes and ages.
fn fill(storm: &TestStorm) {
    let root = storm.root("open");
    for name in ["run-2025", "run-2026", "Ünïcode & more"] {
        std::fs::create_dir_all(root.join(name).join("below")).unwrap();
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000);
    for (n, (name, size)) in [
        ("events.root", 3_500_000),
        ("README.md", 1200),
        ("calibration.tar.gz", 48_000),
        ("empty", 0),
        ("notes from the shift of 12 October with a rather long name.txt", 9000),
    ]
    .into_iter()
    .enumerate()
    {
        let path = root.join(name);
        std::fs::write(&path, bytes(size, n as u64)).unwrap();
        let days = Duration::from_secs(86_400 * n as u64 + 3600 * n as u64);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(now + days).unwrap();
    }
}

#[test]
fn lists_are_sorted_by_their_heads() {
    let storm = TestStorm::start();
    fill(&storm);
    let browser = Browser::open(1200, 900);
    browser.go(&open(&storm));
    let folders = ["run-2025", "run-2026", "Ünïcode & more"];
    let files = |page: &Browser| names(page).split_off(3);
    assert_eq!(names(&browser)[..3], folders);
    let long = "notes from the shift of 12 October with a rather long name.txt";
    let by_name = ["README.md", "calibration.tar.gz", "empty", "events.root", long];
    assert_eq!(files(&browser), by_name);
    // Nobody may write here.
    assert!(browser.all("button").is_empty() && browser.all("script").is_empty());
    // Over HTTP/2 too the page knows how it was called.
    browser.click("summary");
    browser
        .wait_for("details pre", &format!("gfal-ls davs://localhost:{}/open/", storm.ports.https));
    browser.click("summary");
    browser.picture("list-light");
    browser.click("thead th:nth-child(1) a");
    assert_eq!(names(&browser)[..3], ["Ünïcode & more", "run-2026", "run-2025"]);
    assert_eq!(files(&browser), by_name.iter().rev().copied().collect::<Vec<_>>());
    browser.click("thead th:nth-child(2) a");
    assert_eq!(files(&browser), ["events.root", "calibration.tar.gz", long, "README.md", "empty"]);
    assert_eq!(names(&browser)[..3], folders);
    assert_eq!(browser.texts("th[aria-sort=descending] a"), ["Size"]);
    browser.click("thead th:nth-child(2) a");
    assert_eq!(files(&browser)[0], "empty");
    browser.click("thead th:nth-child(3) a");
    let youngest = [long, "empty", "calibration.tar.gz", "README.md", "events.root"];
    assert_eq!(files(&browser), youngest);
    // What is rounded has the whole in its title.
    let title = |css: &str| {
        browser.script("return document.querySelector(arguments[0]).title", json!([css]))
    };
    assert_eq!(title("tr.f time"), "2025-10-13 12:53:20 UTC");
    assert_eq!(title("tr.f data"), "9,000 bytes");
    browser.dark(true);
    browser.picture("list-dark");
    browser.dark(false);
    browser.devtools(
        "Emulation.setDeviceMetricsOverride",
        json!({"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true}),
    );
    browser.go(&open(&storm));
    browser.picture("list-narrow");
    let wide = "return document.documentElement.scrollWidth";
    assert_eq!(browser.script(wide, json!([])), 360, "nothing sticks out");
    browser.devtools("Emulation.clearDeviceMetricsOverride", json!({}));
    // Down and up again.
    browser.go(&open(&storm));
    browser.click("tr.d:nth-child(4) a");
    assert!(
        browser.address().ends_with("/open/%C3%9Cn%C3%AFcode%20%26%20more/"),
        "{}",
        browser.address()
    );
    assert_eq!(browser.text("h1"), "Ünïcode & more");
    assert_eq!(names(&browser), ["below"]);
    assert_eq!(browser.texts("nav li"), ["Storage", "open", "Ünïcode & more"]);
    browser.click("nav li:nth-child(2) a");
    assert_eq!(browser.address(), open(&storm));
    browser.click("nav li:nth-child(1) a");
    assert_eq!(names(&browser), ["open"]);
    browser.picture("top");
}

#[test]
fn large_directories_are_turned_page_by_page() {
    let storm = TestStorm::start();
    let root = storm.root("open");
    for n in 0..12_345 {
        std::fs::File::create(root.join(format!("f{n:05}"))).unwrap();
    }
    let browser = Browser::open(1200, 900);
    // Pages are turned without JavaScript.
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.go(&open(&storm));
    let first = || browser.text("#list tr.f bdi");
    let span = || browser.text(".pages .note");
    for (link, told, name) in [
        ("", "1–1,000 of 12,345", "f00000"),
        ("Next", "1,001–2,000 of 12,345", "f01000"),
        ("Next", "2,001–3,000 of 12,345", "f02000"),
        ("Previous", "1,001–2,000 of 12,345", "f01000"),
        ("Last", "11,346–12,345 of 12,345", "f11345"),
        ("Previous", "10,346–11,345 of 12,345", "f10345"),
        ("First", "1–1,000 of 12,345", "f00000"),
    ] {
        let place = ["First", "Previous", "Next", "Last"].iter().position(|word| *word == link);
        if let Some(place) = place {
            // The words between the links are the third.
            let child = if place > 1 { place + 2 } else { place + 1 };
            browser.click(&format!(".pages > :nth-child({child})"));
        }
        assert_eq!((span(), first()), (told.to_owned(), name.to_owned()), "{link}");
    }
    // The first page is full, from wherever one comes.
    browser.go(&format!("{}?before=f.0.f00500", open(&storm)));
    assert_eq!((span(), first()), ("1–1,000 of 12,345".to_owned(), "f00000".to_owned()));
    browser.click("thead th:nth-child(1) a");
    assert_eq!(first(), "f12344");
    browser.picture("pages");
}

#[test]
fn all_is_readable_without_javascript() {
    let (storm, url, _) = writable();
    fill(&storm);
    let browser = Browser::open(1200, 900);
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.go(&url);
    assert_eq!(browser.text("tr.f a"), "README.md");
    assert!(browser.text(".title").contains("switch on JavaScript"), "{}", browser.text(".title"));
    assert_eq!(browser.text("#tools"), "", "what does nothing is not shown");
    browser.picture("no-javascript");
    browser.click("thead th:nth-child(2) a");
    assert_eq!(browser.text("tr.f a"), "events.root");
}

#[test]
fn the_keyboard_is_enough() {
    let (storm, url, root) = writable();
    fill(&storm);
    let browser = Browser::open(1200, 900);
    browser.go(&url);
    let focused = || {
        let script = "const e = document.activeElement; return e.getAttribute('aria-label') || e.textContent";
        browser.script(script, json!([])).as_str().unwrap().to_owned()
    };
    let mut seen = Vec::new();
    for _ in 0..14 {
        browser.press(key::TAB);
        seen.push(focused());
    }
    let wanted = [
        "Storage",
        "open",
        "New folder",
        "Upload files",
        "Name",
        "Size",
        "Modified (UTC)",
        "Parent folder",
        "run-2025/",
        "Rename run-2025",
        "Delete run-2025",
        "run-2026/",
        "Rename run-2026",
        "Delete run-2026",
    ];
    assert_eq!(seen, wanted);
    let outline = "return getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.script(outline, json!([])), "solid", "one sees where one is");
    browser.picture("keyboard");
    // A question holds the focus until it is answered.
    browser.press(key::ENTER);
    assert_eq!(focused(), "Cancel");
    for _ in 0..6 {
        browser.press(key::TAB);
        let inside = "return document.activeElement === document.body || \
                      document.getElementById('ask').contains(document.activeElement)";
        assert_eq!(browser.script(inside, json!([])), true);
    }
    browser.press(key::ESCAPE);
    wait_until(SOON, || focused() == "Delete run-2026");
    assert_eq!(focused(), "Delete run-2026");
    assert!(root.join("run-2026").is_dir());
    // The other button is one step back.
    browser.press(&format!("{}{}{}", key::SHIFT, key::TAB, key::RELEASE));
    browser.press(key::ENTER);
    browser.wait_for("dialog", "Rename “run-2026”");
    browser.press("run-2027");
    browser.press(key::ENTER);
    browser.wait_for("#say", "Renamed to run-2027");
    assert_eq!(focused(), "run-2027/");
    assert!(root.join("run-2027/below").is_dir() && !root.join("run-2026").exists());
}

#[test]
fn names_that_want_to_be_more_stay_names() {
    let (storm, url, root) = writable();
    let hostile = [
        "<script>window.hit=1</script>".replace('/', "\u{2215}"),
        "<img src=x onerror=window.hit=1>".to_owned(),
        "\"'><svg onload=window.hit=1>".to_owned(),
        "line\nend\ttab".to_owned(),
        "\u{202e}gpj.exe".to_owned(),
        "%2fetc%2e%2e".to_owned(),
        "a?b#c&d;e=f+g".to_owned(),
        "back\\slash".to_owned(),
        "...".to_owned(),
        "w".repeat(255),
    ];
    for name in &hostile {
        std::fs::write(root.join(name), name).unwrap();
        let folder: String = name.chars().skip(1).collect();
        std::fs::create_dir(root.join(format!("d{folder}"))).unwrap();
    }
    use std::os::unix::ffi::OsStrExt;
    std::fs::write(root.join(std::ffi::OsStr::from_bytes(b"not\xffutf8")), b"x").unwrap();
    std::fs::write(root.join(".storm.secret"), b"x").unwrap();
    let browser = Browser::open(1200, 1100);
    browser.go(&url);
    browser.picture("hostile-names");
    let shown = names(&browser);
    for name in &hostile {
        // What has no place in HTML is not shown; all else is, letter by letter.
        assert!(shown.contains(name), "{name:?} in {shown:?}");
        let link = "return [...document.querySelectorAll('tr.f a')].find(a => a.textContent === arguments[0]).href";
        let link = browser.script(link, json!([name]));
        let fetched = "const x = new XMLHttpRequest(); x.open('GET', arguments[0], false); x.send(); \
                       return x.responseText";
        assert_eq!(browser.script(fetched, json!([link])), name.as_str());
    }
    assert!(
        !shown.iter().any(|name| name.starts_with(".storm") || name.starts_with("not")),
        "{shown:?}"
    );
    assert_eq!(browser.script("return window.hit ?? 'nothing'", json!([])), "nothing");
    // Each can be renamed and deleted.
    for (n, name) in hostile.iter().enumerate() {
        let press = "const row = [...document.querySelectorAll('tr.f')].find(r => r.querySelector('bdi').textContent \
                     === arguments[0]); row.querySelector(`.acts button:nth-child(${arguments[1]})`).click()";
        browser.script(press, json!([name, 1]));
        browser.wait_for("dialog", "Rename");
        browser.script(
            "document.getElementById('ask-name').value = arguments[0]",
            json!([format!("n{n} '(){name:.20}")]),
        );
        browser.click("#ask-yes");
        let renamed = format!("n{n} '(){name:.20}");
        // A field of one line takes no line end.
        let renamed = renamed.replace('\n', "");
        browser.wait_for("#say", &format!("n{n} "));
        assert!(root.join(&renamed).exists() && !root.join(name).exists(), "{renamed:?}");
        browser.script(press, json!([renamed, 2]));
        browser.click("#ask-yes.bad");
        browser.wait_for("#say", &format!("Deleted n{n} "));
        assert!(!root.join(&renamed).exists());
    }
    drop(storm);
}
