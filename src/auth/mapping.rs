//! From a person to a local account, in the order of StoRM's LCMAPS policy: an account by FQAN, a pool
//! by FQAN, a pool by DN, an account by DN. Groups come from the groupmapfile, of all FQANs.

mod subject;

use std::collections::HashMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Group, User, getgrouplist};

use super::gridmap::{Entry, GridMap, GroupMap};
use super::gridmapdir::{GridMapDir, Held, LeaseError, lease_key};
use super::trace::Trace;
use super::watched::Watched;
use crate::config::{AuthSection, MapEntry, MappingMode, Problem, Severity};
use crate::model::{LocalAccount, Person};

/// How long an account is remembered: within it no lease is looked at, and no name service asked.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);
/// How long it is remembered that there was none.
const REFUSED_FOR: Duration = Duration::from_secs(2);
/// Accounts remembered at once; one more, and all are forgotten.
const REMEMBERED: usize = 4096;

/// Why somebody has no local account. Each in words for that person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmapped {
    /// Nothing names the person: nobody gives him an account.
    #[error("{0}")]
    NoEntry(String),
    /// The host knows no such account.
    #[error("the account {name} of {place} is unknown on this host: ask the site to create it")]
    UnknownAccount {
        /// The account.
        name: String,
        /// File and line.
        place: String,
    },
    /// Rights of root are given to nobody.
    #[error("{name} of {place} is root: ask the site to name another account")]
    Root {
        /// The account.
        name: String,
        /// File and line.
        place: String,
    },
    /// The host knows no such group.
    #[error("the group {name} of {place} is unknown on this host: ask the site to create it")]
    UnknownGroup {
        /// The group.
        name: String,
        /// File and line.
        place: String,
    },
    /// The host's name service does not answer.
    #[error("the name service of this host fails on {name}: {why}: try again later")]
    NameService {
        /// Account or group.
        name: String,
        /// The system's word.
        why: String,
    },
    /// No pool account is to be had.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

/// Where the entries come from.
#[derive(Debug)]
enum Source {
    Files { gridmap: Arc<Watched<GridMap>>, groupmap: Arc<Watched<GroupMap>> },
    Table { file: PathBuf, table: Arc<GridMap> },
    Nothing,
}

/// The entries of one moment.
#[derive(Clone, Debug)]
struct Entries {
    accounts: Arc<GridMap>,
    groups: Arc<GroupMap>,
}

/// Who has which local account.
#[derive(Debug)]
pub struct Mapping {
    source: Source,
    pools: GridMapDir,
    remembered: Mutex<HashMap<String, Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    account: Result<LocalAccount, Unmapped>,
    at: Instant,
    entries: Entries,
}

/// Name and number.
type NamedGroup = (String, u32);

/// The groups of a person's FQANs.
#[derive(Debug, Default)]
struct Groups {
    /// Of the first FQAN, if it has one.
    primary: Option<NamedGroup>,
    /// Of the others, by number.
    secondary: Vec<NamedGroup>,
}

/// Gives the pool account of a lease's name and a pool.
type Lease<'a> = &'a dyn Fn(&str, &str, &mut Trace) -> Result<String, LeaseError>;

impl Mapping {
    /// As `[auth]` of the configuration `file` says. Files that `old` reads already stay in its hands.
    /// The warnings beside the value.
    pub fn load(
        auth: &AuthSection,
        file: &Path,
        old: Option<&Mapping>,
    ) -> Result<(Mapping, Vec<Problem>), Vec<Problem>> {
        let (source, mut warnings) = match auth.mapping {
            MappingMode::Gridmap => {
                let (gridmap, groupmap) = match old.map(|old| &old.source) {
                    Some(Source::Files { gridmap, groupmap }) => (Some(gridmap), Some(groupmap)),
                    _ => (None, None),
                };
                let gridmap = Watched::again(gridmap, &auth.gridmap);
                let groupmap = Watched::again(groupmap, &auth.groupmap);
                match (gridmap, groupmap) {
                    (Ok((gridmap, mut warnings)), Ok((groupmap, more))) => {
                        warnings.extend(more);
                        (Source::Files { gridmap, groupmap }, warnings)
                    }
                    (gridmap, groupmap) => {
                        let wrong = gridmap.err().into_iter().chain(groupmap.err());
                        return Err(wrong.flatten().collect());
                    }
                }
            }
            MappingMode::Static => (table(auth, file)?, Vec::new()),
            MappingMode::None => (Source::Nothing, Vec::new()),
        };
        let pools = GridMapDir::new(&auth.gridmapdir);
        let this = Self { source, pools, remembered: Mutex::default() };
        if this.entries().is_ok_and(|entries| entries.accounts.has_pools()) {
            warnings.extend(this.pools.problem());
        }
        Ok((this, warnings))
    }

    /// The account of a person. `held` says of a user id whether an ACL lease still names it: such a
    /// pool account is not given to somebody else. Blocks: the name service is asked, and a lease may
    /// be made.
    pub fn account(
        &self,
        person: &Person,
        held: &dyn Fn(u32) -> bool,
    ) -> Result<LocalAccount, Unmapped> {
        if let Some(known) = self.known(person) {
            return known;
        }
        let usable = |name: &str| user(name).is_some_and(|user| !held(user.uid.as_raw()));
        let lease = |key: &str, pool: &str, _: &mut Trace| self.pools.lease(key, pool, &usable);
        let entries = self.entries()?;
        let account = self.find(&entries, person, &lease, &mut Trace::off());
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        let kept = Remembered { account: account.clone(), at: Instant::now(), entries };
        remembered.insert(name_of(person), kept);
        account
    }

    /// What [`Mapping::account`] said a moment ago. Does not block.
    pub fn known(&self, person: &Person) -> Option<Result<LocalAccount, Unmapped>> {
        let entries = self.entries().ok()?;
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = remembered.get(&name_of(person))?;
        let same = Arc::ptr_eq(&kept.entries.accounts, &entries.accounts)
            && Arc::ptr_eq(&kept.entries.groups, &entries.groups);
        let long = if kept.account.is_ok() { REMEMBERED_FOR } else { REFUSED_FOR };
        (same && kept.at.elapsed() < long).then(|| kept.account.clone())
    }

    /// As [`Mapping::account`], step by step, and no lease is made: of a pool, the account that would be
    /// leased now. Blocks.
    pub fn explain(&self, person: &Person, told: &mut Trace) -> Result<LocalAccount, Unmapped> {
        let look = |key: &str, pool: &str, told: &mut Trace| {
            let (account, words) = match self.pools.look(key, pool)? {
                Held::Account(account) => (account, "is leased"),
                Held::Free(free, account) => {
                    told.tell("mapping", || format!("{free} accounts of the pool are free"));
                    (account, "would be leased")
                }
            };
            told.tell("mapping", || format!("the pool account {account} {words}, as {key}"));
            Ok(account)
        };
        self.find(&self.entries()?, person, &look, told)
    }

    fn entries(&self) -> Result<Entries, Unmapped> {
        match &self.source {
            Source::Files { gridmap, groupmap } => {
                Ok(Entries { accounts: gridmap.get(), groups: groupmap.get() })
            }
            Source::Table { table, .. } => {
                Ok(Entries { accounts: Arc::clone(table), groups: Arc::default() })
            }
            Source::Nothing => Err(self.no_entry()),
        }
    }

    fn find(
        &self,
        entries: &Entries,
        person: &Person,
        lease: Lease<'_>,
        told: &mut Trace,
    ) -> Result<LocalAccount, Unmapped> {
        let groups = self.groups(entries, person, told)?;
        let accounts = &entries.accounts;
        let found = |entry: &Entry, words: &str, told: &mut Trace| {
            told.tell("mapping", || {
                format!("{}: {:?} gives {words}{}", self.place(entry), entry.subject, entry.name)
            });
        };
        if let Some(entry) = accounts.account_by_fqan(person) {
            found(entry, "the account ", told);
            let also = self.also(entries, person)?;
            return self.fixed(entry, &entry.name, groups, also);
        }
        if let Some(entry) = accounts.pool_by_fqan(person) {
            found(entry, "an account of the pool .", told);
            let names: Vec<String> = groups.all().map(|(name, _)| name.clone()).collect();
            let name = lease(&lease_key(&person.dn, &names), &entry.name, told)?;
            let user = self.user(&name, entry)?;
            let mut gids: Vec<u32> = groups.all().map(|(_, gid)| *gid).collect();
            if gids.is_empty() {
                gids.push(user.gid.as_raw());
            }
            return Ok(LocalAccount { name, uid: user.uid.as_raw(), gids });
        }
        if let Some(entry) = accounts.pool_by_dn(person) {
            found(entry, "an account of the pool .", told);
            let name = lease(&lease_key(&person.dn, &[]), &entry.name, told)?;
            return self.fixed(entry, &name, groups, Vec::new());
        }
        if let Some(entry) = accounts.account_by_dn(person) {
            found(entry, "the account ", told);
            return self.fixed(entry, &entry.name, groups, Vec::new());
        }
        Err(self.no_entry())
    }

    /// LCMAPS' order: the group of the first FQAN, the account's own, the groups of the other FQANs,
    /// the account's further ones.
    fn fixed(
        &self,
        entry: &Entry,
        name: &str,
        groups: Groups,
        also: Vec<u32>,
    ) -> Result<LocalAccount, Unmapped> {
        let user = self.user(name, entry)?;
        let further = CString::new(name).ok().and_then(|name| getgrouplist(&name, user.gid).ok());
        let mut gids = Vec::new();
        let all = groups
            .primary
            .iter()
            .map(|(_, gid)| *gid)
            .chain([user.gid.as_raw()])
            .chain(groups.secondary.iter().map(|(_, gid)| *gid))
            .chain(also)
            .chain(further.unwrap_or_default().into_iter().map(Gid::as_raw));
        for gid in all {
            if !gids.contains(&gid) {
                gids.push(gid);
            }
        }
        Ok(LocalAccount { name: name.to_owned(), uid: user.uid.as_raw(), gids })
    }

    fn groups(
        &self,
        entries: &Entries,
        person: &Person,
        told: &mut Trace,
    ) -> Result<Groups, Unmapped> {
        let mut groups = Groups::default();
        for (at, fqan) in person.fqans.iter().enumerate() {
            let Some(entry) = entries.groups.group(fqan) else { continue };
            let place = || self.group_place(entry);
            let group = Group::from_name(&entry.name).map_err(|error| Unmapped::NameService {
                name: entry.name.clone(),
                why: error.to_string(),
            })?;
            let group = group.ok_or_else(|| Unmapped::UnknownGroup {
                name: entry.name.clone(),
                place: place(),
            })?;
            told.tell("mapping", || {
                format!("{}: {:?} gives the group {} to {fqan}", place(), entry.subject, entry.name)
            });
            let named = (entry.name.clone(), group.gid.as_raw());
            if at == 0 {
                groups.primary = Some(named);
            } else if !groups.all().any(|(_, gid)| *gid == named.1) {
                groups.secondary.push(named);
            }
        }
        groups.secondary.sort_by_key(|(_, gid)| *gid);
        Ok(groups)
    }

    /// A table has no groupmapfile beside it: the groups of the further FQANs' accounts stand for it.
    fn also(&self, entries: &Entries, person: &Person) -> Result<Vec<u32>, Unmapped> {
        let Source::Table { .. } = &self.source else { return Ok(Vec::new()) };
        let accounts = entries.accounts.accounts_by_fqans(person);
        accounts.map(|entry| Ok(self.user(&entry.name, entry)?.gid.as_raw())).collect()
    }

    fn user(&self, name: &str, entry: &Entry) -> Result<User, Unmapped> {
        let (name, place) = (name.to_owned(), || self.place(entry));
        match User::from_name(&name) {
            Ok(Some(user)) if user.uid.is_root() => Err(Unmapped::Root { name, place: place() }),
            Ok(Some(user)) => Ok(user),
            Ok(None) => Err(Unmapped::UnknownAccount { name, place: place() }),
            Err(error) => Err(Unmapped::NameService { name, why: error.to_string() }),
        }
    }

    fn no_entry(&self) -> Unmapped {
        Unmapped::NoEntry(match &self.source {
            Source::Files { gridmap, .. } => {
                format!("{} names neither your DN nor your VO", gridmap.path().display())
            }
            Source::Table { .. } => "auth.map names neither your DN nor your VO".to_owned(),
            Source::Nothing => "this site gives nobody a local account".to_owned(),
        })
    }

    fn place(&self, entry: &Entry) -> String {
        match &self.source {
            Source::Files { gridmap, .. } => format!("{}:{}", gridmap.path().display(), entry.line),
            Source::Table { file, .. } => format!("{}:{}", file.display(), entry.line),
            Source::Nothing => String::new(),
        }
    }

    fn group_place(&self, entry: &Entry) -> String {
        match &self.source {
            Source::Files { groupmap, .. } => {
                format!("{}:{}", groupmap.path().display(), entry.line)
            }
            _ => String::new(),
        }
    }
}

impl Groups {
    fn all(&self) -> impl Iterator<Item = &NamedGroup> {
        let primary = self.primary.as_ref();
        let others = self.secondary.iter();
        let twice = move |(_, gid): &&NamedGroup| primary.is_some_and(|(_, own)| own == gid);
        primary.into_iter().chain(others.filter(move |group| !twice(group)))
    }
}

fn table(auth: &AuthSection, file: &Path) -> Result<Source, Vec<Problem>> {
    let mut table = GridMap::default();
    let mut problems = Vec::new();
    for MapEntry { line, subject, account } in &auth.map {
        if let Err(text) = table.add(*line, subject, account) {
            let (file, text) = (file.to_owned(), format!("auth.map: {text}"));
            problems.push(Problem { file, line: Some(*line), text, severity: Severity::Error });
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Source::Table { file: file.to_owned(), table: Arc::new(table) })
}

/// The account of a pool, if the host knows it; root is nobody's.
fn user(name: &str) -> Option<User> {
    User::from_name(name).ok().flatten().filter(|user| !user.uid.is_root())
}

/// DN and FQANs as one key.
fn name_of(person: &Person) -> String {
    let mut name = person.dn.clone();
    for fqan in &person.fqans {
        name.push('\0');
        name.push_str(fqan.as_str());
    }
    name
}
