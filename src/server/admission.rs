use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::config::ServerConfig;
use super::counters::Counters;
use super::engine::Cause;
use crate::shutdown::OpenConnection;

/// Gives out places to connections: so many in all, so many an address.
#[derive(Clone, Debug)]
pub(super) struct Admission(Arc<Places>);

#[derive(Debug)]
struct Places {
    total: Arc<Semaphore>,
    per_address: usize,
    /// Has an entry only for who is connected, so it is no longer than the total.
    taken: Mutex<HashMap<IpAddr, usize>>,
    counters: Arc<Counters>,
}

impl Admission {
    pub(super) fn new(config: &ServerConfig, counters: Arc<Counters>) -> Self {
        Self(Arc::new(Places {
            total: Arc::new(Semaphore::new(config.max_connections)),
            per_address: config.max_connections_per_address,
            taken: Mutex::default(),
            counters,
        }))
    }

    /// Waits until there is a place; dropping the future gives it back.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        let total = Arc::clone(&self.0.total);
        if let Ok(place) = Arc::clone(&total).try_acquire_owned() {
            return Some(place);
        }
        self.0.counters.count(Cause::Total);
        total.acquire_owned().await.ok()
    }

    /// Takes a place for an address, or counts that there is none left for it.
    pub(super) fn admit(
        &self,
        total: Option<OwnedSemaphorePermit>,
        peer: IpAddr,
        open: OpenConnection,
    ) -> Option<Place> {
        let address = key(peer);
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= self.0.per_address {
            self.0.counters.count(Cause::PerAddress);
            return None;
        }
        *count += 1;
        self.0.counters.accepted();
        Some(Place {
            _total: total,
            address,
            places: Arc::clone(&self.0),
            _open: open,
        })
    }
}

/// A connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _total: Option<OwnedSemaphorePermit>,
    address: IpAddr,
    places: Arc<Places>,
    _open: OpenConnection,
}

impl Place {
    pub(super) fn counters(&self) -> &Counters {
        &self.places.counters
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.counters.closed();
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = taken.entry(self.address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// An IPv6 peer has a whole /64 to itself; an IPv4 one that came through an IPv6 socket is still that one.
fn key(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_address_and_a_mapped_ipv4_address_is_itself() {
        let key = |text: &str| key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:0:0:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
