//! What no single key of storm.toml shows: values that contradict each other.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Config, MappingMode};

/// A key by section and name.
pub(super) type KeyName = (&'static str, &'static str);

/// Smallest `limits.envelope`: a request for a handful of files must fit.
const MIN_ENVELOPE: u64 = 4096;

/// Shortest `daemon.watch`: looking costs some milliseconds.
const MIN_WATCH: Duration = Duration::from_millis(100);

impl Config {
    /// Contradictions, in words; empty when there are none. [`Config::load`] has looked already:
    /// this is for configurations that were put together by hand.
    pub fn check(&self) -> Vec<String> {
        self.contradictions().into_iter().map(|(_, text)| text).collect()
    }

    /// Each with the keys it is about: the first of them that the file names has the line.
    pub(super) fn contradictions(&self) -> Vec<(Vec<KeyName>, String)> {
        let mut found = Vec::new();
        let mut tell = |keys: &[KeyName], text: String| found.push((keys.to_vec(), text));

        let lifetimes = &self.lifetimes;
        if lifetimes.pin_default > lifetimes.pin_maximum {
            tell(
                &[("lifetimes", "pin_default"), ("lifetimes", "pin_maximum")],
                "lifetimes.pin_default is longer than lifetimes.pin_maximum: lower the first or raise the second".to_owned(),
            );
        }
        for (name, value) in [
            ("pin_default", lifetimes.pin_default),
            ("pin_maximum", lifetimes.pin_maximum),
            ("volatile_default", lifetimes.volatile_default),
        ] {
            if value < Duration::from_secs(1) {
                tell(&[("lifetimes", name)], format!("lifetimes.{name}: must be at least 1s"));
            }
        }
        let limits = &self.limits;
        for (name, value) in [
            ("handshake", limits.handshake),
            ("idle_body", limits.idle_body),
            ("keep_alive", limits.keep_alive),
        ] {
            if value.is_zero() {
                tell(&[("limits", name)], format!("limits.{name}: must be longer than 0"));
            }
        }
        if !self.daemon.watch.is_zero() && self.daemon.watch < MIN_WATCH {
            tell(
                &[("daemon", "watch")],
                format!("daemon.watch: must be \"0s\" or at least {MIN_WATCH:?}"),
            );
        }
        if limits.envelope < MIN_ENVELOPE {
            tell(
                &[("limits", "envelope")],
                format!("limits.envelope: must be at least {MIN_ENVELOPE} bytes"),
            );
        }
        if self.site.name.trim().is_empty() {
            tell(&[("site", "name")], "site.name: must not be empty".to_owned());
        }
        if !is_host(&self.site.host) {
            tell(
                &[("site", "host")],
                format!(
                    "site.host: expected a host name or address without port, found {:?}",
                    self.site.host
                ),
            );
        }
        for entry in &self.site.surl_hosts {
            if split_host_port(entry).is_none() {
                tell(
                    &[("site", "surl_hosts")],
                    format!("site.surl_hosts: expected \"host\" or \"host:port\", found {entry:?}"),
                );
            }
        }
        let auth = &self.auth;
        if !auth.map.is_empty() && auth.mapping != MappingMode::Static {
            tell(
                &[("auth", "map"), ("auth", "mapping")],
                "auth.map has entries, but auth.mapping is not \"static\": they would not be used"
                    .to_owned(),
            );
        }
        if auth.require_mapping && auth.mapping == MappingMode::None {
            tell(
                &[("auth", "require_mapping"), ("auth", "mapping")],
                "auth.require_mapping = true with auth.mapping = \"none\" refuses everybody"
                    .to_owned(),
            );
        }
        let mut doors: Vec<(KeyName, SocketAddr)> = vec![
            (("srm", "listen"), self.srm.listen),
            (("http", "https"), self.http.https),
            (("admin", "listen"), self.admin.listen),
        ];
        doors.extend(self.http.plain.map(|address| (("http", "plain"), address)));
        for (at, (key, address)) in doors.iter().enumerate() {
            for (earlier, taken) in &doors[..at] {
                let same_ip = address.ip() == taken.ip()
                    || address.ip().is_unspecified()
                    || taken.ip().is_unspecified();
                if address.port() != 0 && address.port() == taken.port() && same_ip {
                    tell(
                        &[*key, *earlier],
                        format!(
                            "{}.{} and {}.{} are one address ({address}): each door needs its own port",
                            key.0, key.1, earlier.0, earlier.1
                        ),
                    );
                }
            }
        }
        found
    }
}

/// Splits `host`, `host:port`, `[v6]`, `[v6]:port`; the host comes back lower case, without
/// brackets. `None`: neither.
pub fn split_host_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, tail) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            let port = if tail.is_empty() { None } else { Some(tail.strip_prefix(':')?) };
            (host, port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        None => None,
        Some(digits) => Some(digits.parse::<u16>().ok().filter(|port| *port != 0)?),
    };
    is_host(host).then(|| (host.to_ascii_lowercase(), port))
}

fn is_host(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse::<std::net::Ipv6Addr>().is_ok()
        || (!text.is_empty()
            && text.len() <= 253
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let host = |text: &str| split_host_port(text);
        assert_eq!(host("SE.example"), Some(("se.example".to_owned(), None)));
        assert_eq!(host("se:8444"), Some(("se".to_owned(), Some(8444))));
        assert_eq!(host("[::1]:8444"), Some(("::1".to_owned(), Some(8444))));
        for bad in ["", "se:", "se:0", "se:99999", "se/x", "srm://se", "[::1", "a b"] {
            assert_eq!(host(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_defaults_do_not_contradict_each_other() {
        let mut config = Config::defaults(std::path::Path::new("/x"));
        assert_eq!(config.check(), Vec::<String>::new());
        config.http.https = config.srm.listen;
        assert_eq!(config.check().len(), 1);
    }
}
