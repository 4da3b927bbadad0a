//! Local accounts, for what a mover may do on disk once it has become one. Made with useradd, which
//! needs root, as `make test` has it.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// An account and its own group, which has the same name.
#[derive(Clone, Debug)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

/// What a program that ran as an account left.
#[derive(Debug)]
pub struct Ran {
    pub ok: bool,
    pub out: Vec<u8>,
    pub err: String,
}

/// The account that stormd runs as.
pub fn service() -> &'static Account {
    static FOUND: OnceLock<Account> = OnceLock::new();
    FOUND.get_or_init(|| Account::find("stormdt0"))
}

/// The account of [`super::USER_DN`].
pub fn one() -> &'static Account {
    static FOUND: OnceLock<Account> = OnceLock::new();
    FOUND.get_or_init(|| Account::find("stormdt1"))
}

/// The account of [`super::USER2_DN`].
pub fn two() -> &'static Account {
    static FOUND: OnceLock<Account> = OnceLock::new();
    FOUND.get_or_init(|| Account::find("stormdt2"))
}

/// A grid-mapfile for both people.
pub fn grid_mapfile() -> String {
    let (first, second) = (&one().name, &two().name);
    format!("\"{}\" {first}\n\"{}\" {second}\n", super::USER_DN, super::USER2_DN)
}

impl Account {
    fn find(name: &str) -> Self {
        let known = || nix::unistd::User::from_name(name).unwrap();
        for _ in 0..50 {
            if known().is_some() {
                break;
            }
            // Fails while somebody else changes /etc/passwd.
            let options = ["--no-create-home", "--user-group", "--shell", "/bin/sh", name];
            let _ = Command::new("useradd").args(options).status().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let user = known().unwrap_or_else(|| panic!("useradd {name} failed: root is needed"));
        Self { name: name.to_owned(), uid: user.uid.as_raw(), gid: user.gid.as_raw() }
    }

    /// Runs `script` with this account's rights and no others; `$1` is `path`.
    pub fn sh(&self, script: &str, path: &str) -> Ran {
        let mut command = self.command("sh");
        command.args(["-c", script, "sh", path]);
        let done = command.stdin(Stdio::null()).output().unwrap();
        let err = String::from_utf8_lossy(&done.stderr).into_owned();
        Ran { ok: done.status.success(), out: done.stdout, err }
    }

    /// `program`, to be run with this account's rights.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={}", self.uid), &format!("--regid={}", self.gid)]);
        command.args(["--init-groups", "--inh-caps=-all", "--", program]).current_dir("/");
        command
    }

    /// What is in the file, if the account may read it.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        let ran = self.sh("cat \"$1\"", path);
        ran.ok.then_some(ran.out)
    }

    /// Writes a file in place, as a mover does; false where it may not.
    pub fn write(&self, path: &str, text: &str) -> bool {
        self.sh(&format!("printf %s '{text}' >\"$1\""), path).ok
    }
}
