//! What an app password leaves of its maker's rights, and what one sees on the way there.

use super::{Error, ErrorKind, Site};
use crate::model::{Identity, Stfn};
use crate::namespace::Access;

/// What an app password is for: its paths, and reading alone or writing too. Beyond them it is nothing,
/// whatever its maker may do.
pub(super) fn in_scope(who: &Identity, stfn: &Stfn, access: Access) -> Result<(), Error> {
    let Some(scope) = who.scope() else { return Ok(()) };
    let denied = |why: String| Err(Error::new(ErrorKind::Denied, why));
    if !scope.encloses(stfn) {
        return denied(format!("{stfn}: this app password is for other paths: make one for this"));
    }
    if access == Access::Write && !scope.write {
        return denied("this app password may read only: make one that may write".to_owned());
    }
    Ok(())
}

impl Site {
    /// The names right below `stfn` that lead to areas which the caller may read.
    pub(super) fn waypoints(&self, who: &Identity, stfn: &Stfn) -> Vec<String> {
        if self.admit(who).is_err() {
            return Vec::new();
        }
        let Some(scope) = who.scope().filter(|scope| !scope.encloses(stfn)) else {
            return self.namespace.waypoints(who, stfn);
        };
        // The way to what an app password is for shows nothing beside it.
        let next = scope.paths.iter().filter_map(|path| {
            let name = path.below(stfn)?.as_str().split('/').next()?.to_owned();
            let there = self.locate(who, path, Access::Read).is_ok()
                || !self.namespace.waypoints(who, path).is_empty();
            there.then_some(name)
        });
        let mut names: Vec<String> = next.collect();
        names.sort();
        names.dedup();
        names
    }
}
