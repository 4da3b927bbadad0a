//! Faults of the mapping to local accounts: banned DN, banned FQAN, pool exhausted, concurrent lease,
//! gridmapdir shared.
