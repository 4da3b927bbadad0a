//! SURL -> storage area -> path, and the TURLs that lead back to it.

//!
//! `load` reads namespace.xml (grammar, reader, document: the three steps of that), `locate` answers
//! who may come where, `turl` and `pool` tell movers where to go.

mod document;
mod grammar;
mod hosts;
mod load;
mod load_area;
mod load_roots;
mod load_rules;
mod loader;
mod locate;
mod pool;
mod reader;
mod turl;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use crate::auth::dn_pattern::{DnPattern, VoPattern};
use crate::fsdriver::Driver;
use crate::model::{
    AccessLatency, FileKey, Protocol, RelPath, RetentionPolicy, RetentionPolicyInfo, Stfn,
};

pub use hosts::Ports;
pub use load::OpenDriver;
pub use turl::{TRANSFER_PREFIX, encode_stfn};

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
    /// `default-acl`: groups that get an ACL entry on every file. Without those that this host does
    /// not know.
    pub default_acl: Vec<DefaultAclEntry>,
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

impl StorageArea {
    /// Whether its files are of that class: a latency that is not named may be any.
    pub fn offers(&self, class: RetentionPolicyInfo) -> bool {
        class.retention_policy == self.retention
            && class.access_latency.is_none_or(|latency| latency == self.latency)
    }
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

/// What somebody wants to do below a path: anonymous clients may read where they may not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read, list.
    Read,
    /// Everything that changes something.
    Write,
}

/// What namespace.xml says of an area beyond [`StorageArea`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaDetails {
    /// `defaults-values/space`.
    pub space: Option<SpaceDefaults>,
    /// `ExpirationMode`, as written. Published only.
    pub expiration_mode: String,
    /// `space-rel-path` of the first rule that names one: where files of reserved spaces lie.
    pub space_path: Option<RelPath>,
    /// `vo-name` patterns of all rules that open the area, each once; `*` for anybody.
    pub vos: Vec<String>,
}

/// One `acl-entry`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultAclEntry {
    /// Local group.
    pub gid: u32,
    /// `R` or `RW`.
    pub read: bool,
    /// `W` or `RW`.
    pub write: bool,
}

/// `defaults-values/space`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceDefaults {
    /// Seconds; `None`: no end.
    pub lifetime: Option<u64>,
    /// `type`, as written.
    pub kind: String,
    /// Bytes.
    pub guaranteed: u64,
    /// Bytes.
    pub total: u64,
}

/// namespace.xml, checked, with an open driver for each area. It does not change: a reload makes a
/// new one.
#[derive(Debug)]
pub struct Namespace {
    areas: Vec<Arc<StorageArea>>,
    /// By area.
    details: Vec<AreaDetails>,
    /// By area, in its own order of preference.
    offers: Vec<Vec<turl::Offer>>,
    /// The deepest `stfn-root` first.
    mapping: Vec<MappingRule>,
    /// By name, as StoRM looks for the first match.
    rules: Vec<ApproachableRule>,
    hosts: hosts::Hosts,
    ports: Ports,
    anonymous_write: bool,
    /// See [`Namespace::keep_parting`].
    parting: Vec<Arc<StorageArea>>,
}

/// `<map-rule>`.
#[derive(Debug)]
struct MappingRule {
    /// In namespace.xml.
    line: u64,
    stfn_root: Stfn,
    area: usize,
}

/// `<app-rule>`.
#[derive(Debug)]
struct ApproachableRule {
    /// In namespace.xml.
    line: u64,
    name: String,
    dn: DnPattern,
    vo: VoPattern,
    /// As written; `*` for anybody.
    vo_text: String,
    areas: Vec<usize>,
    anonymous_read: bool,
    space_path: Option<RelPath>,
}

/// What a TURL is wanted for.
#[derive(Clone, Copy)]
pub struct TurlRequest<'a> {
    /// The file's area and StFN.
    pub located: &'a Located,
    /// What outside movers are pointed at (for a put: the hidden file).
    pub physical: &'a RelPath,
    /// The client's list, in its order; empty: the area's own order.
    pub protocols: &'a [Protocol],
    /// True when an anonymous client may do what is asked: only then is http offered. Asked where that
    /// counts.
    pub anonymous_may: &'a dyn Fn() -> bool,
    /// True when movers that act as a local account, outside our own doors, may be named.
    pub local: bool,
}
