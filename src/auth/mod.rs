//! Who may do what: certificates and VOMS attributes, path-authz.db, the areas' authz-db files.

pub mod area_authz;
pub mod dn;
pub mod dn_pattern;
pub mod path_authz;
pub mod x509;
