//! What is told to whoever is called: the layers that send what the task knows, and the one that tells of each attempt.

use std::hint::black_box;
use std::time::Duration;

use ::http::{Request, Response};
use seaworthy::context::{Context, RequestId, SampleRatio, TraceContext};
use seaworthy::criticality::Criticality;
use seaworthy::deadline::Deadline;
use seaworthy::web::{ObserveAttemptLayer, SendContextLayer, SendCriticalityLayer, SendDeadlineLayer};
use seaworthy::{Body, BoxError};
use seaworthy_harness::comparison::{Comparison, Outcome, Row};
use seaworthy_harness::drive::drive;
use seaworthy_harness::inner::{Failure, Inner};
use tower::{Layer, Service, ServiceBuilder};

use super::ours::Untold;
use super::{BARE, OURS, http};

/// Longer than any run.
const LEFT: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn on() -> Comparison {
    let inner = Inner::ReadyAtOnce;
    Comparison {
        title: "sent on, over HTTP".to_owned(),
        settings: "within a request that has a deadline, a class, an id and a trace, the bare service too".to_owned(),
        outcome: Outcome::Success,
        bare: within(BARE, inner),
        rows: vec![
            row("deadline", &SendDeadlineLayer::new(), inner),
            row("criticality", &SendCriticalityLayer, inner),
            row("context", &SendContextLayer::new(), inner),
        ],
        on_two_threads: false,
    }
}

pub(super) fn attempts() -> Comparison {
    let inner = Inner::ReadyAtOnce;
    let client = ServiceBuilder::new()
        .map_err(BoxError::from as fn(Failure) -> _)
        .service(inner);
    let layer = ObserveAttemptLayer::new("payments", Untold::sink());
    Comparison {
        title: "an attempt, over HTTP".to_owned(),
        settings: "no subscriber listens; what is observed is thrown away".to_owned(),
        outcome: Outcome::Success,
        bare: http::of(BARE, inner),
        rows: vec![http::of("observation of attempts", layer.layer(client)).of_layer(&layer)],
        on_two_threads: false,
    }
}

fn row<L>(what: &'static str, layer: &L, inner: Inner) -> Row
where
    L: Layer<Inner, Service: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static>,
{
    within(what, layer.layer(inner)).of_layer(layer)
}

/// Makes a row of a service that is called within a request.
fn within<S>(what: &'static str, service: S) -> Row
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
{
    let context = drive(Deadline::after(LEFT).scope(Criticality::Critical.scope(async { Context::current() })));
    let context = context
        .request_id(RequestId::generate())
        .trace(TraceContext::begin(SampleRatio::ALL));
    Row::new(OURS, what, move || {
        let (mut service, context) = (service.clone(), context.clone());
        move |_| {
            let request = Request::new(Body::default());
            // These services are always ready.
            let call = async { service.call(request).await };
            black_box(drive(context.clone().scope(call))).is_ok()
        }
    })
}
