//! Who looks at what, for walks and pages alike: one configuration from the beginning to the end.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};

use super::super::access::{Needs, driver_error};
use super::super::requests::Holder;
use super::super::{Error, Site, Srm};
use super::detail::Describer;
use crate::fsdriver::Kind;
use crate::model::{Identity, Stfn, Surl};
use crate::namespace::Located;

/// One caller's.
pub(super) struct View {
    pub(super) srm: Srm,
    pub(super) site: Arc<Site>,
    pub(super) who: Identity,
    pub(super) describer: Describer,
}

/// Where a SURL leads.
pub(super) enum Place {
    /// Into a storage area.
    Area(Located),
    /// To a directory that is only the way to areas.
    Way(Stfn),
}

impl View {
    /// Where a SURL leads; else how its path is told, and why nobody gets there.
    pub(super) fn place(&self, surl: &str) -> Result<Place, (String, Error)> {
        let parsed = Surl::parse(surl).map_err(|error| (surl.to_owned(), error.into()))?;
        let stfn = parsed.stfn();
        let refused = |error: Error| (stfn.to_string(), error);
        self.site.namespace.check_local(&parsed).map_err(|error| refused(error.into()))?;
        match self.site.reach(&self.who, stfn, Needs::LIST) {
            Ok(located) => Ok(Place::Area(located)),
            // The top and the way to an area are directories too.
            Err(error) if self.ways(stfn).is_empty() => Err(refused(error)),
            Err(_) => Ok(Place::Way(stfn.clone())),
        }
    }

    /// The root of an area, or another part of the way to one.
    pub(super) fn way_on(&self, stfn: &Stfn) -> Place {
        match self.site.reach(&self.who, stfn, Needs::LIST) {
            Ok(located) => Place::Area(located),
            Err(_) => Place::Way(stfn.clone()),
        }
    }

    /// Names on the way to areas.
    pub(super) fn ways(&self, stfn: &Stfn) -> Vec<String> {
        self.site.waypoints(&self.who, stfn)
    }

    /// What a path is; where nothing is, perhaps a file that is being put.
    pub(super) fn look(&self, located: &Located) -> Result<Kind, Error> {
        match located.area.driver.stat(&located.path) {
            Ok(stat) => Ok(stat.kind),
            Err(_) if self.put_on(located).is_some() => Ok(Kind::File),
            Err(error) => Err(driver_error(error, &located.stfn)),
        }
    }

    /// Whether the caller may see what is in there.
    pub(super) fn permit(&self, located: &Located) -> Result<(), Error> {
        self.site.permit(&self.who, located, Needs::LIST)
    }

    /// The live put on a file.
    pub(super) fn put_on(&self, located: &Located) -> Option<Holder> {
        self.srm.core.requests.put_on(&located.key())
    }

    /// Names of the live puts right below a directory.
    pub(super) fn puts_in(&self, located: &Located) -> HashSet<String> {
        let puts = self.srm.core.requests.puts_in(&located.area.name, &located.path);
        puts.iter().filter_map(|key| key.path.name().map(str::to_owned)).collect()
    }

    /// The right to hold much in memory.
    pub(super) fn large(&self) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        Arc::clone(&self.srm.core.snapshots.large).try_acquire_owned()
    }
}

/// `None` where the path would be too long to be named.
pub(super) fn child_of(located: &Located, name: &str) -> Option<Located> {
    Some(Located {
        area: Arc::clone(&located.area),
        path: located.path.join(name),
        stfn: located.stfn.join(name).ok()?,
    })
}
