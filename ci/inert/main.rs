//! Asks for every fault in a binary without the feature `chaos`, and gets none. See `ci/check default_features`.

use std::io;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use seaworthy::Body;
use seaworthy::chaos::{Chaos, Latency};
use seaworthy::inventory::Describe;
use tokio::time::timeout;
use tower::{Layer, ServiceExt, service_fn};

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Far less than the latency, and more than an answer takes.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let chaos = Chaos::builder("payments").enabled(true);
    for chaos in [
        chaos.clone().latency(1.0, Latency::fixed(HOUR)),
        chaos.clone().error_share(1.0),
        chaos.clone().hang_share(1.0),
        chaos.clone().disconnect_share(1.0),
    ] {
        let chaos = chaos.build().expect("the settings are accepted all the same");
        timeout(PATIENCE, exchange(&chaos))
            .await
            .expect("nothing waits or hangs");
        let entry = chaos.describe();
        assert_eq!((entry.state, entry.counters), ("not compiled in", vec![]));
    }
    println!("without the feature `chaos` no fault is injected, though the settings ask for all of them");
}

/// Goes through a chaos in each way, over HTTP to the body's end.
async fn exchange(chaos: &Chaos) {
    let plain = chaos.layer().layer(service_fn(async |()| Ok::<_, io::Error>(42)));
    assert_eq!(plain.oneshot(()).await.expect("nothing is injected"), 42);
    let own = chaos.call(async || Ok::<_, io::Error>(42)).await;
    assert_eq!(own.expect("nothing is injected"), 42);
    let http = chaos.http_layer().layer(service_fn(async |_: Request<Body>| {
        Ok::<_, io::Error>(Response::new(Body::from("all of it")))
    }));
    let response = http.oneshot(Request::new(Body::empty())).await;
    let body = response.expect("nothing is injected").into_body();
    let whole = body.collect().await.expect("the body does not break off");
    assert_eq!(whole.to_bytes(), "all of it");
}
