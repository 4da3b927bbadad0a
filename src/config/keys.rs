//! The one table of storm.toml's keys. Parsing, the "unknown key" errors, `docs/storm.toml.md` and
//! the shipped storm.toml all come from it, so they cannot disagree.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{
    AdminSection, AuthSection, Config, CrlMode, DaemonSection, HttpSection, Lifetimes, Limits,
    MapEntry, MappingMode, NamespacesMode, Paths, Site, SrmSection, TlsSection, WorkerPool,
    Workers,
};
use crate::model::{Algorithm, OverwriteMode};

/// One key of storm.toml.
#[derive(Debug)]
pub struct Key {
    /// The table it stands in, without brackets.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its type, and the field it fills.
    pub(super) kind: Kind,
    /// The value it has when it is not named, as TOML.
    pub default: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
}

/// A type of value together with the field of [`Config`] that takes it.
#[derive(Debug)]
pub(super) enum Kind {
    Text(fn(&mut Config) -> &mut String),
    TextList(fn(&mut Config) -> &mut Vec<String>),
    Path(fn(&mut Config) -> &mut PathBuf),
    /// A file that must be there once it is named; empty: not named.
    NamedFile(fn(&mut Config) -> &mut Option<PathBuf>),
    Address(fn(&mut Config) -> &mut SocketAddr),
    /// Empty: off.
    AddressOrOff(fn(&mut Config) -> &mut Option<SocketAddr>),
    Flag(fn(&mut Config) -> &mut bool),
    Duration(fn(&mut Config) -> &mut Duration),
    Size(fn(&mut Config) -> &mut u64),
    /// A whole number, at least 1.
    Count(fn(&mut Config) -> &mut usize),
    Checksums(fn(&mut Config) -> &mut Vec<Algorithm>),
    Overwrite(fn(&mut Config) -> &mut OverwriteMode),
    Crl(fn(&mut Config) -> &mut CrlMode),
    Namespaces(fn(&mut Config) -> &mut NamespacesMode),
    Mapping(fn(&mut Config) -> &mut MappingMode),
    /// DN or FQAN pattern to account.
    Map(fn(&mut Config) -> &mut Vec<MapEntry>),
    Pool(fn(&mut Config) -> &mut WorkerPool),
}

impl Kind {
    /// The type in words, as error texts and the reference page call it.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Kind::Text(_) => "a text such as \"stormd\"",
            Kind::TextList(_) => "a list of texts such as [\"se.example\"]",
            Kind::Path(_) => "a path such as \"var\"",
            Kind::NamedFile(_) => "the path of a file such as \"hostcert.pem\"",
            Kind::Address(_) => "an address and port such as \"[::]:8444\"",
            Kind::AddressOrOff(_) => "an address and port such as \"127.0.0.1:8085\", or \"\"",
            Kind::Flag(_) => "true or false",
            Kind::Duration(_) => "a duration such as \"72h\" (ms, s, m, h, d)",
            Kind::Size(_) => "a size such as \"32MiB\" or a number of bytes",
            Kind::Count(_) => "a whole number from 1",
            Kind::Checksums(_) => {
                "a list of \"adler32\", \"crc32c\", \"md5\", \"sha-1\", \"sha-256\" and \"sha-512\""
            }
            Kind::Overwrite(_) => "\"NEVER\", \"ALWAYS\" or \"WHEN_FILES_ARE_DIFFERENT\"",
            Kind::Crl(_) => "\"require\", \"if-valid\" or \"ignore\"",
            Kind::Namespaces(_) => {
                "\"ignore\", or \"globus\", \"eugridpma\", \"globus-eugridpma\", \"eugridpma-globus\" or \
                 \"eugridpma-and-globus\", each also with -require"
            }
            Kind::Mapping(_) => "\"gridmap\", \"static\" or \"none\"",
            Kind::Map(_) => {
                "a table such as { \"/vo/Role=prod\" = \"prod\", \"/vo\" = \"vouser\" }"
            }
            Kind::Pool(_) => "{ threads = 8, queue = 100000 }",
        }
    }
}

/// The sections in the order of the file, each with what it is about.
pub const SECTIONS: &[(&str, &str)] = &[
    ("site", "Who this site is."),
    ("paths", "Where things lie. Relative paths are taken from this file's folder."),
    ("daemon", "The process."),
    ("srm", "The SRM door: SOAP over httpg (GSI) and https."),
    ("http", "The https and http doors: files, WebDAV, web pages."),
    ("admin", "The administrator's door: health, metrics, control."),
    (
        "tls",
        "Certificates. When no certificate is named a demo CA, host and user certificate are made below paths.state.",
    ),
    ("auth", "Who may do what. Files that are not there hold no entries."),
    ("lifetimes", "How long things live."),
    (
        "workers",
        "Files worked on at once, and how many may wait, for each kind of request. Users take turns; one gets at most three quarters of the places, and never the last of four or more workers.",
    ),
    ("limits", "Bounds. What goes beyond them is refused with a clear answer."),
];

/// Every key, in the order of the file.
pub const KEYS: &[Key] = &[
    key(
        "site",
        "name",
        Kind::Text(|c| &mut c.site.name),
        r#""stormd""#,
        "site name in the information system",
    ),
    key(
        "site",
        "host",
        Kind::Text(|c| &mut c.site.host),
        r#""localhost""#,
        "the name clients use: in SURLs, TURLs and the demo certificate",
    ),
    key(
        "site",
        "surl_hosts",
        Kind::TextList(|c| &mut c.site.surl_hosts),
        "[]",
        "further \"host\" or \"host:port\" accepted in SURLs",
    ),
    key(
        "paths",
        "namespace",
        Kind::Path(|c| &mut c.paths.namespace),
        r#""namespace.xml""#,
        "the storage areas",
    ),
    key(
        "paths",
        "state",
        Kind::Path(|c| &mut c.paths.state),
        r#""var""#,
        "folder of the database, demo certificates, addresses in use",
    ),
    key(
        "daemon",
        "user",
        Kind::Text(|c| &mut c.daemon.user),
        r#""""#,
        "account to drop to after binding, when started as root; \"\" = stay who we are",
    ),
    key(
        "daemon",
        "watch",
        Kind::Duration(|c| &mut c.daemon.watch),
        r#""10s""#,
        "how often files are looked at for changes (this one, namespace.xml, certificates, CRLs, vomsdir); \"0s\" = read at SIGHUP only",
    ),
    key(
        "srm",
        "listen",
        Kind::Address(|c| &mut c.srm.listen),
        r#""[::]:8444""#,
        "address of the SRM door; port 0 takes a free one",
    ),
    key(
        "srm",
        "answer_wait",
        Kind::Duration(|c| &mut c.srm.answer_wait),
        r#""1s""#,
        "how long a first answer may wait for the result; \"0s\" = answer REQUEST_QUEUED at once",
    ),
    key(
        "srm",
        "ls_wait",
        Kind::Duration(|c| &mut c.srm.ls_wait),
        r#""10s""#,
        "how long srmLs may take before it is answered with a token (srmStatusOfLsRequest) instead; longer \
         than answer_wait, since a token costs a commit and a second call, and clients that know \
         StoRM, which gives none, may not ask again; \"0s\" = a token at once",
    ),
    key(
        "srm",
        "overwrite_default",
        Kind::Overwrite(|c| &mut c.srm.overwrite_default),
        r#""NEVER""#,
        "what a put without overwrite option does: NEVER, ALWAYS or WHEN_FILES_ARE_DIFFERENT",
    ),
    key(
        "srm",
        "create_parents",
        Kind::Flag(|c| &mut c.srm.create_parents),
        "false",
        "a put makes the directories that are missing",
    ),
    key(
        "srm",
        "overwrite_pinned",
        Kind::Flag(|c| &mut c.srm.overwrite_pinned),
        "false",
        "a put may replace a file that somebody has pinned",
    ),
    key(
        "srm",
        "directory_writeperm",
        Kind::Flag(|c| &mut c.srm.directory_writeperm),
        "false",
        "AoT areas: the caller's local group may write in directories made here (StoRM's \
         directory.writeperm)",
    ),
    key(
        "http",
        "https",
        Kind::Address(|c| &mut c.http.https),
        r#""[::]:8443""#,
        "address of the https door",
    ),
    key(
        "http",
        "plain",
        Kind::AddressOrOff(|c| &mut c.http.plain),
        r#""127.0.0.1:8085""#,
        "address of the anonymous http door; \"\" = off",
    ),
    key(
        "http",
        "anonymous_write",
        Kind::Flag(|c| &mut c.http.anonymous_write),
        "false",
        "anonymous clients may write where namespace.xml opens an area to everybody",
    ),
    key(
        "http",
        "fsync",
        Kind::Flag(|c| &mut c.http.fsync),
        "true",
        "bring a file to disk before it is published",
    ),
    key(
        "http",
        "checksums",
        Kind::Checksums(|c| &mut c.http.checksums),
        "[]",
        "computed beside adler32 of each file that is uploaded: crc32c, md5, sha-1, sha-256, sha-512; \
         of other files they are computed when somebody asks",
    ),
    key(
        "http",
        "lock_lifetime",
        Kind::Duration(|c| &mut c.http.lock_lifetime),
        r#""6h""#,
        "WebDAV locks end after this, unless their owner refreshes them: what a client that asks for more, \
         or for ever, gets",
    ),
    key(
        "admin",
        "listen",
        Kind::Address(|c| &mut c.admin.listen),
        r#""127.0.0.1:9998""#,
        "address of the administrator's door",
    ),
    key(
        "tls",
        "certificate",
        Kind::NamedFile(|c| &mut c.tls.certificate),
        r#""""#,
        "host certificate (PEM), e.g. \"hostcert.pem\"; not named: a demo certificate is made; named but missing: no start",
    ),
    key(
        "tls",
        "key",
        Kind::NamedFile(|c| &mut c.tls.key),
        r#""""#,
        "its key (PEM), e.g. \"hostkey.pem\"",
    ),
    key(
        "tls",
        "trust_anchors",
        Kind::Path(|c| &mut c.tls.trust_anchors),
        r#""/etc/grid-security/certificates""#,
        "folder of CA certificates, CRLs and signing policies",
    ),
    key(
        "tls",
        "vomsdir",
        Kind::Path(|c| &mut c.tls.vomsdir),
        r#""/etc/grid-security/vomsdir""#,
        "folder of VOMS servers (.lsc files)",
    ),
    key(
        "tls",
        "crl",
        Kind::Crl(|c| &mut c.tls.crl),
        r#""if-valid""#,
        "revocation lists: require (each CA needs one), if-valid (one that is there must not have run out), ignore",
    ),
    key(
        "tls",
        "namespaces",
        Kind::Namespaces(|c| &mut c.tls.namespaces),
        r#""eugridpma-and-globus-require""#,
        "which files bind the names a CA may certify (docs/operations.md); ignore = none",
    ),
    key(
        "tls",
        "legacy",
        Kind::Flag(|c| &mut c.tls.legacy),
        "false",
        "take RSA keys from 1024 bits and SHA-1 signatures, for old clients; TLS 1.2 only then",
    ),
    key(
        "auth",
        "mapping",
        Kind::Mapping(|c| &mut c.auth.mapping),
        r#""gridmap""#,
        "where local accounts come from: the three files that follow, the table map, or nowhere",
    ),
    key(
        "auth",
        "gridmap",
        Kind::Path(|c| &mut c.auth.gridmap),
        r#""/etc/grid-security/grid-mapfile""#,
        "DN or FQAN to account, or to pool (.name)",
    ),
    key(
        "auth",
        "groupmap",
        Kind::Path(|c| &mut c.auth.groupmap),
        r#""/etc/grid-security/groupmapfile""#,
        "FQAN to group",
    ),
    key(
        "auth",
        "gridmapdir",
        Kind::Path(|c| &mut c.auth.gridmapdir),
        r#""/etc/grid-security/gridmapdir""#,
        "leases of pool accounts, as LCMAPS keeps them; its owner must be the account of stormd",
    ),
    key(
        "auth",
        "map",
        Kind::Map(|c| &mut c.auth.map),
        "{}",
        "DN or FQAN to account, for mapping = \"static\"; the first that matches counts; [auth.map] may be a section",
    ),
    key(
        "auth",
        "ban",
        Kind::Path(|c| &mut c.auth.ban),
        r#""/etc/grid-security/ban_users.db""#,
        "DNs and FQAN patterns that are refused; broken: no start",
    ),
    key(
        "auth",
        "path_authz",
        Kind::Path(|c| &mut c.auth.path_authz),
        r#""path-authz.db""#,
        "rights by path and local group; not there: everybody everything (@ALL@ / WRFDLMN permit); broken: no start",
    ),
    key(
        "auth",
        "users",
        Kind::Path(|c| &mut c.auth.users),
        r#""users.db""#,
        "local users, who may sign in with a password at the https door; kept by `stormd passwd`; others may write to it: no start",
    ),
    key(
        "auth",
        "require_mapping",
        Kind::Flag(|c| &mut c.auth.require_mapping),
        "false",
        "refuse at the connection whoever has no local account",
    ),
    key(
        "lifetimes",
        "pin_default",
        Kind::Duration(|c| &mut c.lifetimes.pin_default),
        r#""72h""#,
        "pin of a request that names none",
    ),
    key(
        "lifetimes",
        "pin_maximum",
        Kind::Duration(|c| &mut c.lifetimes.pin_maximum),
        r#""21d""#,
        "the longest pin that is granted",
    ),
    key(
        "lifetimes",
        "volatile_default",
        Kind::Duration(|c| &mut c.lifetimes.volatile_default),
        r#""1h""#,
        "life of a volatile file whose request names none",
    ),
    key(
        "lifetimes",
        "request_kept",
        Kind::Duration(|c| &mut c.lifetimes.request_kept),
        r#""7d""#,
        "how long an ended request can still be asked about",
    ),
    key(
        "lifetimes",
        "app_password_default",
        Kind::Duration(|c| &mut c.lifetimes.app_password_default),
        r#""90d""#,
        "life of an app password whose maker names none",
    ),
    key(
        "lifetimes",
        "app_password_maximum",
        Kind::Duration(|c| &mut c.lifetimes.app_password_maximum),
        r#""365d""#,
        "the longest life of an app password; \"0s\" = nobody makes any",
    ),
    key(
        "workers",
        "put",
        Kind::Pool(|c| &mut c.workers.put),
        "{ threads = 8, queue = 100000 }",
        "srmPrepareToPut",
    ),
    key(
        "workers",
        "get",
        Kind::Pool(|c| &mut c.workers.get),
        "{ threads = 8, queue = 100000 }",
        "srmPrepareToGet",
    ),
    key(
        "workers",
        "bring_online",
        Kind::Pool(|c| &mut c.workers.bring_online),
        "{ threads = 8, queue = 100000 }",
        "srmBringOnline",
    ),
    key(
        "workers",
        "copy",
        Kind::Pool(|c| &mut c.workers.copy),
        "{ threads = 4, queue = 10000 }",
        "srmCopy and third-party copies",
    ),
    key(
        "workers",
        "checksum",
        Kind::Pool(|c| &mut c.workers.checksum),
        "{ threads = 2, queue = 10000 }",
        "checksums of files that came without one; beyond the queue they are left for later",
    ),
    key(
        "limits",
        "files_per_request",
        Kind::Count(|c| &mut c.limits.files_per_request),
        "10000",
        "files in one SRM request; more: SRM_INVALID_REQUEST",
    ),
    key(
        "limits",
        "envelope",
        Kind::Size(|c| &mut c.limits.envelope),
        r#""32MiB""#,
        "bytes of one SOAP envelope; more: a fault",
    ),
    key(
        "limits",
        "connections",
        Kind::Count(|c| &mut c.limits.connections),
        "8192",
        "connections at once; the limit of open files is raised to fit",
    ),
    key(
        "limits",
        "connections_per_address",
        Kind::Count(|c| &mut c.limits.connections_per_address),
        "2048",
        "of these, from one address (IPv6: one /64 network); this host itself is not counted",
    ),
    key(
        "limits",
        "calls_per_user",
        Kind::Count(|c| &mut c.limits.calls_per_user),
        "16",
        "SRM calls of one user that are worked on at once; his others wait for their turn",
    ),
    key(
        "limits",
        "live_files",
        Kind::Count(|c| &mut c.limits.live_files),
        "1000000",
        "files that one user may have pinned or be putting; each takes about 1 KiB of memory",
    ),
    key(
        "limits",
        "ls_entries",
        Kind::Count(|c| &mut c.limits.ls_entries),
        "2000",
        "entries in one srmLs answer; gfal2 asks for 1000 of a large directory and takes no fewer",
    ),
    key(
        "limits",
        "handshake",
        Kind::Duration(|c| &mut c.limits.handshake),
        r#""10s""#,
        "time for the TLS handshake, the GSI byte and the head of a request",
    ),
    key(
        "limits",
        "idle_body",
        Kind::Duration(|c| &mut c.limits.idle_body),
        r#""60s""#,
        "time without a byte before a transfer is given up",
    ),
    key(
        "limits",
        "keep_alive",
        Kind::Duration(|c| &mut c.limits.keep_alive),
        r#""180s""#,
        "time an idle connection is kept",
    ),
    key(
        "limits",
        "drain",
        Kind::Duration(|c| &mut c.limits.drain),
        r#""30s""#,
        "time that work under way is given at a stop",
    ),
];

const fn key(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { section, name, kind, default, meaning }
}

/// A configuration with nothing in it: [`KEYS`] fills every field.
pub(super) fn blank() -> Config {
    let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let pool = WorkerPool { threads: 0, queue: 0 };
    Config {
        site: Site { name: String::new(), host: String::new(), surl_hosts: Vec::new() },
        paths: Paths { namespace: PathBuf::new(), state: PathBuf::new() },
        daemon: DaemonSection { user: String::new(), watch: Duration::ZERO },
        srm: SrmSection {
            listen: nowhere,
            answer_wait: Duration::ZERO,
            ls_wait: Duration::ZERO,
            overwrite_default: OverwriteMode::Never,
            create_parents: false,
            overwrite_pinned: false,
            directory_writeperm: false,
        },
        http: HttpSection {
            https: nowhere,
            plain: None,
            anonymous_write: false,
            fsync: false,
            checksums: Vec::new(),
            lock_lifetime: Duration::ZERO,
        },
        admin: AdminSection { listen: nowhere },
        tls: TlsSection {
            certificate: None,
            key: None,
            trust_anchors: PathBuf::new(),
            vomsdir: PathBuf::new(),
            crl: CrlMode::Require,
            namespaces: NamespacesMode { kinds: &[], all: false, require: false },
            legacy: false,
        },
        auth: AuthSection {
            mapping: MappingMode::Gridmap,
            map: Vec::new(),
            gridmap: PathBuf::new(),
            groupmap: PathBuf::new(),
            gridmapdir: PathBuf::new(),
            ban: PathBuf::new(),
            path_authz: PathBuf::new(),
            users: PathBuf::new(),
            require_mapping: false,
        },
        lifetimes: Lifetimes {
            pin_default: Duration::ZERO,
            pin_maximum: Duration::ZERO,
            volatile_default: Duration::ZERO,
            request_kept: Duration::ZERO,
            app_password_default: Duration::ZERO,
            app_password_maximum: Duration::ZERO,
        },
        workers: Workers { put: pool, get: pool, bring_online: pool, copy: pool, checksum: pool },
        limits: Limits {
            files_per_request: 0,
            envelope: 0,
            connections: 0,
            connections_per_address: 0,
            calls_per_user: 0,
            live_files: 0,
            ls_entries: 0,
            handshake: Duration::ZERO,
            idle_body: Duration::ZERO,
            keep_alive: Duration::ZERO,
            drain: Duration::ZERO,
        },
    }
}
