//! The real `orders` and a stand-in for `payments` that shows what it is sent: one deadline, spent by all.
#![cfg(unix)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use support::process::{Process, command, orders};
use support::{get, send};
use tokio::net::TcpListener;

const MS: Duration = Duration::from_millis(1);
const ORDER: &str = r#"{"item":"anchor","quantity":2}"#;

/// What `payments` was asked to charge, one after another.
#[derive(Clone, Default)]
struct Charges(Arc<Mutex<Vec<(Instant, HeaderMap)>>>);

impl Charges {
    fn header(&self, name: &str) -> Vec<Option<String>> {
        let charges = self.0.lock().unwrap();
        let value = |headers: &HeaderMap| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        charges.iter().map(|(_, headers)| value(headers)).collect()
    }

    fn millis_left(&self) -> Vec<u64> {
        let left = self.header("x-request-timeout-ms");
        left.into_iter()
            .map(|left| left.expect("a deadline").parse().unwrap())
            .collect()
    }

    /// How long after the first charge the others came.
    fn after(&self) -> Vec<Duration> {
        let charges = self.0.lock().unwrap();
        charges.iter().map(|(at, _)| *at - charges[0].0).collect()
    }
}

/// Starts it; the n-th charge is answered by `answer(n)`, counted from 1.
async fn payments<F>(answer: impl Fn(usize) -> F + Clone + Send + Sync + 'static) -> (String, Charges)
where
    F: Future<Output = Response> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let charges = Charges::default();
    let seen = charges.clone();
    let serve = move |request: Request| {
        let (seen, answer) = (seen.clone(), answer.clone());
        async move {
            if request.uri().path() != "/charges" {
                return StatusCode::OK.into_response();
            }
            let number = {
                let mut charges = seen.0.lock().unwrap();
                charges.push((Instant::now(), request.headers().clone()));
                charges.len()
            };
            answer(number).await
        }
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(serve)).into_future());
    (url, charges)
}

async fn started(payments: &str) -> Process {
    Process::start(command(orders(), &[("DEPENDENCIES__PAYMENTS__URL", payments)])).await
}

async fn place(process: &Process, headers: &[&str]) -> support::Answer {
    let headers: Vec<_> = headers
        .iter()
        .copied()
        .chain(["content-type: application/json"])
        .collect();
    send(process.addr, "POST", "/orders", &headers, ORDER).await
}

#[tokio::test]
async fn the_callers_deadline_arrives_at_payments_shorter_by_what_was_spent() {
    let (url, charges) = payments(|number| async move {
        if number == 1 {
            tokio::time::sleep(200 * MS).await;
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        StatusCode::OK.into_response()
    })
    .await;
    let process = started(&url).await;
    let start = Instant::now();
    let answer = place(&process, &["x-request-timeout-ms: 1500"]).await;
    let took = start.elapsed();
    assert_eq!(answer.status, 201, "{answer:?}");

    let (left, after) = (charges.millis_left(), charges.after());
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0] <= 500, "an attempt has its own limit: {left:?}");
    assert_eq!(charges.header("x-request-attempt"), [None, Some("2".to_owned())]);
    let keys = charges.header("idempotency-key");
    assert!(keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
    assert!(after[1] >= 200 * MS && took >= after[1], "{after:?} of {took:?}");

    // With less than an attempt's own limit it is the caller's time that arrives, and then what is left of it.
    let answer = place(&process, &["x-request-timeout-ms: 400"]).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let left = charges.millis_left()[2];
    assert!((1..400).contains(&left), "{left}");
    assert_eq!(ended(process).await, Some(0));
}

#[tokio::test]
async fn every_further_attempt_is_told_less_and_none_begins_too_late() {
    let (url, charges) = payments(|_| async {
        tokio::time::sleep(100 * MS).await;
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    })
    .await;
    let process = started(&url).await;
    let start = Instant::now();
    let answer = place(&process, &["x-request-timeout-ms: 450"]).await;
    let took = start.elapsed();
    assert!([502, 504].contains(&answer.status), "{answer:?}");
    assert!(took < 450 * MS + 300 * MS, "{took:?}");
    let (left, after) = (charges.millis_left(), charges.after());
    assert!((2..=3).contains(&left.len()), "{left:?}");
    for (left, after) in left.windows(2).zip(after.windows(2)) {
        let spent = u64::try_from((after[1] - after[0]).as_millis()).unwrap();
        // A header says whole milliseconds, and the clocks are read a little apart.
        assert!(left[1] + 100 <= left[0], "{left:?}: each attempt takes 100 ms");
        assert!(left[0] - left[1] <= spent + 50, "{left:?} within {spent} ms");
    }
    assert_eq!(ended(process).await, Some(0));
}

#[tokio::test]
async fn a_failing_payments_gets_no_more_than_its_share_of_retries() {
    let (url, charges) = payments(|_| async { StatusCode::SERVICE_UNAVAILABLE.into_response() }).await;
    let process = started(&url).await;
    for _ in 0..3 {
        assert_eq!(place(&process, &[]).await.status, 502);
    }
    // Three attempts each, and then the breaker, which has seen them all, lets none through.
    assert_eq!(charges.millis_left().len(), 9);
    let refused = place(&process, &[]).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(charges.millis_left().len(), 10);
    let metrics = get(process.admin, "/metrics").await.body;
    let retried = [r#"kind="retry""#, r#"name="payments""#, r#"counter="retried""#];
    let retried = support::metric(&metrics, "seaworthy_counts_total", &retried);
    assert_eq!(retried, Some(7.0), "{metrics}");
    assert_eq!(ended(process).await, Some(0));
}

async fn ended(process: Process) -> Option<i32> {
    process.signal("TERM").await;
    process.exit_code().await
}
