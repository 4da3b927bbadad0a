//! Chromium without a window, by the WebDriver protocol (W3C WebDriver): Debian's chromedriver speaks it as JSON
//! over plain HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{pki, wait_until};

/// How long a page may take to be as it should.
pub const SOON: Duration = Duration::from_secs(20);
/// The name of an element's reference (WebDriver 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that no letter stands for (WebDriver 17.4.2).
pub mod key {
    /// On to the next.
    pub const TAB: &str = "\u{e004}";
    /// Do it.
    pub const ENTER: &str = "\u{e007}";
    /// Out of it.
    pub const ESCAPE: &str = "\u{e00c}";
    /// Held until [`RELEASE`].
    pub const SHIFT: &str = "\u{e008}";
    /// What is held is held no longer.
    pub const RELEASE: &str = "\u{e000}";
}

/// A browser of its own: nothing is kept behind its end.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
}

/// A reference to something on the page.
#[derive(Clone, Debug)]
pub struct Element(String);

impl Browser {
    /// A window of this size. It takes the test host's certificate, whose authority it does not know.
    pub fn open(width: u32, height: u32) -> Self {
        let profile = TempDir::with_prefix("stormd-browser-").unwrap();
        Self::start(profile, Command::new("chromedriver"), width, height)
    }

    /// As [`Browser::open`], for the person of `<person>cert.pem` and `<person>key.pem` of the test PKI. A window
    /// would ask which certificate to take; without one a policy answers, which Chromium reads in one place of the
    /// system alone. So this one sees a folder of its own there.
    pub fn of(person: &str, width: u32, height: u32) -> Self {
        let profile = TempDir::with_prefix("stormd-browser-").unwrap();
        let path = |name: &str| profile.path().join(name).display().to_string();
        std::fs::create_dir_all(path("etc/policies/managed")).unwrap();
        let policy = r#"{"AutoSelectCertificateForUrls": ["{\"pattern\":\"*\",\"filter\":{}}"]}"#;
        std::fs::write(path("etc/policies/managed/certificate.json"), policy).unwrap();
        std::fs::create_dir_all(path(".pki/nssdb")).unwrap();
        let (store, bundle) = (format!("sql:{}", path(".pki/nssdb")), path("person.p12"));
        let of = |what: &str| pki::dir().join(format!("{person}{what}.pem")).display().to_string();
        let export = ["pkcs12", "-export", "-passout", "pass:", "-out", &bundle, "-in"];
        run("openssl", &[&export[..], &[&of("cert"), "-inkey", &of("key")]].concat());
        run("certutil", &["-N", "--empty-password", "-d", &store]);
        run("pk12util", &["-i", &bundle, "-W", "", "-d", &store]);
        let mut command = Command::new("unshare");
        let script = "mount --bind \"$0\" /etc/chromium && exec chromedriver \"$@\"";
        command.args(["--mount", "sh", "-c", script, &path("etc")]);
        Self::start(profile, command, width, height)
    }

    fn start(profile: TempDir, mut chromedriver: Command, width: u32, height: u32) -> Self {
        let mut driver = chromedriver
            .arg("--port=0")
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing: make test installs it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("chromedriver ended at its start").unwrap();
            if let Some((_, rest)) = line.split_once("successfully on port ") {
                break rest.trim_end_matches('.').parse().unwrap();
            }
        };
        // It goes on talking.
        std::thread::spawn(move || lines.for_each(drop));
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        let size = format!("--window-size={width},{height}");
        let folder = format!("--user-data-dir={}", browser._profile.path().join("user").display());
        let args = [
            "--headless=new",
            // Tests run as root too, and in containers with little shared memory.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--force-color-profile=srgb",
            &size,
            &folder,
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "acceptInsecureCerts": true, "goog:chromeOptions": {"args": args}}}});
        let made = browser.ask("POST", "/session", &wanted).expect("a session");
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        // It keeps the connection, whatever it is told.
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).unwrap();
            let line = line.trim().to_ascii_lowercase();
            if let Some(told) = line.strip_prefix("content-length:") {
                length = told.trim().parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        let mut text = vec![0; length];
        answer.read_exact(&mut text).unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap();
        match value["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {:.300}", value["value"]["message"])),
            None => Ok(value["value"].clone()),
        }
    }

    fn command(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.ask("POST", &format!("/session/{}/{path}", self.session), body)
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        self.ask("GET", &format!("/session/{}/{path}", self.session), &Value::Null)
    }

    /// Goes to an address.
    pub fn go(&self, url: &str) {
        self.command("url", &json!({"url": url})).unwrap();
    }

    /// Where it is.
    pub fn address(&self) -> String {
        self.get("url").unwrap().as_str().unwrap().to_owned()
    }

    /// A command of the DevTools protocol.
    pub fn devtools(&self, command: &str, params: Value) {
        self.command("goog/cdp/execute", &json!({"cmd": command, "params": params})).unwrap();
    }

    /// Light or dark, as the system of the reader has it.
    pub fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": value}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Everything that a selector of CSS names.
    pub fn all(&self, css: &str) -> Vec<Element> {
        let found = self.command("elements", &json!({"using": "css selector", "value": css}));
        let found = found.unwrap();
        found.as_array().unwrap().iter().map(Element::of).collect()
    }

    /// What a selector of CSS names, as soon as it is there.
    #[track_caller]
    pub fn find(&self, css: &str) -> Element {
        let mut found = Vec::new();
        wait_until(SOON, || {
            found = self.all(css);
            !found.is_empty()
        });
        found.first().unwrap_or_else(|| panic!("no {css} on {}", self.address())).clone()
    }

    /// Clicks on it.
    #[track_caller]
    pub fn click(&self, css: &str) {
        let Element(id) = self.find(css);
        self.command(&format!("element/{id}/click"), &json!({})).unwrap();
    }

    /// Types into it; into an input of files, their paths.
    #[track_caller]
    pub fn type_into(&self, css: &str, text: &str) {
        let Element(id) = self.find(css);
        self.command(&format!("element/{id}/value"), &json!({"text": text})).unwrap();
    }

    /// Presses keys where the focus is.
    pub fn press(&self, keys: &str) {
        let each = keys.chars().flat_map(|key| {
            let key = key.to_string();
            let up = json!({"type": "keyUp", "value": key});
            let down = json!({"type": "keyDown", "value": key});
            // What is held goes up at the end.
            if key == key::SHIFT { vec![down] } else { vec![down, up] }
        });
        let mut all: Vec<Value> = each.filter(|key| key["value"] != key::RELEASE).collect();
        if keys.contains(key::RELEASE) {
            all.push(json!({"type": "keyUp", "value": key::SHIFT}));
        }
        let keys = json!({"actions": [{"type": "key", "id": "keyboard", "actions": all}]});
        self.command("actions", &keys).unwrap();
    }

    /// What is written there, as one sees it; nothing where there is nothing.
    pub fn text(&self, css: &str) -> String {
        let found = self.all(css);
        let Some(Element(id)) = found.first() else { return String::new() };
        let text = self.get(&format!("element/{id}/text"));
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Waits until `css` has a text with `words` in it.
    #[track_caller]
    pub fn wait_for(&self, css: &str, words: &str) {
        let told = wait_until(SOON, || self.text(css).contains(words));
        assert!(told, "{css} does not say {words:?}, but {:?}", self.text(css));
    }

    /// What a script gives. `arguments` is a list.
    #[track_caller]
    pub fn script(&self, script: &str, arguments: Value) -> Value {
        self.command("execute/sync", &json!({"script": script, "args": arguments})).unwrap()
    }

    /// The texts of all that a selector names.
    pub fn texts(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)";
        let texts = self.script(script, json!([css]));
        texts.as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect()
    }

    /// Drops files of the disk on the page, as a hand would.
    pub fn drop_files(&self, paths: &[PathBuf]) {
        for kind in ["dragEnter", "dragOver", "drop"] {
            let data = json!({"items": [], "files": paths, "dragOperationsMask": 1});
            let params = json!({"type": kind, "x": 300, "y": 300, "data": data});
            self.devtools("Input.dispatchDragEvent", params);
        }
    }

    /// Writes what one sees to `target/screenshots/<name>.png`.
    pub fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let png = self.get("screenshot").unwrap();
        let engine = base64::engine::general_purpose::STANDARD;
        let png = engine.decode(png.as_str().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output();
    let done = done.unwrap_or_else(|_| panic!("{program} is missing: make test installs it"));
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {arguments:?}: {why}");
}

impl Element {
    fn of(value: &Value) -> Self {
        Self(value[ELEMENT].as_str().unwrap().to_owned())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
