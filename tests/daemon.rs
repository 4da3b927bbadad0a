//! The life of the daemon: demo site, signals, reload, drain, restart, accounts, log, health.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::client::Tls;
use common::site::Site;
use common::wire::{self, Conn};
use common::{USER_DN, access, pki, soap, wait_until};
use nix::sys::signal::Signal;

/// The demo user's upload, as the first line to try has it.
fn curl_line(site: &Site) -> String {
    let out = site.out();
    out.lines().find_map(|line| line.strip_prefix("try: curl")).expect("a curl line").to_owned()
}

fn shell(line: &str) -> (i32, String) {
    let done = Command::new("bash").args(["-c", line]).stdin(Stdio::null()).output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_demo_site_makes_what_it_needs_and_says_how_to_try_it() {
    let mut site = Site::new("");
    site.start_with(|command, site| {
        // Whatever umask the shell has.
        let line = "umask 0000; exec \"$0\" \"$@\" >out 2>log";
        let program = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        *command = Command::new("bash");
        command.arg("-c").arg(line).arg(program).args(arguments);
        command.current_dir(site.path("")).env("RUST_LOG", "info").env("NO_COLOR", "1");
    });
    let out = site.out();
    assert!(out.starts_with(&format!("stormd {} serves site stormd\n", env!("CARGO_PKG_VERSION"))));
    let (ports, tries) = (site.ports, out.lines().filter(|line| line.starts_with("try: ")).count());
    for address in [
        format!("httpg://localhost:{}/srm/managerv2", ports.srm),
        format!("https://localhost:{}/", ports.https),
        format!("http://localhost:{}/", ports.plain),
        format!("http://localhost:{}/", ports.admin),
    ] {
        assert!(out.lines().any(|line| line.ends_with(&address)), "{address}: {out}");
    }
    assert_eq!((tries, out.matches("install: apt-get install ").count()), (3, 1), "{out}");
    assert!(site.log().contains("no tls.certificate is named"), "{}", site.log());

    // All three work as they stand.
    for line in out.lines().filter_map(|line| line.strip_prefix("try: ")) {
        let line =
            if line.starts_with("http") { format!("curl -fsS {line}") } else { line.to_owned() };
        let (code, text) = shell(&format!("export GFAL_PYTHONBIN=/usr/bin/python3; {line}"));
        assert_eq!(code, 0, "{line}: {text}");
        assert!(line.contains("-T") || text.contains("hello.txt"), "{line}: {text}");
    }

    assert_eq!(mode(&site.path("var")), 0o700);
    for file in ["lock", "owner", "stormd.db", "stormd.db-wal", "stormd.db-shm", "addresses.json"] {
        assert_eq!(mode(&site.path("var").join(file)), 0o600, "{file}");
    }
    let demo = site.path("var/demo");
    assert_eq!((mode(&demo), mode(&demo.join("certificates"))), (0o700, 0o755));
    for key in ["ca-key.pem", "hostkey.pem", "userkey.pem"] {
        assert_eq!(mode(&demo.join(key)), 0o600, "{key}");
    }
    let root = site.path("var/storage/demo");
    assert_eq!((mode(&root), mode(&root.join("hello.txt"))), (0o770, 0o660));
    let line =
        curl_line(&site).replace("/demo/hello.txt", "/demo/dir/").replace("-T", "-X MKCOL -o");
    assert_eq!(shell(&format!("curl {line}")).0, 0);
    assert_eq!(mode(&root.join("dir")), 0o770);

    // The demo CA is trusted only while its host certificate is in use.
    let line =
        curl_line(&site).replace("--fail --cacert", "-k -o /dev/null -w '%{http_code}' --cacert");
    assert_ne!(shell(&format!("curl {line}")).1, "401");
    site.configure(&Site::test_tls());
    site.reload();
    assert_eq!(shell(&format!("curl {line}")).1, "401");
    site.configure("");
    site.reload();
    assert_ne!(shell(&format!("curl {line}")).1, "401");
    // A restart makes nothing anew.
    let before = std::fs::read(demo.join("hostcert.pem")).unwrap();
    site.end();
    site.start();
    assert_eq!(std::fs::read(demo.join("hostcert.pem")).unwrap(), before);
}

/// Requests under way finish, new ones are refused, what is idle is closed at once; 0 at the end.
#[tokio::test]
async fn a_stop_lets_work_under_way_finish() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut site = Site::new(&Site::test_tls());
        site.start();
        let (https, srm) = (site.ports.https, site.ports.srm);
        let config = wire::config(Some("rfc"), Tls::Any);
        let mut never_asked = Conn::tls(&config, https).await.unwrap();
        let mut idle = Conn::tls(&config, https).await.unwrap();
        assert_eq!(idle.request("OPTIONS", "/demo/", &[], b"").await.unwrap().status, 200);
        let mut upload = Conn::tls(&config, https).await.unwrap();
        let body = common::bytes(200_000, 7);
        let head = wire::head("PUT", "/demo/slow", &[], Some(body.len()));
        upload.send(head.as_bytes()).await.unwrap();
        upload.send(&body[..100_000]).await.unwrap();
        let mut request = Conn::tls(&config, srm).await.unwrap();
        let envelope = soap::envelope("srmPing", "");
        let head = wire::head(
            "POST",
            "/srm/managerv2",
            &[("content-type", "text/xml")],
            Some(envelope.len()),
        );
        request.send((head + &envelope[..100]).as_bytes()).await.unwrap();
        // What has been sent has arrived.
        tokio::time::sleep(Duration::from_millis(300)).await;

        site.signal(signal);
        let closed = wait_until(Duration::from_secs(3), || {
            [https, srm, site.ports.plain, site.ports.admin]
                .iter()
                .all(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_err())
        });
        assert!(closed, "new connections are refused");
        assert!(idle.closed_within(Duration::from_secs(1)).await, "an idle connection is closed");
        assert!(never_asked.closed_within(Duration::from_secs(1)).await);
        upload.send(&body[100_000..]).await.unwrap();
        request.send(&envelope.as_bytes()[100..]).await.unwrap();
        assert_eq!(upload.response("PUT").await.unwrap().status, 201);
        let answer = request.response("POST").await.unwrap();
        assert!(answer.text().contains("versionInfo"), "{}", answer.text());
        assert!(upload.closed_within(Duration::from_secs(2)).await, "one request, no more");
        let (status, took) = site.wait();
        assert_eq!(status.code(), Some(0), "{}", site.log());
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert_eq!(std::fs::read(site.path("var/storage/demo/slow")).unwrap(), body);
        assert!(site.log().contains("stopped"), "{}", site.log());
    }
}

/// What does not end within `limits.drain` is cut, and nothing half done stays; a second signal
/// does not wait for that.
#[tokio::test]
async fn a_stop_waits_no_longer_than_told() {
    let mut site = Site::new(&(Site::test_tls() + "[limits]\ndrain = \"1s\"\n"));
    for (twice, drain) in [(false, "1s"), (true, "60s")] {
        site.configure(&(Site::test_tls() + &format!("[limits]\ndrain = \"{drain}\"\n")));
        site.start();
        let config = wire::config(Some("rfc"), Tls::Any);
        let mut upload = Conn::tls(&config, site.ports.https).await.unwrap();
        let head = wire::head("PUT", "/demo/slow", &[], Some(1000));
        upload.send((head + "begun").as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        site.signal(Signal::SIGTERM);
        if twice {
            tokio::time::sleep(Duration::from_millis(300)).await;
            site.signal(Signal::SIGTERM);
        }
        let (status, took) = site.wait();
        assert_eq!(status.code(), Some(0));
        assert!(took < Duration::from_secs(4), "{took:?}: {}", site.log());
        assert!(twice || took > Duration::from_millis(900), "{took:?}");
    }
    site.start();
    let root = site.path("var/storage/demo");
    assert_eq!(common::snapshot(&root).len(), 0, "{:?}", common::snapshot(&root));
}

/// A CA, a revocation, the host certificate, an area, rights and limits come into force by SIGHUP,
/// also on connections that live; no request fails meanwhile.
#[tokio::test]
async fn a_reload_takes_everything() {
    let mut site = Site::new("");
    let anchors = site.path("anchors");
    std::fs::create_dir(&anchors).unwrap();
    let copy = |from: &Path, ends: &str| {
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().unwrap() == ends {
                std::fs::copy(&path, anchors.join(path.file_name().unwrap())).unwrap();
            }
        }
    };
    copy(&pki::certificates(), "0");
    copy(&pki::certificates(), "signing_policy");
    for file in ["hostcert.pem", "hostkey.pem"] {
        std::fs::copy(pki::dir().join(file), site.path(file)).unwrap();
    }
    let tls = "[tls]\ncertificate = \"hostcert.pem\"\nkey = \"hostkey.pem\"\ntrust_anchors = \"anchors\"\n";
    site.configure(tls);
    site.start();
    let https = site.ports.https;
    let mut newcomer = Conn::tls(&wire::config(Some("evil"), Tls::Any), https).await.unwrap();
    let mut revoked = Conn::tls(&wire::config(Some("revoked"), Tls::Any), https).await.unwrap();
    let mut user = Conn::tls(&wire::config(Some("rfc"), Tls::Any), https).await.unwrap();
    let user2 = wire::config(Some("user2"), Tls::Any);
    let get = async |conn: &mut Conn, path: &str| {
        conn.request("PROPFIND", path, &[("depth", "0")], b"").await.unwrap().status
    };
    assert_eq!(get(&mut newcomer, "/demo/").await, 401);
    assert_eq!(get(&mut revoked, "/demo/").await, 207);
    assert_eq!(get(&mut user, "/demo/").await, 207);

    copy(&pki::dir().join("evilca/certificates"), "0");
    copy(&pki::dir().join("evilca/certificates"), "signing_policy");
    copy(&pki::certificates(), "r0");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (port, stop) = (site.ports.plain, &stop);
        let asker = scope.spawn(move || {
            let mut asked = 0;
            while !stop.load(Ordering::Relaxed) {
                let answer = wire::plain_get(port, "/demo/").unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text());
                asked += 1;
            }
            asked
        });
        for _ in 0..5 {
            let told = site.reload();
            assert!(told.contains("configuration read again"), "{told}");
        }
        stop.store(true, Ordering::Relaxed);
        assert!(asker.join().unwrap() > 5);
    });
    assert_eq!(get(&mut newcomer, "/demo/").await, 207, "the new CA is known");
    assert_eq!(get(&mut revoked, "/demo/").await, 401, "revoked on a connection that lives");
    assert_eq!(get(&mut user, "/demo/").await, 207);

    // The host certificate: new connections see the new one.
    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let other_file = site.path("other.pem");
    std::fs::write(&other_file, other.cert.pem()).unwrap();
    let trusts_other = |site: &Site| {
        let url = format!("https://localhost:{}/", site.ports.https);
        shell(&format!("curl -s -o /dev/null --cacert {} {url}", other_file.display())).0 == 0
    };
    assert!(!trusts_other(&site));
    std::fs::write(site.path("hostcert.pem"), other.cert.pem()).unwrap();
    let told = site.reload();
    assert!(
        told.contains("hostcert.pem") && told.contains("was not changed"),
        "half a pair: {told}"
    );
    assert!(!trusts_other(&site));
    let _ = std::fs::remove_file(site.path("hostkey.pem"));
    std::fs::write(site.path("hostkey.pem"), other.signing_key.serialize_pem()).unwrap();
    site.reload();
    assert!(trusts_other(&site));
    assert_eq!(get(&mut user, "/demo/").await, 207, "who was here stays");

    // Another certificate, a bound of a door, rights, and a second way to the area.
    site.configure(&(Site::test_tls().replace("[tls]", "[limits]\nenvelope = \"4KiB\"\n[tls]")));
    std::fs::write(site.path("path-authz.db"), "@ALL@ / RL permit\n@ALL@ / WFDMN deny\n").unwrap();
    let xml = std::fs::read_to_string(site.path("namespace.xml")).unwrap();
    let more =
        "<map-rule name=\"M2\"><stfn-root>/more</stfn-root><mapped-fs>DEMO</mapped-fs></map-rule>";
    let more = xml.replace("</mapping-rules>", &format!("{more}</mapping-rules>"));
    std::fs::write(site.path("namespace.xml"), &more).unwrap();
    assert_eq!(get(&mut user, "/more/").await, 404);
    let long = soap::envelope("srmPing", &format!("<x>{}</x>", "y".repeat(8000)));
    let ping = async |config| {
        let port = site.ports.srm;
        wire::once(config, port, "POST", "/", long.as_bytes()).await.unwrap().text()
    };
    site.reload();
    assert_eq!(get(&mut user, "/more/").await, 207);
    assert_eq!(user.request("PUT", "/more/f", &[], b"x").await.unwrap().status, 403);
    assert!(ping(&user2).await.contains("larger"), "{}", ping(&user2).await);

    // What is broken changes nothing, and is told with its line; so does what takes a restart.
    std::fs::write(site.path("namespace.xml"), more.replace("T0D1", "T9")).unwrap();
    std::fs::write(site.path("path-authz.db"), "\nbroken\n").unwrap();
    let told = site.reload();
    let line = |name: &str, at: usize| {
        told.lines().any(|line| line.contains("ERROR") && line.contains(&format!("{name}:{at}: ")))
    };
    let at = more.lines().position(|line| line.contains("T0D1")).unwrap() + 1;
    assert!(line("namespace.xml", at) && line("path-authz.db", 2), "{told}");
    assert!(told.contains("the configuration was not changed"), "{told}");
    assert_eq!(get(&mut user, "/more/").await, 207);
    assert_eq!(user.request("PUT", "/more/f", &[], b"x").await.unwrap().status, 403);
    std::fs::write(site.path("namespace.xml"), &more).unwrap();
    std::fs::remove_file(site.path("path-authz.db")).unwrap();
    let toml = std::fs::read_to_string(site.path("storm.toml")).unwrap();
    let toml = toml
        .replace("[admin]\nlisten = \"127.0.0.1:0\"", "[admin]\nlisten = \"127.0.0.1:1\"")
        .replace("[daemon]\n", "[daemon]\nuser = \"nobody\"\n")
        + "[paths]\nstate = \"elsewhere\"\nnamespace = \"none.xml\"\n";
    std::fs::write(site.path("storm.toml"), toml).unwrap();
    let told = site.reload();
    for key in ["admin.listen", "paths.state", "paths.namespace", "daemon.user"] {
        assert!(
            told.contains(&format!("{key} has changed in storm.toml: it takes a restart")),
            "{told}"
        );
    }
    assert!(!site.path("elsewhere").exists());
    assert_eq!(get(&mut user, "/more/").await, 207);
    site.end();
}

/// A token outlives a restart.
#[tokio::test]
async fn a_token_is_answered_after_a_restart() {
    let mut site = Site::new(&Site::test_tls());
    site.start();
    let config = wire::config(Some("rfc"), Tls::Any);
    let surl = format!("srm://localhost:{}/demo/file", site.ports.srm);
    let inner = soap::prepare_to_put(&[&surl], Some(5));
    let put = soap::once(&config, site.ports.srm, "srmPrepareToPut", &inner).await.unwrap();
    let token = put.expect("SRM_SPACE_AVAILABLE").token.unwrap();
    site.end();
    site.start();
    let inner = soap::token(&token);
    let status =
        soap::once(&config, site.ports.srm, "srmStatusOfPutRequest", &inner).await.unwrap();
    status.expect("SRM_SPACE_AVAILABLE");
    let aborted = soap::once(&config, site.ports.srm, "srmAbortRequest", &inner).await.unwrap();
    assert_eq!(aborted.code, "SRM_SUCCESS", "{}", aborted.xml);
}

/// Started as root with `[daemon] user`: everything belongs to that account.
#[test]
fn the_daemon_drops_to_its_account() {
    assert!(nix::unistd::geteuid().is_root(), "this suite wants root, as make test says");
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let mut site = Site::new("[daemon]\nuser = \"nobody\"\n");
    // Nothing but the way to it is anybody's.
    std::fs::set_permissions(site.path(""), std::fs::Permissions::from_mode(0o711)).unwrap();
    for file in ["storm.toml", "namespace.xml"] {
        std::fs::set_permissions(site.path(file), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let (code, out, _) = site.run(&["check"]);
    assert_eq!(code, 2, "the account may not make the area's root here: {out}");
    assert!(out.contains("namespace.xml:") && out.contains("cannot be made"), "{out}");

    site.start();
    let status = std::fs::read_to_string(format!("/proc/{}/status", site.pid())).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let id = |id: u32| format!("\t{id}\t{id}\t{id}\t{id}");
    assert_eq!(field("Uid:"), id(nobody.uid.as_raw()));
    assert_eq!(field("Gid:"), id(nobody.gid.as_raw()));
    assert_eq!(field("CapEff:").trim(), "0000000000000000");
    let (code, text) = shell(&format!("curl {}", curl_line(&site)));
    assert_eq!(code, 0, "{text}");
    let mut seen = 0;
    let mut folders = vec![site.path("var")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            assert_eq!((about.uid(), about.gid()), (nobody.uid.as_raw(), nobody.gid.as_raw()));
            seen += 1;
            if about.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    assert!(seen > 15, "{seen}");
    assert_eq!(mode(&site.path("var/storage/demo/hello.txt")), 0o660);
    assert!(site.reload().contains("configuration read again"));
    site.end();
}

/// One line per request, with who, what, result and id; never a secret, even when all is logged.
#[tokio::test]
async fn the_log_tells_all_and_keeps_secrets() {
    let mut site = Site::new(&Site::test_tls());
    site.environment("RUST_LOG", "trace");
    site.start();
    let (https, srm) = (site.ports.https, site.ports.srm);
    let config = wire::config(Some("rfc"), Tls::Any);
    let mut conn = Conn::tls(&config, https).await.unwrap();
    let secret = [("authorization", "Bearer SECRET-HEADER"), ("cookie", "c=SECRET-COOKIE")];
    let mut wanted = Vec::new();
    let mut id = |op: &str, target: String, status: &str, answer: &wire::Response| {
        let id = answer.header("x-request-id").expect("an id").to_owned();
        wanted.push((id, op.to_owned(), target, status.to_owned()));
    };
    let put =
        conn.request("PUT", "/demo/a%20b?authz=SECRET-QUERY", &secret, b"content").await.unwrap();
    id("PUT", "/demo/a%20b".into(), "201", &put);
    let get = conn.request("GET", "/demo/none?authz=SECRET-QUERY", &secret, b"").await.unwrap();
    id("GET", "/demo/none".into(), "404", &get);
    let odd = conn.request("PATCHY", "/demo/", &secret, b"").await.unwrap();
    id("PATCHY", "/demo/".into(), &odd.status.to_string(), &odd);
    let surl = format!("srm://localhost:{srm}/demo/a b");
    let mut soap_conn = Conn::tls(&config, srm).await.unwrap();
    let mut call = async |operation: &str, inner: String| {
        let envelope = soap::envelope(operation, &inner);
        soap_conn
            .request("POST", "/srm/managerv2?x=SECRET-QUERY", &secret, envelope.as_bytes())
            .await
            .unwrap()
    };
    let ls = call("srmLs", soap::surls(&[&surl])).await;
    id("srmLs", surl.clone(), "SRM_SUCCESS", &ls);
    let get = call("srmPrepareToGet", soap::prepare_to_get(&[&surl])).await;
    id("srmPrepareToGet", surl, "SRM_SUCCESS", &get);
    let token = soap::read(&get).token.unwrap();
    let release = call("srmReleaseFiles", soap::token(&token)).await;
    id("srmReleaseFiles", token, "SRM_SUCCESS", &release);
    assert_eq!(
        wire::plain_get(site.ports.plain, "/demo/a%20b?x=SECRET-QUERY").unwrap().status,
        200
    );
    site.end();

    let log = site.log();
    assert!(log.contains("DEBUG") || log.contains("TRACE"));
    assert!(!log.contains("SECRET"), "{:?}", log.lines().find(|line| line.contains("SECRET")));
    assert!(!log.contains("PRIVATE KEY"));
    let lines: Vec<_> = log.lines().filter(|line| line.contains(" access: ")).collect();
    let lines: Vec<_> = lines.iter().filter_map(|line| access::parse(line)).collect();
    for (id, op, target, status) in wanted {
        let of: Vec<_> = lines.iter().filter(|line| line.get("id") == id).collect();
        assert_eq!(of.len(), 1, "{op} {id}: {of:?}");
        assert_eq!(
            (of[0].op(), of[0].dn(), of[0].get("status")),
            (op.as_str(), USER_DN, status.as_str())
        );
        assert!(of[0].target().contains(&target), "{target}: {of:?}");
        assert!(
            of[0].get("ms").parse::<u64>().is_ok() && of[0].get("peer").starts_with("127.0.0.1:")
        );
    }
    let anonymous: Vec<_> = lines.iter().filter(|line| line.get("port") == "http").collect();
    assert_eq!(anonymous.len(), 1);
    assert_eq!((anonymous[0].get("status"), anonymous[0].target()), ("200", "/demo/a%20b"));
}

/// A full disk under the log, or nobody at the other end of a pipe, ends nothing.
#[test]
fn the_daemon_needs_nobody_to_listen() {
    let mut site = Site::new("");
    site.start_with(|command, _| {
        let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        command.stdout(full()).stderr(full());
    });
    for _ in 0..3 {
        assert_eq!(site.health().0, 200);
    }
    site.end();
    site.start_with(|command, _| {
        // Both ends are here; this one closes at once.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
    });
    assert_eq!(site.health().0, 200);
    site.end();
}

#[test]
fn systemd_is_told() {
    let mut site = Site::new("");
    let path = site.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    site.environment("NOTIFY_SOCKET", path.to_str().unwrap());
    let heard = || {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    site.start();
    assert_eq!(heard(), "READY=1\nSTATUS=serving\n");
    site.reload();
    assert!(heard().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(heard(), "READY=1\nSTATUS=serving\n");
    std::fs::write(site.path("path-authz.db"), "broken\n").unwrap();
    site.reload();
    assert!(heard().starts_with("RELOADING=1\n"));
    assert!(heard().contains("the last reading failed"));
    site.end();
    assert!(heard().starts_with("STOPPING=1\n"));
}

/// A signal during the start ends the daemon as one later does.
#[test]
fn a_signal_finds_the_daemon_at_any_time() {
    let mut site = Site::new("");
    site.start();
    site.end();
    for wait in [5, 20, 60, 150] {
        let mut child =
            site.command(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Signals count from when the first of them is caught, which is before anything is done.
        let status = || std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = |line: &str| {
            line.strip_prefix("SigCgt:").and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        };
        wait_until(Duration::from_secs(10), || {
            let mask = status().lines().find_map(caught).unwrap_or_default();
            [1, 2, 15].iter().all(|signal| mask & (1 << (signal - 1)) != 0)
        });
        std::thread::sleep(Duration::from_millis(wait));
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, Signal::SIGHUP).unwrap();
        nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
        let begun = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(0), "after {wait} ms");
        assert!(begun.elapsed() < Duration::from_secs(8));
    }
}

#[test]
fn health_and_metrics_tell_what_is_wrong() {
    let mut site = Site::new("");
    site.start();
    let (code, text) = site.health();
    assert_eq!(code, 200, "{text}");
    for check in ["requests", "request database", "state directory", "area DEMO"] {
        assert!(text.contains(&format!("{{\"name\":\"{check}\",\"ok\":true")), "{check}: {text}");
    }
    let root = site.path("var/storage/demo");
    std::fs::rename(&root, site.path("away")).unwrap();
    let (code, text) = site.health();
    assert_eq!(code, 503);
    assert!(text.contains("\"status\":\"failing\"") && text.contains("put it back"), "{text}");
    std::fs::rename(site.path("away"), &root).unwrap();
    assert_eq!(site.health().0, 200);
    // Another file system mounted there is served after a reload.
    std::fs::rename(&root, site.path("away")).unwrap();
    std::fs::create_dir(&root).unwrap();
    assert!(site.health().1.contains("reload (SIGHUP)"));
    site.reload();
    assert_eq!(site.health().0, 200);

    wire::plain_get(site.ports.plain, "/demo/").unwrap();
    let text = wire::plain_get(site.ports.admin, "/metrics").unwrap().text();
    for name in ["stormd_requests_total", "stormd_request_seconds", "stormd_connections"] {
        assert!(text.contains(&format!("# HELP {name} ")), "{name}: {text}");
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}: {text}");
    }
    assert!(
        text.contains("stormd_requests_total{port=\"http\",op=\"GET\",status=\"200\"} 1"),
        "{text}"
    );
    site.end();
}

/// Descriptors fit the connections, as far as the system lets us.
#[test]
fn the_limit_of_open_files_fits_the_connections() {
    let mut site = Site::new("[limits]\nconnections = 2000\n");
    site.start_with(|command, site| {
        let program = command.get_program().to_owned();
        *command = Command::new("bash");
        command.args(["-c", "ulimit -Sn 1024; exec \"$0\" --config storm.toml >out 2>log"]);
        command.arg(program).current_dir(site.path(""));
    });
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", site.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft: u64 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(soft >= 2000 + 4096, "{line}");
    site.end();
}
