//! What somebody gains who gets at the process, its files or its log: as little as can be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::client::Tls;
use common::site::Site;
use common::wire::{self, Conn};
use common::{pki, soap};

const ACCOUNT: &str = "nobody";

/// A site that the account can read, whose host key is the account's own, and nobody else's.
fn site() -> Site {
    assert!(nix::unistd::geteuid().is_root(), "this suite wants root, as make test says");
    let site = Site::new(&format!(
        "[daemon]\nuser = \"{ACCOUNT}\"\n[tls]\ncertificate = \"hostcert.pem\"\n\
         key = \"hostkey.pem\"\ntrust_anchors = \"certificates\"\nvomsdir = \"vomsdir\"\n"
    ));
    set_mode(&site.path(""), 0o711);
    for file in ["storm.toml", "namespace.xml"] {
        set_mode(&site.path(file), 0o644);
    }
    let copy = Command::new("cp")
        .args(["-rL", "certificates", "vomsdir", "hostcert.pem", "hostkey.pem"])
        .arg(site.path(""))
        .current_dir(pki::dir())
        .status();
    assert!(copy.unwrap().success());
    let account = nix::unistd::User::from_name(ACCOUNT).unwrap().unwrap();
    let key = site.path("hostkey.pem");
    std::os::unix::fs::chown(&key, Some(account.uid.as_raw()), None).unwrap();
    set_mode(&key, 0o400);
    site
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

/// Started as root: every thread is the account's, without a capability and without a way to one;
/// and the doors serve all the same.
#[tokio::test]
async fn no_thread_keeps_anything_of_root() {
    let mut site = site();
    site.start();
    put_and_get(&site).await;

    let account = nix::unistd::User::from_name(ACCOUNT).unwrap().unwrap();
    let ids = |id: u32| format!("{id}\t{id}\t{id}\t{id}");
    let (uid, gid) = (account.uid.as_raw(), account.gid.as_raw());
    let tasks = PathBuf::from(format!("/proc/{}/task", site.pid()));
    let mut threads = 0;
    for task in std::fs::read_dir(&tasks).unwrap() {
        let Ok(status) = std::fs::read_to_string(task.unwrap().path().join("status")) else {
            continue; // A thread that has just ended.
        };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
        };
        assert_eq!((field("Uid:"), field("Gid:")), (ids(uid), ids(gid)), "{status}");
        assert_eq!(field("Groups:"), gid.to_string(), "{status}");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(field(set), "0000000000000000", "{set} {status}");
        }
        assert_eq!((field("NoNewPrivs:").as_str(), field("Umask:").as_str()), ("1", "0007"));
        threads += 1;
    }
    assert!(threads > 5, "{threads}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", site.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");

    // What another process of the same account sees of its memory and environment.
    let peek = |account: &str, file: &str| {
        let line = format!("head -c1 /proc/{}/{file}", site.pid());
        let done = Command::new("setpriv")
            .args(["--reuid", account, "--clear-groups", "sh", "-c", &line])
            .output()
            .unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    for file in ["environ", "maps", "mem"] {
        let (seen, told) = peek(ACCOUNT, file);
        assert!(!seen && told.contains("ermission denied"), "{file}: {told}");
    }
    assert!(peek(ACCOUNT, "status").0, "the control: it can look at what is open");
    site.end();
}

/// A put from srmPrepareToPut to srmPutDone, and a GET.
async fn put_and_get(site: &Site) {
    let config = wire::config(Some("rfc"), Tls::Any);
    let surl = format!("srm://localhost:{}/demo/file", site.ports.srm);
    let srm = async |operation: &str, inner: String| {
        soap::once(&config, site.ports.srm, operation, &inner).await.unwrap()
    };
    let put = srm("srmPrepareToPut", soap::prepare_to_put(&[&surl], Some(5))).await;
    let put = put.expect("SRM_SPACE_AVAILABLE");
    let (port, target) = wire::split_url(&put.files[0].turl.clone().unwrap());
    assert_eq!(wire::once(&config, port, "PUT", &target, b"bytes").await.unwrap().status, 201);
    let done = soap::token(&put.token.unwrap()) + &soap::surls(&[&surl]);
    srm("srmPutDone", done).await.expect("SRM_SUCCESS");
    let got = wire::once(&config, site.ports.https, "GET", "/demo/file", b"").await.unwrap();
    assert_eq!((got.status, got.body.as_slice()), (200, &b"bytes"[..]));
    let file = site.path("var/storage/demo/file").metadata().unwrap();
    let account = nix::unistd::User::from_name(ACCOUNT).unwrap().unwrap();
    assert_eq!((file.uid(), file.mode() & 0o7777), (account.uid.as_raw(), 0o660));
}

/// State is for its owner; what is not, after a backup was put back for example, is mended and told.
#[tokio::test]
async fn state_and_keys_are_closed_to_others() {
    let mut site = site();
    site.start();
    put_and_get(&site).await;
    let state = site.path("var");
    let files = || {
        let entries = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let check = || {
        assert_eq!(mode(&state), 0o700);
        for file in files() {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    };
    check();
    let names: Vec<_> = files().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    for name in ["stormd.db", "stormd.db-wal", "stormd.db-shm", "owner", "lock", "addresses.json"] {
        assert!(names.contains(&name.into()), "{names:?}");
    }
    assert!(!site.log().contains("others"), "{}", site.log());
    site.end();

    for file in files() {
        set_mode(&file, 0o666);
    }
    set_mode(&state, 0o755);
    set_mode(&site.path("hostkey.pem"), 0o644);
    site.start();
    let log = site.log();
    assert!(log.contains("stormd.db: others had rights on it (mode 666): taken"), "{log}");
    assert!(log.contains("var: others may look into it (mode 755): chmod 0700"), "{log}");
    assert!(log.contains("others can read or replace the host key (mode 644)"), "{log}");
    set_mode(&state, 0o700);
    check();
    site.end();

    // The demo's keys, too.
    let mut demo = Site::new("");
    demo.start();
    demo.end();
    let key = demo.path("var/demo/userkey.pem");
    set_mode(&key, 0o644);
    demo.start();
    assert_eq!(mode(&key), 0o600);
    assert_eq!(mode(&demo.path("var/demo/ca.pem")) & 0o400, 0o400);
    demo.end();
}

/// All is logged that can be: no key, no token, no password.
#[tokio::test]
async fn no_secret_gets_into_the_log() {
    let mut site = site();
    site.environment("RUST_LOG", "trace");
    site.start();
    put_and_get(&site).await;
    let config = wire::config(Some("rfc"), Tls::Any);
    let secrets = [
        ("authorization", "Bearer eyJSECRET.eyJTOKEN.SIGNATURE"),
        ("cookie", "session=SECRETCOOKIE"),
        ("x-storage-authorization", "SECRETSTORAGE"),
        ("credentials", "SECRETCREDENTIALS"),
    ];
    for (port, method, target) in [
        (site.ports.https, "GET", "/demo/file?authz=SECRETQUERY"),
        (site.ports.https, "PUT", "/demo/other?access_token=SECRETQUERY"),
        (site.ports.https, "COPY", "/demo/file"),
        (site.ports.srm, "POST", "/srm/managerv2?x=SECRETQUERY"),
    ] {
        let mut conn = Conn::tls(&config, port).await.unwrap();
        let url = "https://user:SECRETPASSWORD@localhost/x?authz=SECRETQUERY";
        let headers = [&secrets[..], &[("source", url), ("destination", url)]].concat();
        conn.request(method, target, &headers, b"content").await.unwrap();
    }
    let gfal = Command::new("timeout")
        .args(["60", "gfal-ls", &format!("srm://localhost:{}/demo/", site.ports.srm)])
        .env("HOME", site.path(""))
        .env("X509_USER_PROXY", pki::proxy("voms"))
        .env("X509_CERT_DIR", pki::certificates())
        .env("GFAL_PYTHONBIN", "/usr/bin/python3")
        .output()
        .unwrap();
    assert!(gfal.status.success(), "{}", String::from_utf8_lossy(&gfal.stderr));
    let url = format!("https://localhost:{}/demo/", site.ports.https);
    let curl = Command::new("curl").args(["-sk", "-u", "user:SECRETPASSWORD", &url]).output();
    assert!(curl.unwrap().status.success());
    site.end();

    let log = site.log();
    assert!(log.contains("gsi=true"));
    assert!(log.contains("TRACE") && log.contains("srmLs"));
    let found = |secret: &str| log.lines().find(|line| line.contains(secret)).map(str::to_owned);
    for secret in ["SECRET", "eyJTOKEN", "PRIVATE KEY"] {
        assert_eq!(found(secret), None);
    }
    for file in [pki::dir().join("hostkey.pem"), pki::proxy("rfc"), pki::proxy("voms")] {
        let text = std::fs::read_to_string(&file).unwrap();
        let keys = text.split("PRIVATE KEY-----").skip(1).step_by(2);
        let mut lines = 0;
        for line in keys.flat_map(str::lines).filter(|line| line.len() > 40) {
            assert_eq!(found(line), None, "{}", file.display());
            lines += 1;
        }
        assert!(lines > 10, "{}", file.display());
    }
}
