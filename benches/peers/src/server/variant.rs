//! What is served, and behind what.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use seaworthy::breaker::CircuitBreaker;
use seaworthy::bulkhead::Bulkhead;
use seaworthy::rate_limit::{Quota, RateLimit};
use seaworthy::retry::Retry;
use seaworthy::timeout::Timeout;
use seaworthy::{App, Body, Endpoint};
use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::allocations;

/// What the handler says.
pub(super) const ANSWER: &str = "ahoy";
/// Where it says how often its thread has allocated, and counts from then on.
pub(super) const ALLOCATIONS: &str = "/allocations";

/// One way to serve the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// hyper alone.
    Bare,
    /// Rate limit, retry, circuit breaker, timeout and bulkhead on hyper, in this order from outside.
    Five,
    /// The whole inbound stack on its server, with metrics, request ids and spans; nothing is written.
    Whole,
    /// The same, with the access log as JSON, to nowhere.
    Logged,
}

type Failed = Box<dyn Error + Send + Sync>;

impl Variant {
    /// The bare one is the first.
    pub(super) const ALL: [Self; 4] = [Self::Bare, Self::Five, Self::Whole, Self::Logged];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Five => "five",
            Self::Whole => "whole",
            Self::Logged => "logged",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Bare => "hyper, bare",
            Self::Five => "five layers",
            Self::Whole => "whole inbound stack",
            Self::Logged => "with JSON access log",
        }
    }

    pub(super) fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|variant| variant.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no server is called `{name}`; there are: {names}")
        })
    }

    /// Serves until the process ends; tells the address before.
    pub(super) async fn serve(self, bound: impl FnOnce(SocketAddr)) -> Result<(), Failed> {
        match self {
            Self::Bare => Ok(on_hyper(Ahoy::<Full<Bytes>>::new(), bound).await?),
            Self::Five => Ok(on_hyper(five()?, bound).await?),
            Self::Whole => {
                let quiet = Targets::new().with_default(LevelFilter::INFO);
                let quiet = quiet.with_target("seaworthy::access", LevelFilter::OFF);
                tracing_subscriber::registry().with(quiet).init();
                whole(bound).await
            }
            // As an `App` logs by itself: to the standard output, which is nowhere.
            Self::Logged => whole(bound).await,
        }
    }
}

/// More than anybody can ask for.
const QUOTA: u32 = 1_000_000;

fn five() -> Result<
    impl Service<Request<Incoming>, Response = Response<Body>, Error = Failed, Future: Send> + Clone + Send,
    Failed,
> {
    let limit = RateLimit::builder("inbound").quota(Quota::per_second(QUOTA)).build()?;
    let retry = Retry::builder("inbound").build()?;
    let breaker = CircuitBreaker::builder("inbound").build()?;
    let timeout = Timeout::builder("inbound").build()?;
    let bulkhead = Bulkhead::builder("inbound").build()?;
    Ok(ServiceBuilder::new()
        .layer(limit.http_layer())
        .layer(retry.http_layer())
        .layer(breaker.http_layer())
        .layer(timeout.http_layer())
        .layer(bulkhead.http_layer())
        .service(Ahoy::<Body>::new()))
}

/// Serves as hyper's own examples do, one task a connection.
async fn on_hyper<S, B>(service: S, bound: impl FnOnce(SocketAddr)) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<Failed>, Future: Send> + Clone + Send + 'static,
    B: http_body::Body<Data: Send, Error: Into<Failed>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    bound(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(service.clone());
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(serving);
    }
}

async fn whole(bound: impl FnOnce(SocketAddr)) -> Result<(), Failed> {
    let app = App::builder("bench")
        .setting("server.listen", "127.0.0.1:0")
        .setting("admin.listen", "127.0.0.1:0")
        .setting("clients.per_second", QUOTA.to_string())
        .setting("endpoints.per_second", QUOTA.to_string())
        .endpoint(Method::GET, "/", Endpoint::default())
        .signals(false)
        .build()?;
    let serving = app.bind()?;
    bound(serving.local_addr());
    serving.serve(Ahoy::<Body>::new()).await?;
    Ok(())
}

/// Says the same to everybody.
struct Ahoy<B>(PhantomData<fn() -> B>);

impl<B> Ahoy<B> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

impl<B> Clone for Ahoy<B> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<A, B: From<&'static str> + From<String>> Service<Request<A>> for Ahoy<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        ready(Ok(Response::new(if request.uri().path() == ALLOCATIONS {
            B::from(format!("{}\n", allocations::so_far()))
        } else {
            B::from(ANSWER)
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::Variant;

    #[test]
    fn every_variant_is_found_by_its_name() {
        for variant in Variant::ALL {
            assert_eq!(Variant::named(variant.name()), Ok(variant));
        }
    }
}
