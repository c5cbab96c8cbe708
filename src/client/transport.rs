use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pin_project_lite::pin_project;
use tower_service::Service;

#[cfg(not(feature = "tls"))]
use super::no_tls::{Connector, connector};
#[cfg(feature = "tls")]
use super::tls::{Connector, connector};
use super::{BaseUrl, TransportConfig};
use crate::base::error::{BoxError, InvalidSetting};
use crate::web::Body;

/// Connections to one dependency, kept for further requests; not guarded by anything.
///
/// It is made before anybody knows where the dependency is, and connected when that is known.
#[derive(Clone, Default)]
pub(crate) struct Transport(Arc<OnceLock<Connected>>);

struct Connected {
    base: BaseUrl,
    client: Client<Connector, Body>,
}

impl Transport {
    /// Sets where requests go; `key` is the setting that says so. Nothing is opened before the first request.
    pub(crate) fn connect(&self, key: &str, base: BaseUrl, config: &TransportConfig) -> Result<(), InvalidSetting> {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(config.connect_timeout));
        http.set_nodelay(true);
        let connector = connector(http, key, &base, config)?;
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

    fn start(&self, mut request: Request<Body>) -> Result<ResponseFuture, BoxError> {
        let connected = self.0.get().ok_or(NotBuilt)?;
        *request.uri_mut() = connected.base.resolve(request.uri())?;
        Ok(connected.client.request(request))
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
        match self.start(request) {
            Ok(response) => TransportFuture::Started { response },
            Err(error) => TransportFuture::Failed { error: Some(error) },
        }
    }
}

pin_project! {
    /// The response of a dependency, or why nothing was sent to it.
    #[project = TransportProj]
    #[derive(Debug)]
    pub(crate) enum TransportFuture {
        Started { #[pin] response: ResponseFuture },
        Failed { error: Option<BoxError> },
    }
}

impl Future for TransportFuture {
    type Output = Result<Response<Incoming>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            TransportProj::Started { response } => response.poll(cx).map_err(Into::into),
            TransportProj::Failed { error } => error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
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
