//! The whole inbound stack on its server, with metrics, request ids and spans.

use http::Method;
use seaworthy::{App, Body, Endpoint};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::ahoy::Ahoy;
use super::door::{Door, Started};
use super::ours::QUOTA;

/// Writes nothing.
pub(super) fn quiet(door: Door) -> Started {
    keep_spans();
    app(door)
}

/// As an `App` logs by itself: to the standard output, which is nowhere.
pub(super) fn logged(door: Door) -> Started {
    app(door)
}

/// Lets the process keep spans, and write nothing.
pub(super) fn keep_spans() {
    let quiet = Targets::new().with_default(LevelFilter::INFO);
    let quiet = quiet.with_target("seaworthy::access", LevelFilter::OFF);
    // There is one already among the tests alone, where several variants share a process.
    let _ = tracing_subscriber::registry().with(quiet).try_init();
}

fn app(door: Door) -> Started {
    let app = App::builder("bench")
        .setting("server.listen", "127.0.0.1:0")
        .setting("admin.listen", "127.0.0.1:0")
        .setting("clients.per_second", QUOTA.to_string())
        .setting("endpoints.per_second", QUOTA.to_string())
        .endpoint(Method::GET, "/", Endpoint::default())
        .signals(false)
        .build()?;
    let serving = app.bind()?;
    door.open(serving.local_addr());
    Ok(Box::pin(async {
        serving.serve(Ahoy::<Body>::new()).await?;
        Ok(())
    }))
}
