//! The fallback through its tower shell and `call`, alone and outside of other policies.

mod policy_harness;

use std::convert::Infallible;
use std::future::{Future, Ready, pending, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use policy_harness::{Inner, Made, Rig};
use seaworthy::breaker::{CircuitBreaker, Window};
use seaworthy::deadline::Deadline;
use seaworthy::events::{Change, Event};
use seaworthy::fallback::{Fallback, FallbackService, On};
use seaworthy::inventory::Describe;
use seaworthy::replay::Idempotent;
use seaworthy::retry::{Backoff, Retry};
use seaworthy::timeout::Timeout;
use seaworthy::{BoxError, Guarded, Reason, Refusal};
use tokio::time::sleep;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);
const REAL: u32 = 1;
const SPARE: u32 = 2;

fn fallback() -> Fallback {
    Fallback::builder("prices").build().unwrap()
}

/// What has been counted, without what is zero.
fn counters(described: &impl Describe) -> Vec<(&'static str, u64)> {
    let mut counters = described.describe().counters;
    counters.retain(|(_, count)| *count > 0);
    counters
}

fn spare(_: BoxError) -> Ready<Result<u32, BoxError>> {
    ready(Ok(SPARE))
}

fn pass_on(error: BoxError) -> Ready<Result<u32, BoxError>> {
    ready(Err(error))
}

async fn fail<Req>(_: Req) -> Result<u32, io::Error> {
    Err(io::Error::other("down"))
}

#[tokio::test]
async fn an_answer_passes_and_a_failure_is_answered_by_the_fallback() {
    let fallback = fallback();
    let good = fallback
        .layer(spare)
        .layer(service_fn(async |()| Ok::<_, Infallible>(REAL)));
    assert_eq!(good.oneshot(()).await.unwrap(), REAL);
    assert_eq!(counters(&fallback), [("calls", 1)]);
    let bad = fallback.layer(spare).layer(service_fn(fail));
    assert_eq!(bad.oneshot(()).await.unwrap(), SPARE);
    assert_eq!(counters(&fallback), [("calls", 2), ("used_on_failure", 1)]);
}

#[tokio::test]
async fn a_refusal_is_found_and_counted_as_one() {
    let (fallback, breaker) = (fallback(), CircuitBreaker::builder("prices").build().unwrap());
    breaker.force_open();
    let seen = Arc::new(Mutex::new(None));
    let note = seen.clone();
    let answer = move |error: BoxError| {
        *note.lock().unwrap() = Refusal::find(error.as_ref()).map(Refusal::reason);
        ready(Ok(SPARE))
    };
    let client = ServiceBuilder::new()
        .layer(fallback.layer(answer))
        .layer(breaker.layer())
        .service(service_fn(fail));
    assert_eq!(client.oneshot(()).await.unwrap(), SPARE);
    assert_eq!(*seen.lock().unwrap(), Some(Reason::CircuitOpen));
    assert_eq!(counters(&fallback), [("calls", 1), ("used_on_refusal", 1)]);
}

#[tokio::test]
async fn with_refusals_only_a_failure_passes_and_the_setting_is_live() {
    let fallback = Fallback::builder("prices").on(On::Refusals).build().unwrap();
    let mut client = fallback.layer(spare).layer(service_fn(fail));
    let error = client.ready().await.unwrap().call(()).await.unwrap_err();
    assert_eq!(error.to_string(), "down");
    assert_eq!(counters(&fallback), [("calls", 1), ("passed", 1)]);
    fallback
        .reconfigure(|config| config.on = On::RefusalsAndFailures)
        .unwrap();
    assert_eq!(client.ready().await.unwrap().call(()).await.unwrap(), SPARE);
}

#[tokio::test]
async fn a_fallback_that_passes_the_error_on_counts_as_failed() {
    let fallback = fallback();
    let client = fallback.layer(pass_on).layer(service_fn(fail));
    assert_eq!(client.oneshot(()).await.unwrap_err().to_string(), "down");
    let expected = [("calls", 1), ("used_on_failure", 1), ("failed", 1)];
    assert_eq!(counters(&fallback), expected);
}

#[tokio::test]
async fn a_fallback_gets_what_was_noted_of_the_request() {
    let tenfold = |item: u32, _| ready(Ok(item * 10));
    let mut client = fallback()
        .layer_for(|item: &u32| *item, tenfold)
        .layer(service_fn(fail));
    for item in [7, 8] {
        assert_eq!(client.ready().await.unwrap().call(item).await.unwrap(), item * 10);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_when_the_deadline_has_passed() {
    let (fallback, begun) = (fallback(), Arc::new(AtomicUsize::new(0)));
    let count = begun.clone();
    let answer = move |_: BoxError| {
        count.fetch_add(1, Ordering::SeqCst);
        ready(Ok(SPARE))
    };
    // A refusal that says so, and a failure that comes late.
    let timeout = Timeout::builder("prices").build().unwrap();
    let refused = fallback.layer(answer.clone()).layer(
        timeout
            .layer()
            .layer(service_fn(|()| pending::<Result<_, io::Error>>())),
    );
    let error = Deadline::after(10 * MS).scope(refused.oneshot(())).await.unwrap_err();
    assert_eq!(Refusal::find(error.as_ref()).unwrap().reason(), Reason::DeadlinePassed);
    let late = fallback.layer(answer).layer(service_fn(async |()| {
        sleep(20 * MS).await;
        fail(()).await
    }));
    Deadline::after(10 * MS).scope(late.oneshot(())).await.unwrap_err();
    assert_eq!(begun.load(Ordering::SeqCst), 0);
    assert_eq!(counters(&fallback), [("calls", 2), ("passed", 1), ("too_late", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_leads_to_the_fallback() {
    let (fallback, timeout) = (fallback(), Timeout::builder("prices").limit(10 * MS).build().unwrap());
    let hung = timeout
        .layer()
        .layer(service_fn(|()| pending::<Result<_, io::Error>>()));
    assert_eq!(fallback.layer(spare).layer(hung).oneshot(()).await.unwrap(), SPARE);
    assert_eq!(counters(&fallback), [("calls", 1), ("used_on_refusal", 1)]);
}

/// Fails at once, and holds something until it is dropped.
struct Holding(Option<Arc<()>>);

impl Future for Holding {
    type Output = Result<usize, io::Error>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(self.0.is_some());
        Poll::Ready(Err(io::Error::other("down")))
    }
}

#[tokio::test]
async fn what_the_inside_held_is_free_before_the_fallback_begins() {
    let held = Arc::new(());
    let inside = service_fn(|()| Holding(Some(held.clone())));
    // Those that are left: the test's own, and no other.
    let answer = |_: BoxError| ready(Ok(Arc::strong_count(&held)));
    let client = fallback().layer(answer).layer(inside);
    assert_eq!(client.oneshot(()).await.unwrap(), 1);
}

/// Fails to become ready as often as it says, and then answers.
#[derive(Clone)]
struct Unready(u32);

impl Service<()> for Unready {
    type Response = u32;
    type Error = io::Error;
    type Future = Ready<Result<u32, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        Poll::Ready(left.map_or(Ok(()), |_| Err(io::Error::other("not connected"))))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        assert_eq!(self.0, 0, "called without being ready");
        ready(Ok(REAL))
    }
}

#[tokio::test]
async fn an_error_of_readiness_answers_one_call_and_what_comes_back_serves_again() {
    let fallback = fallback();
    let mut client = fallback.layer(spare).layer(Unready(2));
    let mut answers = Vec::new();
    for _ in 0..3 {
        let ready = client.ready().await.unwrap();
        // Asked twice, as a balancer may: the error is kept for the call.
        answers.push(ready.ready().await.unwrap().call(()).await.unwrap());
    }
    assert_eq!(answers, [SPARE, SPARE, REAL]);
    assert_eq!(counters(&fallback), [("calls", 3), ("used_on_failure", 2)]);
}

#[tokio::test]
async fn an_error_of_readiness_that_is_not_for_the_fallback_is_returned() {
    let fallback = Fallback::builder("prices").on(On::Refusals).build().unwrap();
    let mut client = fallback.layer(spare).layer(Unready(1));
    assert_eq!(client.ready().await.err().unwrap().to_string(), "not connected");
    assert_eq!(client.ready().await.unwrap().call(()).await.unwrap(), REAL);
}

#[tokio::test]
async fn a_clone_does_not_take_the_error_of_readiness_along() {
    let mut client = fallback().layer(spare).layer(Unready(1));
    client.ready().await.unwrap();
    let mut clone = client.clone();
    assert_eq!(clone.ready().await.unwrap().call(()).await.unwrap(), REAL);
    assert_eq!(client.call(()).await.unwrap(), SPARE);
}

/// Holds what it is given, and never ends.
async fn hang<T>(_held: Arc<()>) -> T {
    pending().await
}

#[tokio::test]
async fn dropping_a_call_drops_whichever_runs_and_counts_as_cancelled() {
    let (fallback, held) = (fallback(), Arc::new(()));
    let mut cx = Context::from_waker(Waker::noop());
    {
        let inside = |()| hang::<Result<u32, io::Error>>(held.clone());
        let mut asking = pin!(fallback.layer(spare).layer(service_fn(inside)).oneshot(()));
        assert!(asking.as_mut().poll(&mut cx).is_pending());
        let answer = |_| hang::<Result<u32, BoxError>>(held.clone());
        let mut answering = pin!(fallback.layer(answer).layer(service_fn(fail)).oneshot(()));
        assert!(answering.as_mut().poll(&mut cx).is_pending());
        assert_eq!(Arc::strong_count(&held), 3);
    }
    assert_eq!(Arc::strong_count(&held), 1);
    let expected = [("calls", 2), ("used_on_failure", 1), ("cancelled", 2)];
    assert_eq!(counters(&fallback), expected);
}

#[test]
fn a_panic_counts_as_cancelled_wherever_it_is() {
    let fallback = fallback();
    let mut cx = Context::from_waker(Waker::noop());
    let inside = |(): ()| -> Ready<Result<u32, io::Error>> { panic!("in the inner call") };
    let mut client = fallback.layer(spare).layer(service_fn(inside));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(client.call(())))).is_err());
    assert_eq!(counters(&fallback), [("calls", 1), ("cancelled", 1)]);
    let answer = |_: BoxError| -> Ready<Result<u32, BoxError>> { panic!("in the fallback") };
    let mut client = fallback.layer(answer).layer(service_fn(fail));
    let polled = catch_unwind(AssertUnwindSafe(|| pin!(client.call(())).poll(&mut cx).is_ready()));
    assert!(polled.is_err());
    let expected = [("calls", 2), ("used_on_failure", 1), ("cancelled", 2)];
    assert_eq!(counters(&fallback), expected);
}

#[test]
fn a_call_that_is_over_does_not_poll_its_fallback_again() {
    let fallback = fallback();
    let mut cx = Context::from_waker(Waker::noop());
    // Panics if it is polled after its end.
    let answer = |_: BoxError| async { Ok(SPARE) };
    let mut call = pin!(fallback.layer(answer).layer(service_fn(fail)).call(()));
    assert!(call.as_mut().poll(&mut cx).is_ready());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    assert_eq!(counters(&fallback), [("calls", 1), ("used_on_failure", 1)]);
}

#[tokio::test]
async fn a_call_keeps_the_users_error_and_finds_refusals_in_it() {
    let (fallback, breaker) = (fallback(), CircuitBreaker::builder("prices").build().unwrap());
    let read = || breaker.call(|| fail(()));
    let spare = |error: Guarded<io::Error>| ready(matches!(error, Guarded::Inner(_)).then_some(SPARE).ok_or(error));
    assert_eq!(fallback.call(read, spare).await.unwrap(), SPARE);
    breaker.force_open();
    let error = fallback.call(read, spare).await.unwrap_err();
    assert!(matches!(error, Guarded::Refused(refusal) if refusal.reason() == Reason::CircuitOpen));
    let expected = [
        ("calls", 2),
        ("used_on_refusal", 1),
        ("used_on_failure", 1),
        ("failed", 1),
    ];
    assert_eq!(counters(&fallback), expected);
}

#[derive(Clone)]
struct Read;

impl Idempotent for Read {}

#[tokio::test(start_paused = true)]
async fn a_breaker_and_a_retry_inside_see_what_callers_do_not() {
    let fallback = fallback();
    let breaker = CircuitBreaker::builder("prices").window(Window::Consecutive(6));
    let breaker = breaker.build().unwrap();
    let retry = Retry::builder("prices").backoff(Backoff::constant(MS)).without_budget();
    let retry = retry.build().unwrap();
    let reached = Arc::new(AtomicUsize::new(0));
    let count = reached.clone();
    let client = ServiceBuilder::new()
        .layer(fallback.layer(spare))
        .layer(retry.layer())
        .layer(breaker.layer())
        .service(service_fn(move |read: Read| {
            count.fetch_add(1, Ordering::SeqCst);
            fail(read)
        }));
    for (reaches, state) in [(3, "closed"), (6, "open"), (6, "open")] {
        assert_eq!(client.clone().oneshot(Read).await.unwrap(), SPARE);
        assert_eq!(
            (reached.load(Ordering::SeqCst), breaker.describe().state),
            (reaches, state)
        );
    }
    let expected = [("calls", 3), ("used_on_refusal", 1), ("used_on_failure", 2)];
    assert_eq!(counters(&fallback), expected);
}

#[test]
fn a_change_of_settings_is_reported() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let sink = move |event: &Event<'_>| {
        assert_eq!((event.kind, event.name), ("fallback", "prices"));
        assert!(matches!(event.change, Change::Settings));
        count.fetch_add(1, Ordering::SeqCst);
    };
    let fallback = Fallback::builder("prices").events(sink).build().unwrap();
    fallback.reconfigure(|config| config.on = On::Refusals).unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert_eq!(fallback.describe().settings, [("on", "refusals".to_owned())]);
}

#[tokio::test]
async fn a_readied_clone_that_is_dropped_holds_nothing() {
    let places = Arc::new(tokio::sync::Semaphore::new(1));
    let limit = GlobalConcurrencyLimitLayer::with_semaphore(places.clone());
    let client = fallback().layer(spare).layer(limit.layer(service_fn(fail::<()>)));
    client.clone().ready().await.unwrap();
    assert_eq!(places.available_permits(), 1);
}

impl Rig for Fallback {
    type Service = FallbackService<Inner, fn(BoxError) -> Ready<Result<(), BoxError>>>;

    fn service(&self, inner: Inner) -> Self::Service {
        let answer: fn(BoxError) -> Ready<Result<(), BoxError>> = |_| ready(Ok(()));
        self.layer(answer).layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        let counters = counters(self);
        let count = |name| {
            counters
                .iter()
                .find(|(key, _)| *key == name)
                .map_or(0, |(_, count)| *count)
        };
        assert_eq!(count("calls"), made.called, "{what}");
        let otherwise = count("used_on_failure") + count("cancelled");
        assert_eq!(otherwise, made.called - made.answered, "{what}");
    }
}

#[test]
fn whatever_interrupts_a_call_nothing_is_held() {
    policy_harness::interrupt(fallback);
}
