//! What the tests of this room share: their clock, a judge, and the forger.

use std::path::Path;
use std::time::SystemTime;

pub(crate) use super::forge::*;
pub(crate) use super::forge_ac::Ac;
use super::when::system_time;
use super::{Judgement, Trust};
use crate::config::{Config, NamespacesMode, TlsSection};
use crate::model::Refusal;

/// The tests' clock: 2027-01-15.
pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const HOST: &str = "se.example.org";

pub(crate) fn now() -> SystemTime {
    system_time(NOW)
}

/// A snapshot with these CAs, no CRLs and no VOMS servers.
pub(crate) fn trusting(cas: &[&Holder]) -> Trust {
    let nowhere = Path::new("/nonexistent");
    Trust::load(&tls(nowhere, nowhere), &chain(cas), HOST).0
}

/// `[tls]` with these directories, CRLs if valid, and no policy files asked for.
pub(crate) fn tls(trust_anchors: &Path, vomsdir: &Path) -> TlsSection {
    TlsSection {
        trust_anchors: trust_anchors.to_owned(),
        vomsdir: vomsdir.to_owned(),
        namespaces: NamespacesMode::parse("ignore").unwrap(),
        ..Config::defaults(Path::new("/nonexistent")).tls
    }
}

pub(crate) fn judge(trust: &Trust, holders: &[&Holder]) -> Result<Judgement, Refusal> {
    trust.judge(&chain(holders), now())
}

/// Why the chain is refused; panics when it is not.
pub(crate) fn why(trust: &Trust, holders: &[&Holder]) -> String {
    judge(trust, holders).unwrap_err().why
}
