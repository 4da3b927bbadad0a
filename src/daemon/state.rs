//! The state directory, and what a daemon settles with the system once.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::listener::PortKind;

/// Descriptors beside those of connections: files of uploads and downloads, the database.
const OPEN_FILES_BESIDE: u64 = 4096;

/// `paths.state`: the database, the demo certificates, the addresses in use. One daemon at a time.
pub(super) struct StateDirectory {
    path: PathBuf,
    _lock: Flock<File>,
}

impl StateDirectory {
    /// Takes the directory; its addresses of an earlier run are gone.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let told = |what: &str, e: &dyn std::fmt::Display| {
            format!("paths.state: cannot {what} {}: {e}", path.display())
        };
        let lock = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(|e| told("write to", &e))?;
        let lock =
            Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(
                |(_, errno)| match errno {
                    Errno::EWOULDBLOCK => {
                        told("take", &"another stormd runs on it: stop that one, or name another")
                    }
                    other => told("lock", &other),
                },
            )?;
        let this = Self { path: path.to_owned(), _lock: lock };
        this.close_to_others();
        // After a kill they would lead scripts to ports that nobody, or somebody else, serves.
        this.remove_addresses();
        Ok(this)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join("stormd.db")
    }

    /// This daemon's id among those that share a database: made once.
    pub(super) fn owner(&self) -> io::Result<String> {
        self.made_once("owner")
    }

    /// What opens the closed pages of the admin port: made once. To change it, remove the file and
    /// start anew.
    pub(super) fn admin_token(&self) -> io::Result<String> {
        self.made_once("admin.token")
    }

    /// A random text that stays, in a file for nobody else.
    fn made_once(&self, name: &str) -> io::Result<String> {
        let path = self.path.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let text = uuid::Uuid::new_v4().to_string();
        self.write_whole(&path, text.as_bytes())?;
        Ok(text)
    }

    /// `addresses.json`: `{"srm":"[::]:8444",…}`, for scripts and tests.
    pub(super) fn write_addresses(&self, ports: &[(PortKind, SocketAddr)]) -> io::Result<()> {
        let name = |kind: PortKind| match kind {
            PortKind::Plain => "plain",
            other => other.as_str(),
        };
        let table: serde_json::Map<String, serde_json::Value> = ports
            .iter()
            .map(|(kind, address)| (name(*kind).to_owned(), address.to_string().into()))
            .collect();
        let text = serde_json::Value::Object(table).to_string();
        self.write_whole(&self.path.join("addresses.json"), text.as_bytes())
    }

    /// The addresses are no longer in use.
    pub(super) fn remove_addresses(&self) {
        // One that stays is overwritten by the next start.
        let _ = std::fs::remove_file(self.path.join("addresses.json"));
    }

    /// What others may read or write here is told; files are mended. A copy from a backup may have
    /// got other modes. Folders are not mended: a storage area may lie below.
    fn close_to_others(&self) {
        let demo = self.path.join("demo");
        for folder in [&self.path, &demo, &self.path.join("delegated")] {
            let Ok(about) = folder.symlink_metadata() else { continue };
            if about.permissions().mode() & 0o077 != 0 {
                tracing::warn!(
                    "{}: others may look into it (mode {:o}): chmod 0700",
                    folder.display(),
                    about.permissions().mode() & 0o7777
                );
            }
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let file = entry.path();
                // What everybody may know: the demo's certificates.
                if *folder == demo && !is_key(&file) {
                    continue;
                }
                if let Err(error) = close_file(&file) {
                    tracing::warn!("{}: cannot be given mode 0600: {error}", file.display());
                }
            }
        }
    }

    fn write_whole(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let passing = path.with_extension("new");
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&passing)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&passing, path)
    }
}

/// Which boot of the machine this is; empty where the system does not tell.
pub(super) fn boot_id() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    told.trim().to_owned()
}

/// Raises the limit of open files to fit the connections, as far as the system lets us.
pub(super) fn raise_open_files(connections: usize) {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OPEN_FILES_BESIDE);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft >= wanted {
        return;
    }
    let reached = if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok() {
        wanted
    } else if setrlimit(Resource::RLIMIT_NOFILE, hard.min(wanted), hard).is_ok() {
        hard.min(wanted)
    } else {
        soft
    };
    if reached < wanted {
        tracing::warn!(
            "limits.connections = {connections} wants {wanted} open files, the system gives \
             {reached}: raise LimitNOFILE"
        );
    }
}

/// Takes a file's rights from all but its owner. What is no file is left as it is.
fn close_file(path: &Path) -> io::Result<()> {
    let about = path.symlink_metadata()?;
    let mode = about.permissions().mode();
    if !about.is_file() || mode & 0o077 == 0 {
        return Ok(());
    }
    tracing::warn!("{}: others had rights on it (mode {:o}): taken", path.display(), mode & 0o7777);
    // Not by its name, which may lead elsewhere by now.
    let flags = nix::libc::O_NOFOLLOW;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode & 0o700))
}

fn is_key(path: &Path) -> bool {
    path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.ends_with("key"))
}
