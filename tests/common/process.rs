//! What the daemon under test takes of the machine, as `/proc` tells it.

use std::path::Path;
use std::time::Duration;

use super::storm::TestStorm;
use super::{wait_until, wire};

impl TestStorm {
    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:") * 1024
    }

    /// The most resident memory since the start, or the last [`TestStorm::forget_peak`], in bytes.
    pub fn peak(&self) -> u64 {
        self.status("VmHWM:") * 1024
    }

    /// What was the peak is none any more.
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").unwrap();
    }

    /// How many files it has open whose path begins so.
    pub fn open_files(&self, below: &Path) -> usize {
        let all = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let links = all.filter_map(|one| std::fs::read_link(one.ok()?.path()).ok());
        links.filter(|link| link.starts_with(below)).count()
    }

    /// Connections that are open, on all ports.
    pub fn connections(&self) -> u64 {
        let metrics = wire::plain_get(self.ports.admin, "/metrics").unwrap().text();
        let open = metrics.lines().filter(|line| line.starts_with("stormd_connections{"));
        open.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Changes a text of storm.toml and has it read again.
    pub fn reload(&self, from: &str, to: &str) {
        let file = self.dir().join("storm.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "no {from} in {text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let before = self.log().len();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
        let read = || self.log()[before..].contains("configuration read again");
        assert!(wait_until(Duration::from_secs(10), read), "{}", &self.log()[before..]);
    }

    /// A number of `/proc/<pid>/status`.
    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}
