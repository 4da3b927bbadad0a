//! The file of local users (`[auth] users`), kept by `stormd passwd`. One a line:
//! `name:argon2id hash:FQAN,FQAN:DN`; `#` begins a comment line.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::fcntl::{Flock, FlockArg};

use super::{Credential, is_hash};
use crate::auth::watched::Format;
use crate::config::{Problem, Severity};
use crate::model::{Fqan, FqanError, Person, ProxyKind};

/// Longest user name, in characters.
const NAME_MAX: usize = 64;
/// What user names of app passwords begin with.
const APP: &str = "app-";
/// 9999-12-31: a local user's password has no end.
const NEVER: Duration = Duration::from_secs(253_402_300_799);
/// First line of the file.
const HEAD: &str = "# Local users of stormd: name:hash:FQANs:DN. Kept by `stormd passwd`.\n";

/// A local user as the file has him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalUser {
    /// argon2id, as [`super::hash`] makes it.
    pub hash: String,
    /// Who he is to everything that judges by DN.
    pub dn: String,
    /// The FQANs he has, the primary one first.
    pub fqans: Vec<Fqan>,
}

impl LocalUser {
    /// The DN of a user to whom none was given.
    pub fn default_dn(name: &str) -> String {
        format!("/CN=local/CN={name}")
    }
}

/// Who may sign in with a password of his own.
#[derive(Debug, Default)]
pub struct Users(HashMap<String, Arc<Credential>>);

impl Users {
    /// What the user's password opens.
    pub fn get(&self, name: &str) -> Option<Arc<Credential>> {
        self.0.get(name).cloned()
    }
}

impl Format for Users {
    const WRITTEN_WHOLE: bool = true;

    fn absent() -> Self {
        Self::default()
    }

    fn parse(text: &str, file: &Path) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let warnings = rights(file, None)?;
        let users = read(text, file)?.into_iter().map(|(name, user)| {
            let person = Arc::new(local_person(user.dn, user.fqans));
            (name, Arc::new(Credential { hash: user.hash, person }))
        });
        Ok((Self(users.collect()), warnings))
    }
}

/// Somebody who signed in with a password of his own.
pub(super) fn local_person(dn: String, fqans: Vec<Fqan>) -> Person {
    Person {
        dn,
        fqans,
        not_after: SystemTime::UNIX_EPOCH + NEVER,
        proxy: ProxyKind::Password,
        notes: Vec::new(),
        scope: None,
    }
}

/// Why a text is no user name, in a line.
///
/// # Errors
/// Empty, too long, of odd characters, or like those of app passwords.
pub fn check_user_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if name.chars().count() > NAME_MAX || !begins || !name.chars().all(plain) {
        return Err(format!(
            "{name:?} is no user name: at most {NAME_MAX} of a-z, A-Z, 0-9, . _ @ -, and a letter \
             or digit first"
        ));
    }
    if name.starts_with(APP) {
        return Err(format!("{name:?}: names that begin with {APP:?} are those of app passwords"));
    }
    Ok(())
}

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// What is wrong in it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Broken(Vec<Problem>),
    /// The system's word.
    #[error("{}: cannot {what}: {error}", path.display())]
    Io {
        /// The file or its folder.
        path: PathBuf,
        /// What was to be done.
        what: &'static str,
        /// Why it was not.
        error: io::Error,
    },
    /// What the caller found wrong; nothing was changed.
    #[error("{0}")]
    Refused(String),
}

/// Changes the file as one, and waits for another who does: it is written anew beside the old one and
/// takes its place when it is on disk. Mode 0600; it keeps its owner, and a new one belongs to `owner`
/// (uid and gid) where we may give it away. Comments of others are lost.
///
/// # Errors
/// Whatever `change` says; a file that does not read; one that others may write to, or that belongs to
/// others than root, `owner` and ourselves: whoever they put in would be vouched for; the system's.
pub fn edit_users<T>(
    path: &Path,
    owner: Option<(u32, u32)>,
    change: impl FnOnce(&mut BTreeMap<String, LocalUser>) -> Result<T, String>,
) -> Result<T, UsersError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let failed = |at: &Path, what| {
        let path = at.to_owned();
        move |error: io::Error| UsersError::Io { path, what, error }
    };
    let place = File::open(folder).map_err(failed(folder, "open the folder"))?;
    let place = Flock::lock(place, FlockArg::LockExclusive)
        .map_err(|(_, errno)| failed(folder, "lock the folder")(errno.into()))?;
    let account = owner.map(|(uid, _)| uid);
    let (mut users, owner) = match std::fs::metadata(path) {
        Ok(about) => {
            let text = std::fs::read_to_string(path).map_err(failed(path, "read it"))?;
            let users = read(&text, path).map_err(UsersError::Broken)?;
            (users, Some((about.uid(), about.gid())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => (BTreeMap::new(), owner),
        Err(error) => return Err(failed(path, "look at it")(error)),
    };
    let before = users.clone();
    let done = change(&mut users).map_err(UsersError::Refused)?;
    if users == before {
        return Ok(done);
    }
    rights(path, account).map_err(UsersError::Broken)?;
    let passing = path.with_extension("new");
    let told = failed(&passing, "write it");
    write(&passing, &users, owner).map_err(told)?;
    std::fs::rename(&passing, path).map_err(failed(path, "replace it"))?;
    place.sync_all().map_err(failed(folder, "sync the folder"))?;
    Ok(done)
}

fn write(
    passing: &Path,
    users: &BTreeMap<String, LocalUser>,
    owner: Option<(u32, u32)>,
) -> io::Result<()> {
    // What an earlier one left behind may have another mode.
    match std::fs::remove_file(passing) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(passing)?;
    if let Some((uid, gid)) = owner
        && nix::unistd::geteuid().is_root()
    {
        fchown(&file, Some(uid), Some(gid))?;
    }
    let mut text = HEAD.to_owned();
    for (name, LocalUser { hash, dn, fqans }) in users {
        let fqans: Vec<&str> = fqans.iter().map(Fqan::as_str).collect();
        text += &format!("{name}:{hash}:{}:{dn}\n", fqans.join(","));
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Whoever can write the file is everybody. `account` may own it beside root and ourselves.
fn rights(file: &Path, account: Option<u32>) -> Result<Vec<Problem>, Vec<Problem>> {
    let Ok(about) = std::fs::metadata(file) else { return Ok(Vec::new()) };
    let (mode, owner) = (about.permissions().mode() & 0o7777, about.uid());
    let told = |severity, text| vec![Problem { file: file.to_owned(), line: None, text, severity }];
    if owner != 0 && owner != nix::unistd::geteuid().as_raw() && Some(owner) != account {
        let text = format!(
            "belongs to uid {owner}: look who is in it, then chown it to root or stormd's account"
        );
        return Err(told(Severity::Error, text));
    }
    if mode & 0o022 != 0 {
        let text =
            format!("others may write to it (mode {mode:o}): look who is in it, then chmod 0600");
        return Err(told(Severity::Error, text));
    }
    if mode & 0o055 != 0 {
        let text = format!("others may read the password hashes (mode {mode:o}): chmod 0600");
        return Ok(told(Severity::Warning, text));
    }
    Ok(Vec::new())
}

fn read(text: &str, file: &Path) -> Result<BTreeMap<String, LocalUser>, Vec<Problem>> {
    let mut users = BTreeMap::new();
    let mut problems = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let told = match user(line) {
            Ok((name, user)) => match users.insert(name.clone(), user) {
                None => continue,
                Some(_) => {
                    format!("{name} stands here for the second time: remove one of the lines")
                }
            },
            Err(why) => why,
        };
        let (file, severity) = (file.to_owned(), Severity::Error);
        problems.push(Problem { file, line: Some(at + 1), text: told, severity });
    }
    if problems.is_empty() { Ok(users) } else { Err(problems) }
}

fn user(line: &str) -> Result<(String, LocalUser), String> {
    // A DN may hold colons.
    let mut parts = line.splitn(4, ':');
    let (Some(name), Some(hash), Some(fqans), Some(dn)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("expected name:hash:FQANs:DN: let `stormd passwd` write it".to_owned());
    };
    check_user_name(name)?;
    // Never its text: it may be a password that somebody took for a hash.
    if !is_hash(hash) {
        return Err(format!("what {name} has is no argon2id hash: let `stormd passwd` write it"));
    }
    if !dn.starts_with('/') || dn.chars().any(char::is_control) {
        return Err(format!("{dn:?} is no DN: expected the form /C=IT/O=…/CN=…"));
    }
    let fqans = fqans.split(',').filter(|fqan| !fqan.is_empty()).map(Fqan::parse);
    let fqans = fqans.collect::<Result<_, FqanError>>().map_err(|error| error.to_string())?;
    Ok((name.to_owned(), LocalUser { hash: hash.to_owned(), dn: dn.to_owned(), fqans }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::password::NOBODY;

    fn alice() -> LocalUser {
        let fqans = ["/vo", "/vo/Role=prod"].map(|fqan| Fqan::parse(fqan).unwrap()).to_vec();
        LocalUser { hash: NOBODY.to_owned(), dn: "/C=IT/CN=host:alice".to_owned(), fqans }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        let add = |name: &str| {
            edit_users(&path, None, |users| {
                users.insert(name.to_owned(), alice());
                Ok(users.len())
            })
        };
        assert_eq!((add("alice").unwrap(), add("bob@x").unwrap()), (1, 2));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        let (users, warnings) = Users::parse(&text, &path).unwrap();
        assert!(warnings.is_empty());
        let person = &users.get("alice").unwrap().person;
        assert_eq!((person.dn.as_str(), person.fqans.len()), ("/C=IT/CN=host:alice", 2));
        assert!(users.get("carol").is_none());
        // A change that is refused changes nothing.
        let refused = edit_users(&path, None, |users| {
            users.clear();
            Err::<(), _>("no".to_owned())
        });
        assert_eq!(refused.unwrap_err().to_string(), "no");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        edit_users(&path, None, |users| {
            users.clear();
            Ok(())
        })
        .unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), HEAD);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    edit_users(path, None, |users| {
                        users.insert(format!("u{n}"), alice());
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(read(&text, &path).unwrap().len(), 8);
    }

    #[test]
    fn who_may_touch_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        std::fs::write(&path, HEAD).unwrap();
        for (mode, well) in [(0o600, Some(0)), (0o640, Some(1)), (0o620, None), (0o602, None)] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let read = Users::parse(HEAD, &path).ok().map(|(_, warnings)| warnings.len());
            assert_eq!(read, well, "{mode:o}");
        }
    }

    #[test]
    fn what_others_wrote_is_not_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        let add = |name: &str| {
            edit_users(&path, None, |users| {
                users.insert(name.to_owned(), alice());
                Ok(())
            })
        };
        add("alice").unwrap();
        let before = std::fs::read(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o660)).unwrap();
        let why = add("bob").unwrap_err().to_string();
        assert!(why.contains("others may write"), "{why}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        // To look is no harm.
        assert_eq!(edit_users(&path, None, |users| Ok(users.len())).unwrap(), 1);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        add("bob").unwrap();
    }

    #[test]
    fn what_does_not_read_names_its_line_and_no_secret() {
        let good = format!("alice:{NOBODY}::/CN=local/CN=alice");
        for bad in [
            "alice",
            "alice:hunter22::/CN=x",
            &good.replace("/CN=local/CN=alice", "CN=x"),
            &good.replace("::", ":vo:"),
            &good.replace("alice:", "a b:"),
            &good.replace("alice:", "app-x:"),
            &good.replace("alice:", ":"),
        ] {
            let problems = read(&format!("{good}2\n{bad}\n"), Path::new("u")).unwrap_err();
            assert_eq!((problems.len(), problems[0].line), (1, Some(2)), "{bad}");
            assert!(!problems[0].text.contains("hunter22"));
        }
        let twice = read(&format!("{good}\n#\n\n{good}\n"), Path::new("u")).unwrap_err();
        assert_eq!(twice[0].line, Some(4));
    }
}
