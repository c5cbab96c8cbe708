//! Injected faults through the tower shell and `call`, on tokio's paused time. All tests have the feature `chaos`.

mod policy_harness;

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use policy_harness::{Inner, Made, Rig};
use seaworthy::breaker::{CircuitBreaker, Window};
use seaworthy::chaos::{Chaos, ChaosBuilder, ChaosService, Faulted, InjectedFault, Latency, Schedule};
use seaworthy::clock::{Clock, ManualClock};
use seaworthy::deadline::Deadline;
use seaworthy::events::{Change, Event};
use seaworthy::inventory::Describe;
use seaworthy::replay::Idempotent;
use seaworthy::retry::{Backoff, Retry};
use seaworthy::timeout::Timeout;
use seaworthy::{Part, Reason, Refusal};
use tokio::time::{Instant, timeout};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

fn enabled() -> ChaosBuilder {
    Chaos::builder("payments").enabled(true)
}

/// What has been counted, without what is zero.
fn counters(described: &impl Describe) -> Vec<(&'static str, u64)> {
    let mut counters = described.describe().counters;
    counters.retain(|(_, count)| *count > 0);
    counters
}

async fn answer<Req>(_: Req) -> Result<u32, io::Error> {
    Ok(42)
}

#[tokio::test]
async fn nothing_is_injected_until_the_settings_say_so() {
    let chaos = Chaos::builder("payments").error_share(1.0).build().unwrap();
    let mut client = chaos.layer().layer(service_fn(answer));
    assert_eq!(client.ready().await.unwrap().call(()).await.unwrap(), 42);
    assert_eq!((chaos.describe().state, counters(&chaos)), ("off", vec![]));
    chaos.reconfigure(|config| config.enabled = true).unwrap();
    client.ready().await.unwrap().call(()).await.unwrap_err();
    assert_eq!(chaos.describe().state, "on");
    chaos.reconfigure(|config| config.enabled = false).unwrap();
    assert_eq!(client.ready().await.unwrap().call(()).await.unwrap(), 42);
    assert_eq!(counters(&chaos), [("calls", 1), ("error", 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_held_back_and_its_work_is_done_first() {
    let chaos = enabled().latency(1.0, Latency::fixed(80 * MS)).build().unwrap();
    let start = Instant::now();
    let inside = service_fn(move |()| ready(Ok::<_, Infallible>(start.elapsed())));
    assert_eq!(chaos.layer().layer(inside).oneshot(()).await.unwrap(), Duration::ZERO);
    assert_eq!(start.elapsed(), 80 * MS);
    assert_eq!(counters(&chaos), [("calls", 1), ("latency", 1)]);
}

#[tokio::test(start_paused = true)]
async fn latencies_are_of_the_whole_range() {
    let latency = Latency::uniform(10 * MS, 50 * MS);
    let chaos = enabled().latency(1.0, latency).seed(3).build().unwrap();
    let mut took = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        chaos.call(|| answer(())).await.unwrap();
        took.push(start.elapsed());
    }
    let (shortest, longest) = (took.iter().min().unwrap(), took.iter().max().unwrap());
    assert!((10 * MS..14 * MS).contains(shortest), "{shortest:?}");
    assert!((46 * MS..52 * MS).contains(longest), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_latency_does_not_outlive_the_deadline_and_whoever_keeps_that_has_the_word() {
    let chaos = enabled().latency(1.0, Latency::fixed(10 * SEC)).build().unwrap();
    let start = Instant::now();
    let kept_by_nobody = Deadline::after(50 * MS).scope(chaos.call(|| answer(())));
    assert_eq!(kept_by_nobody.await.unwrap(), 42);
    assert_eq!(start.elapsed(), 50 * MS);
    let limit = Timeout::builder("payments").limit(50 * MS).build().unwrap();
    let client = limit.layer().layer(chaos.layer().layer(service_fn(answer)));
    let error = client.oneshot(()).await.unwrap_err();
    let (limit, part) = (50 * MS, Part::Response);
    assert_eq!(
        Refusal::find(error.as_ref()).unwrap().reason(),
        Reason::Elapsed { limit, part }
    );
    assert_eq!(start.elapsed(), 100 * MS);
}

#[tokio::test]
async fn an_error_is_found_as_what_it_is() {
    let chaos = enabled().error_share(1.0).build().unwrap();
    let error = chaos.layer().layer(service_fn(answer)).oneshot(()).await.unwrap_err();
    let fault = InjectedFault::find(error.as_ref()).unwrap();
    assert_eq!((fault.name(), fault.is_disconnect()), ("payments", false));
    assert_eq!(error.to_string(), "chaos `payments`: injected error");
    let own = chaos.call(|| answer(())).await.unwrap_err();
    assert!(matches!(&own, Faulted::Injected(injected) if injected == fault));
    assert_eq!(InjectedFault::find(&own), Some(fault));
}

#[tokio::test]
async fn a_broken_connection_is_an_io_error_with_the_fault_in_it() {
    let chaos = enabled().disconnect_share(1.0).build().unwrap();
    let error = chaos.layer().layer(service_fn(answer)).oneshot(()).await.unwrap_err();
    let kind = error.downcast_ref::<io::Error>().unwrap().kind();
    assert_eq!(kind, io::ErrorKind::ConnectionReset);
    assert!(InjectedFault::find(error.as_ref()).unwrap().is_disconnect());
    assert_eq!(counters(&chaos), [("calls", 1), ("disconnect", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_hang_ends_by_a_deadline_and_not_by_itself() {
    let chaos = enabled().hang_share(1.0).build().unwrap();
    let mut client = chaos.layer().layer(service_fn(answer));
    let hung = client.ready().await.unwrap().call(());
    timeout(24 * 60 * 60 * SEC, hung).await.unwrap_err();
    let limit = Timeout::builder("payments").limit(SEC).build().unwrap();
    let error = limit.layer().layer(client).oneshot(()).await.unwrap_err();
    assert!(Refusal::find(error.as_ref()).is_some());
    assert_eq!(counters(&chaos), [("calls", 2), ("hang", 2)]);
}

/// Is never ready.
#[derive(Clone)]
struct NeverReady;

impl Service<()> for NeverReady {
    type Response = u32;
    type Error = io::Error;
    type Future = Ready<Result<u32, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        panic!("called without being ready")
    }
}

#[test]
fn an_inside_that_will_not_be_called_is_not_asked() {
    let mut cx = Context::from_waker(Waker::noop());
    let faults: [fn(ChaosBuilder) -> ChaosBuilder; 3] = [
        |chaos| chaos.error_share(1.0),
        |chaos| chaos.hang_share(1.0),
        |chaos| chaos.disconnect_share(1.0),
    ];
    for fault in faults {
        let mut client = fault(enabled()).build().unwrap().layer().layer(NeverReady);
        assert!(client.poll_ready(&mut cx).is_ready());
        let _ = pin!(client.call(())).poll(&mut cx);
    }
    let mut client = enabled().build().unwrap().layer().layer(NeverReady);
    assert!(client.poll_ready(&mut cx).is_pending());
}

/// Which of a hundred calls fail.
async fn failures(seed: u64) -> Vec<bool> {
    let chaos = enabled().error_share(0.5).seed(seed).build().unwrap();
    let mut failures = Vec::new();
    for _ in 0..100 {
        failures.push(chaos.call(|| answer(())).await.is_err());
    }
    failures
}

#[tokio::test]
async fn the_same_seed_has_the_same_faults_and_another_has_others() {
    assert_eq!(failures(1).await, failures(1).await);
    assert_ne!(failures(1).await, failures(2).await);
}

#[tokio::test]
async fn a_schedule_begins_when_it_is_enabled_and_comes_again() {
    let manual = ManualClock::default();
    let schedule = Schedule::after(10 * SEC).lasts(5 * SEC).every(20 * SEC);
    let chaos = Chaos::builder("payments").error_share(1.0).schedule(schedule);
    let chaos = chaos.clock(Clock::from(manual.clone())).build().unwrap();
    manual.advance(12 * SEC);
    chaos.reconfigure(|config| config.enabled = true).unwrap();
    let mut seen = Vec::new();
    for _ in 0..9 {
        seen.push(chaos.call(|| answer(())).await.is_err());
        manual.advance(5 * SEC);
        // Another change does not begin it again.
        chaos.reconfigure(|config| config.latency = Latency::fixed(MS)).unwrap();
    }
    let (off, on) = (false, true);
    assert_eq!(seen, [off, off, on, off, off, off, on, off, off]);
}

#[derive(Clone)]
struct Read;

impl Idempotent for Read {}

#[tokio::test(start_paused = true)]
async fn all_guards_outside_take_a_fault_for_the_dependencys() {
    let chaos = enabled().error_share(1.0).build().unwrap();
    let breaker = CircuitBreaker::builder("payments").window(Window::Consecutive(3));
    let breaker = breaker.build().unwrap();
    let retry = Retry::builder("payments")
        .backoff(Backoff::constant(MS))
        .build()
        .unwrap();
    let client = ServiceBuilder::new()
        .layer(retry.layer())
        .layer(breaker.layer())
        .layer(chaos.layer())
        .service(service_fn(answer));
    client.oneshot(Read).await.unwrap_err();
    assert_eq!(breaker.describe().state, "open");
    assert_eq!(counters(&chaos), [("calls", 3), ("error", 3)]);
}

#[test]
fn whoever_turns_it_on_or_off_is_told_of() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let sink = move |event: &Event<'_>| {
        assert_eq!((event.kind, event.name), ("chaos", "payments"));
        log.lock().unwrap().push(match event.change {
            Change::State { from, to, .. } => format!("{from} to {to}"),
            Change::Settings => "settings".to_owned(),
            _ => panic!("{event:?}"),
        });
    };
    let chaos = enabled().events(sink).build().unwrap();
    chaos.reconfigure(|config| config.enabled = false).unwrap();
    chaos.reconfigure(|config| config.error_share = 1.5).unwrap_err();
    chaos.reconfigure(|config| config.error_share = 0.5).unwrap();
    chaos.reconfigure(|config| config.enabled = true).unwrap();
    let told = seen.lock().unwrap().join(", ");
    assert_eq!(told, "off to on, settings, on to off, settings, settings, off to on");
}

#[test]
fn what_cannot_be_accepted_is_named_with_what_could_be() {
    let wrong = |chaos: ChaosBuilder| chaos.build().unwrap_err().to_string();
    let chaos = || Chaos::builder("payments");
    assert_eq!(
        wrong(chaos().error_share(-0.1).hang_share(f64::NAN)),
        "`chaos.payments.error_share` is -0.1; it must be from 0 to 1\n\
         `chaos.payments.hang_share` is NaN; it must be from 0 to 1"
    );
    assert_eq!(
        wrong(chaos().error_share(0.75).hang_share(0.5)),
        "`chaos.payments.shares` is 1.25 in all; it must be at most 1, as a call has one fault at most"
    );
    assert_eq!(
        wrong(chaos().latency(0.1, Latency::uniform(3 * SEC, 2 * SEC))),
        "`chaos.payments.latency.min` is 3s; it must be at most `latency.max` (2s)"
    );
    assert_eq!(
        wrong(chaos().latency(0.1, Latency::fixed(Duration::ZERO))),
        "`chaos.payments.latency.min` is 0ns; it must be from 1ms to 3600s\n\
         `chaos.payments.latency.max` is 0ns; it must be from 1ms to 3600s"
    );
    assert_eq!(
        wrong(chaos().schedule(Schedule::default().every(SEC))),
        "`chaos.payments.schedule.every` is 1s; it must be none without `schedule.lasts`, \
         as what never ends cannot begin again"
    );
    assert_eq!(
        wrong(chaos().schedule(Schedule::after(25 * 3600 * SEC).lasts(3 * SEC).every(2 * SEC))),
        "`chaos.payments.schedule.after` is 90000s; it must be at most 86400s\n\
         `chaos.payments.schedule.every` is 2s; it must be at least `schedule.lasts` (3s)"
    );
    // Sums that are not exact.
    for shares in [[0.1, 0.2, 0.7], [0.7, 0.2, 0.1]] {
        let [error, hang, disconnect] = shares;
        let chaos = chaos().error_share(error).hang_share(hang).disconnect_share(disconnect);
        chaos.build().unwrap();
    }
}

#[test]
fn the_inventory_shows_the_settings_in_force() {
    let latency = Latency::uniform(10 * MS, 20 * MS);
    let schedule = Schedule::after(SEC).lasts(2 * SEC).every(3 * SEC);
    let chaos = enabled().latency(0.25, latency).schedule(schedule).build().unwrap();
    let expected = [
        ("enabled", "true"),
        ("latency", "10ms to 20ms"),
        ("schedule", "after 1s for 2s every 3s"),
        ("latency_share", "0.25"),
        ("error_share", "0"),
        ("hang_share", "0"),
        ("disconnect_share", "0"),
    ];
    assert_eq!(
        chaos.describe().settings,
        expected.map(|(key, value)| (key, value.to_owned()))
    );
}

#[tokio::test]
async fn a_clone_draws_for_itself() {
    let chaos = enabled().error_share(1.0).build().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let mut client = chaos.layer().layer(service_fn(move |()| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(())
    }));
    client.ready().await.unwrap();
    let mut clone = client.clone();
    chaos.reconfigure(|config| config.enabled = false).unwrap();
    clone.ready().await.unwrap().call(()).await.unwrap();
    client.call(()).await.unwrap_err();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_off_by_the_time_of_the_call_is_not_done_if_the_inside_was_asked() {
    let late = enabled().latency(1.0, Latency::fixed(SEC)).build().unwrap();
    let mut client = late.layer().layer(service_fn(answer));
    client.ready().await.unwrap();
    late.reconfigure(|config| config.enabled = false).unwrap();
    let start = Instant::now();
    client.call(()).await.unwrap();
    assert_eq!((start.elapsed(), counters(&late)), (Duration::ZERO, vec![]));
    // What was not asked cannot be called; one call, and no more.
    let failing = enabled().error_share(1.0).build().unwrap();
    let mut client = failing.layer().layer(service_fn(answer));
    client.ready().await.unwrap();
    failing.reconfigure(|config| config.enabled = false).unwrap();
    client.call(()).await.unwrap_err();
    client.ready().await.unwrap().call(()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_its_schedule_by_the_time_of_the_call_is_not_done() {
    let manual = ManualClock::default();
    let chaos = enabled().latency(1.0, Latency::fixed(SEC));
    let chaos = chaos.schedule(Schedule::default().lasts(5 * SEC));
    let chaos = chaos.clock(Clock::from(manual.clone())).build().unwrap();
    let mut client = chaos.layer().layer(service_fn(answer));
    client.ready().await.unwrap();
    manual.advance(5 * SEC);
    let start = Instant::now();
    client.call(()).await.unwrap();
    assert_eq!(
        (start.elapsed(), counters(&chaos)),
        (Duration::ZERO, vec![("calls", 1)])
    );
}

impl Rig for Chaos {
    type Service = ChaosService<Inner>;

    fn service(&self, inner: Inner) -> Self::Service {
        self.layer().layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        let calls = self.describe().counters[0].1;
        let is_on = self.describe().state == "on";
        assert_eq!(calls, if is_on { made.called } else { 0 }, "{what}");
    }
}

#[test]
fn whatever_interrupts_a_call_nothing_is_held() {
    policy_harness::interrupt(|| Chaos::builder("payments").build().unwrap());
    policy_harness::interrupt(|| enabled().build().unwrap());
    policy_harness::interrupt(|| enabled().error_share(1.0).build().unwrap());
}
