//! The timeout through its tower shell and `call`, on tokio's paused time.

mod policy_harness;

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use policy_harness::{Inner, Made, Rig};
use seaworthy::events::{Change, Event};
use seaworthy::inventory::Describe;
use seaworthy::timeout::{Timeout, TimeoutService};
use seaworthy::{Guarded, Reason, Refusal};
use tokio::time::{Instant, advance, sleep};
use tower::limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_millis(100);

fn timeout() -> Timeout {
    Timeout::builder("payments").limit(LIMIT).build().unwrap()
}

fn counter(timeout: &Timeout, name: &str) -> u64 {
    let entry = timeout.describe();
    entry.counters.iter().find(|(key, _)| *key == name).unwrap().1
}

async fn hang(_: ()) -> Result<(), Infallible> {
    pending().await
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_ends_at_the_limit() {
    let timeout = timeout();
    let start = Instant::now();
    let error = timeout.layer().layer(service_fn(hang)).oneshot(()).await.unwrap_err();
    assert_eq!(start.elapsed(), LIMIT);
    let refusal = Refusal::find(error.as_ref()).unwrap();
    assert!(matches!(refusal.reason(), Reason::Elapsed { limit: LIMIT, .. }));
    assert_eq!((refusal.policy(), refusal.name()), ("timeout", "payments"));
    assert_eq!(
        [
            counter(&timeout, "calls"),
            counter(&timeout, "elapsed"),
            counter(&timeout, "cancelled")
        ],
        [1, 1, 0]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_there_wins_over_a_limit_that_has_passed() {
    let timeout = timeout();
    let service = service_fn(|()| async {
        sleep(LIMIT).await;
        Ok::<_, Infallible>("answer")
    });
    let mut call = pin!(timeout.layer().layer(service).oneshot(()));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    advance(LIMIT * 2).await;
    assert_eq!(call.await.unwrap(), "answer");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_covers_waiting_for_readiness() {
    let timeout = timeout();
    let limited = timeout.layer().layer(ConcurrencyLimit::new(service_fn(hang), 1));
    let _holds_the_permit = tokio::spawn(limited.clone().oneshot(()));
    advance(LIMIT / 2).await;
    let start = Instant::now();
    let error = limited.oneshot(()).await.unwrap_err();
    assert!(Refusal::find(error.as_ref()).is_some());
    // The first call's permit came free half way: the second one's limit was not made longer by that.
    assert_eq!(start.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_is_not_reported_as_a_timeout() {
    let timeout = timeout();
    let service = service_fn(|()| async {
        sleep(LIMIT / 2).await;
        assert!(LIMIT.is_zero(), "inside");
        Ok::<_, Infallible>(())
    });
    let error = tokio::spawn(timeout.layer().layer(service).oneshot(()))
        .await
        .unwrap_err();
    assert!(error.is_panic());
    assert_eq!([counter(&timeout, "elapsed"), counter(&timeout, "cancelled")], [0, 1]);
}

#[tokio::test]
async fn a_future_that_uses_up_its_tasks_budget_is_still_ended() {
    let timeout = Timeout::builder("greedy")
        .limit(Duration::from_millis(5))
        .build()
        .unwrap();
    let mut polls = 0u32;
    let greedy = poll_fn(move |cx| {
        // Takes from the budget until there is none left, and asks to be polled again.
        while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
        cx.waker().wake_by_ref();
        polls += 1;
        if polls < 200_000 {
            Poll::Pending
        } else {
            Poll::Ready(Ok::<_, Infallible>("never ended"))
        }
    });
    let ended = tokio::spawn(async move { timeout.call(|| greedy).await })
        .await
        .unwrap();
    assert!(matches!(ended, Err(Guarded::Refused(_))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_counts_as_cancelled_and_gives_its_permit_back_at_every_poll() {
    for polls in 0..4 {
        let timeout = timeout();
        let semaphore = Arc::new(tokio::sync::Semaphore::new(1));
        let steps = service_fn(|()| async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            Ok::<_, Infallible>(())
        });
        let limit = GlobalConcurrencyLimitLayer::with_semaphore(semaphore.clone());
        let mut service = timeout.layer().layer(limit.layer(steps));
        {
            let mut call = pin!(service.ready().await.unwrap().call(()));
            for _ in 0..polls {
                assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
        }
        assert_eq!(semaphore.available_permits(), 1, "after {polls} polls");
        assert_eq!(
            [counter(&timeout, "calls"), counter(&timeout, "cancelled")],
            [1, 1],
            "after {polls} polls"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_readied_clone_that_is_dropped_holds_nothing() {
    let semaphore = Arc::new(tokio::sync::Semaphore::new(1));
    let limit = GlobalConcurrencyLimitLayer::with_semaphore(semaphore.clone());
    let mut service = timeout().layer().layer(limit.layer(service_fn(hang)));
    service.ready().await.unwrap();
    let mut clone = service.clone();
    clone.ready().await.unwrap();
    assert_eq!(semaphore.available_permits(), 1);
}

/// Counts its clones, and is ready at once or at the second poll.
struct Counted {
    clones: Arc<AtomicUsize>,
    ready: bool,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::SeqCst);
        Self {
            clones: self.clones.clone(),
            ready: false,
        }
    }
}

impl Service<()> for Counted {
    type Response = ();
    type Error = Infallible;
    type Future = std::future::Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if std::mem::replace(&mut self.ready, true) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        assert!(std::mem::replace(&mut self.ready, false), "called without being ready");
        std::future::ready(Ok(()))
    }
}

#[tokio::test]
async fn a_service_that_is_ready_is_not_cloned_and_one_that_is_not_is_waited_for() {
    for (ready, expected) in [(true, 0), (false, 1)] {
        let clones = Arc::new(AtomicUsize::new(0));
        let mut service = timeout().layer().layer(Counted {
            clones: clones.clone(),
            ready,
        });
        service.ready().await.unwrap().call(()).await.unwrap();
        assert_eq!(clones.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn clones_share_limits_and_counters_and_handles_share_nothing() {
    let (one, other) = (timeout(), timeout());
    let mut service = one.layer().layer(service_fn(hang));
    one.clone().reconfigure(|config| config.limit = LIMIT * 3).unwrap();
    let start = Instant::now();
    service.ready().await.unwrap().call(()).await.unwrap_err();
    assert_eq!(
        start.elapsed(),
        LIMIT * 3,
        "a layer that was made before sees the change"
    );
    assert_eq!(counter(&one, "calls"), 1);
    assert_eq!((counter(&other, "calls"), other.config().limit), (0, LIMIT));
}

#[tokio::test]
async fn a_change_of_settings_is_reported_and_a_rejected_one_is_not() {
    let seen = Arc::new(AtomicUsize::new(0));
    let sink = {
        let seen = seen.clone();
        move |event: &Event<'_>| {
            assert_eq!((event.kind, event.name), ("timeout", "payments"));
            assert!(matches!(event.change, Change::Settings));
            seen.fetch_add(1, Ordering::SeqCst);
        }
    };
    let timeout = Timeout::builder("payments").events(sink).build().unwrap();
    timeout.reconfigure(|config| config.limit = LIMIT).unwrap();
    timeout.reconfigure(|config| config.limit = Duration::ZERO).unwrap_err();
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

impl Rig for Timeout {
    type Service = TimeoutService<Inner>;

    fn service(&self, inner: Inner) -> Self::Service {
        self.layer().layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        let [calls, elapsed] = ["calls", "elapsed"].map(|name| counter(self, name));
        assert_eq!((calls, elapsed), (made.called, 0), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_interrupts_a_call_nothing_is_held() {
    policy_harness::interrupt(timeout);
}
