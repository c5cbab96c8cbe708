//! What is served, and behind what: the table of all variants.

mod ahoy;
mod door;
mod ours;
mod peers;
mod whole;

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use seaworthy::health::Health;
use seaworthy::shutdown::Shutdown;
use seaworthy::web::{
    BodyLimitLayer, ContextLayer, CriticalityLayer, ErrorBoundaryLayer, HealthLayer, ObserveLayer, ShutdownLayer,
};

use seaworthy_overhead::rows::ours::Untold;

use ahoy::Ahoy;
pub(super) use ahoy::{ALLOCATED, ANSWER};
pub(super) use door::Failed;
use door::{Door, Started};
pub(super) use peers::PACKAGES;

/// One way to serve the same.
pub(super) struct Variant {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    start: fn(Door) -> Started,
}

/// The bare one is the first; each layer alone comes in the order of the whole stack, outermost first.
pub(super) static ALL: [Variant; 21] = [
    of("bare", "hyper, bare", |door| door.serve(Ahoy::<Full<Bytes>>::new())),
    of("context", "context", |door| door.behind(ContextLayer::default())),
    of("health", "health", |door| {
        door.behind(HealthLayer::new(Health::new()).status_only())
    }),
    of("criticality", "criticality", |door| {
        door.behind(CriticalityLayer::default())
    }),
    of("observation", "observation, told to nobody", |door| {
        door.behind(ObserveLayer::new(Untold::sink()))
    }),
    of("error-boundary", "error boundary", |door| {
        door.behind(ErrorBoundaryLayer::new())
    }),
    of("shutdown", "shutdown", |door| {
        door.behind(ShutdownLayer::new(&Shutdown::builder().build()?))
    }),
    of("timeout", "timeout, callers' deadlines too", |door| {
        door.behind(ours::timeout()?.http_layer().callers_deadline(true))
    }),
    of("rate-limit", "rate limit", |door| {
        door.behind(ours::rate_limit()?.http_layer())
    }),
    of("load-shed", "load shed, by an adaptive limit", |door| {
        door.behind(ours::load_shed()?.http_layer())
    }),
    of("adaptive-limit", "adaptive limit", |door| {
        door.behind(ours::adaptive()?.http_layer())
    }),
    of("bulkhead", "bulkhead", |door| {
        door.behind(ours::bulkhead()?.http_layer())
    }),
    of("body-limit", "body limit", |door| {
        door.behind(BodyLimitLayer::new(ours::NAME, ours::BODY))
    }),
    of("five", "five layers", |door| door.serve(ours::five()?)),
    of("whole", "whole inbound stack", whole::quiet),
    of("logged", "with JSON access log", whole::logged),
    of("tower", "tower, tower-http, governor, recloser: five", |door| {
        door.serve(peers::tower::five())
    }),
    of(
        "tower-buffer",
        "tower, tower-http, recloser: five, behind Buffer (RateLimit is not Clone)",
        |door| door.serve(peers::tower::five_buffered()),
    ),
    of("tower-http", "tower-http, tower: most of the whole stack", |door| {
        door.serve(peers::whole::stack())
    }),
    of("tower-resilience", "tower-resilience: five", |door| {
        door.serve(peers::resilience::five()?)
    }),
    of("seatbelt", "seatbelt: three", |door| {
        door.serve(peers::seatbelt::three())
    }),
];

const fn of(name: &'static str, label: &'static str, start: fn(Door) -> Started) -> Variant {
    Variant { name, label, start }
}

impl Variant {
    pub(super) fn named(name: &str) -> Result<&'static Self, String> {
        let found = ALL.iter().find(|variant| variant.name == name);
        found.ok_or_else(|| {
            let names = ALL.each_ref().map(|variant| variant.name).join(", ");
            format!("no server is called `{name}`; there are: {names}")
        })
    }

    /// Serves until the process ends; tells the address before.
    pub(super) async fn serve(&self, bound: impl FnOnce(SocketAddr) + 'static) -> Result<(), Failed> {
        (self.start)(Door::new(bound))?.await
    }
}

#[cfg(test)]
mod tests;
