//! Load shedding through its tower shell, by `check` and `call`, and what an operator reads from its handle.

mod policy_harness;

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use policy_harness::{Inner, Made, Rig};
use seaworthy::adaptive::AdaptiveLimit;
use seaworthy::breaker::{CircuitBreaker, Window};
use seaworthy::criticality::Criticality;
use seaworthy::events::{Change, Event};
use seaworthy::inventory::{Describe, Inventory};
use seaworthy::load_shed::{LoadShed, LoadShedService, OfTheTask};
use seaworthy::timeout::Timeout;
use seaworthy::{BoxError, Guarded, Reason, Refusal};
use tower::{Layer, Service, ServiceExt, service_fn};

use Criticality::{Critical, CriticalPlus, Sheddable, SheddablePlus};

/// A pressure that a test sets.
#[derive(Clone, Default)]
struct Dial(Arc<AtomicU64>);

impl Dial {
    fn set(&self, pressure: f64) {
        self.0.store(pressure.to_bits(), Ordering::Relaxed);
    }

    fn signal(&self) -> impl Fn() -> f64 + Send + Sync + 'static {
        let dial = self.clone();
        move || f64::from_bits(dial.0.load(Ordering::Relaxed))
    }
}

fn dialled() -> (LoadShed, Dial) {
    let dial = Dial::default();
    let shed = LoadShed::builder("orders").signal("dial", dial.signal());
    (shed.build().unwrap(), dial)
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The classes that are let in.
fn admitted(shed: &LoadShed) -> Vec<Criticality> {
    let classes = Criticality::ALL.into_iter();
    classes.filter(|class| shed.check(*class).is_ok()).collect()
}

fn counter(described: &impl Describe, name: &str) -> u64 {
    let entry = described.describe();
    entry.counters.iter().find(|(key, _)| *key == name).unwrap().1
}

fn setting(described: &impl Describe, name: &str) -> String {
    let entry = described.describe();
    let found = entry.settings.iter().find(|(key, _)| *key == name);
    found.unwrap().1.clone()
}

fn reason(error: &BoxError) -> Reason {
    Refusal::find(error.as_ref()).expect("a refusal").reason()
}

#[test]
fn what_matters_least_is_refused_first_and_from_the_threshold_itself_on() {
    let (shed, dial) = dialled();
    let all = Criticality::ALL;
    let below = |edge: f64| edge.next_down();
    for (pressure, classes) in [
        (0.0, &all[..]),
        (below(0.7), &all[..]),
        (0.7, &all[1..]),
        (below(0.8), &all[1..]),
        (0.8, &all[2..]),
        (below(0.9), &all[2..]),
        (0.9, &all[3..]),
        (below(1.0), &all[3..]),
        (1.0, &[]),
        (1.0_f64.next_up(), &[]),
    ] {
        dial.set(pressure);
        assert_eq!(admitted(&shed), classes, "at {pressure}");
    }
    dial.set(0.85);
    let refusal = shed.check(SheddablePlus).unwrap_err();
    assert_eq!(
        refusal.reason(),
        Reason::Shed {
            criticality: SheddablePlus
        }
    );
    assert_eq!(
        refusal.to_string(),
        "load_shed `orders`: too much to do for a request that is sheddable-plus"
    );
}

#[test]
fn a_signal_that_is_no_number_or_below_nothing_refuses_nobody_and_a_huge_one_everybody() {
    let (shed, dial) = dialled();
    for pressure in [f64::NAN, -f64::NAN, -1.0, f64::NEG_INFINITY, -0.0, f64::MIN] {
        dial.set(pressure);
        assert_eq!(admitted(&shed), Criticality::ALL, "{pressure}");
        assert_eq!(shed.pressure(), 0.0, "{pressure}");
        assert_eq!(shed.describe().state, "open", "{pressure}");
    }
    for pressure in [f64::MAX, f64::INFINITY, 2.0] {
        dial.set(pressure);
        assert_eq!(admitted(&shed), [], "{pressure}");
        assert_eq!(shed.describe().state, "shedding", "{pressure}");
    }
    dial.set(0.0);
    assert_eq!(admitted(&shed), Criticality::ALL);
}

#[test]
fn the_signal_that_is_closest_to_its_limit_counts_wherever_it_stands() {
    for most_pressed in 0..3 {
        let dials: [Dial; 3] = Default::default();
        let mut builder = LoadShed::builder("orders").signal("broken", || f64::NAN);
        for (name, dial) in ["a", "b", "c"].into_iter().zip(&dials) {
            dial.set(0.1);
            builder = builder.signal(name, dial.signal());
        }
        let shed = builder.signal("broken too", || f64::NAN).build().unwrap();
        assert_eq!(admitted(&shed), Criticality::ALL);
        dials[most_pressed].set(0.95);
        assert_eq!(shed.pressure(), 0.95);
        assert_eq!(admitted(&shed), [CriticalPlus]);
    }
}

#[tokio::test]
async fn the_class_is_the_tasks_or_what_the_request_says() {
    let (shed, dial) = dialled();
    dial.set(0.7);
    let inner = service_fn(|_: Criticality| ready(Ok::<_, Infallible>(())));
    let of_the_task = shed.layer().layer(inner);
    of_the_task.clone().oneshot(Sheddable).await.unwrap();
    let error = Sheddable.scope(of_the_task.oneshot(Critical)).await.unwrap_err();
    assert_eq!(reason(&error), Reason::Shed { criticality: Sheddable });
    let by_request = shed.layer_by(|class: &Criticality| *class).layer(inner);
    Sheddable.scope(by_request.clone().oneshot(Critical)).await.unwrap();
    assert!(by_request.oneshot(Sheddable).await.is_err());
    let own = shed.call(|| ready(Ok::<_, io::Error>(1)));
    assert_eq!(own.await.unwrap(), 1);
    let own = shed.call(|| -> std::future::Ready<io::Result<()>> { panic!("called in spite of the refusal") });
    let refused = Sheddable.scope(own).await;
    assert!(
        matches!(refused, Err(Guarded::Refused(refusal)) if refusal.reason() == Reason::Shed { criticality: Sheddable })
    );
    let failed = shed.call(|| ready(Err::<(), _>(io::Error::other("own")))).await;
    assert!(matches!(failed, Err(Guarded::Inner(error)) if error.to_string() == "own"));
}

#[test]
fn a_refused_request_does_not_touch_the_service_and_a_refusal_comes_at_the_first_poll() {
    let (shed, dial) = dialled();
    dial.set(1.0);
    let mut service = shed.layer().layer(Untouchable);
    assert!(service.poll_ready(&mut cx()).is_ready(), "it is always ready");
    let mut call = pin!(service.call(()));
    assert!(matches!(call.as_mut().poll(&mut cx()), Poll::Ready(Err(_))));
    assert!(call.poll(&mut cx()).is_pending(), "an answer comes once");
}

#[derive(Clone)]
struct Untouchable;

impl Service<()> for Untouchable {
    type Response = ();
    type Error = Infallible;
    type Future = std::future::Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        panic!("asked whether it is ready");
    }

    fn call(&mut self, (): ()) -> Self::Future {
        panic!("called");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_for_the_service_is_cut_by_the_deadline() {
    let timeout = Timeout::builder("inbound")
        .limit(Duration::from_millis(50))
        .build()
        .unwrap();
    let (shed, _) = dialled();
    let never_ready = tower::limit::ConcurrencyLimit::new(service_fn(|()| pending::<io::Result<()>>()), 1);
    let service = timeout.layer().layer(shed.layer().layer(never_ready));
    let _first = tokio::spawn(service.clone().oneshot(()));
    let error = service.oneshot(()).await.unwrap_err();
    assert!(matches!(reason(&error), Reason::Elapsed { .. }), "{error}");
}

#[tokio::test]
async fn refusals_say_nothing_to_a_breaker_outside() {
    let (shed, dial) = dialled();
    dial.set(1.0);
    let breaker = CircuitBreaker::builder("orders").window(Window::Consecutive(2));
    let breaker = breaker.build().unwrap();
    let inner = shed.layer().layer(service_fn(|()| ready(Ok::<_, Infallible>(()))));
    let mut service = breaker.layer().layer(inner);
    for _ in 0..5 {
        let error = service.ready().await.unwrap().call(()).await.unwrap_err();
        assert_eq!(reason(&error), Reason::Shed { criticality: Critical });
    }
    dial.set(0.0);
    service.ready().await.unwrap().call(()).await.unwrap();
}

#[tokio::test]
async fn the_last_places_of_an_adaptive_limit_are_for_those_who_matter_more() {
    let limit = AdaptiveLimit::builder("orders").initial(10).max(10).build().unwrap();
    let shed = LoadShed::builder("orders")
        .signal("limit", limit.clone())
        .build()
        .unwrap();
    let inner = limit.layer().layer(service_fn(|()| pending::<io::Result<()>>()));
    let service = shed.layer().layer(inner);
    let mut calls = Vec::new();
    for (class, admitted) in [(Sheddable, 7), (SheddablePlus, 1), (Critical, 1), (CriticalPlus, 1)] {
        let before = limit.snapshot().in_flight;
        let mut refused = 0;
        for _ in 0..8 {
            let mut call = Box::pin(class.scope(service.clone().oneshot(())));
            match call.as_mut().poll(&mut cx()) {
                Poll::Pending => calls.push(call),
                Poll::Ready(end) => {
                    let is_shed = reason(&end.unwrap_err()) == Reason::Shed { criticality: class };
                    assert!(is_shed, "{class} was refused by somebody else");
                    refused += 1;
                }
            }
        }
        assert_eq!(
            (limit.snapshot().in_flight - before, refused),
            (admitted, 8 - admitted),
            "{class}"
        );
    }
    drop(calls);
    assert_eq!((limit.snapshot().in_flight, admitted(&shed).len()), (0, 4));
}

#[test]
fn settings_change_while_in_use_and_a_rejected_change_keeps_the_old_ones() {
    let dial = Dial::default();
    let changes = Arc::new(AtomicU64::new(0));
    let told = changes.clone();
    let shed = LoadShed::builder("orders").signal("dial", dial.signal());
    let shed = shed.events(move |event: &Event<'_>| {
        assert!(matches!(event.change, Change::Settings), "{event:?}");
        told.fetch_add(1, Ordering::Relaxed);
    });
    let shed = shed.build().unwrap();
    let clone = shed.clone();
    dial.set(0.5);
    assert_eq!(admitted(&shed).len(), 4);
    clone
        .reconfigure(|config| config.refuse_from = [0.2, 0.4, 0.6, 0.8])
        .unwrap();
    assert_eq!(admitted(&shed), [Critical, CriticalPlus]);
    let error = shed
        .reconfigure(|config| {
            config.refuse_from = [0.9, 0.4, 1.5, f64::NAN];
            config.queue_delay = Duration::from_secs(61);
        })
        .unwrap_err();
    let text = error.to_string();
    for line in [
        "load_shed.orders.refuse_from (sheddable-plus)",
        "load_shed.orders.refuse_from (critical)",
        "load_shed.orders.refuse_from (critical-plus)",
        "load_shed.orders.queue_delay",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(admitted(&shed), [Critical, CriticalPlus]);
    assert_eq!(shed.config().refuse_from, [0.2, 0.4, 0.6, 0.8]);
    assert_eq!(changes.load(Ordering::Relaxed), 1);
}

#[test]
fn settings_out_of_range_are_refused_with_what_is_allowed() {
    let build = |class, from| LoadShed::builder("orders").refuse_from(class, from).build();
    for (class, from, message) in [
        (
            Sheddable,
            0.0,
            "`load_shed.orders.refuse_from (sheddable)` is 0; it must be from 0.01 to 1",
        ),
        (
            Sheddable,
            f64::NAN,
            "`load_shed.orders.refuse_from (sheddable)` is NaN; it must be from 0.01 to 1",
        ),
        (
            SheddablePlus,
            0.6,
            "`load_shed.orders.refuse_from (sheddable-plus)` is 0.6; it must be from 0.7 to 1",
        ),
        (
            CriticalPlus,
            1.01,
            "`load_shed.orders.refuse_from (critical-plus)` is 1.01; it must be from 0.9 to 1",
        ),
    ] {
        assert!(
            build(class, from).unwrap_err().to_string().contains(message),
            "{}",
            build(class, from).unwrap_err()
        );
    }
    for delay in [Duration::from_micros(999), Duration::from_millis(60_001)] {
        let error = LoadShed::builder("orders").queue_delay(delay).build().unwrap_err();
        let message = format!("`load_shed.orders.queue_delay` is {delay:?}; it must be 0 or from 1ms to 60s");
        assert!(error.to_string().contains(&message), "{error}");
    }
    for from in [0.01, 0.7, 0.8] {
        build(Sheddable, from).unwrap();
    }
    for delay in [0, 1, 60_000] {
        LoadShed::builder("orders")
            .queue_delay(Duration::from_millis(delay))
            .build()
            .unwrap();
    }
}

#[test]
fn the_inventory_shows_the_settings_the_signals_and_each_class() {
    let (shed, dial) = dialled();
    admitted(&shed);
    dial.set(0.85);
    admitted(&shed);
    let inventory = Inventory::default();
    inventory.add(shed.clone());
    let entry = &inventory.entries()[0];
    assert_eq!(
        (entry.kind, &*entry.name, entry.state),
        ("load_shed", "orders", "shedding")
    );
    for (name, value) in [
        ("refuse_from", "70%, 80%, 90%, 100%"),
        ("queue_delay", "30ms"),
        ("queue", "0%"),
        ("dial", "85%"),
    ] {
        assert_eq!(setting(&shed, name), value, "{name}");
    }
    for (name, count) in [
        ("calls_sheddable", 1),
        ("calls_sheddable_plus", 1),
        ("calls_critical", 2),
        ("calls_critical_plus", 2),
        ("refused_sheddable", 1),
        ("refused_sheddable_plus", 1),
        ("refused_critical", 0),
        ("refused_critical_plus", 0),
    ] {
        assert_eq!(counter(&shed, name), count, "{name}");
    }
}

struct Shedding(LoadShed);

impl Rig for Shedding {
    type Service = LoadShedService<Inner, OfTheTask>;

    fn service(&self, inner: Inner) -> Self::Service {
        self.0.layer().layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        assert_eq!(counter(&self.0, "calls_critical"), made.called, "{what}");
        assert_eq!(counter(&self.0, "refused_critical"), 0, "{what}");
        assert_eq!(admitted(&self.0).len(), 4, "{what}");
    }
}

#[test]
fn whatever_interrupts_a_call_nothing_is_held_back() {
    policy_harness::interrupt(|| Shedding(dialled().0));
}

#[tokio::test]
async fn an_error_of_readiness_is_the_calls_own_and_the_next_call_asks_again() {
    let (shed, _) = dialled();
    let mut service = shed.layer().layer(Unfit(true));
    let error = service.ready().await.unwrap().call(()).await.unwrap_err();
    assert_eq!(error.to_string(), "not now");
    service.ready().await.unwrap().call(()).await.unwrap();
    assert_eq!(counter(&shed, "calls_critical"), 2);
}

/// Is ready from the second time on.
#[derive(Clone)]
struct Unfit(bool);

impl Service<()> for Unfit {
    type Response = ();
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<()>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_unfit = std::mem::take(&mut self.0);
        Poll::Ready(if is_unfit {
            Err(io::Error::other("not now"))
        } else {
            Ok(())
        })
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

#[test]
fn two_handles_of_one_name_share_nothing() {
    let ((one, dial), (other, _)) = (dialled(), dialled());
    dial.set(1.0);
    assert_eq!((admitted(&one).len(), admitted(&other).len()), (0, 4));
    assert_eq!(counter(&other, "refused_critical"), 0);
}
