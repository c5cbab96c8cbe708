use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use tower_service::Service;

use crate::base::clock::timeout;
use crate::base::error::BoxError;

/// Limits how long it takes to open a connection, with its TLS handshake; hyper's own limit is for TCP alone.
#[derive(Clone)]
pub(super) struct Bounded<C> {
    connector: C,
    limit: Duration,
}

impl<C> Bounded<C> {
    pub(super) fn new(connector: C, limit: Duration) -> Self {
        Self { connector, limit }
    }
}

impl<C> Service<Uri> for Bounded<C>
where
    C: Service<Uri, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.limit;
        let opened = timeout(limit, self.connector.call(uri));
        Box::pin(async move { opened.await.map_err(|_| NotOpened(limit))?.map_err(Into::into) })
    }
}

/// A connection was not open in time.
#[derive(Clone, Copy, Debug)]
struct NotOpened(Duration);

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {:?}", self.0)
    }
}

impl std::error::Error for NotOpened {}
