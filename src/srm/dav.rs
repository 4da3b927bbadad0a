//! What clients of the WebDAV door want remembered of files: dead properties and locks (RFC 4918 4.2, 6).
//! Both lie in the store; what every write has to ask is in memory.

mod beside;
mod locks;
mod properties;
mod table;

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use super::{Error, Srm};

pub use beside::{Beside, BesideOf, Besides, Quota, Wanted};
pub use locks::LockWanted;
pub(super) use locks::{Submitted, Touch};
pub use properties::PropertyPatch;
use table::Table;

/// See the module.
#[derive(Default)]
pub(super) struct Dav {
    /// Areas in which something bears dead properties, or did since the start.
    bearing: RwLock<HashSet<String>>,
    table: Table,
}

impl Dav {
    /// False: nothing in that area bears a dead property, and nobody has to ask the store.
    pub(super) fn has_properties(&self, area: &str) -> bool {
        self.bearing.read().unwrap_or_else(PoisonError::into_inner).contains(area)
    }

    fn note_properties(&self, area: &str) {
        if !self.has_properties(area) {
            let mut bearing = self.bearing.write().unwrap_or_else(PoisonError::into_inner);
            bearing.insert(area.to_owned());
        }
    }
}

impl Srm {
    /// Reads what was remembered; at a start.
    pub(super) async fn load_dav(&self) -> Result<(), Error> {
        for area in self.core.store.areas_with_properties().await? {
            self.core.dav.note_properties(&area);
        }
        Ok(())
    }
}
