use std::time::Duration;

use proptest::option::of;
use proptest::prelude::*;

use super::{Calls, Inbound, Promise};
use crate::policy::breaker::{CircuitBreakerConfig, SlowCalls, Window};
use crate::policy::rate_limit::Quota;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The defaults of a declared dependency.
fn calls() -> Calls {
    Calls {
        name: "payments".to_owned(),
        total: Some(5 * S),
        attempt: Some(1500 * MS),
        unpaid: false,
        once: false,
        waits: vec![50 * MS, 100 * MS],
        breaker: Some(CircuitBreakerConfig::default()),
        places: Some(64),
        patience: Some(10 * S),
    }
}

fn with_breaker(change: impl FnOnce(&mut CircuitBreakerConfig)) -> Calls {
    let mut calls = calls();
    change(calls.breaker.as_mut().unwrap());
    calls
}

fn inbound() -> Inbound {
    Inbound {
        deadline: 10 * S,
        drain: 20 * S,
        connections: 10_000,
        places: Some(64),
        endpoints: vec![promise()],
    }
}

fn promise() -> Promise {
    Promise {
        subject: "endpoint GET /orders/{id}".to_owned(),
        deadline: None,
        is_stream: false,
        quota: None,
        latency: None,
        places: Some(64),
    }
}

fn of_endpoint(change: impl FnOnce(&mut Promise)) -> Inbound {
    let mut inbound = inbound();
    change(&mut inbound.endpoints[0]);
    inbound
}

#[track_caller]
fn nothing_wrong(calls: &Calls) {
    assert_eq!((calls.errors(), calls.findings()), (Vec::new(), Vec::new()));
}

#[track_caller]
fn one_error(calls: &Calls, expected: &str) {
    let errors: Vec<_> = calls.errors().iter().map(ToString::to_string).collect();
    assert_eq!(errors, [expected]);
}

#[track_caller]
fn one_finding(calls: &Calls, expected: &str) {
    assert_eq!(calls.errors(), Vec::new());
    let findings: Vec<_> = calls.findings().iter().map(ToString::to_string).collect();
    assert_eq!(findings, [expected]);
}

#[track_caller]
fn inbound_finding(inbound: &Inbound, expected: &str) {
    let findings: Vec<_> = inbound.findings().iter().map(ToString::to_string).collect();
    assert_eq!(findings, [expected]);
}

#[test]
fn the_defaults_fit_together() {
    nothing_wrong(&calls());
    assert_eq!(inbound().findings(), Vec::new());
    assert_eq!(inbound().patience(), Some(10 * S));
}

#[test]
fn an_attempt_that_is_longer_than_the_whole_call_is_an_error() {
    let calls = |attempt| Calls {
        attempt: Some(attempt),
        waits: Vec::new(),
        ..calls()
    };
    nothing_wrong(&calls(4999 * MS));
    one_error(
        &calls(5 * S),
        "`dependencies.payments.attempt_timeout` is 5s; \
         it must be less than the `deadline` of the whole call (5s), or no breaker ever sees a hang",
    );
    assert_eq!(calls(5 * S).findings(), Vec::new(), "it is told once");
}

#[test]
fn attempts_that_do_not_fit_into_the_whole_call_are_found_with_their_sum() {
    let calls = |total| Calls {
        total: Some(total),
        ..calls()
    };
    nothing_wrong(&calls(4650 * MS));
    one_finding(
        &calls(4649 * MS),
        "dependency payments: 3 attempts of 1.5s and up to 150ms of backoff take 4.65s, and the deadline is 4.649s: \
         only the first 2 can count on all of their time; \
         raise the deadline to 4.65s, or make fewer or shorter attempts",
    );
    assert!(calls(2 * S).findings()[0].found.contains("only the first 1 can"));
}

#[test]
fn slow_calls_that_cannot_be_are_an_error() {
    let slow = |after| with_breaker(|breaker| breaker.slow_calls = Some(SlowCalls::new(after, 50)));
    nothing_wrong(&slow(1499 * MS));
    one_error(
        &slow(1500 * MS),
        "`breaker.payments.slow_calls.after` is 1.5s; \
         it must be less than the 1.5s after which a call has failed, or none is ever only slow",
    );
    let without_attempt_timeout = |after| Calls {
        attempt: None,
        ..slow(after)
    };
    nothing_wrong(&without_attempt_timeout(4999 * MS));
    assert_eq!(without_attempt_timeout(5 * S).errors().len(), 1);
}

#[test]
fn a_window_that_is_shorter_than_a_call_is_found() {
    let window = |window| with_breaker(|breaker| breaker.window = Window::Time(window));
    nothing_wrong(&window(1500 * MS));
    one_finding(
        &window(1499 * MS),
        "dependency payments: the circuit looks at the last 1.499s, and a call may take 1.5s: \
         what one call says is forgotten before the next has ended; \
         lengthen the circuit's window to that of many calls; the default is 30s",
    );
    nothing_wrong(&with_breaker(|breaker| breaker.window = Window::Count(20)));
    let slow = |after| {
        let mut calls = window(10 * S);
        calls.breaker.as_mut().unwrap().slow_calls = Some(SlowCalls::new(after, 50));
        (calls.attempt, calls.total) = (None, None);
        calls
    };
    nothing_wrong(&slow(10 * S));
    assert_eq!(slow(10_001 * MS).findings().len(), 1);
}

#[test]
fn a_circuit_that_sees_too_few_hanging_calls_to_open_is_found() {
    let minimum = |minimum_calls| Calls {
        places: Some(2),
        ..with_breaker(|breaker| breaker.minimum_calls = minimum_calls)
    };
    nothing_wrong(&minimum(40));
    one_finding(
        &minimum(41),
        "dependency payments: when it hangs, 2 at once × 30s of window / 1.5s a call = 40 calls are seen, \
         and the circuit decides by 41 or more: it may never open; \
         lower `minimum_calls` of its breaker below that, or lengthen its window",
    );
}

#[test]
fn probes_that_count_for_less_time_than_a_call_may_take_are_found() {
    let probe = |deadline| with_breaker(|breaker| breaker.probe_deadline = deadline);
    nothing_wrong(&probe(1500 * MS));
    one_finding(
        &probe(1499 * MS),
        "dependency payments: a probe counts for 1.499s, and a call may take 1.5s: \
         the circuit stays open for a dependency that is slow and works; \
         raise `probe_deadline` of its breaker to 1.5s",
    );
}

#[test]
fn calls_that_outlast_every_request_are_found() {
    let calls = |total| Calls {
        total: Some(total),
        ..calls()
    };
    nothing_wrong(&calls(10 * S));
    one_finding(
        &calls(10_001 * MS),
        "dependency payments: a call may take 10.001s, and no request lasts longer than 10s: nobody waits that long; \
         lower the deadline of its calls to 10s, or raise that of the requests which need it",
    );
}

#[test]
fn the_longest_deadline_of_a_request_is_that_of_any_endpoint_unless_one_streams() {
    let longer = |is_stream| {
        of_endpoint(|promise| {
            promise.deadline = Some(11 * S);
            promise.is_stream = is_stream;
        })
    };
    assert_eq!(longer(false).patience(), Some(11 * S));
    assert_eq!(longer(true).patience(), None);
}

#[test]
fn a_guard_that_is_left_out_is_compared_with_nothing() {
    let nothing = Calls {
        total: None,
        attempt: None,
        breaker: None,
        places: None,
        patience: None,
        ..calls()
    };
    nothing_wrong(&nothing);
}

#[test]
fn requests_that_outlast_the_drain_are_found_unless_they_stream() {
    let defaults = |deadline| Inbound { deadline, ..inbound() };
    assert_eq!(defaults(20 * S).findings(), Vec::new());
    inbound_finding(
        &defaults(60 * S),
        "server.deadline: a request may take 60s and the drain waits 20s: it is cut; \
         raise `shutdown.drain` to 60s, and `shutdown.grace_period` by as much, or shorten the deadline",
    );
    let own = |deadline, is_stream| {
        of_endpoint(|promise| {
            promise.deadline = Some(deadline);
            promise.is_stream = is_stream;
        })
    };
    assert_eq!(own(20 * S, false).findings(), Vec::new());
    assert_eq!(
        own(20_001 * MS, false).findings()[0].subject,
        "endpoint GET /orders/{id}"
    );
    assert_eq!(own(20_001 * MS, true).findings(), Vec::new());
}

#[test]
fn fewer_connections_than_places_are_found() {
    let connections = |connections| Inbound {
        connections,
        ..inbound()
    };
    assert_eq!(connections(64).findings(), Vec::new());
    inbound_finding(
        &connections(63),
        "server.max_connections: 63 connections carry 63 requests at once over HTTP/1.1, and there are 64 places; \
         raise it to 64 or more, or have fewer places",
    );
}

#[test]
fn a_rate_that_the_places_cannot_serve_is_found_by_littles_law() {
    let rate = |quota, latency| {
        of_endpoint(|promise| {
            promise.quota = Some(quota);
            promise.latency = latency;
        })
    };
    let said = Some(50 * MS);
    assert_eq!(rate(Quota::per_second(1280), said).findings(), Vec::new());
    inbound_finding(
        &rate(Quota::per_second(2000), said),
        "endpoint GET /orders/{id}: 2000/s for 50ms each are 100 at once, and there are 64 places; \
         lower the rate limit, or raise the places to 100 if the service can do as many",
    );
    assert_eq!(rate(Quota::per_second(1281), said).findings().len(), 1);
    assert_eq!(rate(Quota::per_second(6400), None).findings(), Vec::new());
    inbound_finding(
        &rate(Quota::per_minute(384_001), None),
        "endpoint GET /orders/{id}: 6400.017/s for 10ms each (assumed; `Endpoint::typical_latency` says it) \
         are 65 at once, and there are 64 places; \
         lower the rate limit, or raise the places to 65 if the service can do as many",
    );
    let mut stream = rate(Quota::per_second(6401), None);
    stream.endpoints[0].is_stream = true;
    assert_eq!(stream.findings(), Vec::new(), "how long one lasts is not known");
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(MS),
        Just(DAY),
        (0..=DAY.as_nanos() as u64).prop_map(Duration::from_nanos)
    ]
}

fn any_calls() -> impl Strategy<Value = Calls> {
    let window = prop_oneof![duration().prop_map(Window::Time), any::<u32>().prop_map(Window::Count)];
    let times = (
        of(duration()),
        of(duration()),
        of(duration()),
        duration(),
        of(duration()),
    );
    let waits = proptest::collection::vec(duration(), 0..100);
    (times, waits, window, any::<u32>(), of(any::<u32>())).prop_map(|(times, waits, window, minimum_calls, places)| {
        let (total, attempt, patience, probe_deadline, slow) = times;
        Calls {
            total,
            attempt,
            waits,
            places,
            patience,
            ..with_breaker(|breaker| {
                (breaker.window, breaker.minimum_calls) = (window, minimum_calls);
                breaker.probe_deadline = probe_deadline;
                breaker.slow_calls = slow.map(|after| SlowCalls::new(after, 50));
            })
        }
    })
}

fn any_inbound() -> impl Strategy<Value = Inbound> {
    let quota = (any::<u32>(), duration()).prop_map(|(requests, per)| Quota::per(requests, per));
    let endpoint = (of(duration()), any::<bool>(), of(quota), of(duration()));
    let numbers = (duration(), duration(), any::<usize>(), of(any::<u32>()));
    (numbers, endpoint).prop_map(|((deadline, drain, connections, places), endpoint)| {
        let (own, is_stream, quota, latency) = endpoint;
        Inbound {
            deadline,
            drain,
            connections,
            places,
            endpoints: vec![Promise {
                deadline: own,
                is_stream,
                quota,
                latency,
                places,
                ..promise()
            }],
        }
    })
}

proptest! {
    #[test]
    fn no_numbers_are_too_large_and_the_same_ones_always_say_the_same(calls in any_calls(), inbound in any_inbound()) {
        prop_assert_eq!((calls.errors(), calls.findings()), (calls.errors(), calls.findings()));
        prop_assert_eq!(inbound.findings(), inbound.findings());
    }

    #[test]
    fn whoever_raises_the_deadline_as_advised_is_told_no_more_about_attempts(calls in any_calls()) {
        let of_attempts = |calls: &Calls| {
            calls.findings().into_iter().find(|finding| finding.found.contains(" of backoff take "))
        };
        let sum = calls.attempt.unwrap_or_default() * (calls.waits.len() as u32 + 1) + calls.waits.iter().sum::<Duration>();
        let advised = Calls { total: Some(sum), ..calls };
        prop_assert_eq!(of_attempts(&advised), None);
    }
}

#[test]
fn a_breaker_that_nothing_tells_of_a_hang_is_found() {
    let found = |total, attempt, slow_calls| {
        let mut calls = with_breaker(|breaker| breaker.slow_calls = slow_calls);
        (calls.total, calls.attempt) = (total, attempt);
        let findings = calls.findings();
        findings
            .iter()
            .any(|finding| finding.found.starts_with("nothing limits a call"))
    };
    assert!(found(None, None, None));
    assert!(!found(Some(S), None, None));
    assert!(!found(None, Some(S), None));
    assert!(!found(None, None, Some(SlowCalls::new(S, 50))));
}
