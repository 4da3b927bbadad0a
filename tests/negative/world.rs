//! A CA, a person, a VOMS server, and a daemon that trusts them; everything is forged, so that a test may bend
//! it as it likes.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

use crate::common::client::Tls;
use crate::common::soap::{self, Answer};
use crate::common::{TestStorm, wire};

#[path = "../../src/auth/x509/asn1.rs"]
#[allow(dead_code)]
pub mod asn1;
#[path = "../../src/auth/x509/forge.rs"]
#[allow(dead_code)]
pub mod forge;
#[path = "../../src/auth/x509/forge_ac.rs"]
#[allow(dead_code)]
pub mod forge_ac;

pub(crate) use asn1::{oid, tag, tlv};
pub(crate) use forge::*;
pub(crate) use forge_ac::{Ac, ac_list};

pub(crate) const CA: &str = "/C=IT/O=Forged Grid/CN=Forged CA";
pub(crate) const USER: &str = "/C=IT/O=Forged Grid/CN=Forged User";
pub(crate) const VOMS: &str = "/C=IT/O=Forged Grid/CN=voms.example.org";

/// The now of everything that is forged.
pub(crate) fn tests_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Everything of one test.
pub(crate) struct World {
    dir: TempDir,
    pub(crate) ca: Holder,
    pub(crate) user: Holder,
    pub(crate) voms: Holder,
    daemon: Option<TestStorm>,
}

impl World {
    /// With a directory of trust anchors as a site has it: CA, policy, no CRL.
    pub(crate) fn new() -> Self {
        let dir = TempDir::with_prefix("stormd-negative-").unwrap();
        let ca = Holder::root(CA);
        let user = ca.issue(USER, |_| {});
        let voms = ca.issue(VOMS, |f| f.serial = vec![0x77]);
        std::fs::create_dir_all(dir.path().join("certificates")).unwrap();
        std::fs::create_dir_all(dir.path().join("vomsdir/test.vo")).unwrap();
        let world = Self { dir, ca, user, voms, daemon: None };
        world.anchor(&world.ca, "0");
        world.signing_policy(&world.ca, "/C=IT/O=Forged Grid/*");
        world.lsc(&format!("{VOMS}\n{CA}\n"));
        world
    }

    /// [`World::new`], running with the default settings.
    pub(crate) fn running() -> Self {
        let mut world = Self::new();
        world.start("");
        world
    }

    /// Starts the daemon (again) with more lines of `[tls]`: it reads everything anew.
    pub(crate) fn start(&mut self, more: &str) {
        self.start_all(more, "");
    }

    /// [`World::start`] with further tables of storm.toml instead.
    pub(crate) fn start_with(&mut self, tables: &str) {
        self.start_all("", tables);
    }

    fn start_all(&mut self, more: &str, tables: &str) {
        let dir = self.dir.path().display();
        let tls = format!(
            "trust_anchors = \"{dir}/certificates\"\nvomsdir = \"{dir}/vomsdir\"\n{more}\n"
        );
        let storm = TestStorm::trusting(&tls, tables, Vec::new());
        for area in ["open", "test.vo"] {
            std::fs::write(storm.root(area).join("file"), "what is inside").unwrap();
        }
        self.daemon = Some(storm);
    }

    pub(crate) fn storm(&self) -> &TestStorm {
        self.daemon.as_ref().expect("the test starts it")
    }

    /// Puts a file of this CA into the directory, under OpenSSL's hash name.
    pub(crate) fn file(&self, ca: &Holder, end: &str, content: &[u8]) {
        let path = self.dir.path().join("certificates").join(format!("{}.{end}", hash(ca)));
        std::fs::write(path, content).unwrap();
    }

    /// `0`, or another number for another key of the same name.
    pub(crate) fn anchor(&self, ca: &Holder, number: &str) {
        self.file(ca, number, &ca.der);
    }

    pub(crate) fn signing_policy(&self, ca: &Holder, subjects: &str) {
        let text = format!(
            "access_id_CA X509 '{}'\npos_rights globus CA:sign\ncond_subjects globus '\"{subjects}\"'\n",
            ca.name
        );
        self.file(ca, "signing_policy", text.as_bytes());
    }

    /// A CRL of our CA over these serials, with its two dates from now.
    pub(crate) fn crl(&self, serials: &[&[u8]], from: i64, to: i64) {
        let dates = (tests_now() + from, tests_now() + to);
        self.file(&self.ca, "r0", &crl(&self.ca, &self.ca.key, serials, dates, &[]));
    }

    pub(crate) fn lsc(&self, text: &str) {
        std::fs::write(self.dir.path().join("vomsdir/test.vo/voms.example.org.lsc"), text).unwrap();
    }

    /// A proxy of the person with these attribute certificates.
    pub(crate) fn voms_proxy(&self, acs: &[Vec<u8>]) -> Holder {
        self.user.proxy("1", |f| f.set(oid::VOMS_ACS, false, ac_list(acs)))
    }

    /// The same with one, which `change` may bend before it is signed.
    pub(crate) fn with_ac(&self, change: impl FnOnce(&mut Ac)) -> Holder {
        let mut ac = Ac::of(&self.user, &self.voms);
        change(&mut ac);
        self.voms_proxy(&[ac.sign(&self.voms.key)])
    }

    /// srmLs of a file by the holder of this chain.
    pub(crate) fn list(&self, chain: &[&Holder], path: &str) -> Answer {
        let config = config(chain, Tls::Any);
        let surl = soap::surls(&[&self.storm().surl(path)]);
        block_on(soap::once(&config, self.storm().ports.srm, "srmLs", &surl)).unwrap()
    }

    /// GET of a file by the holder of this chain: status and text.
    pub(crate) fn get(&self, chain: &[&Holder], path: &str) -> (u16, String) {
        let config = config(chain, Tls::Any);
        let port = self.storm().ports.https;
        let answer = block_on(wire::once(&config, port, "GET", path, b"")).unwrap();
        (answer.status, answer.text())
    }

    /// Both ports take this chain, and the access log names the person.
    #[track_caller]
    pub(crate) fn accepted(&self, chain: &[&Holder], dn: &str) {
        let answer = self.list(chain, "/open/file");
        assert_eq!(answer.file_code(), "SRM_SUCCESS", "{}", answer.xml);
        assert_eq!(self.get(chain, "/open/file"), (200, "what is inside".to_owned()));
        self.storm().access_of(dn, |line| line.dn() == dn);
    }

    /// Both ports refuse this chain in words that hold all of `says`.
    #[track_caller]
    pub(crate) fn refused(&self, chain: &[&Holder], says: &[&str]) {
        let answer = self.list(chain, "/open/file");
        assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{}", answer.xml);
        let (status, text) = self.get(chain, "/open/file");
        assert_eq!(status, 401, "{text}");
        assert!(!answer.xml.contains("what is inside") && !text.contains("what is inside"));
        for told in [answer.explanation.replace("&apos;", "'"), text] {
            for part in says {
                assert!(told.contains(part), "{told:?} does not say {part:?}");
            }
        }
    }

    /// The person is let in with these FQANs, which open the VO's area.
    #[track_caller]
    pub(crate) fn has_fqans(&self, chain: &[&Holder], fqans: &str) {
        let answer = self.list(chain, "/test.vo/file");
        assert_eq!(answer.file_code(), "SRM_SUCCESS", "{}", answer.xml);
        self.storm().access_of(fqans, |line| line.get("fqan") == fqans && line.dn() == USER);
    }

    /// The person is let in, but hears on both ports why the VO's area stays closed.
    #[track_caller]
    pub(crate) fn no_fqans(&self, chain: &[&Holder], says: &[&str]) {
        self.accepted(chain, USER);
        let answer = self.list(chain, "/test.vo/file");
        assert_eq!(answer.file_code(), "SRM_AUTHORIZATION_FAILURE", "{}", answer.xml);
        let (status, text) = self.get(chain, "/test.vo/file");
        assert_eq!(status, 403, "{text}");
        for told in [answer.file_explanation(), &text] {
            for part in says {
                assert!(told.contains(part), "{told:?} does not say {part:?}");
            }
        }
    }

    /// A file for real clients: the first one's certificate and key, then the rest of the chain.
    pub(crate) fn pem(&self, name: &str, chain: &[&Holder]) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let mut text = String::new();
        for (at, holder) in chain.iter().enumerate() {
            text += &pem("CERTIFICATE", &holder.der);
            if at == 0 {
                text += &holder.key.serialize_pem();
            }
        }
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// TLS settings for the holder of this chain.
pub(crate) fn config(chain: &[&Holder], tls: Tls) -> std::sync::Arc<rustls::ClientConfig> {
    let credential = chain.first().map(|leaf| {
        let certificates: Vec<CertificateDer<'static>> =
            chain.iter().map(|one| one.der.clone()).collect();
        (certificates, PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap())
    });
    wire::config_of(credential, tls)
}

/// Runs to its end what talks to the daemon.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn hash(ca: &Holder) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &ca.der).unwrap();
    let done = Command::new("openssl")
        .args(["x509", "-inform", "DER", "-noout", "-subject_hash", "-in"])
        .arg(file.path())
        .output()
        .unwrap();
    let hash = String::from_utf8(done.stdout).unwrap().trim().to_owned();
    assert_eq!(hash.len(), 8, "openssl names the CA");
    hash
}

fn pem(what: &str, der: &[u8]) -> String {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut child = Command::new("openssl")
        .args(["base64", "-e"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(der).unwrap();
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    format!("-----BEGIN {what}-----\n{text}-----END {what}-----\n")
}
