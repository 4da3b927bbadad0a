//! Debian's data servers, as a site runs them beside stormd: globus-gridftp-server, which becomes the
//! account of who comes, and xrootd, which runs as stormd's own account.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::accounts::{self, service};
use super::client::{Output, Person};
use super::grid::Grid;
use super::ports::free_port;
use super::storm::Setup;
use super::{pki, wait_until};

/// stormd, a GridFTP server and an xrootd, on one machine.
pub struct Movers {
    pub grid: Grid,
    pub gridftp: Server,
    pub xrootd: Server,
}

/// A server under test, ended when it is dropped.
pub struct Server {
    child: Child,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Movers {
    pub fn new() -> Self {
        let (gsiftp, root) = (free_port(), free_port());
        let protocol = |name, port| {
            format!(
                "<prot name=\"{name}\"><schema>{name}</schema><host>localhost</host>\
                 <port>{port}</port></prot>"
            )
        };
        let protocols = protocol("gsiftp", gsiftp) + &protocol("root", root);
        let grid = Grid::with(Setup::default(), &protocols);
        let gridftp = gridftp(gsiftp);
        let xrootd = xrootd(root, &grid.storm.dir().join("areas"));
        Self { grid, gridftp, xrootd }
    }

    /// A client of the first person.
    pub fn run<S: AsRef<str>>(&self, program: &str, arguments: &[S]) -> Output {
        Person::new(&self.grid.storm, "voms").run(program, arguments)
    }

    /// The same, started and not waited for.
    pub fn spawn(&self, program: &str, arguments: &[&str]) -> Running {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        Person::new(&self.grid.storm, "voms").dress(&mut command);
        Running(command.spawn().unwrap())
    }
}

/// A client at work.
pub struct Running(Child);

impl Running {
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
    }

    /// Waits for its end; true when it says that all went well.
    pub fn ended_well(mut self) -> bool {
        self.0.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits for a word in its log, which it may write late.
    #[track_caller]
    pub fn logged(&self, word: &str) {
        let found = wait_until(Duration::from_secs(10), || self.log().contains(word));
        assert!(found, "{word:?} is not in the log:\n{:.3000}", self.log());
    }

    fn start(mut command: Command, log: PathBuf, folder: tempfile::TempDir, port: u16) -> Self {
        let out = std::fs::File::create(folder.path().join("out")).unwrap();
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        let server = Self { child: command.spawn().unwrap(), log, _folder: folder };
        let up =
            wait_until(Duration::from_secs(15), || TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(up, "{command:?} does not listen:\n{}", server.log());
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gridftp(port: u16) -> Server {
    let folder = tempfile::TempDir::with_prefix("stormd-gridftp-").unwrap();
    let (config, map) = (folder.path().join("conf"), folder.path().join("grid-mapfile"));
    let log = folder.path().join("log");
    let text = format!(
        "port {port}\ncontrol_interface 127.0.0.1\ndata_interface 127.0.0.1\nlog_single {}\n\
         log_level ALL\nlog_module stdio:interval=0\n",
        log.display()
    );
    std::fs::write(&config, text).unwrap();
    std::fs::write(&map, accounts::grid_mapfile()).unwrap();
    let mut command = Command::new("globus-gridftp-server");
    command
        .arg("-c")
        .arg(config)
        .env_remove("X509_USER_PROXY")
        .env("X509_CERT_DIR", pki::certificates())
        .env("X509_USER_CERT", pki::dir().join("hostcert.pem"))
        .env("X509_USER_KEY", pki::dir().join("hostkey.pem"))
        .env("GRIDMAP", map);
    Server::start(command, log, folder, port)
}

fn xrootd(port: u16, areas: &Path) -> Server {
    let folder = tempfile::TempDir::with_prefix("stormd-xrootd-").unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["hostcert.pem", "hostkey.pem"] {
        std::fs::copy(pki::dir().join(name), at(name)).unwrap();
    }
    let mut copy = Command::new("cp");
    assert!(done(copy.arg("-r").arg(pki::certificates()).arg(at("certificates"))));
    std::fs::write(at("grid-mapfile"), accounts::grid_mapfile()).unwrap();
    let home = folder.path().display();
    let text = format!(
        "xrd.port {port}\nxrd.network nodnr\nxrd.allow host localhost\nxrd.allow host 127.0.0.1\n\
         all.role server\nall.export {}\nall.adminpath {home}\nall.pidpath {home}\n\
         xrootd.chksum max 4 adler32\nxrootd.seclib libXrdSec.so\n\
         sec.protparm gsi -certdir:{home}/certificates -cert:{home}/hostcert.pem \
         -key:{home}/hostkey.pem -gridmap:{home}/grid-mapfile -gmapopt:2 -crl:0\n\
         sec.protocol gsi\n",
        areas.display()
    );
    std::fs::write(at("conf"), text).unwrap();
    let owner = format!("{}:{}", service().uid, service().gid);
    assert!(done(Command::new("chown").args(["-R", &owner]).arg(folder.path())));
    assert!(done(Command::new("chmod").arg("0400").arg(at("hostkey.pem"))));
    let (conf, log) = (at("conf").display().to_string(), at("out"));
    let mut command = service().command("xrootd");
    command.args(["-c", &conf]).current_dir(folder.path());
    Server::start(command, log, folder, port)
}

fn done(command: &mut Command) -> bool {
    command.status().unwrap().success()
}
