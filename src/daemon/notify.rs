//! Tells systemd how far the daemon is (sd_notify(3)): a few words on a datagram socket. Without
//! `NOTIFY_SOCKET` in the environment nothing is sent.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service manager's ear, or none.
pub(super) struct Notifier(Option<UnixDatagram>);

impl Notifier {
    /// To whom `NOTIFY_SOCKET` says. Connected at once: later the account may be another.
    pub(super) fn from_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Self(None) };
        Self::to(&name).unwrap_or_else(|error| {
            tracing::warn!("NOTIFY_SOCKET {}: {error}: systemd is told nothing", name.display());
            Self(None)
        })
    }

    fn to(name: &OsStr) -> std::io::Result<Self> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        // A service manager that does not listen must not stop us.
        socket.set_nonblocking(true)?;
        Ok(Self(Some(socket)))
    }

    /// The doors are open, or a reload is over.
    pub(super) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// A reload has begun; [`Notifier::ready`] ends it.
    pub(super) fn reloading(&self) {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
        let micros = now.map_or(0, |now| now.tv_sec() * 1_000_000 + now.tv_nsec() / 1_000);
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reading the configuration again\n"
        ));
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=requests under way may finish\n");
    }

    fn send(&self, words: &str) {
        if let Some(socket) = &self.0 {
            // Nothing depends on it but what `systemctl status` shows.
            let _ = socket.send(words.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_socket_hear() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let by_name = UnixDatagram::bind(&path).unwrap();
        let abstract_name = format!("stormd-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let by_abstract_name = UnixDatagram::bind_addr(&address).unwrap();
        let names = [path.into_os_string(), format!("@{abstract_name}").into()];
        for (socket, name) in [by_name, by_abstract_name].iter().zip(names) {
            let notifier = Notifier::to(&name).unwrap();
            notifier.reloading();
            notifier.ready("serving");
            let mut heard = [0; 256];
            let length = socket.recv(&mut heard).unwrap();
            let text = String::from_utf8_lossy(&heard[..length]).into_owned();
            assert!(text.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{text}");
            let length = socket.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"READY=1\nSTATUS=serving\n");
        }
    }

    #[test]
    fn a_deaf_manager_is_an_error_at_once() {
        assert!(Notifier::to(OsStr::new("/nowhere/notify")).is_err());
        Notifier(None).stopping();
    }
}
