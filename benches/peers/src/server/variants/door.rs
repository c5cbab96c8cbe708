use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use seaworthy::Body;
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt as _};

use super::ahoy::Ahoy;

pub(in crate::server) type Failed = Box<dyn Error + Send + Sync>;
/// A server that runs until its process ends.
pub(super) type Serving = Pin<Box<dyn Future<Output = Result<(), Failed>>>>;
pub(super) type Started = Result<Serving, Failed>;

/// How many bytes the headers of a request may have, and how many are read or written at once: an `App`'s defaults.
const HEADERS: usize = 16 << 10;
const BUFFER: usize = 64 << 10;

/// What hyper can serve.
pub(super) trait Served
where
    Self: Service<Request<Incoming>, Response = Response<Self::Sent>, Error: Into<Failed>, Future: Send>,
    Self: Clone + Send + 'static,
{
    type Sent: HttpBody<Data: Send, Error: Into<Failed>> + Send + 'static;
}

impl<S, B> Served for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<Failed>, Future: Send>,
    S: Clone + Send + 'static,
    B: HttpBody<Data: Send, Error: Into<Failed>> + Send + 'static,
{
    type Sent = B;
}

/// Where a variant is served; whoever opens it is told the address.
pub(super) struct Door(Box<dyn FnOnce(SocketAddr)>);

impl Door {
    pub(super) fn new(bound: impl FnOnce(SocketAddr) + 'static) -> Self {
        Self(Box::new(bound))
    }

    /// Serves the handler behind a layer of ours.
    pub(super) fn behind<L: Layer<Ahoy<Body>, Service: Served>>(self, layer: L) -> Started {
        self.serve(layer.layer(Ahoy::new()))
    }

    pub(super) fn serve(self, service: impl Served) -> Started {
        Ok(Box::pin(async { Ok(self.on_hyper(service).await?) }))
    }

    /// Says that somebody else serves here.
    pub(super) fn open(self, address: SocketAddr) {
        (self.0)(address);
    }

    /// Serves as hyper's own examples do, one task a connection; with the settings of a connection that an
    /// [`App`](seaworthy::App) has, so that all servers read and write by buffers of one size.
    async fn on_hyper(self, service: impl Served) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        self.open(listener.local_addr()?);
        let mut http1 = http1::Builder::new();
        http1.timer(TokioTimer::new()).header_read_timeout(None);
        http1.max_header_size(HEADERS).max_buf_size(BUFFER);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = at_once(service.clone());
            let serving = http1.serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serving.with_upgrades());
        }
    }
}

/// Calls a service at once where it is ready, as an `App` does.
///
/// hyper-util's `TowerToHyperService` keeps the request until it is polled, and hyper reads on before that: as the buffer is
/// still in use then, it takes another of 8 kB for each request.
fn at_once<S: Served>(
    service: S,
) -> impl HttpService<Incoming, ResBody = S::Sent, Error = S::Error, Future: Send> + Send {
    service_fn(move |request: Request<Incoming>| {
        let mut service = service.clone();
        let called = match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Ok(service.call(request)),
            _ => Err(request),
        };
        async move {
            match called {
                Ok(response) => response.await,
                Err(request) => service.oneshot(request).await,
            }
        }
    })
}
