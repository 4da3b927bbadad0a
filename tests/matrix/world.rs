//! The daemons of the matrix, the people who ask, and the places they ask about.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::common::client::Tls;
use super::common::storm::{Area, TestStorm};
use super::common::{USER_DN, USER2_DN, pki, soap, wire};

/// `plain`: rules only. `banned`: a ban list beside them. `mapped`: nobody without a local account,
/// and anonymous clients may write.
pub const DAEMONS: [&str; 3] = ["plain", "banned", "mapped"];

/// Somebody.
pub struct Identity {
    /// For messages.
    pub name: &'static str,
    /// Rows whose `who` this begins with are about them.
    pub class: &'static str,
    /// `None`: without TLS, at the anonymous http door.
    pub config: Option<Arc<ClientConfig>>,
}

/// Everybody. `admin` and `stranger1` are one person, `member`, `stranger2` and `other` another.
pub fn identities() -> Vec<Identity> {
    let proxy = |class| move |kind| (kind, class, Some(wire::config(Some(kind), Tls::Any)));
    let mut all = vec![
        ("usercert", "stranger1", Some(end_entity("user"))),
        ("user2cert", "stranger2", Some(end_entity("user2"))),
        ("https without certificate", "nobody", Some(wire::config(None, Tls::Any))),
        ("http", "nobody", None),
    ];
    let strangers = ["rfc", "rfc-limited", "rfc2", "draft", "legacy", "legacy-limited"];
    all.extend(strangers.map(proxy("stranger1")));
    all.extend(["user2"].map(proxy("stranger2")));
    all.extend(["voms-user2"].map(proxy("member")));
    all.extend(["voms", "voms-admin", "voms-legacy"].map(proxy("admin")));
    all.extend(["voms-other"].map(proxy("other")));
    let refused = ["independent", "expired", "forged", "evil", "revoked", "bad-pathlen"];
    all.extend(refused.map(proxy("refused")));
    all.into_iter().map(|(name, class, config)| Identity { name, class, config }).collect()
}

fn end_entity(who: &str) -> Arc<ClientConfig> {
    let file = |what: &str| pki::dir().join(format!("{who}{what}.pem"));
    let chain = CertificateDer::pem_file_iter(file("cert")).unwrap().map(Result::unwrap).collect();
    wire::config_of(Some((chain, PrivateKeyDer::from_pem_file(file("key")).unwrap())), Tls::Any)
}

/// One daemon.
pub struct World {
    pub daemon: &'static str,
    pub storm: TestStorm,
    /// A srmPrepareToPut of stranger1's.
    pub token: String,
    /// The space token of the area that is open to all.
    pub space: String,
}

/// A place: how it is named, and where its files really lie.
pub struct Place {
    /// Before the name of the file.
    pub stfn: &'static str,
    /// Where the test puts what the operation needs; `None`: nothing can be there.
    pub folder: Option<PathBuf>,
    /// Names there begin so.
    pub prefix: &'static str,
    /// Of SURLs; `None`: the daemon's own.
    pub host: Option<&'static str>,
}

impl World {
    /// Starts a daemon and makes its places.
    pub async fn start(daemon: &'static str) -> Self {
        let area = |name, stfn, vo, anonymous| Area { name, stfn, vo, anonymous, root: None };
        let mut storm = TestStorm::with(
            "",
            vec![
                area("OTHERVO", "other.vo", Some("other.vo"), false),
                area("RO", "ro", None, true),
                area("DB", "db", None, true),
                area("SHUT", "shut", None, true),
            ],
        );
        let dir = storm.dir().to_owned();
        for folder in ["own", "denied", "unlisted"] {
            std::fs::create_dir(storm.root("test.vo").join(folder)).unwrap();
        }
        for folder in ["d", "grouponly"] {
            std::fs::create_dir(storm.root("open").join(folder)).unwrap();
        }
        std::fs::create_dir(dir.join("outside")).unwrap();
        let own = storm.root("test.vo").join("own");
        std::os::unix::fs::symlink(dir.join("outside"), own.join("out")).unwrap();
        std::os::unix::fs::symlink(storm.root("other.vo"), own.join("area")).unwrap();
        let namespace = std::fs::read_to_string(dir.join("namespace.xml")).unwrap();
        let namespace = change_area(&namespace, "SHUT", "permit-all", "deny-all");
        let (fixed, db) = ("<fixed>permit-all</fixed>", "<authz-db>db.authz</authz-db>");
        let namespace = change_area(&namespace, "DB", fixed, db);
        std::fs::write(dir.join("namespace.xml"), namespace).unwrap();
        let acl = "ace.1=fqan:/test.vo/Role=admin:RWSC:ALLOW\nace.2=EVERYONE:RC:ALLOW\n";
        std::fs::write(dir.join("db.authz"), acl).unwrap();
        let rules = "@ALL@ / WRFDLMN permit\n@ALL@ /ro WFDMN deny\n@ALL@ /test.vo/denied WRFDLMN deny\n\
                     @ALL@ /test.vo/unlisted L deny\ngames /open/grouponly WRFDLMN permit\n\
                     @ALL@ /open/grouponly WRFDLMN deny\n";
        std::fs::write(dir.join("path-authz.db"), rules).unwrap();
        std::fs::create_dir(dir.join("etc")).unwrap();
        storm.http = "fsync = false".to_owned();
        match daemon {
            "banned" => {
                // Capitals are no matter in DNs.
                let bans = format!("# out\n{}\n\"/test.vo/Role=*\"\n", USER2_DN.to_lowercase());
                std::fs::write(dir.join("etc/ban_users.db"), bans).unwrap();
            }
            "mapped" => {
                let map = format!("\"/test.vo/Role=admin\" games\n\"{USER_DN}\" man\n");
                std::fs::write(dir.join("etc/grid-mapfile"), map).unwrap();
                storm.auth = "require_mapping = true".to_owned();
                storm.http += "\nanonymous_write = true";
            }
            _ => {}
        }
        storm.restart();
        let surl = storm.surl("/open/d/of-stranger1");
        let put = soap::prepare_to_put(&[surl], None);
        let rfc = wire::config(Some("rfc"), Tls::Any);
        let answer = soap::once(&rfc, storm.ports.srm, "srmPrepareToPut", &put).await.unwrap();
        let token = answer.expect("SRM_SPACE_AVAILABLE").token.unwrap();
        let described = "<userSpaceTokenDescription>OPEN_TOKEN</userSpaceTokenDescription>";
        let port = storm.ports.srm;
        let answer = soap::once(&rfc, port, "srmGetSpaceTokens", described).await.unwrap();
        let space = soap::text(&answer.xml, "stringArray").unwrap();
        Self { daemon, storm, token, space }
    }

    /// By its name in matrix.tsv.
    pub fn place(&self, name: &str) -> Place {
        let root = |area: &str, below: &str| Some(self.storm.root(area).join(below));
        let place = |stfn, folder| Place { stfn, folder, prefix: "", host: None };
        match name {
            "own" => place("/test.vo/own", root("test.vo", "own")),
            "theirs" => place("/other.vo", root("other.vo", "")),
            "open" => place("/open/d", root("open", "d")),
            "readonly" => place("/ro", root("ro", "")),
            "denied" => place("/test.vo/denied", root("test.vo", "denied")),
            "unlisted" => place("/test.vo/unlisted", root("test.vo", "unlisted")),
            "grouponly" => place("/open/grouponly", root("open", "grouponly")),
            "authzdb" => place("/db", root("db", "")),
            "shut" => place("/shut", root("shut", "")),
            "dots" => place("/test.vo/own/../../other.vo", root("other.vo", "")),
            "dots%" => place("/test.vo/own/%2e%2e/%2E%2e/other.vo", root("other.vo", "")),
            "above" => place("/test.vo/own/../../../other.vo", root("other.vo", "")),
            "link" => place("/test.vo/own/out", Some(self.storm.dir().join("outside"))),
            "linkarea" => place("/test.vo/own/area", root("other.vo", "")),
            "hidden" => {
                Place { prefix: ".storm.", ..place("/test.vo/own", root("test.vo", "own")) }
            }
            "nowhere" => place("/nowhere", None),
            "host" => Place { host: Some("se.example"), ..place("/open/d", root("open", "d")) },
            "-" => place("/open/d", None),
            other => panic!("no place {other}"),
        }
    }
}

fn change_area(text: &str, name: &str, from: &str, to: &str) -> String {
    let start = text.find(&format!("<filesystem name=\"{name}\"")).unwrap();
    let end = start + text[start..].find("</filesystem>").unwrap();
    format!("{}{}{}", &text[..start], text[start..end].replace(from, to), &text[end..])
}
