//! Whose host and port a SURL or a `<prot>` names: ours, or somebody else's.

use crate::config::{Config, split_host_port};
use crate::model::Surl;

/// The ports in use. They may differ from storm.toml, where a port 0 takes a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The SRM door.
    pub srm: u16,
    /// The https door.
    pub https: u16,
    /// The anonymous http door; `None`: off.
    pub plain: Option<u16>,
}

impl Ports {
    /// As storm.toml has them.
    pub fn of(config: &Config) -> Self {
        Self {
            srm: config.srm.listen.port(),
            https: config.http.https.port(),
            plain: config.http.plain.map(|address| address.port()),
        }
    }
}

/// The names of this site.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    /// As storm.toml writes it, without brackets: for TURLs.
    pub(super) site: String,
    /// Lower case, without brackets; a port of its own where `surl_hosts` names one.
    names: Vec<(String, Option<u16>)>,
}

impl Hosts {
    pub(super) fn of(config: &Config) -> Self {
        let site = bare(&config.site.host).to_owned();
        let mut names = vec![(site.to_ascii_lowercase(), None)];
        names.extend(config.site.surl_hosts.iter().filter_map(|entry| split_host_port(entry)));
        Self { site, names }
    }

    /// The port may be left out; else it is the SRM door's, or the one that the entry names.
    pub(super) fn owns_surl(&self, surl: &Surl, srm: u16) -> bool {
        self.names.iter().any(|(host, own)| {
            host == surl.host() && surl.port().is_none_or(|port| port == own.unwrap_or(srm))
        })
    }

    pub(super) fn owns(&self, host: &str) -> bool {
        self.names.iter().any(|(name, _)| name.eq_ignore_ascii_case(bare(host)))
    }
}

/// Without the brackets of an IPv6 address.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}
