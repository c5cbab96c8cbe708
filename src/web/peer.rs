use std::net::SocketAddr;

/// The address at the other end of the connection, in the extensions of every request that `App` serves.
///
/// Behind a proxy this is the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);
