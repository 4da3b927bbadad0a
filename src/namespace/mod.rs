//! SURL -> storage area -> path, and the TURLs that lead back to it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::fsdriver::Driver;
use crate::model::{
    AccessLatency, FileKey, Identity, Protocol, RelPath, RetentionPolicy, Stfn, Surl, Turl,
};

/// One `<filesystem>` of namespace.xml, with its driver.
#[derive(Debug)]
pub struct StorageArea {
    /// `name`.
    pub name: Arc<str>,
    /// `root`, absolute and canonical.
    pub root: PathBuf,
    /// `space-token-description`.
    pub token_description: Option<String>,
    /// `storage-class`.
    pub storage_class: StorageClass,
    /// `RetentionPolicy`.
    pub retention: RetentionPolicy,
    /// `AccessLatency` (`offline` counts as nearline).
    pub latency: AccessLatency,
    /// `TotalOnlineSize` in bytes.
    pub total_online: u64,
    /// `limited-size`: puts are refused when the area is full.
    pub limited_size: bool,
    /// `TotalNearlineSize` in bytes.
    pub total_nearline: u64,
    /// `aclMode`.
    pub acl_mode: AclMode,
    /// `storage-area-authz`.
    pub authz: AreaAuthz,
    /// The mapping rules' `stfn-root`s that lead here, in the file's order.
    pub access_points: Vec<Stfn>,
    /// `defaults-values/file/@lifetime` in seconds, where given.
    pub file_lifetime: Option<u64>,
    /// Readable by anybody (`anonymous-http-read`).
    pub anonymous_read: bool,
    /// Some rule opens it to every DN and every VO.
    pub open_to_all: bool,
    /// How its files are reached.
    pub driver: Arc<dyn Driver>,
}

/// `storage-class`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum StorageClass {
    T0D0,
    T0D1,
    T1D0,
    T1D1,
}

/// `aclMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclMode {
    /// Ahead of time: groups, for good.
    AoT,
    /// Just in time: users, while the request lives.
    JiT,
}

/// `storage-area-authz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AreaAuthz {
    /// `<fixed>permit-all</fixed>`
    PermitAll,
    /// `<fixed>deny-all</fixed>`
    DenyAll,
    /// `<authz-db>`: the file, beside namespace.xml.
    Db(PathBuf),
}

/// A path of somebody's, found.
#[derive(Clone, Debug)]
pub struct Located {
    /// The storage area.
    pub area: Arc<StorageArea>,
    /// Below its root.
    pub path: RelPath,
    /// As it was asked for.
    pub stfn: Stfn,
}

impl Located {
    /// The key under which everything about it is remembered.
    pub fn key(&self) -> FileKey {
        FileKey { area: Arc::clone(&self.area.name), path: self.path.clone() }
    }
}

/// Why a path was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocateError {
    /// No mapping rule encloses it.
    #[error("{0} lies in no storage area of this site")]
    NotManaged(Stfn),
    /// Mapping rules enclose it, but only to areas that no approachable rule opens to the caller.
    #[error("{who} may not approach the storage area of {stfn}")]
    NotApproachable {
        /// The path.
        stfn: Stfn,
        /// DN, or "an anonymous client".
        who: String,
    },
    /// The host or port of a SURL is not ours.
    #[error("{0} is no SURL of this site")]
    NotLocal(String),
}

/// Why no TURL could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurlError {
    /// The client's list and the area's have nothing in common.
    #[error("no transfer protocol in common: asked {asked}, offered {offered}")]
    NoCommonProtocol {
        /// What the client listed.
        asked: String,
        /// What the area offers to this client.
        offered: String,
    },
    /// Protocols in common, but no pool member answers.
    #[error("no server answers for {0}")]
    NoMember(String),
}

// The rest (who builds this room fills it in):
//
// impl Namespace {
//   /// Parses and checks namespace.xml; opens the drivers. Warnings beside the value.
//   pub fn load(config: &Config) -> Result<(Namespace, Vec<Problem>), Vec<Problem>>;
//   pub fn areas(&self) -> &[Arc<StorageArea>];
//   pub fn area(&self, name: &str) -> Option<&Arc<StorageArea>>;
//   /// Is host (and port) of the SURL ours?  Else NotLocal.
//   pub fn check_local(&self, surl: &Surl) -> Result<(), LocateError>;
//   /// Mapping rule and approachable rules for this caller.
//   pub fn locate(&self, who: &Identity, stfn: &Stfn) -> Result<Located, LocateError>;
//   /// Mapping rule alone (the longest prefix), for paths the core itself remembers.
//   pub fn by_key(&self, key: &FileKey) -> Option<Arc<StorageArea>>;
//   /// Names directly below `stfn` that are on the way to an area the caller may approach
//   /// (so that `/` and `/a` of a rule `/a/b` can be listed).
//   pub fn waypoints(&self, who: &Identity, stfn: &Stfn) -> Vec<String>;
//   /// Union of protocols of all areas, each once.
//   pub fn protocols(&self) -> Vec<Protocol>;
//   /// Is this area's http TURL usable (anonymous may do it)?
//   pub fn turl(&self, ask: TurlRequest<'_>) -> Result<Turl, TurlError>;
// }

/// What a TURL is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct TurlRequest<'a> {
    /// The file's area and StFN.
    pub located: &'a Located,
    /// What outside movers are pointed at (for a put: the hidden file).
    pub physical: &'a RelPath,
    /// The client's list, in its order; empty: the area's own order.
    pub protocols: &'a [Protocol],
    /// True when an anonymous client may do what is asked: only then is http offered.
    pub anonymous_may: bool,
}

#[allow(dead_code)]
type Unused = (Identity, Protocol, Surl, Turl);
