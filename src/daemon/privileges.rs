//! Rights that the process gives up: at its very beginning what it never needs, and root's when the
//! ports are bound. No capability is kept: all files are the account's own.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Uid, User, geteuid, initgroups, setgid, setuid};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// Gives up what no stormd needs, whoever starts it: programs that give more rights (setuid),
/// capabilities for programs that it might start, and memory for debuggers and core files, which
/// holds keys. To be called before the first thread starts: threads inherit it, and cannot be given
/// it later. Its umask: files 0660, directories 0770, whatever the shell had.
///
/// # Errors
/// What the system refused. Taking capabilities from the bounding set needs one, and is left out by
/// whoever has none.
pub fn lock_down() -> io::Result<()> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o007));
    set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    clear_ambient_capability_set()?;
    let own = capabilities(None)?;
    if own.effective.contains(CapabilitySet::SETPCAP) {
        // Those that this kernel does not know yet cannot be taken.
        for capability in CapabilitySet::all().iter() {
            match remove_capability_from_bounding_set(capability) {
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..own })?;
    Ok(())
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
        let Some(user) = &self.0 else {
            if geteuid().is_root() {
                tracing::warn!("stormd runs as root: name an account in daemon.user");
            }
            return Ok(());
        };
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
        setuid(user.uid).map_err(told)?;
        // The kernel took the capabilities with the last of root's ids; nobody gives them back.
        let left = capabilities(None).map_err(|e| told(nix::Error::from_raw(e.raw_os_error())))?;
        if setuid(Uid::from_raw(0)).is_ok() || !(left.effective | left.permitted).is_empty() {
            return Err(format!("daemon.user: root's rights stay after becoming {name:?}"));
        }
        Ok(())
    }
}
