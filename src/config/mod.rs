//! storm.toml: every key, its default and its meaning. One table ([`KEYS`]) drives the reading, the
//! reference page and the shipped file.

mod check;
mod keys;
mod parse;
mod reference;
mod trust;
mod values;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{Algorithm, OverwriteMode};

pub use check::split_host_port;
pub use keys::{KEYS, Key, SECTIONS};
pub use reference::{reference_page, sample_file};
pub use trust::{CrlMode, NamespacesMode, PolicyKind};
pub use values::{nearest, parse_duration, parse_size};

/// storm.toml, parsed. Paths are absolute: relative ones were taken from the file's folder.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Config {
    pub site: Site,
    pub paths: Paths,
    pub daemon: DaemonSection,
    pub srm: SrmSection,
    pub http: HttpSection,
    pub admin: AdminSection,
    pub tls: TlsSection,
    pub auth: AuthSection,
    pub lifetimes: Lifetimes,
    pub workers: Workers,
    pub limits: Limits,
}

/// `[site]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Site {
    pub name: String,
    /// The name clients use: in SURLs, TURLs, the demo certificate.
    pub host: String,
    /// Further "host" or "host:port" accepted in SURLs.
    pub surl_hosts: Vec<String>,
}

/// `[paths]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Paths {
    pub namespace: PathBuf,
    pub state: PathBuf,
}

/// `[daemon]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct DaemonSection {
    /// Empty: stay who we are.
    pub user: String,
    /// Zero: never.
    pub watch: Duration,
}

/// `[srm]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct SrmSection {
    pub listen: SocketAddr,
    pub answer_wait: Duration,
    pub ls_wait: Duration,
    pub overwrite_default: OverwriteMode,
    pub create_parents: bool,
    pub overwrite_pinned: bool,
    pub directory_writeperm: bool,
}

/// `[http]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct HttpSection {
    pub https: SocketAddr,
    /// `None`: off.
    pub plain: Option<SocketAddr>,
    pub anonymous_write: bool,
    pub fsync: bool,
    /// Beside adler32.
    pub checksums: Vec<Algorithm>,
    pub lock_lifetime: Duration,
}

/// `[admin]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct AdminSection {
    pub listen: SocketAddr,
}

/// `[tls]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct TlsSection {
    /// `None`: no certificate is named, the demo one is made.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub trust_anchors: PathBuf,
    pub vomsdir: PathBuf,
    pub crl: CrlMode,
    pub namespaces: NamespacesMode,
    /// RSA keys from 1024 bits and SHA-1 signatures are taken, over TLS 1.2 only.
    pub legacy: bool,
}

/// `[auth]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct AuthSection {
    pub mapping: MappingMode,
    /// For [`MappingMode::Static`]; in the order of the file.
    pub map: Vec<MapEntry>,
    pub gridmap: PathBuf,
    pub groupmap: PathBuf,
    pub gridmapdir: PathBuf,
    pub ban: PathBuf,
    pub path_authz: PathBuf,
    pub users: PathBuf,
    pub require_mapping: bool,
}

/// Where local accounts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingMode {
    /// grid-mapfile, groupmapfile and gridmapdir.
    Gridmap,
    /// The table `auth.map`.
    Static,
    /// Nobody has one.
    None,
}

impl MappingMode {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "gridmap" => Some(MappingMode::Gridmap),
            "static" => Some(MappingMode::Static),
            "none" => Some(MappingMode::None),
            _ => None,
        }
    }
}

/// One entry of `auth.map`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapEntry {
    /// Line in storm.toml, from 1.
    pub line: usize,
    /// DN or FQAN pattern.
    pub subject: String,
    /// Account, or pool with its dot.
    pub account: String,
}

/// `[lifetimes]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Lifetimes {
    pub pin_default: Duration,
    pub pin_maximum: Duration,
    pub volatile_default: Duration,
    pub request_kept: Duration,
    pub app_password_default: Duration,
    pub app_password_maximum: Duration,
}

/// `[workers]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Workers {
    pub put: WorkerPool,
    pub get: WorkerPool,
    pub bring_online: WorkerPool,
    pub copy: WorkerPool,
    pub checksum: WorkerPool,
}

/// Files worked on at once, and how many may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct WorkerPool {
    pub threads: usize,
    pub queue: usize,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Limits {
    pub files_per_request: usize,
    /// Bytes.
    pub envelope: u64,
    pub connections: usize,
    pub connections_per_address: usize,
    pub calls_per_user: usize,
    /// Files that one user may have pinned or be putting.
    pub live_files: usize,
    pub ls_entries: usize,
    pub handshake: Duration,
    pub idle_body: Duration,
    pub keep_alive: Duration,
    pub drain: Duration,
}

/// One thing wrong in a file, with the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// From 1; `None` when it is no line's fault.
    pub line: Option<usize>,
    /// What is wrong and what was expected, naming the key or element.
    pub text: String,
    /// An error keeps stormd from starting; a warning does not.
    pub severity: Severity,
}

/// See [`Problem::severity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// No start; of an area's `authz-db`: that area is closed. `stormd check` fails on both.
    Error,
    /// Told, and no more.
    Warning,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, ": {severity}: {}", self.text)
    }
}
