//! The servers side by side: stormd as a test starts it, and its peers, each with the settings its own
//! documentation gives for this work: keep-alive without end, the file system's own sending, uploads beside
//! the files, an access log. All serve the same folder.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::storm::{Area, Setup};
use crate::common::{TestStorm, pki};

/// What stands behind two ports.
pub struct Server {
    /// As its package is called.
    pub name: &'static str,
    /// As it says itself.
    pub version: String,
    /// Port of http.
    pub plain: u16,
    /// Port of https.
    pub tls: u16,
    /// Speaks HTTP/2.
    pub http2: bool,
    /// A PUT is seen whole or not at all.
    pub atomic: bool,
    /// The processes' group, or the one process.
    group: Group,
    processes: Vec<Child>,
}

enum Group {
    One(u32),
    Groups(Vec<u32>),
}

/// The folder that all serve as `/open`, stormd that serves it, and the folder for everything else.
pub struct Site {
    pub storm: TestStorm,
    /// On disk.
    pub open: PathBuf,
}

impl Site {
    /// stormd with one area that everybody may write, without fsync, as none of the peers does it.
    pub fn new() -> Self {
        let setup = Setup { areas: Vec::<Area>::new(), ..Setup::default() };
        let mut storm = TestStorm::set_up(setup);
        storm.http = "anonymous_write = true\nfsync = false".to_owned();
        storm.restart();
        let open = storm.root("open");
        for folder in [storm.dir(), &storm.dir().join("areas"), &open] {
            fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).unwrap();
        }
        Self { storm, open }
    }

    /// stormd itself.
    pub fn ours(&self) -> Server {
        Server {
            name: "stormd",
            version: format!("stormd {}", env!("CARGO_PKG_VERSION")),
            plain: self.storm.ports.plain,
            tls: self.storm.ports.https,
            http2: true,
            atomic: true,
            group: Group::One(self.storm.pid()),
            processes: Vec::new(),
        }
    }

    /// All peers, or those that are named, running.
    pub fn peers(&self, wanted: &[String]) -> Vec<Server> {
        type Start = fn(&Site) -> Server;
        let all: [(&str, Start); 6] = [
            ("apache2", Self::apache),
            ("nginx", Self::nginx),
            ("lighttpd", Self::lighttpd),
            ("rclone", Self::rclone),
            ("dufs", Self::dufs),
            ("xrootd", Self::xrootd),
        ];
        let chosen = all.iter().filter(|(n, _)| wanted.is_empty() || wanted.iter().any(|w| w == n));
        chosen.map(|(_, start)| start(self)).collect()
    }

    fn apache(&self) -> Server {
        let (plain, tls) = (free_port(), free_port());
        let dir = self.folder("apache2");
        let modules = "mpm_event authz_core authz_host dav dav_fs mime ssl http2 socache_shmcb";
        let mut text = String::new();
        for module in modules.split(' ') {
            text +=
                &format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n");
        }
        text += &format!(
            "ServerRoot {d}\nPidFile {d}/pid\nErrorLog {d}/error.log\nLogFormat \"%h %t \\\"%r\\\" %>s %b\" common\n\
             CustomLog {d}/access.log common\nServerName localhost\nUser www-data\nGroup www-data\n\
             TypesConfig /etc/mime.types\nListen 127.0.0.1:{plain}\nListen 127.0.0.1:{tls}\n\
             Protocols h2 http/1.1\nEnableSendfile On\nKeepAlive On\nMaxKeepAliveRequests 0\n\
             KeepAliveTimeout 60\nTimeout 60\nDavLockDB {d}/locks\nDocumentRoot {root}\n\
             <Directory {root}>\nDav On\nRequire all granted\n</Directory>\n\
             <VirtualHost *:{tls}>\nSSLEngine on\nSSLCertificateFile {cert}\nSSLCertificateKeyFile {key}\n\
             </VirtualHost>\n",
            d = dir.display(),
            root = self.root().display(),
            cert = host("cert"),
            key = host("key"),
        );
        let conf = write(&dir, "apache.conf", &text);
        let child = spawn(&dir, "apache2", &["-DFOREGROUND", "-f", &conf]);
        server(&dir, "apache2", &["-v"], [plain, tls], (true, true), vec![child])
    }

    fn nginx(&self) -> Server {
        let (plain, tls) = (free_port(), free_port());
        let dir = self.folder("nginx");
        // Upload and folder on one file system, or each PUT is copied.
        let body = self.folder("nginx/body");
        let text = format!(
            "load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;\nuser root;\ndaemon off;\n\
             worker_processes 1;\npid {d}/pid;\nerror_log {d}/error.log;\nevents {{ worker_connections 1024; }}\n\
             http {{ include /etc/nginx/mime.types; access_log {d}/access.log; sendfile on; tcp_nopush on;\n\
             keepalive_requests 1000000000; client_max_body_size 0; client_body_temp_path {b};\n\
             proxy_temp_path {d}/p; fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;\n\
             server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl http2; root {root};\n\
             ssl_certificate {cert}; ssl_certificate_key {key};\n\
             location / {{ dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS;\n\
             dav_access user:rw group:rw all:rw; }} }} }}\n",
            d = dir.display(),
            b = body.display(),
            root = self.root().display(),
            cert = host("cert"),
            key = host("key"),
        );
        let conf = write(&dir, "nginx.conf", &text);
        let child = spawn(&dir, "nginx", &["-c", &conf, "-e", "stderr"]);
        server(&dir, "nginx", &["-v"], [plain, tls], (true, true), vec![child])
    }

    fn lighttpd(&self) -> Server {
        let (plain, tls) = (free_port(), free_port());
        let dir = self.folder("lighttpd");
        let text = format!(
            "server.modules = (\"mod_webdav\", \"mod_openssl\", \"mod_accesslog\")\n\
             server.document-root = \"{root}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {plain}\n\
             server.errorlog = \"{d}/error.log\"\naccesslog.filename = \"{d}/access.log\"\n\
             server.upload-dirs = (\"{d}\")\nserver.max-keep-alive-requests = 65535\n\
             server.max-keep-alive-idle = 60\nserver.stream-request-body = 0\n\
             webdav.activate = \"enable\"\nwebdav.is-readonly = \"disable\"\n\
             webdav.sqlite-db-name = \"{d}/db\"\n\
             $SERVER[\"socket\"] == \"127.0.0.1:{tls}\" {{ ssl.engine = \"enable\" \
             ssl.pemfile = \"{cert}\" ssl.privkey = \"{key}\" }}\n",
            d = dir.display(),
            root = self.root().display(),
            cert = host("cert"),
            key = host("key"),
        );
        let conf = write(&dir, "lighttpd.conf", &text);
        let child = spawn(&dir, "lighttpd", &["-D", "-f", &conf]);
        server(&dir, "lighttpd", &["-v"], [plain, tls], (true, true), vec![child])
    }

    fn rclone(&self) -> Server {
        let dir = self.folder("rclone");
        let ports = [free_port(), free_port()];
        let root = self.root().display().to_string();
        let (cert, key) = (host("cert"), host("key"));
        let start = |port: u16, more: &[&str]| {
            let address = format!("127.0.0.1:{port}");
            let mut arguments = vec!["serve", "webdav", &root, "--addr", &address];
            arguments.extend(more);
            spawn(&dir, "rclone", &arguments)
        };
        let children =
            vec![start(ports[0], &[]), start(ports[1], &["--cert", &cert, "--key", &key])];
        server(&dir, "rclone", &["version"], ports, (true, false), children)
    }

    fn dufs(&self) -> Server {
        let dir = self.folder("dufs");
        let ports = [free_port(), free_port()];
        let root = self.root().display().to_string();
        // Where `make bench-peers` puts it.
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let program = tmp.with_file_name("peers").join("bin/dufs").display().to_string();
        let (cert, key) = (host("cert"), host("key"));
        let start = |port: u16, more: &[&str]| {
            let port = port.to_string();
            let mut arguments = vec![root.as_str(), "-A", "-b", "127.0.0.1", "-p", &port];
            arguments.extend(more);
            spawn(&dir, &program, &arguments)
        };
        let tls = ["--tls-cert", &cert, "--tls-key", &key];
        let children = vec![start(ports[0], &[]), start(ports[1], &tls)];
        let mut made = server(&dir, &program, &["--version"], ports, (false, false), children);
        made.name = "dufs";
        made
    }

    fn xrootd(&self) -> Server {
        let dir = self.folder("xrootd");
        fs::set_permissions(&dir, PermissionsExt::from_mode(0o777)).unwrap();
        // It runs as nobody, who must own the key.
        let key = dir.join("key.pem");
        fs::copy(host("key"), &key).unwrap();
        let owned = Command::new("chown").arg("nobody").arg(&key).status().unwrap();
        assert!(owned.success());
        let start = |name: &str, more: &str| {
            let (port, main) = (free_port(), free_port());
            let text = format!(
                "all.export /\nall.adminpath {d}/{name}\nall.pidpath {d}/{name}\noss.localroot {root}\n\
                 xrd.port {main}\nxrd.protocol XrdHttp:{port} libXrdHttp.so\nhttp.listingdeny no\n\
                 xrootd.chksum adler32\n{more}",
                d = dir.display(),
                root = self.root().display()
            );
            let conf = write(&dir, &format!("{name}.conf"), &text);
            let log = dir.join(format!("{name}.log")).display().to_string();
            (port, spawn(&dir, "xrootd", &["-R", "nobody", "-c", &conf, "-l", &log, "-n", name]))
        };
        let (plain, one) = start("plain", "");
        let tls = format!("xrd.tls {} {}\nxrd.tlsca noverify\n", host("cert"), key.display());
        let (tls, other) = start("tls", &tls);
        server(&dir, "xrootd", &["-v"], [plain, tls], (false, false), vec![one, other])
    }

    /// What everybody serves as `/`.
    fn root(&self) -> PathBuf {
        self.storm.dir().join("areas")
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.storm.dir().join("peers").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
        folder
    }
}

impl Server {
    /// Seconds of processor that its processes have used so far.
    pub fn cpu(&self) -> f64 {
        let ticks: u64 = match &self.group {
            Group::One(pid) => stat(*pid).map_or(0, |stat| stat.ticks),
            Group::Groups(groups) => processes()
                .filter_map(stat)
                .filter(|stat| groups.contains(&stat.group))
                .map(|stat| stat.ticks)
                .sum(),
        };
        ticks as f64 / 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.processes {
            let group = nix::unistd::Pid::from_raw(-i32::try_from(child.id()).unwrap());
            let _ = nix::sys::signal::kill(group, nix::sys::signal::Signal::SIGKILL);
            let _ = child.wait();
        }
    }
}

/// Of /proc/PID/stat.
struct Stat {
    group: u32,
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // With the children that have ended.
    let ticks = (11..15).map(number).sum::<Option<u64>>()?;
    Some(Stat { group: u32::try_from(number(2)?).ok()?, ticks })
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn server(
    dir: &Path,
    program: &str,
    version: &[&str],
    [plain, tls]: [u16; 2],
    (http2, atomic): (bool, bool),
    processes: Vec<Child>,
) -> Server {
    for port in [plain, tls] {
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > end {
                let said = fs::read_to_string(dir.join("out")).unwrap_or_default();
                panic!("{program} does not listen: {said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let said = Command::new(program).args(version).output().unwrap();
    let said = [said.stdout, said.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let version = said.lines().find(|line| line.contains(char::is_numeric)).unwrap_or("?");
    let version = version.trim_start_matches("Server version: ").to_owned();
    let group = Group::Groups(processes.iter().map(Child::id).collect());
    let name = Box::leak(program.to_owned().into_boxed_str());
    Server { name, version, plain, tls, http2, atomic, group, processes }
}

fn spawn(dir: &Path, program: &str, arguments: &[&str]) -> Child {
    let log = File::options().create(true).append(true).open(dir.join("out")).unwrap();
    Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .env("HOME", dir)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}: make bench-peers installs it"))
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    path.display().to_string()
}

fn host(what: &str) -> String {
    pki::dir().join(format!("host{what}.pem")).display().to_string()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
