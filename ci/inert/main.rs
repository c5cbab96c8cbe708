//! Asks for every fault in a binary without the feature `chaos`, and gets none. See `ci/check default_features`.

use std::io;

use seaworthy::chaos::Chaos;
use seaworthy::inventory::Describe;
use tower::{Layer, ServiceExt, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let chaos = Chaos::builder("payments").enabled(true);
    for chaos in [
        chaos.clone().error_share(1.0),
        chaos.clone().hang_share(1.0),
        chaos.clone().disconnect_share(1.0),
    ] {
        let chaos = chaos.build().expect("the settings are accepted all the same");
        let client = chaos.layer().layer(service_fn(async |()| Ok::<_, io::Error>(42)));
        assert_eq!(client.oneshot(()).await.expect("nothing is injected"), 42);
        let entry = chaos.describe();
        assert_eq!((entry.state, entry.counters), ("not compiled in", vec![]));
    }
    println!("without the feature `chaos` no fault is injected, though the settings ask for all of them");
}
