//! Two services beside a subscriber and a recorder that were there before.

mod support;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get as on_get;
use metrics_exporter_prometheus::PrometheusBuilder;
use support::{Served, builder, get, metric};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn two_services_live_beside_a_subscriber_and_a_recorder_that_were_there_before() {
    let lines = Lines::default();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(lines.clone())
        .init();
    let handle = PrometheusBuilder::new().install_recorder().unwrap();
    let router = Router::new().route(
        "/",
        on_get(|| async {
            metrics::counter!("mine").increment(1);
            "ok"
        }),
    );

    let one = Served::start(builder().build().unwrap(), router.clone());
    let other = Served::start(builder().build().unwrap(), router);
    for _ in 0..3 {
        get(one.addr, "/").await;
    }
    get(other.addr, "/").await;

    let count = "http_server_request_duration_seconds_count";
    for (served, expected) in [(&one, 3.0), (&other, 1.0)] {
        let text = get(served.admin, "/metrics").await.body;
        assert_eq!(metric(&text, count, &[]), Some(expected), "{text}");
        assert_eq!(metric(&text, "mine", &[]), None, "went to the recorder that was there");
    }
    assert_eq!(metric(&handle.render(), "mine", &[]), Some(4.0));
    assert!(one.end().await.is_whole());
    assert_eq!(get(other.addr, "/").await.body, "ok", "the other goes on");
    assert!(other.end().await.is_whole());
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("serving") && log.contains("request_id="), "{log}");
}
