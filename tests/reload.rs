//! Everything that can be swapped is swapped while clients work: by SIGHUP, by itself, half written
//! and emptied. Ends with `requests=N failed=0`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::client::Tls;
use common::site::Site;
use common::wire::{self, Conn};
use common::{USER2_DN, leftovers, pki, soap, wait_until};
use nix::sys::signal::Signal;
use rustls::ClientConfig;

/// Clients at work all the time.
const CLIENTS: usize = 4;
/// Longer than two looks of the daemon: what stands there is no passing state.
const A_WHILE: Duration = Duration::from_millis(700);
/// A change must have been taken by then.
const SOON: Duration = Duration::from_secs(15);

/// `daemon.watch = "200ms"` and the files of this test; further tables may follow.
const CONFIG: &str = "[daemon]\nwatch = \"200ms\"\n\
    [tls]\ncertificate = \"hostcert.pem\"\nkey = \"hostkey.pem\"\n\
    trust_anchors = \"anchors\"\nvomsdir = \"vomsdir\"\n\
    [auth]\npath_authz = \"path-authz.db\"\nban = \"ban.db\"\ngridmap = \"grid-mapfile\"\n";

/// The requests of the clients.
#[derive(Default)]
struct Work {
    stop: AtomicBool,
    requests: AtomicUsize,
    failures: std::sync::Mutex<Vec<String>>,
}

#[test]
fn everything_is_swapped_under_load() {
    let mut site = Site::new(CONFIG);
    let xml = std::fs::read_to_string(site.path("namespace.xml")).unwrap();
    // Who loses his VO, or the CA, loses the area.
    let xml = xml.replace("<dn>*</dn>", "<dn>*</dn><vo-name>test.vo</vo-name>");
    std::fs::write(site.path("namespace.xml"), &xml).unwrap();
    copy(&pki::certificates(), &site.path("anchors-1"), |name| !name.ends_with(".r0"));
    std::os::unix::fs::symlink("anchors-1", site.path("anchors")).unwrap();
    copy(&pki::vomsdir().join("test.vo"), &site.path("vomsdir/test.vo"), |_| true);
    for file in ["hostcert.pem", "hostkey.pem"] {
        write(&site.path(file), &std::fs::read(pki::dir().join(file)).unwrap());
    }
    write(&site.path("path-authz.db"), b"@ALL@ / WRFDLMN permit\n");
    site.start();

    let work = Arc::new(Work::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (work, ports) = (Arc::clone(&work), site.ports);
            std::thread::spawn(move || client(&work, number, ports.srm, ports.https))
        })
        .collect();

    type Swap<'a> = (&'a str, &'a dyn Fn(&Site));
    let swaps: [Swap<'_>; 7] = [
        ("host certificate", &host_certificate),
        ("CA directory", &anchors),
        ("CRLs", &crls),
        ("vomsdir", &vomsdir),
        ("namespace.xml", &|site| namespace(site, &xml)),
        ("storm.toml", &storm_toml),
        ("authorisation", &authorisation),
    ];
    for (what, swap) in swaps {
        let (begun, before) = (Instant::now(), work.requests.load(Ordering::Relaxed));
        swap(&site);
        // Everybody has been served under the new state.
        let enough = before + 20 * CLIENTS;
        wait_until(SOON, || work.requests.load(Ordering::Relaxed) > enough);
        let done = work.requests.load(Ordering::Relaxed) - before;
        println!("{what}: {:.1} s, {done} requests", begun.elapsed().as_secs_f64());
        assert!(done > 20 * CLIENTS, "the clients hang");
    }
    for _ in 0..10 {
        site.signal(Signal::SIGHUP);
        sleep(Duration::from_millis(100));
    }
    work.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }

    let failures = work.failures.lock().unwrap();
    println!("requests={} failed={}", work.requests.load(Ordering::Relaxed), failures.len());
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(5)].join("\n"));
    assert_eq!(leftovers(&site.path("var/storage/demo")), Vec::<String>::new());
    // A directory that did not change is not read again.
    let reads = || site.log().matches("VOMS servers read again").count();
    let before = reads();
    sleep(2 * A_WHILE);
    assert_eq!(reads(), before);
    site.end();
}

/// Puts, reads, lists and removes a file again and again, on a connection that it keeps for all the
/// time, and on new ones.
fn client(work: &Work, number: usize, srm: u16, https: u16) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = wire::config(Some("voms"), Tls::Any);
    runtime.block_on(async {
        let mut kept = Conn::tls(&config, https).await.unwrap();
        let mut kept_srm = Conn::tls(&config, srm).await.unwrap();
        for turn in 0.. {
            if work.stop.load(Ordering::Relaxed) {
                break;
            }
            let path = format!("/demo/c{number}-{turn}");
            let mut conns =
                Conns { config: &config, srm, kept: &mut kept, kept_srm: &mut kept_srm };
            if let Err(why) = round(work, &mut conns, &path).await {
                work.failures.lock().unwrap().push(format!("{path}: {why}"));
                // A broken connection would fail for ever.
                kept = Conn::tls(&config, https).await.unwrap();
                kept_srm = Conn::tls(&config, srm).await.unwrap();
            }
        }
    });
}

struct Conns<'a> {
    config: &'a Arc<ClientConfig>,
    srm: u16,
    kept: &'a mut Conn,
    kept_srm: &'a mut Conn,
}

async fn round(work: &Work, conns: &mut Conns<'_>, path: &str) -> Result<(), String> {
    let surl = format!("srm://localhost:{}{path}", conns.srm);
    let data = common::bytes(3000, path.len() as u64);
    let srm = async |conn: &mut Conn, operation: &str, inner: &str, code: &str| {
        work.requests.fetch_add(1, Ordering::Relaxed);
        let answer = soap::call(conn, operation, inner).await;
        let answer = answer.map_err(|error| format!("{operation}: {error}"))?;
        match answer.file_code() == code {
            true => Ok(answer),
            false => Err(format!("{operation}: {} {}", answer.file_code(), answer.xml)),
        }
    };
    let new = async || {
        Conn::tls(conns.config, conns.srm).await.map_err(|error| format!("connect: {error}"))
    };
    let put = soap::prepare_to_put(&[&surl], Some(data.len() as u64));
    let put = srm(&mut new().await?, "srmPrepareToPut", &put, "SRM_SPACE_AVAILABLE").await?;
    let (token, turl) = (put.token.unwrap(), put.files[0].turl.clone().unwrap());
    let (port, target) = wire::split_url(&turl);
    let http = |error: std::io::Error| format!("https: {error}");
    work.requests.fetch_add(2, Ordering::Relaxed);
    let up = wire::once(conns.config, port, "PUT", &target, &data).await.map_err(http)?;
    if up.status != 201 {
        return Err(format!("PUT: {} {}", up.status, up.text()));
    }
    let done = soap::token(&token) + &soap::surls(&[&surl]);
    srm(conns.kept_srm, "srmPutDone", &done, "SRM_SUCCESS").await?;
    let down = conns.kept.request("GET", path, &[], b"").await.map_err(http)?;
    if down.status != 200 || down.body != data {
        return Err(format!("GET: {} {}", down.status, down.text()));
    }
    let surls = soap::surls(&[&surl]);
    srm(conns.kept_srm, "srmLs", &surls, "SRM_SUCCESS").await?;
    srm(&mut new().await?, "srmRm", &surls, "SRM_SUCCESS").await.map(|_| ())
}

/// Half a certificate; a certificate whose key is still the old one; the key in halves; both.
fn host_certificate(site: &Site) {
    let dir = site.path("new");
    std::fs::create_dir(&dir).unwrap();
    let pki = pki::dir().display();
    let script = format!(
        "openssl req -new -newkey rsa:2048 -nodes -subj '/C=IT/O=Test Grid/CN=localhost' \
         -keyout key.pem -out csr.pem && openssl x509 -req -in csr.pem -CA {pki}/ca/cacert.pem \
         -CAkey {pki}/ca/cakey.pem -set_serial 0x5757 -days 3 -sha256 -out cert.pem \
         -extfile <(printf 'subjectAltName=DNS:localhost')"
    );
    let made = Command::new("bash").args(["-c", &script]).current_dir(&dir).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let of = |name: &str| std::fs::read(dir.join(name)).unwrap();
    half_by_half(&site.path("hostcert.pem"), &of("cert.pem"));
    sleep(A_WHILE);
    assert!(site.log().contains("the certificate read before stays in use"));
    assert_ne!(serial(site), "5757", "half a pair is not taken");
    half_by_half(&site.path("hostkey.pem"), &of("key.pem"));
    assert!(wait_until(SOON, || serial(site) == "5757"), "{}", serial(site));
}

/// The serial number of the certificate that a new connection sees.
fn serial(site: &Site) -> String {
    let line = format!(
        "openssl s_client -connect localhost:{} </dev/null 2>/dev/null | openssl x509 -noout -serial",
        site.ports.https
    );
    let done = Command::new("bash").args(["-c", &line]).output().unwrap();
    String::from_utf8_lossy(&done.stdout).trim().trim_start_matches("serial=").to_owned()
}

/// Another directory by a link, with one more CA; files in halves; the directory emptied.
fn anchors(site: &Site) {
    let stranger = Visitor::new(site, "evil");
    assert_eq!(stranger.status(), 401);
    let next = site.path("anchors-2");
    copy(&pki::certificates(), &next, |name| !name.ends_with(".r0"));
    copy(&pki::dir().join("evilca/certificates"), &next, |name| !name.ends_with(".r0"));
    std::os::unix::fs::symlink("anchors-2", site.path("anchors-new")).unwrap();
    std::fs::rename(site.path("anchors-new"), site.path("anchors")).unwrap();
    std::fs::remove_dir_all(site.path("anchors-1")).unwrap();
    // On a connection that was refused before, too. He is in no VO: 403, but known.
    assert!(wait_until(SOON, || stranger.status() == 403), "{}", stranger.status());
    all_half_by_half(&contents(list(&next)));
    assert_eq!(stranger.status(), 403);
    // Emptied, for longer than a look; then filled again.
    std::fs::rename(&next, site.path("anchors-away")).unwrap();
    std::fs::create_dir(&next).unwrap();
    assert!(wait_until(SOON, || site.log().contains("what was there before stays")));
    copy(&site.path("anchors-away"), &next, |_| true);
    // And without that CA.
    for file in list(&pki::dir().join("evilca/certificates")) {
        // Its CRLs are not here.
        let _ = std::fs::remove_file(next.join(file.file_name().unwrap()));
    }
    assert!(wait_until(SOON, || stranger.status() == 401), "{}", stranger.status());
}

/// A list that comes revokes, also on connections that live; one that breaks goes on revoking.
fn crls(site: &Site) {
    let revoked = Visitor::new(site, "revoked");
    assert_eq!(revoked.status(), 403);
    let dir = site.path("anchors-2");
    copy(&pki::certificates(), &dir, |name| name.ends_with(".r0"));
    assert!(wait_until(SOON, || revoked.status() == 401), "{}", revoked.status());
    let is_list = |file: &PathBuf| file.extension().is_some_and(|end| end == "r0");
    let lists = contents(list(&dir).into_iter().filter(is_list).collect());
    assert!(!lists.is_empty());
    all_half_by_half(&lists);
    assert_eq!(revoked.status(), 401);
}

/// The file of the VO's server in halves; the directory emptied for a while.
fn vomsdir(site: &Site) {
    let dir = site.path("vomsdir");
    all_half_by_half(&contents(list(&dir.join("test.vo"))));
    std::fs::rename(&dir, site.path("vomsdir-away")).unwrap();
    sleep(A_WHILE);
    std::fs::create_dir(&dir).unwrap();
    sleep(A_WHILE);
    std::fs::remove_dir(&dir).unwrap();
    std::fs::rename(site.path("vomsdir-away"), &dir).unwrap();
}

/// In halves; broken; with one more way to the area, and without it.
fn namespace(site: &Site, xml: &str) {
    let file = site.path("namespace.xml");
    let visitor = Visitor::new(site, "voms");
    let more =
        "<map-rule name=\"M2\"><stfn-root>/more</stfn-root><mapped-fs>DEMO</mapped-fs></map-rule>";
    let more = xml.replace("</mapping-rules>", &format!("{more}</mapping-rules>"));
    assert_eq!(visitor.of("/more/"), 404);
    half_by_half(&file, more.as_bytes());
    assert!(wait_until(SOON, || visitor.of("/more/") == 207), "{}", visitor.of("/more/"));
    write(&file, more.replace("T0D1", "T9").as_bytes());
    assert!(wait_until(SOON, || site.log().contains("the configuration was not changed")));
    assert_eq!(visitor.of("/more/"), 207);
    write(&file, xml.as_bytes());
    assert!(wait_until(SOON, || visitor.of("/more/") == 404), "{}", visitor.of("/more/"));
}

/// In halves, and with another bound.
fn storm_toml(site: &Site) {
    let file = site.path("storm.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let long = soap::envelope("srmPing", &format!("<x>{}</x>", "y".repeat(8000)));
    let visitor = Visitor::new(site, "voms");
    let refused = || visitor.ping(&long).contains("larger");
    assert!(!refused());
    half_by_half(&file, format!("{text}[limits]\nenvelope = \"6KiB\"\n").as_bytes());
    assert!(wait_until(SOON, refused));
    // The beginning of a file is a file, too: what it no longer names is taken away when asked only.
    write(&file, text.as_bytes());
    let told = "limits.envelope was named here and is not any more";
    assert!(wait_until(SOON, || site.log().contains(told)));
    assert!(refused());
    assert!(site.reload().contains("configuration read again"));
    assert!(!refused());
}

/// Files of who may do what: they are read again by themselves, and half of one, or a broken one with
/// or without a signal, leaves in force what was.
fn authorisation(site: &Site) {
    let rights = "# everybody, everything\n@ALL@ / WRFDLMN permit\n";
    half_by_half(&site.path("path-authz.db"), rights.as_bytes());
    write(&site.path("path-authz.db"), b"@ALL@ / WRFD");
    sleep(A_WHILE);
    site.reload();
    write(&site.path("path-authz.db"), rights.as_bytes());
    assert!(site.reload().contains("read again"));
    let map = "\"/C=IT/O=Elsewhere/CN=Somebody\" nobody\n";
    half_by_half(&site.path("grid-mapfile"), map.as_bytes());

    let banned = Visitor::new(site, "voms-user2");
    assert_eq!(banned.status(), 207);
    half_by_half(&site.path("ban.db"), format!("# not him\n\"{USER2_DN}\"\n").as_bytes());
    let refused = |status: u16| status == 401 || status == 403;
    assert!(wait_until(SOON, || refused(banned.status())), "{}", banned.status());
    write(&site.path("ban.db"), b"# nobody\n");
    assert!(wait_until(SOON, || banned.status() == 207), "{}", banned.status());
}

/// An area that is taken out of namespace.xml lets what is under way end, and begins nothing new.
#[tokio::test]
async fn an_area_that_goes_lets_what_is_under_way_end() {
    let mut site = Site::new(&Site::test_tls());
    site.start();
    let config = wire::config(Some("rfc"), Tls::Any);
    let srm = async |operation: &str, inner: String| {
        soap::once(&config, site.ports.srm, operation, &inner).await.unwrap()
    };
    let mut tokens = Vec::new();
    for name in ["done", "dropped", "late"] {
        let surl = format!("srm://localhost:{}/demo/{name}", site.ports.srm);
        let put = srm("srmPrepareToPut", soap::prepare_to_put(&[&surl], None)).await;
        let put = put.expect("SRM_SPACE_AVAILABLE");
        let (port, target) = wire::split_url(&put.files[0].turl.clone().unwrap());
        assert_eq!(wire::once(&config, port, "PUT", &target, b"data").await.unwrap().status, 201);
        tokens.push((surl, put.token.unwrap()));
    }
    let xml = std::fs::read_to_string(site.path("namespace.xml")).unwrap();
    let renamed = xml.replace("DEMO", "OTHER").replace("/demo", "/other");
    std::fs::write(site.path("namespace.xml"), renamed).unwrap();
    let told = site.reload();
    assert!(told.contains("storage area DEMO is gone from namespace.xml"), "{told}");

    let root = site.path("var/storage/demo");
    let (done, dropped, late) = (&tokens[0], &tokens[1], &tokens[2]);
    let again = srm("srmPrepareToPut", soap::prepare_to_put(&[&late.0], None)).await;
    again.expect("SRM_INVALID_PATH");
    srm("srmStatusOfPutRequest", soap::token(&done.1)).await.expect("SRM_SPACE_AVAILABLE");
    let inner = soap::token(&done.1) + &soap::surls(&[&done.0]);
    srm("srmPutDone", inner).await.expect("SRM_SUCCESS");
    assert_eq!(std::fs::read(root.join("done")).unwrap(), b"data");
    assert_eq!(srm("srmAbortRequest", soap::token(&dropped.1)).await.code, "SRM_SUCCESS");
    assert_eq!(leftovers(&root).len(), 1, "only the late one's: {:?}", leftovers(&root));
    // It stays over another reload, until nothing is under way.
    assert!(site.reload().contains("storage area DEMO is gone"));
    assert_eq!(srm("srmAbortRequest", soap::token(&late.1)).await.code, "SRM_SUCCESS");
    assert_eq!(leftovers(&root), Vec::<String>::new());
    assert!(!site.reload().contains("storage area DEMO is gone"));
    site.end();
}

/// Somebody with one connection that lives, and new ones.
struct Visitor {
    runtime: tokio::runtime::Runtime,
    config: Arc<ClientConfig>,
    kept: tokio::sync::Mutex<Conn>,
    ports: common::storm::Ports,
}

impl Visitor {
    fn new(site: &Site, kind: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config = wire::config(Some(kind), Tls::Any);
        let kept = runtime.block_on(Conn::tls(&config, site.ports.https)).unwrap();
        Self { runtime, config, kept: kept.into(), ports: site.ports }
    }

    /// PROPFIND of the area: the same on the old and on a new connection, or 0.
    fn status(&self) -> u16 {
        self.of("/demo/")
    }

    fn of(&self, path: &str) -> u16 {
        self.runtime.block_on(async {
            let depth = [("depth", "0")];
            let mut kept = self.kept.lock().await;
            let old = kept.request("PROPFIND", path, &depth, b"").await.unwrap().status;
            let mut new = Conn::tls(&self.config, self.ports.https).await.unwrap();
            let new = new.request("PROPFIND", path, &depth, b"").await.unwrap().status;
            if old == new { old } else { 0 }
        })
    }

    fn ping(&self, envelope: &str) -> String {
        let ping = wire::once(&self.config, self.ports.srm, "POST", "/", envelope.as_bytes());
        self.runtime.block_on(ping).unwrap().text()
    }
}

/// Writes a file in place in three steps, each long enough to be seen.
fn half_by_half(file: &Path, whole: &[u8]) {
    all_half_by_half(&[(file.to_owned(), whole.to_vec())]);
}

/// The same with several files at once.
fn all_half_by_half(files: &[(PathBuf, Vec<u8>)]) {
    for share in [0, 1, 2] {
        for (file, whole) in files {
            write(file, &whole[..whole.len() * share / 3]);
        }
        sleep(A_WHILE);
    }
    for (file, whole) in files {
        write(file, whole);
    }
}

/// Each file with what it holds.
fn contents(files: Vec<PathBuf>) -> Vec<(PathBuf, Vec<u8>)> {
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

/// Writes in place, whatever the mode.
fn write(file: &Path, content: &[u8]) {
    std::fs::write(file, content).unwrap();
}

fn copy(from: &Path, to: &Path, pick: impl Fn(&str) -> bool) {
    std::fs::create_dir_all(to).unwrap();
    for file in list(from) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if pick(name) {
            std::fs::copy(&file, to.join(name)).unwrap();
        }
    }
}

fn list(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}
