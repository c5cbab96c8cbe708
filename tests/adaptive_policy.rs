//! The adaptive limit as its users see it, on a clock that is told the time.

mod policy_harness;

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use policy_harness::{Inner, Made, Rig};
use seaworthy::adaptive::{
    AdaptiveLimit, AdaptiveLimitBuilder, AdaptiveLimitService, Aimd, Gradient2, LimitAlgorithm, OnlyTimeouts, Window,
};
use seaworthy::breaker::CircuitBreaker;
use seaworthy::clock::{Clock, ManualClock};
use seaworthy::events::{Change, Event};
use seaworthy::inventory::Describe;
use seaworthy::outcome::Outcome;
use seaworthy::pressure::Pressure;
use seaworthy::timeout::Timeout;
use seaworthy::{BoxError, Guarded, Reason, Refusal};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

fn builder(clock: &ManualClock) -> AdaptiveLimitBuilder {
    AdaptiveLimit::builder("search").clock(Clock::from(clock.clone()))
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Makes `calls` calls at once that end together `took` later, and returns how many were let in.
fn together(limit: &AdaptiveLimit, clock: &ManualClock, calls: usize, took: Duration) -> usize {
    let (end, ended) = tokio::sync::watch::channel(());
    let calls = (0..calls).map(|_| {
        let mut ended = ended.clone();
        Box::pin(limit.call(move || async move { ended.changed().await.map_err(io::Error::other) }))
    });
    let mut calls: Vec<_> = calls.collect();
    calls.retain_mut(|call| call.as_mut().poll(&mut cx()).is_pending());
    clock.advance(took);
    end.send_replace(());
    for call in &mut calls {
        assert!(call.as_mut().poll(&mut cx()).is_ready());
    }
    calls.len()
}

/// Has it find out that calls take so long.
fn know(limit: &AdaptiveLimit, clock: &ManualClock, took: Duration) {
    (0..60).for_each(|_| _ = together(limit, clock, 10, took));
    let baseline = limit.snapshot().baseline.unwrap();
    assert!(
        (took.mul_f64(0.95)..took.mul_f64(1.05)).contains(&baseline),
        "{baseline:?}"
    );
}

fn counter(limit: &AdaptiveLimit, name: &str) -> u64 {
    let entry = limit.describe();
    entry.counters.iter().find(|(key, _)| *key == name).unwrap().1
}

#[test]
fn a_limit_holds_across_clones_and_layers_of_one_handle() {
    let limit = AdaptiveLimit::builder("search").initial(2).min(1).build().unwrap();
    let inner = service_fn(|()| pending::<Result<(), Infallible>>());
    let mut one = limit.layer().layer(inner);
    let clone = limit.clone();
    let mut other = clone.layer().layer(inner);
    assert!(one.poll_ready(&mut cx()).is_ready());
    let _first = one.call(());
    assert!(other.poll_ready(&mut cx()).is_ready());
    let _second = other.call(());
    assert!(one.poll_ready(&mut cx()).is_ready(), "it is ready to refuse");
    let mut third = pin!(one.call(()));
    let std::task::Poll::Ready(Err(error)) = third.as_mut().poll(&mut cx()) else {
        panic!("it was let in");
    };
    let refusal = Refusal::find(error.as_ref()).unwrap();
    assert_eq!(refusal.reason(), Reason::Overloaded { limit: 2 });
    assert_eq!(
        refusal.to_string(),
        "adaptive `search`: 2 calls are as many as it can take now"
    );
    assert_eq!(refusal.outcome(), Outcome::Ignored);
    assert_eq!((limit.snapshot().in_flight, limit.pressure()), (2, 1.0));
}

#[test]
fn it_doubles_while_nothing_is_slow_and_is_used() {
    let clock = ManualClock::default();
    let limit = builder(&clock).build().unwrap();
    let mut limits = Vec::new();
    for _ in 0..4 {
        let most = limit.snapshot().limit;
        (0..60 / most + 2).for_each(|_| _ = together(&limit, &clock, most, 100 * MS));
        limits.push(limit.snapshot().limit);
    }
    assert_eq!(limits, [40, 80, 160, 320]);
    // Ten of 320 show nothing.
    (0..40).for_each(|_| _ = together(&limit, &clock, 10, 100 * MS));
    assert_eq!(limit.snapshot().limit, 320);
    let baseline = limit.snapshot().baseline.unwrap();
    assert!((95 * MS..105 * MS).contains(&baseline), "{baseline:?}");
}

#[test]
fn a_limit_falls_when_calls_wait_for_each_other_and_not_for_one_outlier() {
    for algorithm in [&Gradient2::default() as &dyn LimitAlgorithm, &Aimd::default()] {
        let clock = ManualClock::default();
        let limit = if format!("{algorithm:?}").starts_with("Aimd") {
            builder(&clock).algorithm(Aimd::default())
        } else {
            builder(&clock).algorithm(Gradient2::default())
        };
        let limit = limit.initial(100).build().unwrap();
        know(&limit, &clock, 100 * MS);
        let before = limit.snapshot().limit;
        {
            let mut slow = Box::pin(limit.call(|| async { Ok::<_, Infallible>(()) }));
            assert!(slow.as_mut().poll(&mut cx()).is_ready());
            // One that takes a thousand times as long among forty.
            let (end, ended) = tokio::sync::oneshot::channel::<()>();
            let mut outlier = Box::pin(limit.call(|| ended));
            assert!(outlier.as_mut().poll(&mut cx()).is_pending());
            clock.advance(100 * 1000 * MS);
            end.send(()).unwrap();
            assert!(outlier.as_mut().poll(&mut cx()).is_ready());
        }
        (0..2).for_each(|_| _ = together(&limit, &clock, 30, 100 * MS));
        assert!(
            limit.snapshot().limit >= before,
            "{algorithm:?}: {:?}",
            limit.snapshot()
        );
        // Until it is found out that the load is not the reason.
        let before = limit.snapshot().limit;
        let limits = (0..30).map(|_| {
            together(&limit, &clock, 60, 300 * MS);
            limit.snapshot().limit
        });
        let least = limits.min().unwrap();
        assert!(least < before * 3 / 4, "{algorithm:?}: {least}, {before} before");
    }
}

#[test]
fn a_baseline_rises_only_by_what_few_calls_take_that_are_let_in_to_find_out() {
    let clock = ManualClock::default();
    let limit = builder(&clock).initial(40).build().unwrap();
    know(&limit, &clock, 10 * MS);
    let before = limit.snapshot();
    // Whatever is let in takes five times as long: not the load's fault, which nobody can know yet.
    let (mut least, mut probed) = (usize::MAX, false);
    for _ in 0..200 {
        let let_in = together(&limit, &clock, 200, 50 * MS);
        let now = limit.snapshot();
        if now.is_probing {
            probed = true;
            assert_eq!(limit.describe().state, "probing");
            assert!(now.limit < before.limit, "{now:?}");
        } else if !probed {
            assert_eq!(now.baseline, before.baseline, "it rose by itself");
        }
        least = least.min(let_in);
    }
    let after = limit.snapshot();
    assert!(probed && least >= 1, "{least} of 200 were let in at least");
    let baseline = after.baseline.unwrap();
    assert!((45 * MS..55 * MS).contains(&baseline), "{after:?}");
    assert!(after.limit >= before.limit, "{after:?}, {before:?} before");
}

/// Makes so many calls that never end.
fn hang(limit: &AdaptiveLimit, calls: usize) -> Vec<impl Future + use<>> {
    let calls = (0..calls).map(|_| {
        let mut call = Box::pin(limit.call(pending::<Result<(), Infallible>>));
        let _ = call.as_mut().poll(&mut cx());
        call
    });
    calls.collect()
}

#[test]
fn a_probe_that_nothing_ends_in_is_given_up() {
    for hanging_before in [0, 12] {
        let clock = ManualClock::default();
        let limit = builder(&clock).initial(40).build().unwrap();
        know(&limit, &clock, 10 * MS);
        let before = hang(&limit, hanging_before);
        for _ in 0..200 {
            if limit.snapshot().is_probing {
                break;
            }
            together(&limit, &clock, 200, 50 * MS);
        }
        let probing = limit.snapshot();
        assert!(probing.is_probing, "{probing:?}");
        let hanging = hang(&limit, probing.limit + 1);
        clock.advance(Duration::from_secs(2));
        assert!(limit.call(|| async { Ok::<_, Infallible>(()) }).now_or_never().is_err());
        let after = limit.snapshot();
        assert!(
            !after.is_probing && after.limit > probing.limit,
            "{after:?}, {probing:?} before"
        );
        drop((before, hanging));
        assert_eq!(limit.snapshot().in_flight, 0);
    }
}

trait NowOrNever: Future + Sized {
    fn now_or_never(self) -> Self::Output {
        match pin!(self).poll(&mut cx()) {
            std::task::Poll::Ready(output) => output,
            std::task::Poll::Pending => panic!("it waits"),
        }
    }
}

impl<F: Future> NowOrNever for F {}

#[test]
fn calls_that_everybody_gives_up_lower_the_limit_and_those_given_up_at_once_do_not() {
    for (patience, falls) in [(MS, false), (100 * MS, true)] {
        let clock = ManualClock::default();
        let limit = builder(&clock).initial(100).build().unwrap();
        know(&limit, &clock, 10 * MS);
        let before = limit.snapshot().limit;
        for _ in 0..20 {
            let calls = (0..50).map(|_| {
                let mut call = Box::pin(limit.call(pending::<Result<(), Infallible>>));
                let _ = call.as_mut().poll(&mut cx());
                call
            });
            let calls: Vec<_> = calls.collect();
            clock.advance(patience);
            drop(calls);
            clock.advance(100 * MS);
            together(&limit, &clock, 25, 10 * MS);
        }
        let after = limit.snapshot();
        assert_eq!(after.limit < before / 2, falls, "{after:?}, {before} before");
        assert_eq!(counter(&limit, "dropped") > 0, falls);
        assert!(counter(&limit, "cancelled") > 100);
    }
}

#[test]
fn an_outage_at_the_start_does_not_keep_the_baseline_unknown() {
    let clock = ManualClock::default();
    let limit = builder(&clock).build().unwrap();
    let too_slow = |_: Result<&(), &io::Error>| Outcome::Failure;
    for _ in 0..60 {
        clock.advance(20 * MS);
        for _ in 0..10 {
            let failing = limit.call_classified(too_slow, || async { Err(io::Error::other("down")) });
            let _ = failing.now_or_never();
        }
    }
    assert_eq!(limit.snapshot().baseline, None);
    assert!(limit.snapshot().limit < 20);
    know(&limit, &clock, 10 * MS);
}

#[test]
fn those_who_leave_at_once_before_anything_is_known_lower_nothing() {
    let clock = ManualClock::default();
    let limit = builder(&clock).build().unwrap();
    for _ in 0..100 {
        let leaving = hang(&limit, 10);
        clock.advance(MS);
        drop(leaving);
        together(&limit, &clock, 5, 10 * MS);
    }
    assert_eq!(counter(&limit, "dropped"), 0);
    assert!(limit.snapshot().limit >= 20, "{:?}", limit.snapshot());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_lowers_the_limit_and_an_error_that_comes_at_once_does_not() {
    for (times_out, falls) in [(true, true), (false, false)] {
        let limit = AdaptiveLimit::builder("search").initial(100).build().unwrap();
        let timeout = Timeout::builder("search").limit(50 * MS).build().unwrap();
        let inner = service_fn(move |bad: bool| async move {
            if bad && times_out {
                pending::<()>().await;
            }
            tokio::time::sleep(if bad { Duration::ZERO } else { 10 * MS }).await;
            if bad { Err(io::Error::other("bad")) } else { Ok(()) }
        });
        let service = ServiceBuilder::new()
            .layer(limit.layer())
            .layer(timeout.layer())
            .service(inner);
        for turn in 0..600 {
            let calls = (0..8).map(|n| tokio::spawn(service.clone().oneshot(turn > 100 && n < 4)));
            for call in calls.collect::<Vec<_>>() {
                let _ = call.await.unwrap();
            }
        }
        assert_eq!(limit.snapshot().limit < 50, falls, "{:?}", limit.snapshot());
        assert_eq!(counter(&limit, "dropped") > 0, falls);
        assert_eq!(counter(&limit, "ignored") > 0, !falls);
    }
}

#[tokio::test(start_paused = true)]
async fn its_refusals_say_nothing_to_a_breaker() {
    let limit = AdaptiveLimit::builder("search").initial(1).min(1).build().unwrap();
    let breaker = CircuitBreaker::builder("search").minimum_calls(1).build().unwrap();
    let inner = service_fn(|()| pending::<Result<(), Infallible>>());
    let service = ServiceBuilder::new()
        .layer(breaker.layer())
        .layer(limit.layer())
        .service(inner);
    let _running = tokio::spawn(service.clone().oneshot(()));
    tokio::task::yield_now().await;
    for _ in 0..20 {
        let error: BoxError = service.clone().oneshot(()).await.unwrap_err();
        assert_eq!(Refusal::find(error.as_ref()).unwrap().policy(), "adaptive");
    }
    assert_eq!(breaker.describe().state, "closed");
}

#[test]
fn settings_change_in_use_and_keep_what_was_found_out() {
    let events = Arc::new(Mutex::new(0));
    let seen = events.clone();
    let clock = ManualClock::default();
    let limit = builder(&clock)
        .initial(100)
        .events(move |event: &Event<'_>| {
            assert!(event.kind == "adaptive" && matches!(event.change, Change::Settings));
            *seen.lock().unwrap() += 1;
        })
        .build()
        .unwrap();
    know(&limit, &clock, 10 * MS);
    let before = limit.snapshot();
    limit.reconfigure(|config| config.max = 50).unwrap();
    assert_eq!(limit.snapshot().limit, 50);
    assert_eq!(limit.snapshot().baseline, before.baseline);
    assert_eq!(together(&limit, &clock, 80, MS), 50);
    let error = limit.reconfigure(|config| config.min = 51).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`adaptive.search.max` is 50; it must be from 51 to 1000000"
    );
    assert_eq!((limit.config().min, *events.lock().unwrap()), (4, 1));
    limit.reconfigure(|config| (config.min, config.max) = (60, 60)).unwrap();
    assert_eq!(together(&limit, &clock, 80, MS), 60);
}

#[test]
fn every_wrong_setting_is_told_at_once() {
    let algorithm = {
        let mut algorithm = Gradient2::default();
        (algorithm.tolerance, algorithm.smoothing) = (1.0, f64::NAN);
        algorithm
    };
    let built = AdaptiveLimit::builder("search")
        .min(0)
        .initial(0)
        .window(Duration::ZERO)
        .minimum_calls(1);
    let error = built.doubt(MS).algorithm(algorithm).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`adaptive.search.min` is 0; it must be from 1 to 1000000\n\
         `adaptive.search.initial` is 0; it must be from 1 to 1000000\n\
         `adaptive.search.window` is 0ns; it must be from 10ms to 60s\n\
         `adaptive.search.minimum_calls` is 1; it must be from 5 to 10000\n\
         `adaptive.search.doubt` is 1ms; it must be from 1s to 86400s\n\
         `adaptive.search.algorithm.tolerance` is 1; it must be from 1.1 to 10\n\
         `adaptive.search.algorithm.smoothing` is NaN; it must be from 0.05 to 1"
    );
}

#[derive(Debug)]
struct Wild(f64);

impl LimitAlgorithm for Wild {
    fn next_limit(&self, _: &Window) -> f64 {
        self.0
    }
}

#[test]
fn whatever_an_algorithm_of_ones_own_says_the_limit_stays_within_the_settings() {
    for (says, limit_then) in [(f64::NAN, 20), (f64::NEG_INFINITY, 4), (-3.0, 4), (1e300, 40)] {
        let clock = ManualClock::default();
        let limit = builder(&clock).algorithm(Wild(says)).build().unwrap();
        (0..4).for_each(|_| _ = together(&limit, &clock, 20, 100 * MS));
        assert_eq!(limit.snapshot().limit, limit_then, "{says}");
    }
}

#[test]
fn a_call_that_is_refused_is_not_begun() {
    let limit = AdaptiveLimit::builder("search").initial(1).min(1).build().unwrap();
    let mut first = pin!(limit.call(pending::<Result<(), Infallible>>));
    assert!(first.as_mut().poll(&mut cx()).is_pending());
    let refused = limit
        .call(|| async { panic!("it was begun") as Result<(), Infallible> })
        .now_or_never();
    assert!(matches!(refused, Err(Guarded::Refused(_))), "{refused:?}");
    assert_eq!((counter(&limit, "calls"), counter(&limit, "refused")), (1, 1));
}

struct Plain(AdaptiveLimit);

impl Rig for Plain {
    type Service = AdaptiveLimitService<Inner, OnlyTimeouts>;

    fn service(&self, inner: Inner) -> Self::Service {
        self.0.layer().layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        assert_eq!(self.0.snapshot().in_flight, 0, "{what}");
        assert_eq!(counter(&self.0, "calls"), made.called, "{what}");
        assert_eq!(counter(&self.0, "refused"), 0, "{what}");
    }
}

#[test]
fn whatever_interrupts_a_call_its_place_comes_free() {
    policy_harness::interrupt(|| Plain(AdaptiveLimit::builder("search").initial(2).min(2).build().unwrap()));
}
