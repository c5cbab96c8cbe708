//! What the error boundary logs. Alone in its process: what other threads, which have no subscriber, come to first stays unlogged
//! for all.

#![cfg(feature = "http")]

use std::io;
use std::sync::{Arc, Mutex};

use http::Response;
use seaworthy::web::{ContextLayer, ErrorBoundaryLayer};
use seaworthy::{Body, Guarded};
use tower::{ServiceBuilder, ServiceExt, service_fn};

mod web_support;
use web_support::{json, request};

#[tokio::test]
async fn the_problem_and_the_log_name_the_request_and_only_the_log_the_cause() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let subscriber = tracing_subscriber::fmt().with_writer(Log(log.clone()).make()).finish();
    let _subscriber = tracing::subscriber::set_default(subscriber);
    let fails = service_fn(|_| async {
        let cause = io::Error::other("the cause inside");
        Err::<Response<Body>, _>(Guarded::Inner(io::Error::new(io::ErrorKind::NotFound, cause)))
    });
    let service = ServiceBuilder::new()
        .layer(ContextLayer::default())
        .layer(ErrorBoundaryLayer::new())
        .service(fails);
    let response = service.oneshot(request()).await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(json(response).await["request_id"], id.as_str());
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert!(log.contains("the cause inside") && log.contains(&id), "{log}");
}

struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn make(self) -> impl Fn() -> Log {
        move || Log(self.0.clone())
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
