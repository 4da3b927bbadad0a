//! Passwords: how they are kept, made, and guarded against guessing. Desktops can show neither a
//! certificate nor a token; whoever signs in with a password is a [`Person`] like any other.

mod attempts;
mod users;
mod verified;

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version, password_hash};
use aws_lc_rs::rand;

pub use attempts::Attempts;
pub use users::{LocalUser, Users, UsersError, check_user_name, edit_users};
pub use verified::{KEPT, Proof, Verified};

use crate::model::Person;

/// Longest password that is looked at, in bytes.
pub const PASSWORD_MAX: usize = 1024;
/// Fewest characters of a password that a person chooses (NIST SP 800-63B 5.1.1).
pub const PASSWORD_MIN: usize = 8;

/// Verified in place of the hash of a user who is not there, so that the answer takes as long. Nobody
/// knows a password for it: its output was drawn, not computed.
pub const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3Rvcm1kLW5vYm9keS1pcw$\
                          qT1lGtkQ7V3v2CkYIrZ0b8oJH5sN4xWmPeUaRdLfXyE";

/// What a password opens.
#[derive(Debug)]
pub struct Credential {
    /// The password's hash: argon2id, in the PHC string format.
    pub hash: String,
    /// Whoever knows it; its `not_after` is the password's end.
    pub person: Arc<Person>,
}

/// What argon2 works in. Freed, it would stay with the allocator, once for each thread that ever was at it:
/// so it is taken up again, and there is as much of it as were at work at once.
static MEMORY: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

/// The argon2id hash of a password (RFC 9106), salted, in the PHC string format. Takes some tens of
/// milliseconds and 19 MiB.
///
/// # Errors
/// No randomness is to be had.
pub fn hash(password: &str) -> Result<String, String> {
    let mut salt = [0_u8; 16];
    rand::fill(&mut salt).map_err(|_| "the system gives no random bytes".to_owned())?;
    hashed(password, &salt).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

fn hashed(password: &str, salt: &[u8]) -> password_hash::Result<PasswordHash> {
    let argon2 = Argon2::default();
    Ok(PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::default().into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(Salt::new(salt)?),
        hash: Some(output(&argon2, password, salt)?),
    })
}

/// True when it is the password of that hash. As expensive as [`hash`].
pub fn matches(hash: &str, password: &str) -> bool {
    let same = || -> password_hash::Result<bool> {
        let kept = PasswordHash::new(hash)?;
        let (Some(salt), Some(wanted)) = (&kept.salt, &kept.hash) else { return Ok(false) };
        let algorithm = Algorithm::try_from(kept.algorithm.as_str())?;
        let version = kept.version.map(Version::try_from).transpose()?.unwrap_or_default();
        let argon2 = Argon2::new(algorithm, version, Params::try_from(&kept)?);
        // In constant time.
        Ok(output(&argon2, password, salt)? == *wanted)
    };
    same().unwrap_or(false)
}

fn output(argon2: &Argon2<'_>, password: &str, salt: &[u8]) -> password_hash::Result<Output> {
    let length = argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let mut out = [0_u8; Output::MAX_LENGTH];
    let out = out.get_mut(..length).ok_or(password_hash::Error::OutputSize)?;
    // Whatever is in it is written over.
    let kept = || MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let mut memory = kept().pop().unwrap_or_default();
    memory.resize(argon2.params().block_count(), Block::new());
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, out, &mut *memory)?;
    // A hash that another program made may have asked for more.
    if memory.len() == Params::DEFAULT.block_count() {
        kept().push(memory);
    }
    Ok(Output::new(out)?)
}

/// True for what [`matches`] can compare with.
pub fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| {
        hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some()
    })
}

/// Why a password that a person chose is none; cause and remedy in a line.
///
/// # Errors
/// Too short, too long, or characters that no dialogue lets through.
pub fn check_choice(password: &str) -> Result<(), String> {
    if password.chars().count() < PASSWORD_MIN {
        return Err(format!(
            "a password has at least {PASSWORD_MIN} characters: take a longer one"
        ));
    }
    if password.len() > PASSWORD_MAX {
        return Err(format!("a password has at most {PASSWORD_MAX} bytes: take a shorter one"));
    }
    if password.chars().any(char::is_control) {
        return Err("a password holds no control characters: leave them out".to_owned());
    }
    Ok(())
}

/// Random text of `length` characters of RFC 4648's base32, small letters: 5 bits each.
///
/// # Errors
/// No randomness is to be had.
pub fn random_text(length: usize) -> Result<String, String> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = vec![0_u8; length];
    rand::fill(&mut bytes).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect())
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher, PasswordVerifier};

    use super::*;

    #[test]
    fn a_hash_opens_to_its_password_alone() {
        let kept = hash("correct horse").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(is_hash(&kept) && matches(&kept, "correct horse"));
        assert!(!matches(&kept, "correct horse ") && !matches(&kept, ""));
        assert_ne!(kept, hash("correct horse").unwrap());
        // As the library reads and writes it.
        let argon2 = Argon2::default();
        argon2.verify_password(b"correct horse", kept.as_str()).unwrap();
        let theirs = argon2.hash_password_with_salt(b"correct horse", b"sixteen bytes of").unwrap();
        assert!(matches(&theirs.to_string(), "correct horse"));
        // What others made may have other parameters, and leaves the memory as it was.
        let strong = "$argon2id$v=19$m=32768,t=1,p=1$c29tZXNhbHQxMjM0NTY3OA$";
        assert!(!matches(&format!("{strong}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "x"));
        assert!(matches(&kept, "correct horse"));
        assert!(is_hash(NOBODY) && !matches(NOBODY, ""));
        for broken in ["", "*", "secret", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA", "$1$a$b"] {
            assert!(!is_hash(broken) && !matches(broken, "secret"), "{broken}");
        }
    }

    #[test]
    fn choices_and_random_texts() {
        for bad in ["", "1234567", "with\nline end", &"x".repeat(1025)] {
            assert!(check_choice(bad).is_err(), "{bad:?}");
        }
        check_choice("pässwörd").unwrap();
        let text = random_text(32).unwrap();
        assert!(text.len() == 32 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')));
        assert_ne!(text, random_text(32).unwrap());
    }
}
