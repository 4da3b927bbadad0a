//! What counts as one client where clients are counted by address.

use std::net::{IpAddr, Ipv6Addr};

/// What one client can have addresses from: an IPv4 address, also where it comes as `::ffff:192.0.2.1`
/// (RFC 4291 2.5.5.2), of IPv6 a whole /64 (RFC 4291 2.5.4), by its first address.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_one_network() {
        for (address, of) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8::ffff:1", "2001:db8::"),
            ("2001:db8:0:1::1", "2001:db8:0:1::"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(network(address).to_string(), of, "{address}");
        }
    }
}
