//! Who may do what: certificates and VOMS attributes, bans, local accounts, path-authz.db, the areas'
//! authz-db files; local users and their passwords.

pub mod area_authz;
pub mod ban;
pub mod dn;
pub mod dn_pattern;
mod glob;
pub mod gridmap;
mod gridmapdir;
pub mod mapping;
pub mod password;
pub mod path_authz;
pub mod policy;
pub mod trace;
pub mod watched;
pub mod x509;
