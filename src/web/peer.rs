use std::net::SocketAddr;

#[cfg(feature = "axum")]
use axum::extract::ConnectInfo;
use http::Extensions;

/// The address at the other end of the connection, in the extensions of every request that `App` serves.
///
/// Behind a proxy this is the proxy; [`ClientIp`](super::ClientIp) finds the client.
///
/// Served by axum with `into_make_service_with_connect_info::<SocketAddr>()`, requests need none: what axum knows is as
/// good (feature `axum`). Any other server inserts it.
///
/// # Examples
///
/// ```
/// use http::Request;
/// use seaworthy::{key::KeyExtractor, web::{ClientIp, PeerAddr}};
///
/// let mut request = Request::new(()); // as it comes from a connection
/// request.extensions_mut().insert(PeerAddr(([192, 0, 2, 1], 4711).into()));
/// assert_eq!(ClientIp::peer().extract(&request).to_string(), "192.0.2.1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// Returns the address at the other end of the connection, if anybody has told it.
pub(super) fn peer_of(extensions: &Extensions) -> Option<SocketAddr> {
    let told = extensions.get().map(|PeerAddr(peer)| *peer);
    told.or_else(|| told_by_axum(extensions))
}

#[cfg(feature = "axum")]
fn told_by_axum(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get().map(|ConnectInfo(peer)| *peer)
}

#[cfg(not(feature = "axum"))]
fn told_by_axum(_: &Extensions) -> Option<SocketAddr> {
    None
}

/// How a request has come, in its extensions, for labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}
