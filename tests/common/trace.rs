//! What the daemon asks of the kernel, in which order, and what becomes of it when the kernel
//! says no: strace.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait_until;

/// A trace under way.
pub struct Trace {
    strace: Child,
    dir: tempfile::TempDir,
}

/// One system call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Arguments and result, with the path of each descriptor.
    pub text: String,
    begin: usize,
    end: usize,
}

impl Trace {
    /// Watches `calls` of a process and all its threads.
    pub fn watch(pid: u32, calls: &str) -> Self {
        Self::start(pid, &["-e", &format!("trace={calls}")])
    }

    /// Lets `call` fail with `error`: all of them, or those on `path` only.
    pub fn fail(pid: u32, call: &str, error: &str, path: Option<&str>) -> Self {
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error={error}"));
        let mut args = vec!["-e", &trace, "-e", &inject];
        args.extend(path.into_iter().flat_map(|path| ["-P", path]));
        Self::start(pid, &args)
    }

    /// Lets `call` begin that much later, all of them.
    pub fn slow(pid: u32, call: &str, delay: Duration) -> Self {
        let inject = format!("inject={call}:delay_enter={}", delay.as_micros());
        Self::start(pid, &["-e", &format!("trace={call}"), "-e", &inject])
    }

    /// Lets `call` on `path` begin that much later.
    pub fn slow_on(pid: u32, call: &str, delay: Duration, path: &str) -> Self {
        let inject = format!("inject={call}:delay_enter={}", delay.as_micros());
        Self::start(pid, &["-e", &format!("trace={call}"), "-e", &inject, "-P", path])
    }

    /// Kills the process as it begins such a call for the `nth` time.
    pub fn kill(pid: u32, call: &str, nth: usize) -> Self {
        let inject = format!("inject={call}:signal=KILL:when={nth}");
        Self::start(pid, &["-e", &format!("trace={call}"), "-e", &inject])
    }

    fn start(pid: u32, args: &[&str]) -> Self {
        let dir = tempfile::TempDir::with_prefix("stormd-trace-").unwrap();
        let strace = Command::new("strace")
            .args(["-q", "-f", "-y", "-s", "16", "-p", &pid.to_string(), "-o"])
            .arg(dir.path().join("trace"))
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("strace: {e}: make test installs it"));
        let traced = || {
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
            tasks.flatten().all(|task| {
                let status = std::fs::read_to_string(task.path().join("status"));
                status.is_ok_and(|text| !text.contains("TracerPid:\t0\n"))
            })
        };
        assert!(wait_until(Duration::from_secs(10), traced), "strace does not attach");
        Self { strace, dir }
    }

    /// Ends it; the calls, in the order in which they began.
    pub fn stop(mut self) -> Vec<Call> {
        let pid = Pid::from_raw(i32::try_from(self.strace.id()).unwrap());
        kill(pid, Signal::SIGINT).unwrap();
        self.strace.wait().unwrap();
        read(&std::fs::read_to_string(self.file()).unwrap())
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("trace")
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

fn read(text: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for (at, line) in text.lines().enumerate() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("<...") {
            if let Some(number) = open.remove(pid) {
                calls[number].end = at;
                calls[number].text.push_str(rest);
            }
        } else if let Some((name, args)) = rest.split_once('(') {
            if args.contains("<unfinished") {
                open.insert(pid, calls.len());
            }
            let (name, text) = (name.to_owned(), args.to_owned());
            calls.push(Call { name, text, begin: at, end: at });
        }
    }
    calls
}

/// A step that must be seen: names of calls, `|` between them, and a part of their text.
pub type Step<'a> = (&'a str, &'a str);

/// Fails the test unless each step is over before the next one begins.
#[track_caller]
pub fn in_order(calls: &[Call], steps: &[Step<'_>]) {
    let mut after = None;
    for (names, part) in steps {
        let found = calls.iter().find(|call| {
            names.split('|').any(|name| name == call.name)
                && call.text.contains(part)
                && after.is_none_or(|end| call.begin > end)
        });
        let Some(found) = found else {
            panic!("{names} {part} does not come after {after:?} in\n{}", show(calls));
        };
        after = Some(found.end);
    }
}

/// For messages.
pub fn show(calls: &[Call]) -> String {
    let line = |call: &Call| format!("{}-{} {}({}\n", call.begin, call.end, call.name, call.text);
    calls.iter().map(line).collect()
}
