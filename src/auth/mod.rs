//! Who may do what: certificates here, mapping and rules beside them.

pub mod x509;
