//! The circuit breaker through its tower shell, and what an operator does with its handle.

mod breaker_support;

use std::convert::Infallible;
use std::future::{Pending, Ready, pending, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use breaker_support::*;
use seaworthy::breaker::{CircuitBreaker, CircuitBreakerConfig, State, Window};
use seaworthy::clock::ManualClock;
use seaworthy::deadline::Deadline;
use seaworthy::events::{Change, Event};
use seaworthy::inventory::Describe;
use seaworthy::outcome::Outcome;
use seaworthy::timeout::Timeout;
use seaworthy::{BoxError, Guarded, Reason, Refusal};
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Calls a service that is ready at once.
fn exchange<S: Service<(), Error: std::fmt::Debug>>(service: &mut S) -> Result<S::Response, S::Error> {
    assert!(matches!(service.poll_ready(&mut cx()), Poll::Ready(Ok(()))));
    now(service.call(()))
}

/// Is never ready, and counts how often it is asked.
#[derive(Clone, Default)]
struct NeverReady(Arc<AtomicUsize>);

impl Service<()> for NeverReady {
    type Response = ();
    type Error = io::Error;
    type Future = Pending<Result<(), io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        pending()
    }
}

#[test]
fn an_open_circuit_fails_fast_and_does_not_poll_a_service_that_is_not_ready() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build().unwrap();
    let inner = NeverReady::default();
    let mut service = breaker.layer().layer(inner.clone());
    trip(&breaker);
    let error = exchange(&mut service).unwrap_err();
    assert_eq!(Refusal::find(error.as_ref()).unwrap().reason(), Reason::CircuitOpen);
    assert_eq!(inner.0.load(Ordering::SeqCst), 0);
}

#[test]
fn a_refusal_says_who_refused_why_and_when_to_come_back() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build().unwrap();
    trip(&breaker);
    clock.advance(SECOND * 2);
    let Err(Guarded::Refused(refusal)) = now(breaker.call(|| ready(Ok::<_, io::Error>(())))) else {
        panic!("not refused");
    };
    assert_eq!((refusal.policy(), refusal.name()), ("breaker", "payments"));
    assert_eq!(refusal.retry_after(), Some(SECOND * 3));
    assert_eq!(refusal.outcome(), Outcome::Ignored);
    assert_eq!(refusal.to_string(), "breaker `payments`: circuit is open");
    assert_eq!(counter(&breaker, "refused"), 1);
}

#[test]
fn a_rejected_call_leaves_no_inner_permit_held() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build().unwrap();
    let semaphore = Arc::new(Semaphore::new(1));
    let limit = GlobalConcurrencyLimitLayer::with_semaphore(semaphore.clone());
    let mut service = breaker
        .layer()
        .layer(limit.layer(service_fn(|()| ready(Ok::<_, io::Error>(())))));
    assert!(service.poll_ready(&mut cx()).is_ready());
    assert_eq!(semaphore.available_permits(), 0, "ready with the inner permit");
    trip(&breaker);
    now(service.call(())).expect("it was let in before the circuit opened");
    assert_eq!(semaphore.available_permits(), 1);
    for _ in 0..3 {
        assert!(service.poll_ready(&mut cx()).is_ready());
        now(service.call(())).unwrap_err();
        assert_eq!(semaphore.available_permits(), 1);
    }
}

#[test]
fn our_own_refusals_say_nothing_and_a_timeout_is_a_failure() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build().unwrap();
    let other = brittle(&clock).build().unwrap();
    other.force_open();
    let mut refusing = ServiceBuilder::new()
        .layer(breaker.layer())
        .layer(other.layer())
        .service(service_fn(|()| ready(Ok::<_, io::Error>(()))));
    (0..5).for_each(|_| drop(exchange(&mut refusing).unwrap_err()));
    assert_eq!((state(&breaker), counter(&breaker, "ignored")), (State::Closed, 5));

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let timeout = Timeout::builder("payments").build().unwrap();
    let mut hanging = ServiceBuilder::new()
        .layer(breaker.layer())
        .layer(timeout.layer())
        .service(service_fn(|()| pending::<Result<(), io::Error>>()));
    runtime.block_on(async {
        for _ in 0..2 {
            hanging.ready().await.unwrap().call(()).await.unwrap_err();
        }
    });
    assert_eq!(state(&breaker), State::Open);
}

#[tokio::test(start_paused = true)]
async fn callers_without_patience_do_not_open_the_circuit() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build().unwrap();
    let timeout = Timeout::builder("payments").build().unwrap();
    let hanging = ServiceBuilder::new()
        .layer(breaker.layer())
        .layer(timeout.layer())
        .service(service_fn(|()| pending::<Result<(), io::Error>>()));
    for _ in 0..5 {
        let hurried = Deadline::after(Duration::from_millis(1)).scope(hanging.clone().oneshot(()));
        hurried.await.unwrap_err();
    }
    assert_eq!((state(&breaker), counter(&breaker, "ignored")), (State::Closed, 5));
}

#[test]
fn a_service_that_breaks_while_it_is_waited_for_has_failed() {
    struct Broken;

    impl Service<()> for Broken {
        type Response = ();
        type Error = io::Error;
        type Future = Ready<Result<(), io::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
            Poll::Ready(Err(io::Error::other("no connection")))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            unreachable!("it was never ready")
        }
    }

    let breaker = brittle(&ManualClock::default()).build().unwrap();
    let mut service = breaker.layer().layer(Broken);
    for _ in 0..2 {
        assert!(matches!(service.poll_ready(&mut cx()), Poll::Ready(Err(_))));
    }
    assert_eq!(state(&breaker), State::Open);
}

#[test]
fn a_panicking_classifier_or_sink_poisons_nothing() {
    let clock = ManualClock::default();
    let panics: fn(&Event<'_>) = |_| panic!("the sink");
    let breaker = brittle(&clock).events(panics).probes(1, 100).build().unwrap();
    let classify = |_: Result<&(), &BoxError>| -> Outcome { panic!("the classifier") };
    let inner = service_fn(|()| ready(Ok::<_, io::Error>(())));
    let mut service = breaker.layer().classify(classify).layer(inner);
    let mut call = || catch_unwind(AssertUnwindSafe(|| exchange(&mut service)));
    call().unwrap_err();
    trip(&breaker);
    clock.advance(SECOND * 5);
    call().unwrap_err();
    assert_eq!((state(&breaker), counter(&breaker, "cancelled")), (State::HalfOpen, 2));
    assert!(succeed(&breaker), "the probe's slot is free");
    assert_eq!(state(&breaker), State::Closed);
}

#[test]
fn one_handle_shares_its_circuit_and_two_never_do() {
    let clock = ManualClock::default();
    let (one, other) = (brittle(&clock).build().unwrap(), brittle(&clock).build().unwrap());
    let inner = || service_fn(|()| ready(Err::<(), _>(io::Error::other("down"))));
    let clone = one.clone();
    let mut routes = [one.layer().layer(inner()), clone.layer().layer(inner())];
    for route in &mut routes {
        exchange(route).unwrap_err();
    }
    assert_eq!((state(&one), state(&other)), (State::Open, State::Closed));
}

#[test]
fn an_operator_overrides_the_circuit_from_any_thread() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build().unwrap();
    let from_afar = |change: fn(&CircuitBreaker)| std::thread::scope(|scope| scope.spawn(|| change(&breaker)).join());
    from_afar(CircuitBreaker::force_open).unwrap();
    assert!(!succeed(&breaker));
    assert_eq!(
        (state(&breaker), breaker.snapshot().next_attempt),
        (State::ForcedOpen, None)
    );
    clock.advance(SECOND * 86_400 * 365);
    assert!(!succeed(&breaker), "it does not end by itself");

    from_afar(CircuitBreaker::force_closed).unwrap();
    (0..5).for_each(|_| assert!(fail(&breaker)));
    assert_eq!((state(&breaker), breaker.snapshot().failed), (State::ForcedClosed, 5));

    from_afar(CircuitBreaker::disable).unwrap();
    (0..5).for_each(|_| assert!(fail(&breaker)));
    assert_eq!((state(&breaker), breaker.snapshot().failed), (State::Disabled, 0));

    from_afar(CircuitBreaker::reset).unwrap();
    assert_eq!((state(&breaker), breaker.snapshot().failed), (State::Closed, 0));
    trip(&breaker);
    breaker.reset();
    trip(&breaker);
    assert_eq!(
        breaker.snapshot().next_attempt,
        Some(SECOND * 5),
        "earlier openings are forgotten"
    );
}

#[test]
fn a_shadow_refuses_nobody_counts_whom_it_would_have_and_goes_through_all_states() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).shadow(true).build().unwrap();
    trip(&breaker);
    (0..3).for_each(|_| assert!(fail(&breaker)));
    assert_eq!((state(&breaker), counter(&breaker, "would_refuse")), (State::Open, 3));
    assert_eq!(counter(&breaker, "refused"), 0);
    clock.advance(SECOND * 5);
    succeed(&breaker);
    assert_eq!(state(&breaker), State::HalfOpen);
    succeed(&breaker);
    assert_eq!(state(&breaker), State::Closed);
    breaker.reconfigure(|config| config.shadow = false).unwrap();
    trip(&breaker);
    assert!(!succeed(&breaker));
}

#[test]
fn settings_change_while_the_window_stays_and_a_rejected_change_changes_nothing() {
    let clock = ManualClock::default();
    let breaker = builder(&clock).minimum_calls(10).build().unwrap();
    (0..4).for_each(|_| assert!(fail(&breaker)));
    breaker
        .reconfigure(|config| {
            config.minimum_calls = 5;
            config.window = Window::Time(SECOND * 60);
        })
        .unwrap();
    assert_eq!(breaker.snapshot().failed, 4);
    let before = breaker.config();
    let rejected = breaker.reconfigure(|config| {
        config.window = Window::Count(100);
        config.failure_rate = 0;
    });
    let text = rejected.unwrap_err().to_string();
    assert!(
        text.contains("`breaker.payments.failure_rate` is 0; it must be from 1 to 100 percent"),
        "{text}"
    );
    assert!(
        text.contains("`breaker.payments.window` is Count(100); it must be Time(60s)"),
        "{text}"
    );
    assert_eq!(breaker.config(), before);
    fail(&breaker);
    assert_eq!(state(&breaker), State::Open);
}

#[test]
fn a_longer_window_keeps_what_is_there_and_holds_more() {
    let clock = ManualClock::default();
    let breaker = builder(&clock).build().unwrap();
    fail(&breaker);
    breaker
        .reconfigure(|config| config.window = Window::Time(SECOND * 300))
        .unwrap();
    clock.advance(SECOND * 200);
    assert_eq!(breaker.snapshot().calls, 1, "seven buckets of 30 s later");
    clock.advance(SECOND * 100);
    assert_eq!(breaker.snapshot().calls, 0);
}

#[test]
fn slow_calls_can_be_switched_on_while_calls_are_under_way() {
    let clock = ManualClock::default();
    let breaker = builder(&clock).build().unwrap();
    let mut under_way = pin!(breaker.call(|| async {
        tokio::task::yield_now().await;
        Ok::<_, io::Error>(())
    }));
    let _ = poll_once(under_way.as_mut());
    clock.advance(SECOND * 3600);
    let slow = seaworthy::breaker::SlowCalls::new(SECOND, 50);
    breaker.reconfigure(|config| config.slow_calls = Some(slow)).unwrap();
    now(under_way).unwrap();
    assert_eq!(counter(&breaker, "slow"), 0, "nobody knows when it began");
}

#[test]
fn the_time_between_readiness_and_the_call_is_not_the_calls() {
    let clock = ManualClock::default();
    let breaker = builder(&clock)
        .window(Window::Count(1))
        .minimum_calls(1)
        .slow_calls(SECOND, 1)
        .build()
        .unwrap();
    let mut service = breaker.layer().layer(service_fn(|()| ready(Ok::<_, Infallible>(()))));
    assert!(service.poll_ready(&mut cx()).is_ready());
    clock.advance(SECOND * 3600);
    now(service.call(())).unwrap();
    assert_eq!(state(&breaker), State::Closed);
}

#[test]
fn changes_from_two_threads_are_both_in_force() {
    let breaker = CircuitBreaker::builder("payments").build().unwrap();
    let (second_is_over, over) = mpsc::channel();
    std::thread::scope(|scope| {
        let first = |config: &mut CircuitBreakerConfig| {
            let breaker = &breaker;
            scope.spawn(move || {
                breaker.reconfigure(|config| config.probes = 7).unwrap();
                second_is_over.send(()).unwrap();
            });
            // In vain, as the second change waits for this one; without that it would be over, and forgotten.
            assert!(over.recv_timeout(Duration::from_millis(500)).is_err());
            config.shadow = true;
        };
        breaker.reconfigure(first).unwrap();
    });
    let config = breaker.config();
    assert_eq!((config.shadow, config.probes), (true, 7));
}

#[test]
fn calls_that_a_change_of_state_made_meaningless_are_counted_all_the_same() {
    let breaker = brittle(&ManualClock::default()).build().unwrap();
    let mut calls: Vec<_> = (0..10)
        .map(|_| {
            Box::pin(breaker.call(|| async {
                tokio::task::yield_now().await;
                Err::<(), _>(io::Error::other("down"))
            }))
        })
        .collect();
    calls.iter_mut().for_each(|call| drop(poll_once(call.as_mut())));
    calls.into_iter().for_each(|call| drop(now(call)));
    assert_eq!(["calls", "failed"].map(|name| counter(&breaker, name)), [10, 10]);
}

#[test]
fn a_dropped_call_counts_as_it_was_told_to() {
    for (cancelled, failed) in [(Outcome::Ignored, 0), (Outcome::Success, 0), (Outcome::Failure, 1)] {
        let breaker = brittle(&ManualClock::default()).cancelled(cancelled).build().unwrap();
        let mut call = Box::pin(breaker.call(pending::<Result<(), io::Error>>));
        assert!(poll_once(call.as_mut()).is_pending());
        drop(call);
        assert_eq!((breaker.snapshot().failed, counter(&breaker, "cancelled")), (failed, 1));
    }
}

#[test]
fn every_change_of_state_is_told_with_its_reason() {
    let clock = ManualClock::default();
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let told = told.clone();
        move |event: &Event<'_>| {
            let Change::State { from, to, detail } = event.change else {
                return;
            };
            assert_eq!((event.kind, event.name), ("breaker", "payments"));
            told.lock().unwrap().push(format!("{from} to {to}: {detail}"));
        }
    };
    let breaker = builder(&clock)
        .window(Window::Count(4))
        .minimum_calls(4)
        .probes(1, 100)
        .events(sink)
        .build()
        .unwrap();
    [true, true, false, false]
        .into_iter()
        .for_each(|succeeds| assert!(call(&breaker, succeeds)));
    clock.advance(SECOND * 5);
    fail(&breaker);
    clock.advance(SECOND * 10);
    succeed(&breaker);
    breaker.force_open();
    breaker.reset();
    let told = told.lock().unwrap();
    assert_eq!(
        *told,
        [
            "closed to open: 50% of 4 calls failed",
            "open to half_open: the open time is over",
            "half_open to open: 0 probes succeeded, 1 failed",
            "open to half_open: the open time is over",
            "half_open to closed: 1 probes succeeded, 0 failed",
            "closed to forced_open: asked for",
            "forced_open to closed: asked for",
        ]
    );
}

#[test]
fn a_sink_may_ask_the_circuit_that_tells_it() {
    let handle = Arc::new(OnceLock::<CircuitBreaker>::new());
    let (saw, seen) = mpsc::channel();
    let sink = {
        let handle = handle.clone();
        move |_: &Event<'_>| saw.send(state(handle.get().unwrap())).unwrap()
    };
    let breaker = brittle(&ManualClock::default()).events(sink).build().unwrap();
    handle.set(breaker.clone()).unwrap();
    // On a thread of its own: one that waits for itself waits for ever.
    std::thread::spawn(move || trip(&breaker));
    assert_eq!(seen.recv_timeout(SECOND * 5), Ok(State::Open));
}

#[test]
fn a_circuit_that_follows_a_paused_clock_opens_and_recovers_in_a_test() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let breaker = CircuitBreaker::builder("payments")
            .window(Window::Consecutive(2))
            .open_jitter(0)
            .build()
            .unwrap();
        trip(&breaker);
        tokio::time::advance(SECOND * 5 - Duration::from_millis(1)).await;
        assert!(!succeed(&breaker));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(succeed(&breaker));
    });
}

#[test]
fn wrong_settings_are_all_told_at_once() {
    let wrong = CircuitBreaker::builder("payments")
        .window(Window::Count(10))
        .failure_rate(101)
        .slow_calls(Duration::ZERO, 0)
        .open(SECOND * 10, SECOND)
        .open_jitter(101)
        .probes(0, 0)
        .probe_deadline(Duration::MAX)
        .build()
        .unwrap_err();
    let keys: Vec<_> = wrong.as_slice().iter().map(|wrong| wrong.key.as_str()).collect();
    let expected = [
        "probe_deadline",
        "slow_calls.after",
        "probes",
        "failure_rate",
        "probe_success_rate",
        "open_jitter",
        "slow_calls.rate",
        "open_max",
        "minimum_calls",
    ];
    assert_eq!(keys, expected.map(|key| format!("breaker.payments.{key}")));
    let text = wrong.to_string();
    assert!(
        text.contains("`breaker.payments.minimum_calls` is 20; it must be at most the 10 calls of the window"),
        "{text}"
    );
}

#[test]
fn the_inventory_shows_settings_state_and_counts() {
    let breaker = brittle(&ManualClock::default()).build().unwrap();
    trip(&breaker);
    succeed(&breaker);
    let entry = breaker.describe();
    assert_eq!(
        (entry.kind, entry.name.as_str(), entry.state),
        ("breaker", "payments", "open")
    );
    assert!(
        entry.settings.contains(&("window", "Consecutive(2)".to_owned())),
        "{:?}",
        entry.settings
    );
    assert_eq!(
        ["calls", "failed", "refused"].map(|name| counter(&breaker, name)),
        [2, 2, 1]
    );
}

#[test]
fn a_service_that_is_called_without_being_asked_still_decides() {
    let breaker = brittle(&ManualClock::default()).build().unwrap();
    let mut service = breaker.layer().layer(service_fn(|()| ready(Ok::<_, Infallible>(()))));
    now(service.call(())).unwrap();
    trip(&breaker);
    now(service.call(())).unwrap_err();
}
