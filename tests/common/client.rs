//! Real clients, run as a person would run them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::pki;
use super::storm::TestStorm;

/// Seconds a client may take before it is killed (`timeout` then gives 124).
const LIMIT: &str = "60";

/// Which TLS version a client is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Any,
    V12,
    V13,
}

impl Tls {
    /// As the access log writes it.
    pub fn name(self) -> &'static str {
        match self {
            Tls::Any => "any",
            Tls::V12 => "TLSv1.2",
            Tls::V13 => "TLSv1.3",
        }
    }
}

/// What a client said.
pub struct Output {
    /// The command line, for messages.
    pub line: String,
    pub code: i32,
    pub out: String,
    pub err: String,
    pub seconds: f64,
}

impl Output {
    /// Fails the test unless the client ended with 0. Exit codes alone prove little with these
    /// clients (some end with 0 after a failed copy): compare bytes too.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self}");
        let failed = self.err.contains("error:") && self.err.contains("gfal-");
        assert!(!failed, "{self}");
        self
    }

    /// Fails the test unless the client ended with something else than 0, in its own time.
    #[track_caller]
    pub fn refused(self) -> Self {
        assert!(self.code != 0 && self.code != 124, "{self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, code, out, err, seconds } = self;
        write!(f, "`{line}` ended with {code} after {seconds:.1} s\n{out}{err}")
    }
}

/// A person at a shell: a proxy, and how their clients are to do TLS.
pub struct Person<'a> {
    storm: &'a TestStorm,
    proxy: PathBuf,
    tls: Tls,
}

impl<'a> Person<'a> {
    /// With `proxy-<kind>.pem`.
    pub fn new(storm: &'a TestStorm, kind: &str) -> Self {
        Self::holding(storm, pki::proxy(kind))
    }

    /// With another file of certificate, key and chain.
    pub fn holding(storm: &'a TestStorm, proxy: PathBuf) -> Self {
        Self { storm, proxy, tls: Tls::Any }
    }

    /// Held to one TLS version.
    pub fn tls(self, tls: Tls) -> Self {
        Self { tls, ..self }
    }

    /// Runs `program` with `args`, with a limit in time.
    pub fn run<S: AsRef<str>>(&self, program: &str, args: &[S]) -> Output {
        let args: Vec<&str> = args.iter().map(S::as_ref).collect();
        let started = Instant::now();
        let mut command = Command::new("timeout");
        command.args(["-k", "5", LIMIT, program]).args(&args);
        self.dress(&mut command);
        let done = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let output = Output {
            line: format!("{program} {}", args.join(" ")),
            code: done.status.code().unwrap_or(-1),
            out: text(&done.stdout),
            err: text(&done.stderr),
            seconds: started.elapsed().as_secs_f64(),
        };
        assert_ne!(output.code, 127, "{program} is missing: make test installs it\n{output}");
        output
    }

    /// curl with the proxy as client certificate.
    pub fn curl<S: AsRef<str>>(&self, args: &[S]) -> Output {
        let proxy = self.proxy.display().to_string();
        let capath = pki::certificates().display().to_string();
        let mut all = vec!["-sS", "--cert", &proxy, "--key", &proxy, "--capath", &capath];
        all.extend(match self.tls {
            Tls::Any => &[][..],
            Tls::V12 => &["--tlsv1.2", "--tls-max", "1.2"],
            Tls::V13 => &["--tlsv1.3", "--tls-max", "1.3"],
        });
        all.extend(args.iter().map(S::as_ref));
        self.run("curl", &all)
    }

    /// The environment of its clients.
    pub fn dress(&self, command: &mut Command) {
        let home = self.storm.dir().join("home");
        command
            .env("HOME", &home)
            .env("LC_ALL", "C.UTF-8")
            .env("X509_USER_PROXY", &self.proxy)
            .env("X509_CERT_DIR", pki::certificates())
            .env("X509_VOMS_DIR", pki::vomsdir())
            // Another python may hide the module of Debian's package.
            .env("GFAL_PYTHONBIN", "/usr/bin/python3")
            .env_remove("http_proxy")
            .env_remove("https_proxy");
        let (globus, openssl) = match self.tls {
            Tls::Any => return,
            Tls::V12 => ("TLS1_2_VERSION", "TLSv1.2"),
            Tls::V13 => ("TLS1_3_VERSION", "TLSv1.3"),
        };
        // gfal2 and all other users of Globus' GSSAPI; then ARC, which takes OpenSSL's defaults.
        command
            .env("GLOBUS_GSSAPI_MIN_TLS_PROTOCOL", globus)
            .env("GLOBUS_GSSAPI_MAX_TLS_PROTOCOL", globus)
            .env("OPENSSL_CONF", openssl_conf(&home, openssl));
    }
}

fn openssl_conf(home: &Path, version: &str) -> std::path::PathBuf {
    let path = home.join(format!("openssl-{version}.cnf"));
    let text = format!(
        "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n\
         [all]\nMinProtocol = {version}\nMaxProtocol = {version}\n"
    );
    if !std::fs::read_to_string(&path).is_ok_and(|present| present == text) {
        std::fs::write(&path, text).unwrap();
    }
    path
}
