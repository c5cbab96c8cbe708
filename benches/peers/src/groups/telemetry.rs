//! What is told of a request: its context, its span, its end.

use http::Request;
use seaworthy::context::SampleRatio;
use seaworthy::web::{ContextLayer, ObserveLayer};
use seaworthy::{App, Body};
use seaworthy_overhead::rows::ours::Untold;
use tick::Clock;
use tower::Layer as _;
use tracing::Dispatch;
use tracing::dispatcher::with_default;
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::layer::SubscriberExt;

use seaworthy_harness::comparison::{Comparison, Outcome, Row};
use seaworthy_harness::drive;
use seaworthy_harness::inner::Inner;

pub(crate) fn comparisons(_: &Clock) -> Vec<Comparison> {
    let exporter = exporter();
    vec![Comparison {
        title: "telemetry of a request".to_owned(),
        settings: "within a dispatcher of tracing, the bare service too; nobody listens where the exporter sends to"
            .to_owned(),
        outcome: Outcome::Success,
        bare: Row::new("std", "bare", || calls(Inner::ReadyAtOnce, nobody())),
        rows: vec![
            of("context", nobody(), |inner| ContextLayer::default().layer(inner)),
            of("observation", nobody(), |inner| observe().layer(inner)),
            of("both, no exporter", nobody(), |inner| {
                ContextLayer::default().layer(observe().layer(inner))
            }),
            of("both, exporter installed, not sampled", exporter.clone(), |inner| {
                let context = ContextLayer::default().sample_ratio(SampleRatio::NONE);
                context.layer(observe().layer(inner))
            }),
            of("both, exporter installed, sampled", exporter, |inner| {
                ContextLayer::default().layer(observe().layer(inner))
            }),
        ],
        on_two_threads: false,
    }]
}

fn observe() -> ObserveLayer {
    ObserveLayer::new(Untold::sink())
}

/// Makes a dispatcher that is known of, other than `Dispatch::none`: what is called first under that one alone is off for
/// good.
fn nobody() -> Dispatch {
    Dispatch::new(NoSubscriber::default())
}

/// Makes a subscriber that exports spans, and nothing else.
fn exporter() -> Dispatch {
    let app = App::builder("bench").setting("traces.endpoint", "http://127.0.0.1:9");
    let app = app.build().expect("the settings are in range");
    let layer = app.traces().expect("there is an endpoint").layer().expect("a thread");
    Dispatch::new(tracing_subscriber::registry().with(layer))
}

fn of<S>(what: &'static str, dispatch: Dispatch, wrap: impl Fn(Inner) -> S + 'static) -> Row
where
    S: tower::Service<Request<Body>> + Clone + Send + 'static,
{
    Row::new("seaworthy", what, move || {
        calls(wrap(Inner::ReadyAtOnce), dispatch.clone())
    })
}

fn calls<S>(mut service: S, dispatch: Dispatch) -> impl FnMut(u64) -> bool + Send
where
    S: tower::Service<Request<Body>> + Send,
{
    move |_| {
        with_default(&dispatch, || {
            drive::call(&mut service, Request::new(Body::default())).is_ok()
        })
    }
}
