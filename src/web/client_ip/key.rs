use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Stands for one client, as told by [`ClientIp`](super::ClientIp); shows as an address.
// One integer: half the cost of a keyed limit is to hash its key. Its derived `Hash` writes just that.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientKey(u128);

impl ClientKey {
    /// Stands for all whose address is not known.
    // The last address of multicast, from which nothing is sent.
    pub const UNKNOWN: Self = Self(u128::MAX);

    /// Makes the key of an address, for extractors of your own.
    ///
    /// Of an IPv6 address the leading `ipv6_prefix` bits count, 0 to 128; more is 128. An IPv4 address counts as a whole,
    /// also if it comes as IPv6.
    pub fn new(address: IpAddr, ipv6_prefix: u8) -> Self {
        let cut_off = 128 - u32::from(ipv6_prefix.min(128));
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() & u128::MAX.checked_shl(cut_off).unwrap_or(0),
        })
    }

    /// Returns the address, for IPv6 the first of its network; `None` if the client is not known.
    pub fn address(&self) -> Option<IpAddr> {
        (*self != Self::UNKNOWN).then(|| IpAddr::V6(Ipv6Addr::from_bits(self.0)).to_canonical())
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{Hash, Hasher};

    use super::*;

    #[derive(Default)]
    struct Writes(Vec<usize>);

    impl Hasher for Writes {
        fn write(&mut self, bytes: &[u8]) {
            self.0.push(bytes.len());
        }

        fn finish(&self) -> u64 {
            0
        }
    }

    fn key(address: &str, ipv6_prefix: u8) -> ClientKey {
        ClientKey::new(address.parse().unwrap(), ipv6_prefix)
    }

    #[test]
    fn a_key_is_hashed_as_one_integer() {
        let mut hasher = Writes::default();
        key("192.0.2.1", 64).hash(&mut hasher);
        assert_eq!(hasher.0, [16]);
        assert_eq!(size_of::<ClientKey>(), 16);
    }

    #[test]
    fn an_ipv6_address_is_cut_to_any_prefix_and_an_ipv4_address_to_none() {
        let all = "2001:db8:ffff:ffff:ffff:ffff:ffff:fffe";
        for (prefix, shown) in [
            (0, "::"),
            (1, "::"),
            (48, "2001:db8:ffff::"),
            (64, "2001:db8:ffff:ffff::"),
            (127, all),
            (128, all),
            (255, all),
        ] {
            assert_eq!(key(all, prefix).to_string(), shown, "/{prefix}");
            assert_eq!(key("192.0.2.255", prefix).to_string(), "192.0.2.255", "/{prefix}");
            assert_eq!(
                key("::ffff:192.0.2.255", prefix),
                key("192.0.2.255", prefix),
                "/{prefix}"
            );
        }
    }

    #[test]
    fn nobody_who_is_known_shares_the_key_of_the_unknown() {
        assert_eq!(ClientKey::UNKNOWN.address(), None);
        assert_eq!(format!("{:?}", ClientKey::UNKNOWN), "unknown");
        for address in ["::", "::1", "255.255.255.255", "0.0.0.0"] {
            assert_ne!(key(address, 64), ClientKey::UNKNOWN, "{address}");
        }
    }
}
