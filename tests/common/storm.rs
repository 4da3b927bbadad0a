//! The real daemon, in a folder of its own.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::access::{self, Access};
use super::accounts::Account;
use super::pki;
use super::ports::free_port;

/// How long the daemon may take to answer `/health`.
const START: Duration = Duration::from_secs(20);

/// One storage area of the generated namespace.xml.
pub struct Area {
    /// `name`; the access point is `/` + `stfn`.
    pub name: &'static str,
    /// Access point without the leading slash.
    pub stfn: &'static str,
    /// `vo-name`, where only one VO may approach it.
    pub vo: Option<&'static str>,
    /// `anonymous-http-read`.
    pub anonymous: bool,
    /// Folder; by default `<dir>/areas/<stfn>`.
    pub root: Option<PathBuf>,
}

/// The areas every test has: one for the VO `test.vo`, one for every certificate that anonymous
/// people may read, one for a VO nobody is in.
fn standard_areas() -> Vec<Area> {
    let area = |name, stfn, vo, anonymous| Area { name, stfn, vo, anonymous, root: None };
    vec![
        area("TESTVO", "test.vo", Some("test.vo"), false),
        area("OPEN", "open", None, true),
        area("CLOSED", "closed", Some("nobody.vo"), false),
    ]
}

/// The daemon under test. Killed when dropped; a failing test shows the end of its log.
pub struct TestStorm {
    temp: TempDir,
    child: Option<Child>,
    /// Ports in use.
    pub ports: Ports,
    /// More keys of `[http]`, from the next restart on.
    pub http: String,
    /// More keys of `[auth]`, from the next restart on.
    pub auth: String,
    settings: String,
    trust: String,
    /// Certificates, keys and trust anchors.
    pki: PathBuf,
    account: Option<Account>,
}

/// What a daemon is to be like; the default is that of [`TestStorm::start`].
#[derive(Default)]
pub struct Setup {
    /// See [`TestStorm::with`].
    pub settings: String,
    /// More areas.
    pub areas: Vec<Area>,
    /// The account it runs as, to which the whole folder belongs then; that lets everybody pass.
    pub account: Option<Account>,
    /// All that `[tls]` says besides the host certificate; empty: that of the test PKI.
    pub trust: String,
    /// The grid-mapfile.
    pub gridmap: String,
    /// Elements of namespace.xml to be replaced: area, text, new text.
    pub changes: Vec<(&'static str, &'static str, String)>,
}

/// The ports of the four doors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    pub srm: u16,
    pub https: u16,
    pub plain: u16,
    pub admin: u16,
}

impl Ports {
    fn free() -> Self {
        Self { srm: free_port(), https: free_port(), plain: free_port(), admin: free_port() }
    }
}

impl TestStorm {
    /// Starts with the standard areas and default settings.
    pub fn start() -> Self {
        Self::with("", Vec::new())
    }

    /// Starts with more of storm.toml and more areas. The text begins inside `[srm]`; further tables
    /// may follow (none of `[site]`, `[paths]`, `[http]`, `[admin]`, `[tls]`, `[auth]`).
    pub fn with(settings: &str, more: Vec<Area>) -> Self {
        let settings = settings.to_owned();
        Self::set_up(Setup { settings, areas: more, ..Setup::default() })
    }

    /// As [`TestStorm::with`]; `trust` is all that `[tls]` says besides the host certificate.
    pub fn trusting(trust: &str, settings: &str, more: Vec<Area>) -> Self {
        let (trust, settings) = (trust.to_owned(), settings.to_owned());
        Self::set_up(Setup { trust, settings, areas: more, ..Setup::default() })
    }

    /// Starts as told.
    pub fn set_up(setup: Setup) -> Self {
        let temp = TempDir::with_prefix("stormd-test-").unwrap();
        let mut areas = standard_areas();
        areas.extend(setup.areas);
        for area in &mut areas {
            let root = temp.path().join("areas").join(area.stfn);
            let root = area.root.get_or_insert(root);
            std::fs::create_dir_all(root).unwrap();
        }
        std::fs::create_dir_all(temp.path().join("home")).unwrap();
        let mut text = namespace(&areas);
        for (area, from, to) in setup.changes {
            let at = text.find(&format!("<filesystem name=\"{area}\"")).unwrap();
            assert!(text[at..].contains(from), "{area} has no {from}");
            let changed = text[at..].replacen(from, &to, 1);
            text.replace_range(at.., &changed);
        }
        std::fs::write(temp.path().join("namespace.xml"), text).unwrap();
        if !setup.gridmap.is_empty() {
            std::fs::create_dir(temp.path().join("etc")).unwrap();
            std::fs::write(temp.path().join("etc/grid-mapfile"), setup.gridmap).unwrap();
        }
        let mut pki = pki::dir().to_owned();
        if let Some(account) = &setup.account {
            let own = temp.path().join("pki");
            run("cp", &["-r", &pki.display().to_string(), &own.display().to_string()]);
            pki = own;
            let folder = temp.path().display().to_string();
            run("chown", &["-R", &format!("{}:{}", account.uid, account.gid), &folder]);
            run("chmod", &["0711", &folder, &format!("{folder}/areas")]);
        }
        let mut trust = setup.trust;
        if trust.is_empty() {
            let pki = pki.display();
            trust =
                format!("trust_anchors = \"{pki}/certificates\"\nvomsdir = \"{pki}/vomsdir\"\n");
        }
        let mut storm = Self {
            temp,
            child: None,
            ports: Ports::free(),
            http: String::new(),
            trust,
            settings: setup.settings,
            pki,
            account: setup.account,
            auth: String::new(),
        };
        storm.restart();
        storm
    }

    /// The folder of everything: `areas/`, `var/`, `storm.log`, `home/`.
    pub fn dir(&self) -> &Path {
        self.temp.path()
    }

    /// The folder of an area's access point.
    pub fn root(&self, stfn: &str) -> PathBuf {
        self.dir().join("areas").join(stfn)
    }

    /// `srm://localhost:PORT/path`
    pub fn surl(&self, path: &str) -> String {
        format!("srm://localhost:{}{path}", self.ports.srm)
    }

    /// `srm://localhost:PORT/srm/managerv2?SFN=/path`
    pub fn surl_sfn(&self, path: &str) -> String {
        format!("srm://localhost:{}/srm/managerv2?SFN={path}", self.ports.srm)
    }

    /// `https://localhost:PORT/path`
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.ports.https)
    }

    /// Starts (again), always on the same ports.
    pub fn restart(&mut self) {
        self.kill9();
        let addresses = self.dir().join("var/addresses.json");
        let _ = std::fs::remove_file(&addresses);
        let config = self.dir().join("storm.toml");
        std::fs::write(&config, self.config()).unwrap();
        let log = OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_stormd"));
        if let Some(Account { uid, gid, .. }) = self.account {
            command.uid(uid).gid(gid);
        }
        let child = command
            .arg("--config")
            .arg(&config)
            .current_dir(self.dir())
            .env("RUST_LOG", std::env::var("STORMD_TEST_LOG").unwrap_or("info".to_owned()))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let end = Instant::now() + START;
        loop {
            if let Some(ports) = read_ports(&addresses) {
                self.ports = ports;
                if self.healthy() {
                    return;
                }
            }
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("stormd ended at start: {status}");
            }
            assert!(Instant::now() < end, "stormd did not get healthy in {START:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `kill -9`, as a power cut looks to the process.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM; gives how it ended, and how long that took.
    pub fn term(&mut self) -> (std::process::ExitStatus, Duration) {
        let mut child = self.child.take().expect("stormd runs");
        let started = Instant::now();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        let status = child.wait().unwrap();
        (status, started.elapsed())
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("stormd runs").id()
    }

    /// True when `/health` says so.
    pub fn healthy(&self) -> bool {
        super::wire::plain_get(self.ports.admin, "/health").is_ok_and(|a| a.status == 200)
    }

    /// The log so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All access lines so far.
    pub fn access(&self) -> Vec<Access> {
        self.log().lines().filter_map(access::parse).collect()
    }

    /// The access lines that `pick` picks, when there is at least one; a line is written when the
    /// response has ended, so it may come a moment after the client has its answer.
    pub fn access_of(&self, what: &str, pick: impl Fn(&Access) -> bool) -> Vec<Access> {
        let mut found = Vec::new();
        super::wait_until(Duration::from_secs(3), || {
            found = self.access().into_iter().filter(|a| pick(a)).collect();
            !found.is_empty()
        });
        assert!(!found.is_empty(), "no access line of {what}");
        found
    }

    fn log_path(&self) -> PathBuf {
        self.dir().join("storm.log")
    }

    fn config(&self) -> String {
        let (pki, p) = (self.pki.display(), self.ports);
        // Clients may take either address of "localhost" first.
        let any = if std::net::TcpListener::bind("[::1]:0").is_ok() { "[::]" } else { "127.0.0.1" };
        format!(
            "[site]\nname = \"stormd-test\"\nhost = \"localhost\"\n\
             [paths]\nnamespace = \"namespace.xml\"\nstate = \"var\"\n\
             [http]\nhttps = \"{any}:{}\"\nplain = \"127.0.0.1:{}\"\n{}\n\
             [admin]\nlisten = \"127.0.0.1:{}\"\n\
             [tls]\ncertificate = \"{pki}/hostcert.pem\"\nkey = \"{pki}/hostkey.pem\"\n{}\
             [auth]\ngridmap = \"etc/grid-mapfile\"\ngroupmap = \"etc/groupmapfile\"\n\
             gridmapdir = \"etc/gridmapdir\"\nban = \"etc/ban_users.db\"\n{}\n\
             [srm]\nlisten = \"{any}:{}\"\n{}\n",
            p.https, p.plain, self.http, p.admin, self.trust, self.auth, p.srm, self.settings
        )
    }
}

/// Runs a program that must do well.
#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {arguments:?}: {why}");
}

impl Drop for TestStorm {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- end of stormd's log ---");
            for line in &lines[lines.len().saturating_sub(40)..] {
                eprintln!("{line:.400}");
            }
            eprintln!("---");
        }
    }
}

/// `<state>/addresses.json`: `{"srm": "127.0.0.1:1234", "https": …, "plain": …, "admin": …}`.
pub(super) fn read_ports(path: &Path) -> Option<Ports> {
    let text = std::fs::read_to_string(path).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    let port = |door: &str| json.get(door)?.as_str()?.rsplit(':').next()?.parse().ok();
    Some(Ports {
        srm: port("srm")?,
        https: port("https")?,
        plain: port("plain")?,
        admin: port("admin")?,
    })
}

fn namespace(areas: &[Area]) -> String {
    let (mut systems, mut mappings, mut approaches) = (String::new(), String::new(), String::new());
    for Area { name, stfn, vo, anonymous, root } in areas {
        let root = root.as_deref().unwrap_or(Path::new("/nowhere")).display();
        let vo = vo.map_or(String::new(), |vo| format!("<vo-name>{vo}</vo-name>"));
        write!(
            systems,
            r#"
    <filesystem name="{name}" fs_type="ext3">
      <space-token-description>{name}_TOKEN</space-token-description>
      <storage-class>T0D1</storage-class>
      <root>{root}</root>
      <filesystem-driver>it.grid.storm.filesystem.swig.posixfs</filesystem-driver>
      <spacesystem-driver>it.grid.storm.filesystem.MockSpaceSystem</spacesystem-driver>
      <storage-area-authz><fixed>permit-all</fixed></storage-area-authz>
      <properties>
        <RetentionPolicy>replica</RetentionPolicy>
        <AccessLatency>online</AccessLatency>
        <ExpirationMode>neverExpire</ExpirationMode>
        <TotalOnlineSize unit="GB" limited-size="false">100</TotalOnlineSize>
        <TotalNearlineSize unit="GB">0</TotalNearlineSize>
      </properties>
      <capabilities>
        <aclMode>AoT</aclMode>
        <trans-prot>
          <prot name="https"><schema>https</schema></prot>
          <prot name="http"><schema>http</schema></prot>
          <prot name="file"><schema>file</schema></prot>
        </trans-prot>
      </capabilities>
    </filesystem>"#
        )
        .unwrap();
        write!(
            mappings,
            "\n    <map-rule name=\"{name}-map\"><stfn-root>/{stfn}</stfn-root>\
             <mapped-fs>{name}</mapped-fs></map-rule>"
        )
        .unwrap();
        write!(
            approaches,
            "\n    <app-rule name=\"{name}-rule\"><subjects><dn>*</dn>{vo}</subjects>\
             <approachable-fs>{name}</approachable-fs>\
             <anonymous-http-read>{anonymous}</anonymous-http-read></app-rule>"
        )
        .unwrap();
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<namespace version=\"1.5.0\">\n  \
         <filesystems>{systems}\n  </filesystems>\n  <mapping-rules>{mappings}\n  </mapping-rules>\n  \
         <approachable-rules>{approaches}\n  </approachable-rules>\n</namespace>\n"
    )
}
