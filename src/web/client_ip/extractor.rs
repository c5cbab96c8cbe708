use std::net::IpAddr;

use http::{HeaderMap, Request};

use super::forwarded::{forwarded, x_forwarded_for};
use super::key::ClientKey;
use crate::base::key::KeyExtractor;
use crate::web::peer::peer_of;

/// Tells clients apart by their address.
///
/// Behind proxies the address at the other end of the connection is a proxy's, and the client's is in a header that
/// anybody can write. What can be believed is its right end: every proxy appends there whom it was called by. So you say
/// how many **trusted hops** there are, the proxies in front of the service that you run, that one included which
/// connects to it. With `n` of them the client is the `n`th address from the right, counted over all lines of the
/// header; whatever stands further left was there before and is never looked at. One proxy: the right-most address.
///
/// The peer's address is used instead if there are no trusted hops, if the header has fewer addresses, or if what stands
/// in that place is not an address. Whoever can reach the service past the proxies can write the whole header.
///
/// Envoy at the edge (`use_remote_address`) counts alike: its `xff_num_trusted_hops` is this number for Envoy itself. A
/// service behind that Envoy has one hop more.
///
/// # Which addresses are one client
///
/// IPv6 addresses are cut to a [prefix](Self::ipv6_prefix), as a client has a whole network of them; IPv4 addresses
/// are whole, also if they come as IPv6 (`::ffff:192.0.2.1`). Ports do not count.
///
/// The peer's address is the [`PeerAddr`](crate::web::PeerAddr) in the request's extensions, which `App` puts there, or what
/// axum was told to find out (see there). Requests without one, and without a usable header, all have the same key,
/// [`ClientKey::UNKNOWN`]: **served by anything else, insert it**, or all clients share one limit.
///
/// # Examples
///
/// A load balancer and an ingress in front, both ours:
///
/// ```
/// use seaworthy::{key::KeyExtractor, web::ClientIp};
///
/// let client = ClientIp::x_forwarded_for(2);
/// let request = http::Request::builder()
///     // The first is what the client sent; the balancer has added the client, the ingress the balancer.
///     .header("x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.0.0.7")
///     .body(())
///     .unwrap();
/// assert_eq!(client.extract(&request).to_string(), "192.0.2.1");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ClientIp {
    source: Source,
    ipv6_prefix: u8,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Peer,
    XForwardedFor(usize),
    Forwarded(usize),
}

impl ClientIp {
    /// Takes whoever connects for the client: for services without a proxy in front.
    pub fn peer() -> Self {
        Self::of(Source::Peer)
    }

    /// Takes the `trusted_hops`th address of `X-Forwarded-For` from the right; 0 is [`peer`](Self::peer).
    ///
    /// Addresses may have ports (`192.0.2.1:80`) and brackets (`[2001:db8::1]:80`). Empty members of the list do not
    /// count.
    pub fn x_forwarded_for(trusted_hops: usize) -> Self {
        Self::of(Source::XForwardedFor(trusted_hops))
    }

    /// Takes that of `Forwarded` (RFC 7239), from its member `for`; 0 is [`peer`](Self::peer).
    ///
    /// `for=unknown`, names that hide the address (`for=_gate`) and elements without `for` are not an address.
    pub fn forwarded(trusted_hops: usize) -> Self {
        Self::of(Source::Forwarded(trusted_hops))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            ipv6_prefix: 64,
        }
    }

    /// Sets how many leading bits of an IPv6 address count, 0 to 128; more is 128. Default: 64.
    ///
    /// 64 is the network of one subscriber at least (RFC 6177), through whose addresses it can go at will.
    #[must_use]
    pub fn ipv6_prefix(mut self, bits: u8) -> Self {
        self.ipv6_prefix = bits.min(128);
        self
    }

    /// Returns whether no header is believed.
    pub(crate) fn is_peer(&self) -> bool {
        matches!(
            self.source,
            Source::Peer | Source::XForwardedFor(0) | Source::Forwarded(0)
        )
    }

    fn told(&self, headers: &HeaderMap) -> Option<IpAddr> {
        match self.source {
            Source::Peer => None,
            Source::XForwardedFor(hops) => x_forwarded_for(headers, hops),
            Source::Forwarded(hops) => forwarded(headers, hops),
        }
    }
}

impl<B> KeyExtractor<Request<B>> for ClientIp {
    type Key = ClientKey;

    fn extract(&self, request: &Request<B>) -> ClientKey {
        let peer = || peer_of(request.extensions()).map(|peer| peer.ip());
        let address = self.told(request.headers()).or_else(peer);
        address.map_or(ClientKey::UNKNOWN, |address| ClientKey::new(address, self.ipv6_prefix))
    }
}
