//! Whom a name in an ACL means: accounts and groups of this host, by their own names or by what this
//! site maps to them. Nobody asks for himself here, so no lease of a pool account is made.

use nix::unistd::{Gid, Group, Uid, User};

use super::{Mapping, Unmapped};
use crate::auth::gridmapdir::{Held, LeaseError};
use crate::auth::trace::Trace;
use crate::model::{Fqan, Person, ProxyKind};

impl Mapping {
    /// The uid of an account's name or number, or of a DN (`/C=IT/CN=…`) that is mapped by itself. Never
    /// root's. [`Unmapped::NoEntry`] says in words what the name is not. Blocks.
    pub fn user_id(&self, name: &str) -> Result<u32, Unmapped> {
        if !name.starts_with('/') {
            let user = match name.parse() {
                Ok(uid) => User::from_uid(Uid::from_raw(uid)),
                Err(_) => User::from_name(name),
            };
            return match user.map_err(|why| no_answer(name, why))? {
                Some(user) if user.uid.is_root() => Err(nobody(format!("{name} is root"))),
                Some(user) => Ok(user.uid.as_raw()),
                None => Err(nobody(format!("{name} is no account of this host"))),
            };
        }
        if Fqan::parse(name).is_ok() {
            return Err(nobody(format!(
                "{name} is an FQAN: it stands for a group, not for a user"
            )));
        }
        let held = |key: &str, pool: &str, _: &mut Trace| match self.pools.look(key, pool)? {
            Held::Account(account) => Ok(account),
            Held::Free(..) => Err(LeaseError::None { pool: pool.to_owned() }),
        };
        let account = self.find(&self.entries()?, &person(name, None), &held, &mut Trace::off());
        match account {
            Ok(account) => Ok(account.uid),
            Err(Unmapped::NoEntry(_)) => Err(nobody(format!(
                "this site maps no DN {name} to an account: name the account itself"
            ))),
            Err(why) => Err(why),
        }
    }

    /// The gid of a group's name or number, or of an FQAN (`/vo/Role=r`): the group that it is mapped to,
    /// or that of its account. Never root's. Blocks.
    pub fn group_id(&self, name: &str) -> Result<u32, Unmapped> {
        let named = |name: &str| {
            let group = match name.parse() {
                Ok(gid) => Group::from_gid(Gid::from_raw(gid)),
                Err(_) => Group::from_name(name),
            };
            match group.map_err(|why| no_answer(name, why))? {
                Some(group) if group.gid.as_raw() == 0 => Err(nobody(format!("{name} is root"))),
                Some(group) => Ok(group.gid.as_raw()),
                None => Err(nobody(format!("{name} is no group of this host"))),
            }
        };
        if !name.starts_with('/') {
            return named(name);
        }
        let fqan = Fqan::parse(name).map_err(|error| nobody(error.to_string()))?;
        let entries = self.entries()?;
        if let Some(entry) = entries.groups.group(&fqan) {
            return named(&entry.name);
        }
        match entries.accounts.account_by_fqan(&person("", Some(fqan))) {
            Some(entry) => Ok(self.user(&entry.name, entry)?.gid.as_raw()),
            None => Err(nobody(format!(
                "this site maps no FQAN {name} to a group: name the group itself"
            ))),
        }
    }
}

fn person(dn: &str, fqan: Option<Fqan>) -> Person {
    Person {
        dn: dn.to_owned(),
        fqans: fqan.into_iter().collect(),
        not_after: std::time::SystemTime::UNIX_EPOCH,
        proxy: ProxyKind::EndEntity,
        notes: Vec::new(),
        scope: None,
    }
}

fn nobody(why: String) -> Unmapped {
    Unmapped::NoEntry(why)
}

fn no_answer(name: &str, why: nix::Error) -> Unmapped {
    Unmapped::NameService { name: name.to_owned(), why: why.to_string() }
}
