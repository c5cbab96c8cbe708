use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::header::{CONNECTION, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Request, Response, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::bounded::Bounded;
#[cfg(not(feature = "tls"))]
use super::no_tls::{Connector, connector};
#[cfg(feature = "tls")]
use super::tls::{Connector, connector};
use super::{BaseUrl, TransportConfig, unreachable};
use crate::base::error::{BoxError, InvalidSetting};
use crate::web::{Body, RequestLimits};

/// Connections to one dependency, kept for further requests; not guarded by anything.
///
/// It sends what has been [addressed](Self::address).
///
/// It is made before anybody knows where the dependency is, and connected when that is known.
#[derive(Clone, Default)]
pub(crate) struct Transport(Arc<OnceLock<Connected>>);

struct Connected {
    base: BaseUrl,
    client: Client<Bounded<Connector>, Body>,
}

impl Transport {
    /// Sets where requests go; `key` is the setting that says so. Nothing is opened before the first request.
    pub(crate) fn connect(&self, key: &str, base: BaseUrl, config: &TransportConfig) -> Result<(), InvalidSetting> {
        let mut http = HttpConnector::new();
        // Shared out among the addresses of a name, so that a dead one does not hide the others.
        http.set_connect_timeout(Some(config.connect_timeout));
        http.set_nodelay(true);
        unreachable::noticed(&mut http);
        let connector = Bounded::new(connector(http, key, &base, config)?, config.connect_timeout);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(config.max_idle)
            .http2_only(config.http2)
            .build(connector);
        // Whoever builds an app has it, and builds it once.
        let _ = self.0.set(Connected { base, client });
        Ok(())
    }

    /// Says where a request goes; an error if that is not the dependency, or nobody knows yet where that is.
    ///
    /// Not a part of the call: it is the caller's mistake, and must not count as a failure of the dependency.
    pub(crate) fn address(&self, request: &mut Request<Body>) -> Result<(), BoxError> {
        let connected = self.0.get().ok_or(NotBuilt)?;
        *request.uri_mut() = connected.base.resolve(request.uri())?;
        // A request that is passed on as it came speaks for the caller's connection, and not for this one.
        *request.version_mut() = Version::HTTP_11;
        request.extensions_mut().remove::<RequestLimits>();
        of_one_hop(request.headers_mut());
        Ok(())
    }
}

/// Removes what is said of one connection (RFC 9110, 7.6.1), and the host, which is the dependency's.
fn of_one_hop(headers: &mut HeaderMap) {
    let listed = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let listed: Vec<_> = listed
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse::<HeaderName>().ok())
        .collect();
    for name in listed {
        headers.remove(name);
    }
    for name in [CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.0.get().map(|connected| connected.base.to_string());
        f.debug_tuple("Transport").field(&base).finish()
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = TransportFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> TransportFuture {
        let sent = self.0.get().map(|connected| connected.client.request(request));
        TransportFuture { sent }
    }
}

pin_project! {
    /// The response of a dependency.
    #[derive(Debug)]
    pub(crate) struct TransportFuture {
        // `None` if nobody knows yet where it is.
        #[pin]
        sent: Option<ResponseFuture>,
    }
}

impl Future for TransportFuture {
    type Output = Result<Response<Incoming>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().sent.as_pin_mut() {
            Some(response) => response.poll(cx).map_err(Into::into),
            None => Poll::Ready(Err(NotBuilt.into())),
        }
    }
}

/// A dependency was called before its app was built.
#[derive(Clone, Copy, Debug)]
struct NotBuilt;

impl fmt::Display for NotBuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody knows yet where the dependency is: call it after `AppBuilder::build`")
    }
}

impl Error for NotBuilt {}
