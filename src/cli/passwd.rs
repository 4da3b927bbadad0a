//! `stormd passwd`: the file of local users. The daemon need not run; one that does sees the change with
//! the next request.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use nix::unistd::User;

use super::{USAGE, say};
use crate::auth::password::{LocalUser, check_choice, check_user_name, edit_users, hash};
use crate::config::Config;
use crate::daemon;
use crate::model::Fqan;

/// Who, and what about him.
#[derive(Debug, Args)]
pub(super) struct Passwd {
    /// The user name.
    #[arg(required_unless_present = "list")]
    user: Option<String>,

    /// The DN he has, as /C=IT/O=…/CN=…: what the site gave to it he gets too. Without it a new user
    /// has /CN=local/CN=<USER>, and an old one keeps his.
    #[arg(long)]
    dn: Option<String>,

    /// An FQAN he has, as /vo/Role=role; several times, in their order. Without it an old user keeps his.
    #[arg(long, value_name = "FQAN")]
    fqan: Vec<String>,

    /// Take the password from standard input, a line, rather than ask for it.
    #[arg(long)]
    stdin: bool,

    /// Remove the user: from now on his password opens nothing.
    #[arg(long, conflicts_with_all = ["dn", "fqan", "stdin"])]
    delete: bool,

    /// Show all users, and nothing of their passwords.
    #[arg(long, conflicts_with_all = ["user", "dn", "fqan", "stdin", "delete"])]
    list: bool,
}

pub(super) fn run(config: &Path, command: Passwd) -> ExitCode {
    let config = match Config::load(config) {
        Ok(config) => config,
        Err(problems) => {
            say(daemon::problems_text(&problems));
            return ExitCode::from(USAGE);
        }
    };
    match change(&config, command) {
        Ok(text) => {
            // The exit code says it too, if nobody reads.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => {
            say(format!("stormd: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn change(config: &Config, command: Passwd) -> Result<String, String> {
    let Passwd { user, dn, fqan, stdin, delete, list: _ } = command;
    let file = &config.auth.users;
    let told = |error: crate::auth::password::UsersError| error.to_string();
    let Some(name) = user else {
        return edit_users(file, None, |users| Ok(list(users))).map_err(told);
    };
    check_user_name(&name)?;
    let owner = owner(config)?;
    if delete {
        let gone = edit_users(file, owner, |users| match users.remove(&name) {
            Some(user) => Ok(user.dn),
            None => Err(format!("there is no user {name} in {}", file.display())),
        });
        // They belong to the DN, which may have other ways in.
        return gone.map_err(told).map(|dn| {
            format!(
                "{name}: removed; app passwords that he made stay: `stormd app-password list --dn \
                 \"{dn}\"` shows them\n"
            )
        });
    }
    if let Some(dn) =
        dn.as_deref().filter(|dn| !dn.starts_with('/') || dn.contains(char::is_control))
    {
        return Err(format!("--dn {dn:?}: expected the form /C=IT/O=…/CN=…"));
    }
    let fqans = fqan.iter().map(|text| Fqan::parse(text).map_err(|error| error.to_string()));
    let fqans = fqans.collect::<Result<Vec<_>, _>>()?;
    let hash = hash(&password(&name, stdin)?)?;
    let done = edit_users(file, owner, |users| {
        let old = users.get(&name);
        let known = if old.is_some() { "changed" } else { "added" };
        let old_dn = old.map(|old| old.dn.clone());
        let dn = dn.or(old_dn).unwrap_or_else(|| LocalUser::default_dn(&name));
        let fqans = match old {
            Some(old) if fqans.is_empty() => old.fqans.clone(),
            _ => fqans,
        };
        let user = LocalUser { hash, dn, fqans };
        let line = format!("{name}: {known}: {}\n", who(&user));
        users.insert(name.clone(), user);
        Ok(line)
    });
    done.map_err(told)
}

/// Asked for twice where somebody sits at a terminal.
fn password(name: &str, stdin: bool) -> Result<String, String> {
    let given = if stdin {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(|error| format!("no password: {error}"))?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        let ask = |words: String| {
            rpassword::prompt_password(words).map_err(|error| {
                format!("no terminal to ask for a password ({error}): use --stdin")
            })
        };
        let given = ask(format!("Password of {name}: "))?;
        check_choice(&given)?;
        if ask("Once more: ".to_owned())? != given {
            return Err("the two are not the same: nothing was changed".to_owned());
        }
        given
    };
    check_choice(&given)?;
    Ok(given)
}

/// A new file is for the daemon to read, also where root makes it: its account, or that of its state
/// directory.
fn owner(config: &Config) -> Result<Option<(u32, u32)>, String> {
    let account = &config.daemon.user;
    if account.is_empty() {
        let state = std::fs::metadata(&config.paths.state).ok();
        return Ok(state.map(|state| (state.uid(), state.gid())));
    }
    match User::from_name(account) {
        Ok(Some(user)) => Ok(Some((user.uid.as_raw(), user.gid.as_raw()))),
        Ok(None) => Err(format!("daemon.user: there is no account {account:?}")),
        Err(error) => Err(format!("daemon.user: {account:?}: {error}")),
    }
}

fn list(users: &BTreeMap<String, LocalUser>) -> String {
    users.iter().map(|(name, user)| format!("{name}: {}\n", who(user))).collect()
}

fn who(user: &LocalUser) -> String {
    let fqans: Vec<&str> = user.fqans.iter().map(Fqan::as_str).collect();
    format!("{} {}", user.dn, fqans.join(",")).trim_end().to_owned()
}
