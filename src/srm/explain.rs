//! What a request would come to, and why: the checks of [`super::access`], asked without doing anything.

use super::access::Needs;
use super::{Error, Site};
use crate::auth::trace::Trace;
use crate::model::{Identity, Stfn};

/// What somebody wants to do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// srmLs, PROPFIND, HEAD.
    List,
    /// srmPrepareToGet, GET.
    Read,
    /// srmPrepareToPut, PUT: a new file, or one that is there already.
    Write,
    /// srmRm, srmRmdir, DELETE.
    Remove,
    /// srmRmdir, recursive.
    RemoveTree,
    /// srmMkdir, MKCOL.
    MakeDirectory,
    /// The source of srmMv.
    MoveFrom,
    /// The target of srmMv.
    MoveTo,
    /// srmSetPermission.
    SetPermission,
}

/// The names of [`Asked`], first the one that is shown.
const NAMES: &[(Asked, &[&str])] = &[
    (Asked::List, &["list", "srmLs", "PROPFIND", "HEAD"]),
    (Asked::Read, &["read", "srmPrepareToGet", "GET"]),
    (Asked::Write, &["write", "srmPrepareToPut", "PUT"]),
    (Asked::Remove, &["remove", "srmRm", "srmRmdir", "DELETE"]),
    (Asked::RemoveTree, &["remove-tree"]),
    (Asked::MakeDirectory, &["mkdir", "srmMkdir", "MKCOL"]),
    (Asked::MoveFrom, &["move-from", "srmMv"]),
    (Asked::MoveTo, &["move-to"]),
    (Asked::SetPermission, &["set-permission", "srmSetPermission"]),
];

impl Asked {
    /// By its own name, or that of an SRM operation or HTTP method. An error names all of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found =
            NAMES.iter().find(|(_, names)| names.iter().any(|n| n.eq_ignore_ascii_case(text)));
        found.map(|(asked, _)| *asked).ok_or_else(|| {
            let all: Vec<&str> =
                NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
            format!("unknown operation {text:?}: expected one of {}", all.join(", "))
        })
    }
}

impl Site {
    /// Makes every check that a request of `who` would meet at `place`, a SURL or a path from `/`, and
    /// tells each. No lease of a pool account is made. Blocks.
    pub fn explain(
        &self,
        who: &Identity,
        place: &str,
        asked: Asked,
        told: &mut Trace,
    ) -> Result<(), Error> {
        let stfn = match place.starts_with('/') {
            true => Stfn::parse(place)?,
            false => self.local_stfn(place)?.stfn().clone(),
        };
        told.tell("path", || stfn.to_string());
        let (needs, tree) = match asked {
            Asked::List => (Needs::LIST, false),
            Asked::Read => (Needs::READ, false),
            Asked::Write => (Needs::put(false), false),
            Asked::Remove => (Needs::DELETE, false),
            Asked::RemoveTree => (Needs::DELETE, true),
            Asked::MakeDirectory => (Needs::MAKE_DIRECTORY, false),
            Asked::MoveFrom => (Needs::MOVE_FROM, true),
            Asked::MoveTo => (Needs::MOVE_TO, false),
            Asked::SetPermission => (Needs::SET_PERMISSION, false),
        };
        let located = self.locate_told(who, &stfn, needs.access, told)?;
        let needs = match asked {
            Asked::Write => {
                let existing = located.area.driver.stat(&located.path).is_ok();
                told.tell("file system", || match existing {
                    true => "it is there: to replace it takes the right to delete it".to_owned(),
                    false => "it is not there yet".to_owned(),
                });
                Needs::put(existing)
            }
            _ => needs,
        };
        match tree {
            true => self.permit_tree_told(who, &located, needs, told),
            false => self.permit_told(who, &located, needs, told),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_one_thing() {
        for (asked, names) in NAMES {
            for name in *names {
                assert_eq!(Asked::parse(name), Ok(*asked), "{name}");
            }
        }
        assert!(Asked::parse("chmod").unwrap_err().contains("expected one of list, srmLs"));
    }
}
