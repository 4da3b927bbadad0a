//! Passwords: how they are kept, made, and guarded against guessing. Desktops can show neither a
//! certificate nor a token; whoever signs in with a password is a [`Person`] like any other.

mod attempts;
mod users;
mod verified;

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
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

/// The argon2id hash of a password (RFC 9106), salted, in the PHC string format. Takes some tens of
/// milliseconds and 19 MiB.
///
/// # Errors
/// No randomness is to be had.
pub fn hash(password: &str) -> Result<String, String> {
    let mut salt = [0_u8; 16];
    rand::fill(&mut salt).map_err(|_| "the system gives no random bytes".to_owned())?;
    let hashed = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hashed.map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// True when it is the password of that hash. As expensive as [`hash`].
pub fn matches(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
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
    use super::*;

    #[test]
    fn a_hash_opens_to_its_password_alone() {
        let kept = hash("correct horse").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(is_hash(&kept) && matches(&kept, "correct horse"));
        assert!(!matches(&kept, "correct horse ") && !matches(&kept, ""));
        assert_ne!(kept, hash("correct horse").unwrap());
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
