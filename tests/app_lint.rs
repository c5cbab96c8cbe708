//! Numbers that must fit together, compared when a service is built.

mod support;

use std::time::Duration;

use http::Method;
use seaworthy::breaker::Window;
use seaworthy::rate_limit::Quota;
use seaworthy::{App, AppBuilder, AppError, Control, Endpoint};
use support::builder;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn findings(app: AppBuilder) -> Vec<String> {
    let app = app.build().unwrap();
    app.findings().iter().map(ToString::to_string).collect()
}

fn mistakes(app: AppBuilder) -> Vec<String> {
    let AppError::Settings(wrong) = app.build().unwrap_err() else {
        panic!("another error");
    };
    wrong.as_slice().iter().map(|wrong| wrong.key.clone()).collect()
}

#[tokio::test]
async fn a_service_of_defaults_has_no_finding() {
    let mut app = App::builder("plain")
        .endpoint(Method::GET, "/orders/{id}", Endpoint::default())
        .endpoint(
            Method::POST,
            "/orders",
            Endpoint::default().rate_limit(Quota::per_second(100)),
        );
    let _http = app.dependency("payments").http("http://127.0.0.1:8081");
    let _layer = app.dependency("search").layer();
    let _guard = app.dependency("ledger").guard();
    assert_eq!(findings(app), [""; 0]);
}

#[tokio::test]
async fn numbers_that_cannot_work_together_are_named_all_at_once() {
    let mut app = builder().setting("dependencies.search.attempt_timeout", "6s");
    let _payments = app
        .dependency("payments")
        .deadline(S)
        .breaker(|breaker| breaker.slow_calls(2 * S, 50))
        .guard();
    let _search = app.dependency("search").guard();
    assert_eq!(
        mistakes(app.setting("shutdown.drain", "60s")),
        [
            "shutdown.grace_period",
            "dependencies.payments.attempt_timeout",
            "breaker.payments.slow_calls.after",
            "dependencies.search.attempt_timeout",
        ]
    );
}

#[tokio::test]
async fn what_works_badly_is_found_by_the_numbers_in_force() {
    let mut app = builder()
        .setting("dependencies.payments.deadline", "4s")
        .setting("dependencies.search.concurrent", "1")
        .setting("dependencies.search.attempts", "1")
        .endpoint(Method::POST, "/upload", Endpoint::default().deadline(60 * S));
    let _payments = app
        .dependency("payments")
        .breaker(|breaker| breaker.window(Window::Time(S)).probe_deadline(S))
        .guard();
    let _search = app
        .dependency("search")
        .deadline(70 * S)
        .breaker(|breaker| breaker.minimum_calls(21))
        .guard();
    let found = findings(app);
    let expected = [
        "endpoint POST /upload: a request may take 60s and the drain waits 20s",
        "dependency payments: 3 attempts of 1.5s and up to 150ms of backoff take 4.65s, and the deadline is 4s",
        "dependency payments: the circuit looks at the last 1s",
        "dependency payments: a probe counts for 1s",
        "dependency search: a call may take 70s, and no request lasts longer than 60s",
        "dependency search: a retry of one attempt guards nothing, and nobody has said why",
        "dependency search: when it hangs, 1 at once × 30s of window / 1.5s a call = 20 calls are seen",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not about: {expected}");
    }
}

#[tokio::test]
async fn a_guard_that_is_left_out_has_no_numbers_to_compare() {
    let mut app = builder();
    let _ledger = app
        .dependency("ledger")
        .deadline(S)
        .without(Control::AttemptTimeout, "an append is one attempt")
        .without(Control::Retry, "appends are not idempotent")
        .breaker(|breaker| breaker.slow_calls(900 * MS, 50))
        .guard();
    let _cache = app
        .dependency("cache")
        .without(Control::Breaker, "its client has one of its own")
        .breaker(|breaker| breaker.slow_calls(2 * S, 50))
        .guard();
    assert_eq!(findings(app), [""; 0]);
}

#[tokio::test]
async fn numbers_that_were_refused_are_compared_with_nothing() {
    let mut app = builder();
    let _payments = app
        .dependency("payments")
        .deadline(S)
        .attempt_timeout(Duration::ZERO)
        .guard();
    assert_eq!(mistakes(app), ["timeout.payments.limit", "timeout.payments.body_total"]);
}
