//! One circuit for each key.

mod breaker_support;
mod policy_harness;

use std::future::ready;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use breaker_support::*;
use http::{Request, Response};
use policy_harness::{Inner, Made, Rig};
use seaworthy::breaker::{KeyedCircuitBreaker, KeyedCircuitBreakerService, State};
use seaworthy::clock::ManualClock;
use seaworthy::events::{Change, Event};
use seaworthy::outcome::ErrorIsFailure;
use seaworthy::{Body, Guarded, Refusal};
use tower::{Layer, Service, service_fn};

fn keyed(clock: &ManualClock) -> KeyedCircuitBreaker<String> {
    brittle(clock).build_keyed(1000, SECOND * 60).unwrap()
}

fn call_for(breaker: &KeyedCircuitBreaker<String>, key: &str, succeeds: bool) -> bool {
    let end = if succeeds {
        Ok(())
    } else {
        Err(io::Error::other("down"))
    };
    !matches!(
        now(breaker.call(key.to_owned(), || ready(end))),
        Err(Guarded::Refused(_))
    )
}

fn state_of(breaker: &KeyedCircuitBreaker<String>, key: &str) -> Option<State> {
    breaker.snapshot(&key.to_owned()).map(|snapshot| snapshot.state)
}

#[test]
fn one_host_that_fails_does_not_close_the_door_to_another() {
    let clock = ManualClock::default();
    let breaker = keyed(&clock);
    (0..2).for_each(|_| assert!(call_for(&breaker, "bad", false)));
    assert!(!call_for(&breaker, "bad", true));
    assert!(call_for(&breaker, "good", true));
    assert_eq!(state_of(&breaker, "bad"), Some(State::Open));
    assert_eq!(state_of(&breaker, "good"), Some(State::Closed));
    assert_eq!(state_of(&breaker, "unknown"), None);
    breaker.reset(&"bad".to_owned());
    assert!(call_for(&breaker, "bad", true));
}

#[test]
fn a_million_keys_stay_within_the_room_and_a_circuit_in_use_survives_them() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build_keyed::<u64>(1000, SECOND * 60).unwrap();
    let failing = || ready(Err::<(), _>(io::Error::other("down")));
    (0..2).for_each(|_| drop(now(breaker.call(u64::MAX, failing))));
    for key in 0..1_000_000 {
        let _ = now(breaker.call(key, || ready(Ok::<_, io::Error>(()))));
        if key % 100 == 0 {
            assert!(
                matches!(now(breaker.call(u64::MAX, failing)), Err(Guarded::Refused(_))),
                "at key {key}"
            );
        }
    }
    assert!(breaker.keys() <= 1000, "{}", breaker.keys());
}

#[test]
fn an_idle_key_is_forgotten_with_its_state() {
    let clock = ManualClock::default();
    let breaker = keyed(&clock);
    (0..2).for_each(|_| assert!(call_for(&breaker, "bad", false)));
    clock.advance(SECOND * 120);
    assert!(call_for(&breaker, "other", true));
    assert_eq!((breaker.keys(), state_of(&breaker, "bad")), (1, None));
}

#[test]
fn the_key_of_a_change_is_told_in_the_log_and_cut_to_a_bearable_length() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let told = told.clone();
        move |event: &Event<'_>| {
            if let Change::State { detail, .. } = event.change {
                assert_eq!(event.name, "payments", "a name is a label, and must be one of few");
                told.lock().unwrap().push(detail.to_owned());
            }
        }
    };
    let breaker = brittle(&ManualClock::default())
        .events(sink)
        .build_keyed(10, SECOND * 60)
        .unwrap();
    let long = "x".repeat(1000);
    for key in ["example.com\nERROR \u{1b}[31m", &long] {
        (0..2).for_each(|_| assert!(call_for(&breaker, key, false)));
    }
    let told = told.lock().unwrap();
    assert_eq!(
        told[0],
        r"example.com\nERROR \u{1b}[31m: 2 calls failed one after another"
    );
    assert_eq!(told[1], format!("{}: 2 calls failed one after another", "x".repeat(64)));
}

#[test]
fn over_http_the_key_comes_from_the_request_and_the_call_ends_with_the_body() {
    let breaker = keyed(&ManualClock::default());
    let inner = service_fn(|request: Request<Body>| {
        let mut response = Response::new(Body::empty());
        if request.uri().host() == Some("bad") {
            *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        }
        ready(Ok::<_, io::Error>(response))
    });
    let host = |request: &Request<Body>| request.uri().host().unwrap_or_default().to_owned();
    let mut service = breaker.http_layer(host).layer(inner);
    let mut get = |uri: &str| now(service.call(Request::get(uri).body(Body::empty()).unwrap()));
    (0..2).for_each(|_| drop(get("http://bad/").unwrap()));
    let refused = get("http://bad/").unwrap_err();
    assert!(Refusal::find(refused.as_ref()).is_some());
    get("http://good/").unwrap();
}

#[test]
fn wrong_room_and_idle_time_are_refused() {
    let wrong = brittle(&ManualClock::default())
        .build_keyed::<u64>(1, Duration::ZERO)
        .unwrap_err();
    let text = wrong.to_string();
    assert!(
        text.contains("`breaker.payments.capacity` is 1; it must be from 2 to 1000000 keys"),
        "{text}"
    );
    assert!(
        text.contains("`breaker.payments.idle` is 0ns; it must be at least `open_max` (60s)"),
        "{text}"
    );
}

/// A key's circuit that is half-open, with one slot.
struct HalfOpen(KeyedCircuitBreaker<String>);

impl Rig for HalfOpen {
    type Service = KeyedCircuitBreakerService<Inner, String, fn(&()) -> String, ErrorIsFailure>;

    fn service(&self, inner: Inner) -> Self::Service {
        let key: fn(&()) -> String = |()| "bad".to_owned();
        self.0.layer(key).layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        let ended = counter(&self.0, "calls") - 2 + counter(&self.0, "cancelled");
        assert_eq!(ended, made.called, "{what}: a call has no end, or two");
        if state_of(&self.0, "bad") != Some(State::Open) {
            assert!(call_for(&self.0, "bad", true), "{what}: the slot is held");
        }
    }
}

#[test]
fn whatever_interrupts_a_probe_of_a_key_its_slot_comes_free() {
    policy_harness::interrupt(|| {
        let clock = ManualClock::default();
        let breaker = brittle(&clock).probes(1, 100).build_keyed(1000, SECOND * 60).unwrap();
        (0..2).for_each(|_| assert!(call_for(&breaker, "bad", false)));
        clock.advance(SECOND * 5);
        HalfOpen(breaker)
    });
}
