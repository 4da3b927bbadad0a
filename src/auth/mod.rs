//! (to come)

pub mod area_authz;
pub mod dn_pattern;
pub mod path_authz;
