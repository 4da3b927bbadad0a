//! Everything that says who may do what, as one: ban list, local accounts, local users, path-authz.db, the areas'
//! authz-db files. All of them are read again when they change (see [`super::watched`]).

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::area_authz::AreaAcl;
use super::ban::BanList;
use super::mapping::Mapping;
use super::password::Users;
use super::path_authz::PathAuthz;
use super::watched::{Format, Watched};
use crate::config::{AuthSection, Problem};

/// Who may do what.
#[derive(Debug)]
pub struct Policy {
    /// Who is refused before anything else is asked.
    pub bans: Arc<Watched<BanList>>,
    /// Who has which local account.
    pub mapping: Mapping,
    /// Who may sign in with a password of his own.
    pub users: Arc<Watched<Users>>,
    /// Whoever has none is refused.
    pub require_mapping: bool,
    /// Rights by path and local group.
    pub path_authz: Arc<Watched<PathAuthz>>,
    /// Per storage area that names an authz-db.
    pub area_authz: HashMap<Arc<str>, Arc<Watched<AreaAcl>>>,
}

impl Policy {
    /// Reads what `[auth]` of the configuration `file` names. What `old` has read already stays in its
    /// hands, so that a file which is gone by now takes nothing away. All errors at once; warnings
    /// beside the value. The areas' files come by [`Policy::area`].
    pub fn load(
        auth: &AuthSection,
        file: &Path,
        old: Option<&Policy>,
    ) -> Result<(Policy, Vec<Problem>), Vec<Problem>> {
        let bans = Watched::again(old.map(|old| &old.bans), &auth.ban);
        let mapping = Mapping::load(auth, file, old.map(|old| &old.mapping));
        let path_authz = Watched::again(old.map(|old| &old.path_authz), &auth.path_authz);
        let users = Watched::again(old.map(|old| &old.users), &auth.users);
        match (bans, mapping, path_authz, users) {
            (
                Ok((bans, first)),
                Ok((mapping, second)),
                Ok((path_authz, third)),
                Ok((users, fourth)),
            ) => {
                let require_mapping = auth.require_mapping;
                let area_authz = HashMap::new();
                let warnings = [first, second, third, fourth].concat();
                Ok((
                    Policy { bans, mapping, users, require_mapping, path_authz, area_authz },
                    warnings,
                ))
            }
            (bans, mapping, path_authz, users) => {
                let errors = [bans.err(), mapping.err(), path_authz.err(), users.err()];
                Err(errors.into_iter().flatten().flatten().collect())
            }
        }
    }

    /// Adds the authz-db of an area. One that is missing or broken denies everything, unless `old` has
    /// read a good one.
    pub fn area(&mut self, name: &Arc<str>, file: &Path, old: Option<&Policy>) {
        let old = old.and_then(|old| old.area_authz.get(name));
        let acl = match (Watched::again(old, file), old) {
            (Ok((acl, _)), _) => acl,
            (Err(_), Some(old)) if old.path() == file => Arc::clone(old),
            (Err(_), _) => Watched::holding_back(file, AreaAcl::absent()),
        };
        self.area_authz.insert(Arc::clone(name), acl);
    }
}
