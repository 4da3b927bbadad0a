//! Names of accounts and groups, for what people see. The name service can be slow: each number is
//! asked for once.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use nix::unistd::{Gid, Group, Uid, User};

/// A site has few owners; should it have many, forgetting them all is cheap.
const KEPT: usize = 4096;

type Kept = LazyLock<Mutex<HashMap<u32, String>>>;
static USERS: Kept = LazyLock::new(Mutex::default);
static GROUPS: Kept = LazyLock::new(Mutex::default);

/// The account of a number; the number itself where it has no name.
pub(super) fn user(uid: u32) -> String {
    cached(&USERS, uid, |id| Some(User::from_uid(Uid::from_raw(id)).ok()??.name))
}

/// The group of a number; the number itself where it has no name.
pub(super) fn group(gid: u32) -> String {
    cached(&GROUPS, gid, |id| Some(Group::from_gid(Gid::from_raw(id)).ok()??.name))
}

fn cached(kept: &Kept, id: u32, look_up: impl Fn(u32) -> Option<String>) -> String {
    let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(name) = lock().get(&id) {
        return name.clone();
    }
    // Others need not wait for the answer to this one.
    let name = look_up(id).unwrap_or_else(|| id.to_string());
    let mut kept = lock();
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(id, name.clone());
    name
}
