//! The state directory, and what a daemon settles with the system once.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{User, geteuid, initgroups, setgid, setuid};

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
        // After a kill they would lead scripts to ports that nobody, or somebody else, serves.
        this.remove_addresses();
        Ok(this)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join("stormd.db")
    }

    /// This daemon's id among those that share a database: made once.
    pub(super) fn owner(&self) -> io::Result<String> {
        let path = self.path.join("owner");
        match std::fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let owner = uuid::Uuid::new_v4().to_string();
        self.write_whole(&path, owner.as_bytes())?;
        Ok(owner)
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

/// Files get 0660, directories 0770, whatever the shell had.
pub(super) fn set_umask() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o007));
}

/// The account of `[daemon] user`; none: whoever started us.
pub(super) struct Account(Option<User>);

impl Account {
    /// Looks the name up. The error is one of the configuration.
    pub(super) fn find(name: &str) -> Result<Self, String> {
        if name.is_empty() {
            return Ok(Self(None));
        }
        match User::from_name(name) {
            Ok(Some(user)) => Ok(Self(Some(user))),
            Ok(None) => Err(format!("daemon.user: there is no account {name:?} on this host")),
            Err(error) => Err(format!("daemon.user: cannot look up {name:?}: {error}")),
        }
    }

    /// Makes the state directory (0700) where it is missing, and gives it to the account, which
    /// may not be allowed to make it.
    pub(super) fn make_state_directory(&self, path: &Path) -> Result<(), String> {
        if path.exists() {
            return Ok(());
        }
        let told = |e: io::Error| format!("paths.state: cannot make {}: {e}", path.display());
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(told)?;
        match &self.0 {
            Some(user) if geteuid().is_root() => {
                let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
                std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(told)
            }
            _ => Ok(()),
        }
    }

    /// Drops to the account, with its groups, for good.
    pub(super) fn become_it(&self) -> Result<(), String> {
        let Some(user) = &self.0 else { return Ok(()) };
        if geteuid() == user.uid {
            return Ok(());
        }
        let name = &user.name;
        let told = |e: nix::Error| {
            format!("daemon.user: cannot become {name:?}: {e}; start as root or as that account")
        };
        let c_name = std::ffi::CString::new(name.as_str())
            .map_err(|_| format!("daemon.user: {name:?} is no account name"))?;
        initgroups(&c_name, user.gid).map_err(told)?;
        setgid(user.gid).map_err(told)?;
        setuid(user.uid).map_err(told)
    }
}
