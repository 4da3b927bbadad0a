//! The values of `[tls] crl` and `[tls] namespaces`, by the names that canl gave them, which sites know.

/// What is done with certificate revocation lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlMode {
    /// A CA without a list, or with one that ran out, has all its certificates refused.
    Require,
    /// As above, but a CA without any list is fine.
    IfValid,
    /// Lists are not looked at.
    Ignore,
}

impl CrlMode {
    /// `require`, `if-valid` or `ignore`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "require" => Some(Self::Require),
            "if-valid" => Some(Self::IfValid),
            "ignore" => Some(Self::Ignore),
            _ => None,
        }
    }
}

/// A kind of file that says which names a CA may certify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// Globus' `<hash>.signing_policy`.
    SigningPolicy,
    /// EUGridPMA's `<hash>.namespaces`.
    Namespaces,
}

/// Which files bind what a CA may certify, and how they go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespacesMode {
    /// The kinds that are looked at, in this order; none: nothing binds.
    pub kinds: &'static [PolicyKind],
    /// Every kind that is there must permit the name; otherwise the first that is there decides.
    pub all: bool,
    /// A CA without any of them has all its certificates refused.
    pub require: bool,
}

impl NamespacesMode {
    /// `ignore`, or `globus`, `eugridpma`, `globus-eugridpma`, `eugridpma-globus`,
    /// `eugridpma-and-globus`, each with `-require` or without.
    pub fn parse(text: &str) -> Option<Self> {
        use PolicyKind::{Namespaces, SigningPolicy};
        let (base, require) = match text.strip_suffix("-require") {
            Some(base) => (base, true),
            None => (text, false),
        };
        let (kinds, all): (&'static [PolicyKind], _) = match base {
            "ignore" if !require => (&[], false),
            "globus" => (&[SigningPolicy], false),
            "eugridpma" => (&[Namespaces], false),
            "globus-eugridpma" => (&[SigningPolicy, Namespaces], false),
            "eugridpma-globus" => (&[Namespaces, SigningPolicy], false),
            "eugridpma-and-globus" => (&[Namespaces, SigningPolicy], true),
            _ => return None,
        };
        Some(Self { kinds, all, require })
    }
}
