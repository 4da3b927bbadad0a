//! TURLs: which protocol and server, and the URL itself.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::hosts::{Hosts, Ports, bare};
use super::pool::{Pool, Target};
use super::{TurlError, TurlRequest};
use crate::model::{Protocol, Stfn, Turl};

/// Where our own doors serve what an SRM request prepared.
pub const TRANSFER_PREFIX: &str = "/fileTransfer";

/// What is escaped in a path: everything but RFC 3986's `pchar` and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// One protocol that an area offers.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) protocol: Protocol,
    /// At least one.
    pub(super) servers: Vec<Server>,
    pub(super) pool: Option<Pool>,
}

/// One `<prot>`.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
}

/// What is needed of the site to make a TURL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    pub(super) hosts: &'a Hosts,
    pub(super) ports: Ports,
}

impl Offer {
    /// Is there a server behind it that may be told to this client?
    fn usable(&self, site: Site<'_>, ask: &TurlRequest<'_>) -> bool {
        match self.protocol {
            Protocol::Https => true,
            Protocol::Http => {
                (ask.anonymous_may)()
                    && self.servers.iter().any(|s| s.reachable(self.protocol, site))
            }
            _ => ask.local,
        }
    }

    /// Where the pool probes the server at `place`.
    fn target(&self, place: usize, site: Site<'_>) -> Target {
        let server = self.servers.get(place)?;
        if server.is_ours(self.protocol, site) {
            return None;
        }
        let host = bare(server.host.as_deref().unwrap_or(&site.hosts.site)).to_owned();
        let port = server.port.or(match self.protocol {
            Protocol::Https => Some(site.ports.https),
            Protocol::Http => site.ports.plain,
            other => other.default_port(),
        })?;
        Some((host, port))
    }

    pub(super) fn warm_up(&self, site: Site<'_>) {
        if let Some(pool) = &self.pool {
            pool.warm_up(|place| self.target(place, site));
        }
    }

    fn server(&self, site: Site<'_>) -> Option<&Server> {
        let chosen = match &self.pool {
            Some(pool) => self.servers.get(pool.pick(|place| self.target(place, site))?),
            None => None,
        };
        let reachable = |server: &&Server| server.reachable(self.protocol, site);
        match &self.pool {
            Some(_) => chosen.filter(reachable),
            None => self.servers.iter().find(reachable),
        }
    }
}

impl Server {
    /// http(s) through our own door: host and port are missing or ours.
    fn is_ours(&self, protocol: Protocol, site: Site<'_>) -> bool {
        let door = match protocol {
            Protocol::Https => Some(site.ports.https),
            Protocol::Http => site.ports.plain,
            _ => return false,
        };
        self.host.as_deref().is_none_or(|host| site.hosts.owns(host))
            && self.port.is_none_or(|port| Some(port) == door)
    }

    /// False for our own http door when it is off.
    fn reachable(&self, protocol: Protocol, site: Site<'_>) -> bool {
        protocol != Protocol::Http || self.port.is_some() || site.ports.plain.is_some()
    }

    fn authority(&self, protocol: Protocol, site: Site<'_>) -> String {
        let host = bare(self.host.as_deref().unwrap_or(&site.hosts.site));
        let port = self.port.or(match protocol {
            Protocol::Https => Some(site.ports.https),
            Protocol::Http => site.ports.plain,
            other => other.default_port(),
        });
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    fn turl(&self, protocol: Protocol, site: Site<'_>, ask: &TurlRequest<'_>) -> Turl {
        let physical = ask.located.area.driver.physical(ask.physical);
        Turl { protocol, url: self.url(protocol, site, &ask.located.stfn, &physical) }
    }

    fn url(&self, protocol: Protocol, site: Site<'_>, stfn: &Stfn, physical: &Path) -> String {
        use std::os::unix::ffi::OsStrExt;
        let absolute = || percent_encode(physical.as_os_str().as_bytes(), PATH);
        let authority = || self.authority(protocol, site);
        match protocol {
            Protocol::File => format!("file://{}", absolute()),
            Protocol::Gsiftp | Protocol::Rfio => {
                format!("{protocol}://{}/{}", authority(), absolute())
            }
            Protocol::Root | Protocol::Xroot => format!("root://{}/{}", authority(), absolute()),
            Protocol::Http | Protocol::Https => {
                let prefix = if self.is_ours(protocol, site) { TRANSFER_PREFIX } else { "" };
                format!("{protocol}://{}{prefix}{}", authority(), encode_stfn(stfn))
            }
        }
    }
}

/// An StFN as it stands in a URL.
pub fn encode_stfn(stfn: &Stfn) -> String {
    percent_encode(stfn.as_str().as_bytes(), PATH).to_string()
}

/// What serves the client's list (the area's own, when the client names none), in its order.
fn served<'a>(
    offers: &'a [Offer],
    site: Site<'a>,
    ask: &'a TurlRequest<'_>,
) -> impl Iterator<Item = (Protocol, &'a Offer)> {
    let usable = move |offer: &&Offer| offer.usable(site, ask);
    let of = move |protocol: &Protocol| {
        let mut exact = offers.iter().filter(|offer| offer.protocol == *protocol);
        let mut alike = offers.iter().filter(|offer| same_mover(offer.protocol, *protocol));
        Some((*protocol, exact.find(usable).or_else(|| alike.find(usable))?))
    };
    let own = if ask.protocols.is_empty() { offers } else { &[] };
    let own = own.iter().filter(usable).map(|offer| (offer.protocol, offer));
    ask.protocols.iter().filter_map(of).chain(own)
}

/// The first protocol of the client's list (of the area's own, when the client names none) that the
/// area offers to this client and that a live server speaks.
pub(super) fn make(
    offers: &[Offer],
    site: Site<'_>,
    ask: &TurlRequest<'_>,
) -> Result<Turl, TurlError> {
    let mut silent = Vec::new();
    for (protocol, offer) in served(offers, site, ask) {
        match offer.server(site) {
            Some(server) => return Ok(server.turl(protocol, site, ask)),
            None => silent.push(protocol.as_str()),
        }
    }
    if !silent.is_empty() {
        return Err(TurlError::NoMember(silent.join(", ")));
    }
    let names = |list: Vec<&'static str>| {
        if list.is_empty() { "none".to_owned() } else { list.join(", ") }
    };
    let usable = offers.iter().filter(|offer| offer.usable(site, ask));
    Err(TurlError::NoCommonProtocol {
        asked: names(ask.protocols.iter().map(|protocol| protocol.as_str()).collect()),
        offered: names(usable.map(|offer| offer.protocol.as_str()).collect()),
    })
}

/// The same, where it is http(s), which needs no local account, and no server has to be picked from a
/// pool for it.
pub(super) fn make_simple(offers: &[Offer], site: Site<'_>, ask: &TurlRequest<'_>) -> Option<Turl> {
    let (protocol, offer) = served(offers, site, ask).next()?;
    // A pool counts whom it was asked for.
    let simple = protocol.is_ours() && offer.pool.is_none();
    let server = if simple { offer.server(site) } else { None };
    Some(server?.turl(protocol, site, ask))
}

/// xroot is root by its second name.
fn same_mover(a: Protocol, b: Protocol) -> bool {
    let xrootd = |protocol| matches!(protocol, Protocol::Root | Protocol::Xroot);
    xrootd(a) && xrootd(b)
}
