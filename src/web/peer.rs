use std::net::SocketAddr;

/// The address at the other end of the connection, in the extensions of every request that `App` serves.
///
/// Behind a proxy this is the proxy; [`ClientIp`](super::ClientIp) finds the client.
///
/// # Examples
///
/// Served by axum (`into_make_service_with_connect_info::<SocketAddr>()`), it comes from what axum knows; this layer
/// goes round the router:
///
/// ```
/// use std::net::SocketAddr;
/// use axum::extract::{ConnectInfo, Request};
/// use seaworthy::web::PeerAddr;
/// use tower::util::MapRequestLayer;
///
/// fn with_peer(mut request: Request) -> Request {
///     if let Some(&ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
///         request.extensions_mut().insert(PeerAddr(peer));
///     }
///     request
/// }
///
/// let router: axum::Router = axum::Router::new().layer(MapRequestLayer::new(with_peer));
/// # let mut request = Request::default();
/// # request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 80))));
/// # assert_eq!(with_peer(request).extensions().get::<PeerAddr>().unwrap().0.port(), 80);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

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
