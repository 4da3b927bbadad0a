//! Transfer protocols and TURLs.

use std::fmt;

/// A transfer protocol, as `prot name=` in namespace.xml and `arrayOfTransferProtocols` spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A path on the client's own machine.
    File,
    /// GridFTP.
    Gsiftp,
    /// RFIO.
    Rfio,
    /// xrootd.
    Root,
    /// xrootd by its second name; its TURLs begin with `root://`.
    Xroot,
    /// Plain HTTP, anonymous.
    Http,
    /// HTTP over TLS.
    Https,
}

/// A protocol name nobody here knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown transfer protocol {0:?}")]
pub struct UnknownProtocol(pub String);

impl Protocol {
    /// Every protocol, in the order in which the daemon lists them.
    pub const ALL: [Protocol; 7] = [
        Protocol::Https,
        Protocol::Http,
        Protocol::Gsiftp,
        Protocol::File,
        Protocol::Root,
        Protocol::Xroot,
        Protocol::Rfio,
    ];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::File => "file",
            Protocol::Gsiftp => "gsiftp",
            Protocol::Rfio => "rfio",
            Protocol::Root => "root",
            Protocol::Xroot => "xroot",
            Protocol::Http => "http",
            Protocol::Https => "https",
        }
    }

    /// True where the bytes go through our own doors, which know the person and need no local
    /// account.
    pub const fn is_ours(self) -> bool {
        matches!(self, Protocol::Http | Protocol::Https)
    }

    /// The port that is meant when namespace.xml names none (StoRM); `file` has none, and http(s)
    /// mean our own doors.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Protocol::File | Protocol::Http | Protocol::Https => None,
            Protocol::Gsiftp => Some(2811),
            Protocol::Rfio => Some(5001),
            Protocol::Root | Protocol::Xroot => Some(1094),
        }
    }
}

impl std::str::FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Protocol::ALL
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or_else(|| UnknownProtocol(text.to_owned()))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A transfer URL: where the bytes of one prepared file are read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turl {
    /// How.
    pub protocol: Protocol,
    /// The whole URL.
    pub url: String,
}
