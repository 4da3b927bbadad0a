//! stormd as a site runs it: under an account of its own, with a JiT area at `/jit` and an AoT area at
//! `/aot`, and two people of the VO with local accounts.

use std::process::Command;
use std::sync::Arc;

use rustls::ClientConfig;

use super::accounts;
use super::client::Tls;
use super::soap::{self, Answer};
use super::storm::{Area, Setup, TestStorm};
use super::wire;

pub struct Grid {
    pub storm: TestStorm,
    /// Their account is [`accounts::one`].
    pub user: Arc<ClientConfig>,
    /// Theirs is [`accounts::two`].
    pub user2: Arc<ClientConfig>,
}

/// A file that was asked for: its TURL is there.
pub struct Asked {
    pub surl: String,
    pub token: String,
    pub turl: String,
}

impl Asked {
    /// The path on disk behind the TURL.
    pub fn path(&self) -> &str {
        let (_, rest) = self.turl.split_once("://").unwrap();
        // `file:///p`, or `gsiftp://host:port//p`.
        rest.find("//").map_or(rest, |at| &rest[at + 1..])
    }
}

impl Grid {
    pub fn new() -> Self {
        Self::with(Setup::default(), "")
    }

    /// With more of storm.toml, areas and changes, and more `<prot>` in both areas.
    pub fn with(setup: Setup, protocols: &str) -> Self {
        let area = |name, stfn| Area { name, stfn, vo: None, anonymous: false, root: None };
        let mut areas = vec![area("JIT", "jit"), area("AOT", "aot")];
        areas.extend(setup.areas);
        let offers = |area| (area, "</trans-prot>", format!("{protocols}</trans-prot>"));
        let mode = "<aclMode>AoT</aclMode>";
        let jit = ("JIT", mode, "<aclMode>JiT</aclMode>".to_owned());
        let mut changes = vec![jit, offers("JIT"), offers("AOT")];
        changes.extend(setup.changes);
        let account = Some(accounts::service().clone());
        let gridmap = accounts::grid_mapfile();
        let storm = TestStorm::set_up(Setup { areas, changes, account, gridmap, ..setup });
        for area in ["jit", "aot"] {
            chmod("0770", &storm.root(area).display().to_string());
        }
        Self {
            storm,
            user: wire::config(Some("voms"), Tls::Any),
            user2: wire::config(Some("voms-user2"), Tls::Any),
        }
    }

    pub async fn ask(&self, who: &Arc<ClientConfig>, operation: &str, inner: &str) -> Answer {
        Box::pin(soap::once(who, self.storm.ports.srm, operation, inner)).await.unwrap()
    }

    /// srmPrepareToPut by the first person; `more` are elements beside the array.
    pub async fn prepare_to_put(&self, path: &str, protocol: &str, more: &str) -> Answer {
        let inner = soap::prepare_to_put(&[self.storm.surl(path)], None) + more;
        self.ask(&self.user, "srmPrepareToPut", &by(protocol, &inner)).await
    }

    /// The same, as far as its TURL.
    pub async fn put(&self, path: &str, protocol: &str, more: &str) -> Asked {
        let answer = self.prepare_to_put(path, protocol, more).await;
        self.asked(path, answer.expect("SRM_SPACE_AVAILABLE"))
    }

    pub async fn prepare_to_get(
        &self,
        who: &Arc<ClientConfig>,
        path: &str,
        protocol: &str,
        more: &str,
    ) -> Answer {
        let inner = soap::prepare_to_get(&[self.storm.surl(path)]) + more;
        self.ask(who, "srmPrepareToGet", &by(protocol, &inner)).await
    }

    pub async fn get(&self, who: &Arc<ClientConfig>, path: &str, protocol: &str) -> Asked {
        let answer = self.prepare_to_get(who, path, protocol, "").await;
        self.asked(path, answer.expect("SRM_FILE_PINNED"))
    }

    fn asked(&self, path: &str, answer: Answer) -> Asked {
        let turl = answer.files[0].turl.clone().expect("a TURL");
        Asked { surl: self.storm.surl(path), token: answer.token.expect("a token"), turl }
    }

    pub async fn put_done(&self, put: &Asked) -> Answer {
        let inner = soap::token(&put.token) + &soap::surls(&[&put.surl]);
        self.ask(&self.user, "srmPutDone", &inner).await
    }

    pub async fn release(&self, who: &Arc<ClientConfig>, get: &Asked) -> Answer {
        let inner = soap::token(&get.token) + &soap::surls(&[&get.surl]);
        self.ask(who, "srmReleaseFiles", &inner).await
    }

    pub async fn abort(&self, asked: &Asked) -> Answer {
        self.ask(&self.user, "srmAbortRequest", &soap::token(&asked.token)).await
    }

    /// A path below an area's folder: `/jit/f`.
    pub fn disk(&self, path: &str) -> String {
        self.storm.dir().join("areas").join(&path[1..]).display().to_string()
    }

    /// Puts a file of stormd's own on disk.
    pub fn plant(&self, path: &str, text: &str) {
        std::fs::write(self.disk(path), text).unwrap();
        self.own("0660", path);
    }

    /// Makes a directory of stormd's own.
    pub fn mkdir(&self, path: &str) {
        std::fs::create_dir(self.disk(path)).unwrap();
        self.own("0770", path);
    }

    fn own(&self, mode: &str, path: &str) {
        let (account, disk) = (accounts::service(), self.disk(path));
        std::os::unix::fs::chown(&disk, Some(account.uid), Some(account.gid)).unwrap();
        chmod(mode, &disk);
    }

    /// The ACL of a path as getfacl prints it, the comments left out.
    pub fn acl(&self, path: &str) -> String {
        getfacl(&self.disk(path))
    }

    /// `setfacl ARGUMENTS path`
    pub fn setfacl(&self, arguments: &[&str], path: &str) {
        let done = Command::new("setfacl").args(arguments).arg(self.disk(path)).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

/// What getfacl prints of a path, numbers and masks as they are, the comments left out.
pub fn getfacl(path: &str) -> String {
    let done = Command::new("getfacl").args(["-pcnE", path]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn chmod(mode: &str, path: &str) {
    assert!(Command::new("chmod").args([mode, path]).status().unwrap().success());
}

/// Another list of protocols, in this order, parted by blanks.
fn by(protocols: &str, inner: &str) -> String {
    let list: String =
        protocols.split(' ').map(|p| format!("<stringArray>{p}</stringArray>")).collect();
    inner.replace("<stringArray>https</stringArray>", &list)
}

/// Lets every account come to a path of the test's own.
pub fn open(path: &str) {
    chmod("0777", path);
}
