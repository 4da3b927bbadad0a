//! A daemon as an administrator sets it up: a folder with storm.toml and namespace.xml that the test
//! writes itself, signals, exit codes and everything that is printed.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::storm::{Ports, read_ports};
use super::{pki, wait_until, wire};

/// How long a start, an end, or a line of the log may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The folder and, between [`Site::start`] and [`Site::end`], the daemon.
pub struct Site {
    temp: TempDir,
    child: Option<Child>,
    /// Ports in use since the last start.
    pub ports: Ports,
    environment: Vec<(String, String)>,
}

impl Site {
    /// The shipped namespace.xml (one area at `/demo`), free ports, and `more` tables of storm.toml
    /// (none of `[srm]`, `[http]`, `[admin]`). Nothing runs yet.
    pub fn new(more: &str) -> Self {
        let temp = TempDir::with_prefix("stormd-site-").unwrap();
        let namespace = include_str!("../../namespace.xml");
        std::fs::write(temp.path().join("namespace.xml"), namespace).unwrap();
        let site = Self { temp, child: None, ports: Ports::default(), environment: Vec::new() };
        site.configure(more);
        site
    }

    /// `[tls]` with the host certificate and trust anchors of the test PKI.
    pub fn test_tls() -> String {
        let pki = pki::dir().display();
        format!(
            "[tls]\ncertificate = \"{pki}/hostcert.pem\"\nkey = \"{pki}/hostkey.pem\"\n\
             trust_anchors = \"{pki}/certificates\"\nvomsdir = \"{pki}/vomsdir\"\n"
        )
    }

    /// Writes storm.toml anew. Unless `more` says otherwise, files are read at SIGHUP only.
    pub fn configure(&self, more: &str) {
        let more = match (more.contains("watch = "), more.contains("[daemon]\n")) {
            (true, _) => more.to_owned(),
            (false, true) => more.replace("[daemon]\n", "[daemon]\nwatch = \"0s\"\n"),
            (false, false) => format!("{more}[daemon]\nwatch = \"0s\"\n"),
        };
        let any = if std::net::TcpListener::bind("[::1]:0").is_ok() { "[::]" } else { "127.0.0.1" };
        let text = format!(
            "[srm]\nlisten = \"{any}:0\"\n[http]\nhttps = \"{any}:0\"\nplain = \"127.0.0.1:0\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n{more}"
        );
        std::fs::write(self.path("storm.toml"), text).unwrap();
    }

    /// Sets a variable for the next start.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A file of the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// `stormd` in the folder with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stormd"));
        command
            .args(arguments)
            .current_dir(self.temp.path())
            .env("RUST_LOG", "info")
            .env("NO_COLOR", "1")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end: exit code, standard output, standard error.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let done = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code().unwrap_or(-1), text(&done.stdout), text(&done.stderr))
    }

    /// Starts the daemon, and waits until it is healthy.
    pub fn start(&mut self) {
        self.start_with(|command, site| {
            let file = |name: &str| {
                OpenOptions::new().create(true).append(true).open(site.path(name)).unwrap()
            };
            command.stdout(file("out")).stderr(file("log"));
        });
    }

    /// [`Site::start`], with something done to the command before.
    pub fn start_with(&mut self, prepare: impl FnOnce(&mut Command, &Self)) {
        assert!(self.child.is_none(), "it runs already");
        let addresses = self.path("var/addresses.json");
        let _ = std::fs::remove_file(&addresses);
        let mut command = self.command(&["--config", "storm.toml"]);
        prepare(&mut command, self);
        self.child = Some(command.spawn().unwrap());
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            if let Some(ports) = read_ports(&addresses) {
                self.ports = ports;
                if wire::plain_get(ports.admin, "/health").is_ok() {
                    return;
                }
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "stormd ended at its start: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("stormd does not answer");
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("stormd runs").id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Waits for its end: how, and how long that took.
    pub fn wait(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        let child = self.child.as_mut().expect("stormd runs");
        let mut status = None;
        wait_until(LIMIT, || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        let status = status.expect("stormd ends");
        self.child = None;
        (status, begun.elapsed())
    }

    /// SIGTERM, and a clean end.
    pub fn end(&mut self) {
        self.signal(Signal::SIGTERM);
        let (status, _) = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// SIGHUP; waits until it has been read, and gives what the log says of it.
    pub fn reload(&self) -> String {
        let before = self.log().len();
        self.signal(Signal::SIGHUP);
        let mut told = String::new();
        let done = wait_until(LIMIT, || {
            told = self.log().split_off(before);
            told.contains("configuration read again") || told.contains("configuration was not")
        });
        assert!(done, "no word of the reload: {told}");
        told
    }

    /// Everything that was logged.
    pub fn log(&self) -> String {
        read(&self.path("log"))
    }

    /// Everything on standard output.
    pub fn out(&self) -> String {
        read(&self.path("out"))
    }

    /// `/health`: the HTTP status and the text.
    pub fn health(&self) -> (u16, String) {
        let answer = wire::plain_get(self.ports.admin, "/health").unwrap();
        (answer.status, answer.text())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- end of stormd's log ---");
            for line in &lines[lines.len().saturating_sub(30)..] {
                eprintln!("{line:.400}");
            }
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
