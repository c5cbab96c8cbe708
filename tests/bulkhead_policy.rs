//! The bulkhead through its tower shells, by `call`, and what an operator reads from its handle.

mod policy_harness;

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use policy_harness::{Inner, Made, Rig};
use seaworthy::bulkhead::{
    Bulkhead, BulkheadService, KeyedBulkhead, KeyedBulkheadService, PartitionedBulkhead, PartitionedBulkheadService,
    Permit,
};
use seaworthy::deadline::Deadline;
use seaworthy::events::{Change, Event};
use seaworthy::inventory::{Describe, Inventory};
use seaworthy::outcome::Outcome;
use seaworthy::timeout::Timeout;
use seaworthy::{BoxError, Guarded, Reason, Refusal};
use tokio::sync::{Notify, oneshot};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const WAIT: Duration = Duration::from_millis(100);

/// So many places, and so many positions in the queue.
fn bulkhead(concurrent: u32, queue: u32) -> Bulkhead {
    let builder = Bulkhead::builder("payments").concurrent(concurrent).queue(queue);
    builder.wait(WAIT).build().unwrap()
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn counter(described: &impl Describe, name: &str) -> u64 {
    let entry = described.describe();
    entry.counters.iter().find(|(key, _)| *key == name).unwrap().1
}

/// Calls under way, and callers that wait.
fn load(bulkhead: &Bulkhead) -> (usize, usize) {
    let snapshot = bulkhead.snapshot();
    (snapshot.in_flight, snapshot.queued)
}

/// Takes a place that is free.
fn hold(bulkhead: &Bulkhead) -> Permit {
    match pin!(bulkhead.acquire()).poll(&mut cx()) {
        Poll::Ready(Ok(permit)) => permit,
        other => panic!("no place is free: {other:?}"),
    }
}

fn reason(error: &BoxError) -> Reason {
    Refusal::find(error.as_ref()).expect("a refusal").reason()
}

fn refused<T, E>(end: Result<T, Guarded<E>>) -> Reason {
    match end {
        Err(Guarded::Refused(refusal)) => refusal.reason(),
        _ => panic!("not refused"),
    }
}

const FULL: Reason = Reason::BulkheadFull { waited: Duration::ZERO };
const TIMED_OUT: Reason = Reason::BulkheadFull { waited: WAIT };

/// Never answers.
fn hanging()
-> impl Service<(), Response = (), Error = io::Error, Future = impl Future<Output = Result<(), io::Error>>> + Clone {
    service_fn(|()| pending::<Result<(), io::Error>>())
}

fn is_ready<S: Service<(), Error = BoxError>>(service: &mut S) -> bool {
    match service.poll_ready(&mut cx()) {
        Poll::Ready(end) => {
            end.expect("a refusal is no error of readiness");
            true
        }
        Poll::Pending => false,
    }
}

#[test]
fn a_limit_holds_across_clones_and_layers_of_one_handle() {
    let bulkhead = bulkhead(2, 1);
    let mut one = bulkhead.layer().layer(hanging());
    let handle = bulkhead.clone();
    let mut other = handle.layer().layer(hanging());
    let mut clone = one.clone();
    assert!(is_ready(&mut one) && is_ready(&mut other));
    let _calls = (one.call(()), other.call(()));
    assert_eq!(load(&bulkhead), (2, 0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    assert!(!is_ready(&mut clone), "a third one was let in");
    assert_eq!(load(&bulkhead), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_holds_across_tasks_and_threads() {
    let bulkhead = Bulkhead::builder("payments")
        .concurrent(3)
        .queue(1000)
        .wait(Duration::from_secs(60));
    let bulkhead = bulkhead.build().unwrap();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let inner = {
        let (now, most) = (now.clone(), most.clone());
        service_fn(move |()| {
            let (now, most) = (now.clone(), most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            }
        })
    };
    let service = bulkhead.layer().layer(inner);
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    service.clone().oneshot(()).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(load(&bulkhead), (0, 0));
    assert_eq!(counter(&bulkhead, "calls"), 4000);
    assert!(bulkhead.snapshot().waited > 0);
}

#[test]
fn a_readied_clone_that_is_dropped_gives_its_place_back() {
    let bulkhead = bulkhead(1, 0);
    let mut service = bulkhead.layer().layer(hanging());
    assert!(is_ready(&mut service));
    assert_eq!(load(&bulkhead), (1, 0));
    let mut clone = service.clone();
    assert!(is_ready(&mut clone));
    assert_eq!(load(&bulkhead), (1, 0), "a clone has its place");
    let refused = pin!(clone.call(())).poll(&mut cx());
    assert!(matches!(refused, Poll::Ready(Err(_))), "a clone has its place");
    drop(service);
    assert_eq!(load(&bulkhead), (0, 0));
    assert_eq!(counter(&bulkhead, "cancelled"), 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_let_in_in_the_order_in_which_they_came() {
    let bulkhead = bulkhead(1, 10);
    let order = Arc::new(Mutex::new(Vec::new()));
    let held = hold(&bulkhead);
    let mut tasks = Vec::new();
    for n in 0..5 {
        let (bulkhead, order) = (bulkhead.clone(), order.clone());
        tasks.push(tokio::spawn(async move {
            let call = bulkhead.call(|| async {
                order.lock().unwrap().push(n);
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(())
            });
            call.await.unwrap();
        }));
        tokio::task::yield_now().await;
    }
    assert_eq!(load(&bulkhead), (1, 5));
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(bulkhead.snapshot().waited, 5);
}

#[tokio::test(start_paused = true)]
async fn a_late_comer_does_not_overtake_who_waits() {
    let bulkhead = bulkhead(1, 10);
    let held = hold(&bulkhead);
    let mut first = bulkhead.layer().layer(hanging());
    assert!(!is_ready(&mut first));
    drop(held);
    // The place is the first one's, though nobody has polled it since.
    let mut late = bulkhead.layer().layer(hanging());
    assert!(!is_ready(&mut late), "it took the place of who waited");
    assert!(is_ready(&mut first));
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_may_and_a_refusal_leaves_the_inner_service_alone() {
    let bulkhead = bulkhead(1, 1);
    let _held = hold(&bulkhead);
    let mut waiting = bulkhead.layer().layer(hanging());
    assert!(!is_ready(&mut waiting));
    let asked = Arc::new(AtomicUsize::new(0));
    let mut refused = bulkhead.layer().layer(CountsAsks(asked.clone()));
    assert!(
        is_ready(&mut refused),
        "whoever will be refused has nothing to wait for"
    );
    let error = refused.call(()).await.unwrap_err();
    assert_eq!(reason(&error), FULL);
    let refusal = Refusal::find(error.as_ref()).unwrap();
    assert_eq!(refusal.to_string(), "bulkhead `payments`: no place is free");
    assert_eq!(refusal.outcome(), Outcome::Ignored);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert_eq!(["refused", "timed_out"].map(|name| counter(&bulkhead, name)), [1, 0]);
}

/// Counts how often it is asked whether it is ready.
#[derive(Clone)]
struct CountsAsks(Arc<AtomicUsize>);

impl Service<()> for CountsAsks {
    type Response = ();
    type Error = io::Error;
    type Future = std::future::Ready<Result<(), io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_long_enough_ends_in_a_refusal() {
    let bulkhead = bulkhead(1, 1);
    let _held = hold(&bulkhead);
    let start = tokio::time::Instant::now();
    let layered = bulkhead.layer().layer(hanging()).oneshot(());
    assert_eq!(reason(&layered.await.unwrap_err()), TIMED_OUT);
    let called = bulkhead.call(|| ready(Ok::<_, io::Error>(())));
    assert_eq!(refused(called.await), TIMED_OUT);
    assert_eq!(start.elapsed(), WAIT * 2);
    assert_eq!(load(&bulkhead), (1, 0));
    assert_eq!(
        ["refused", "timed_out", "waited"].map(|name| counter(&bulkhead, name)),
        [2; 3]
    );
    let snapshot = bulkhead.snapshot();
    assert_eq!((snapshot.queue_time, snapshot.longest_wait), (WAIT * 2, WAIT));
}

#[tokio::test]
async fn a_wait_ends_by_the_real_clock_too() {
    let bulkhead = Bulkhead::builder("payments")
        .concurrent(1)
        .wait(Duration::from_millis(5));
    let bulkhead = bulkhead.build().unwrap();
    let _held = hold(&bulkhead);
    let start = Instant::now();
    bulkhead.acquire().await.unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(5));
    assert!(bulkhead.snapshot().longest_wait >= Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_wait_is_refused_at_once() {
    let bulkhead = Bulkhead::builder("payments")
        .concurrent(1)
        .wait(Duration::ZERO)
        .build()
        .unwrap();
    let _held = hold(&bulkhead);
    let start = tokio::time::Instant::now();
    assert_eq!(refused(bulkhead.call(|| ready(Ok::<_, io::Error>(()))).await), FULL);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_callers_deadline() {
    let bulkhead = bulkhead(1, 1);
    let _held = hold(&bulkhead);
    let start = tokio::time::Instant::now();
    let deadline = Deadline::after(WAIT / 2);
    let call = bulkhead.call(|| ready(Ok::<_, io::Error>(())));
    assert_eq!(refused(deadline.scope(call).await), Reason::DeadlinePassed);
    assert_eq!(start.elapsed(), WAIT / 2);
    // Places are free, but nobody waits for the answer.
    let free = self::bulkhead(1, 1);
    let layered = deadline.scope(free.layer().layer(hanging()).oneshot(())).await;
    assert_eq!(reason(&layered.unwrap_err()), Reason::DeadlinePassed);
    let called = deadline.scope(free.call(|| ready(Ok::<_, io::Error>(())))).await;
    assert_eq!(refused(called), Reason::DeadlinePassed);
    assert_eq!(["calls", "refused"].map(|name| counter(&free, name)), [0, 2]);
    assert_eq!(load(&free), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_ends_the_wait_and_says_so_itself() {
    let bulkhead = bulkhead(1, 1);
    let _held = hold(&bulkhead);
    let timeout = Timeout::builder("payments").limit(WAIT / 2).build().unwrap();
    let service = ServiceBuilder::new().layer(timeout.layer()).layer(bulkhead.layer());
    let error = service.service(hanging()).oneshot(()).await.unwrap_err();
    assert!(matches!(reason(&error), Reason::Elapsed { .. }), "{error}");
    assert_eq!(load(&bulkhead), (1, 0));
    assert_eq!(["refused", "cancelled"].map(|name| counter(&bulkhead, name)), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_there_wins_over_a_wait_that_was_long_enough() {
    let bulkhead = bulkhead(1, 1);
    let held = hold(&bulkhead);
    let mut call = Box::pin(bulkhead.call(|| ready(Ok::<_, io::Error>(7))));
    assert!(call.as_mut().poll(&mut cx()).is_pending());
    drop(held);
    tokio::time::advance(WAIT * 2).await;
    assert_eq!(call.await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn nobody_begins_after_the_deadline_though_a_place_is_there() {
    let bulkhead = bulkhead(1, 1);
    let held = hold(&bulkhead);
    let began = AtomicUsize::new(0);
    let call = bulkhead.call(|| {
        began.fetch_add(1, Ordering::SeqCst);
        ready(Ok::<_, io::Error>(()))
    });
    let mut call = pin!(Deadline::after(WAIT / 2).scope(call));
    assert!(call.as_mut().poll(&mut cx()).is_pending());
    drop(held);
    tokio::time::advance(WAIT * 2).await;
    assert_eq!(refused(call.await), Reason::DeadlinePassed);
    assert_eq!((began.load(Ordering::SeqCst), load(&bulkhead)), (0, (0, 0)));

    // Nor does one that was ready in time and is called too late.
    let mut service = bulkhead.layer().layer(CountsAsks(Arc::default()));
    assert!(is_ready(&mut service));
    let deadline = Deadline::after(WAIT);
    tokio::time::advance(WAIT * 2).await;
    let late = deadline.scope(async { service.call(()).await }).await;
    assert_eq!(reason(&late.unwrap_err()), Reason::DeadlinePassed);
    assert_eq!(load(&bulkhead), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_leaves_the_queue_and_passes_its_place_on() {
    let bulkhead = bulkhead(1, 2);
    let held = hold(&bulkhead);
    let mut services = [(); 3].map(|()| bulkhead.layer().layer(hanging()));
    let [first, second, third] = &mut services;
    assert!(!is_ready(first) && !is_ready(second));
    assert_eq!(load(&bulkhead), (1, 2));
    *second = bulkhead.layer().layer(hanging());
    assert_eq!(load(&bulkhead), (1, 1));
    assert!(!is_ready(third));
    drop(held);
    // The first one has the place and does not know it.
    *first = bulkhead.layer().layer(hanging());
    assert_eq!(load(&bulkhead), (1, 0));
    assert!(is_ready(third));
    assert_eq!(["cancelled", "refused"].map(|name| counter(&bulkhead, name)), [2, 0]);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken_when_its_place_is_there() {
    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let bulkhead = bulkhead(1, 1);
    let held = hold(&bulkhead);
    let woken = [(); 2].map(|()| Arc::new(Count::default()));
    let mut acquire = Box::pin(bulkhead.acquire());
    for waker in &woken {
        let waker = Waker::from(waker.clone());
        assert!(acquire.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(held);
    assert_eq!(
        woken.map(|count| count.0.load(Ordering::SeqCst)),
        [0, 1],
        "the last one counts"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_calls_without_having_asked_gets_a_place_that_is_free_and_waits_for_none() {
    let bulkhead = bulkhead(1, 1);
    let mut service = bulkhead.layer().layer(CountsAsks(Arc::default()));
    service.call(()).await.unwrap();
    let held = hold(&bulkhead);
    assert_eq!(reason(&service.call(()).await.unwrap_err()), FULL);
    let counts = || ["calls", "refused", "cancelled", "waited"].map(|name| counter(&bulkhead, name));
    assert_eq!((load(&bulkhead), counts()), ((1, 0), [2, 1, 0, 0]));

    // It asked, and did not wait for the answer.
    assert!(!is_ready(&mut service));
    drop(held);
    service.call(()).await.unwrap();
    assert_eq!((load(&bulkhead), counts()), ((0, 0), [3, 1, 1, 1]));

    let held = hold(&bulkhead);
    let mut first = bulkhead.layer().layer(hanging());
    assert!(!is_ready(&mut first));
    drop(held);
    assert_eq!(
        reason(&service.call(()).await.unwrap_err()),
        FULL,
        "it overtook who waits"
    );
    assert!(is_ready(&mut first));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_nobody_was_told_is_not_kept_for_whoever_asks_next() {
    let narrow = bulkhead(1, 0);
    let mut service = narrow.layer().layer(CountsAsks(Arc::default()));
    let held = hold(&narrow);
    assert!(is_ready(&mut service));
    drop(held);
    assert!(is_ready(&mut service));
    service.call(()).await.unwrap();

    // Nobody waits twice for one call.
    let bulkhead = bulkhead(1, 1);
    let held = hold(&bulkhead);
    let mut service = bulkhead.layer().layer(CountsAsks(Arc::default()));
    service.ready().await.unwrap();
    assert!(is_ready(&mut service));
    assert_eq!(reason(&service.call(()).await.unwrap_err()), TIMED_OUT);

    // A deadline is that of one caller, whether it had passed before it asked or passed while it waited.
    for waits in [true, false] {
        let deadline = Deadline::after(if waits { WAIT / 2 } else { Duration::ZERO });
        let mut service = bulkhead.layer().layer(CountsAsks(Arc::default()));
        assert_eq!(deadline.scope(async { is_ready(&mut service) }).await, !waits);
        tokio::time::advance(WAIT / 2).await;
        assert!(!is_ready(&mut service), "the deadline was somebody else's");
    }
    drop(held);
    assert_eq!((load(&bulkhead), counter(&bulkhead, "refused")), ((0, 0), 1));
}

#[test]
fn a_panic_gives_the_place_back() {
    let bulkhead = bulkhead(1, 0);
    let mut service = bulkhead
        .layer()
        .layer(service_fn(|()| -> std::future::Ready<Result<(), io::Error>> {
            panic!("in call")
        }));
    assert!(is_ready(&mut service));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(())))).is_err());
    assert_eq!(load(&bulkhead), (0, 0));
    let mut call = Box::pin(bulkhead.call(|| -> std::future::Ready<Result<(), io::Error>> { panic!("in call") }));
    assert!(catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut cx()).is_ready())).is_err());
    drop(call);
    assert_eq!((load(&bulkhead), counter(&bulkhead, "cancelled")), ((0, 0), 2));
}

#[test]
fn the_inner_service_is_not_ready_and_the_place_is_kept() {
    let bulkhead = bulkhead(1, 0);
    let unready = Unready(Arc::new(Mutex::new(None)));
    let mut service = bulkhead.layer().layer(unready.clone());
    assert!(!is_ready(&mut service));
    assert_eq!(load(&bulkhead), (1, 0));
    *unready.0.lock().unwrap() = Some(true);
    assert!(is_ready(&mut service));
    *unready.0.lock().unwrap() = Some(false);
    let Poll::Ready(Err(error)) = service.poll_ready(&mut cx()) else {
        panic!("not ready");
    };
    assert_eq!((error.to_string().as_str(), load(&bulkhead)), ("broken", (0, 0)));
}

/// Is ready as it is told: not, well, or with an error.
#[derive(Clone)]
struct Unready(Arc<Mutex<Option<bool>>>);

impl Service<()> for Unready {
    type Response = ();
    type Error = io::Error;
    type Future = std::future::Ready<Result<(), io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        match *self.0.lock().unwrap() {
            None => Poll::Pending,
            Some(true) => Poll::Ready(Ok(())),
            Some(false) => Poll::Ready(Err(io::Error::other("broken"))),
        }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

#[test]
fn the_future_of_a_call_has_gone_when_its_place_is_given_to_somebody_else() {
    struct Looks(Bulkhead, Arc<AtomicUsize>);
    impl Drop for Looks {
        fn drop(&mut self) {
            self.1.store(self.0.snapshot().in_flight, Ordering::SeqCst);
        }
    }
    let bulkhead = bulkhead(1, 0);
    let in_flight = Arc::new(AtomicUsize::new(9));
    let looks = || {
        let looks = Looks(bulkhead.clone(), in_flight.clone());
        async move {
            let _looks = looks;
            pending::<Result<(), io::Error>>().await
        }
    };
    let mut call = Box::pin(bulkhead.call(looks));
    assert!(call.as_mut().poll(&mut cx()).is_pending());
    drop(call);
    assert_eq!(in_flight.swap(9, Ordering::SeqCst), 1);
    let mut service = bulkhead.layer().layer(service_fn(|()| looks()));
    assert!(is_ready(&mut service));
    drop(service.call(()));
    assert_eq!(in_flight.load(Ordering::SeqCst), 1);
    assert_eq!(load(&bulkhead), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn more_places_let_those_in_who_wait_and_fewer_take_effect_as_calls_end() {
    let events = Arc::new(Mutex::new(0));
    let sink = {
        let events = events.clone();
        move |event: &Event<'_>| {
            if let Change::Settings = event.change {
                *events.lock().unwrap() += 1;
            }
        }
    };
    let builder = Bulkhead::builder("payments").concurrent(1).queue(3);
    let bulkhead = builder.events(sink).build().unwrap();
    let first = hold(&bulkhead);
    let mut waiting = [(); 3].map(|()| Box::pin(bulkhead.acquire()));
    for acquire in &mut waiting {
        assert!(acquire.as_mut().poll(&mut cx()).is_pending());
    }
    bulkhead.reconfigure(|config| config.concurrent = 3).unwrap();
    assert_eq!(load(&bulkhead), (3, 1));
    let [second, third, fourth] = waiting;
    let (second, third) = (second.await.unwrap(), third.await.unwrap());
    bulkhead.reconfigure(|config| config.concurrent = 1).unwrap();
    assert_eq!((load(&bulkhead), bulkhead.snapshot().saturation()), ((3, 1), 3.0));
    drop((first, second));
    assert_eq!(
        load(&bulkhead),
        (1, 1),
        "a place that was taken away was given to somebody"
    );
    drop(third);
    assert_eq!(load(&bulkhead), (1, 0));
    drop(fourth.await.unwrap());
    let _one = hold(&bulkhead);
    bulkhead.reconfigure(|config| config.queue = 0).unwrap();
    assert_eq!(bulkhead.acquire().await.unwrap_err().reason(), FULL);
    bulkhead.reconfigure(|config| config.concurrent = 0).unwrap_err();
    assert_eq!((bulkhead.config().concurrent, *events.lock().unwrap()), (1, 3));
}

#[test]
fn what_was_given_to_a_handle_goes_with_it() {
    let sink = Arc::new(());
    let given = Arc::clone(&sink);
    let builder = Bulkhead::builder("payments").events(move |_: &Event<'_>| _ = &given);
    let bulkhead = builder.build().unwrap();
    drop(hold(&bulkhead));
    drop(bulkhead);
    assert_eq!(Arc::strong_count(&sink), 1);
}

/// Two partitions of a place each; without a queue, the second one.
fn partitions() -> PartitionedBulkhead {
    PartitionedBulkhead::builder("inbound")
        .partition("critical", |config| {
            (config.concurrent, config.queue, config.wait) = (1, 1, WAIT)
        })
        .partition("non-critical", |config| (config.concurrent, config.queue) = (1, 0))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_full_does_not_touch_another() {
    let bulkhead = partitions();
    let inner = service_fn(|name: &'static str| async move {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(name)
    });
    let service = bulkhead.layer(|name: &&'static str| *name).layer(inner);
    let other = hold(bulkhead.partition("non-critical").unwrap());
    let error = service.clone().oneshot("non-critical").await.unwrap_err();
    assert_eq!(error.to_string(), "bulkhead `inbound/non-critical`: no place is free");
    assert_eq!(service.clone().oneshot("critical").await.unwrap(), "critical");
    // What was not declared is of the least importance.
    assert_eq!(reason(&service.clone().oneshot("unheard of").await.unwrap_err()), FULL);
    drop(other);
    assert_eq!(service.oneshot("unheard of").await.unwrap(), "unheard of");
    assert_eq!(counter(&bulkhead, "undeclared"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_in_the_queue_of_its_partition_before_it_asks_the_inner_service() {
    let bulkhead = partitions();
    let critical = bulkhead.partition("critical").unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let service = bulkhead.layer(|(): &()| "critical").layer(CountsAsks(asked.clone()));
    let held = hold(critical);
    let mut call = Box::pin(service.clone().oneshot(()));
    assert!(call.as_mut().poll(&mut cx()).is_pending());
    assert_eq!((load(critical), asked.load(Ordering::SeqCst)), ((1, 1), 0));
    drop(held);
    call.await.unwrap();
    assert_eq!((load(critical), asked.load(Ordering::SeqCst)), ((0, 0), 1));

    let _held = hold(critical);
    let mut given_up = Box::pin(service.clone().oneshot(()));
    assert!(given_up.as_mut().poll(&mut cx()).is_pending());
    drop(given_up);
    assert_eq!(load(critical), (1, 0));
    assert_eq!(reason(&service.oneshot(()).await.unwrap_err()), TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_a_partition_does_not_begin_after_the_deadline_though_the_inner_service_is_ready_then() {
    let bulkhead = partitions();
    let unready = Unready(Arc::new(Mutex::new(None)));
    let service = bulkhead.layer(|(): &()| "critical").layer(unready.clone());
    let mut call = Box::pin(Deadline::after(WAIT / 2).scope(service.oneshot(())));
    assert!(call.as_mut().poll(&mut cx()).is_pending());
    let critical = bulkhead.partition("critical").unwrap();
    assert_eq!(load(critical), (1, 0));
    tokio::time::advance(WAIT).await;
    *unready.0.lock().unwrap() = Some(true);
    assert_eq!(reason(&call.await.unwrap_err()), Reason::DeadlinePassed);
    let counts = ["refused", "cancelled"].map(|name| counter(critical, name));
    assert_eq!((load(critical), counts), ((0, 0), [1, 0]));
}

#[test]
fn every_partition_is_in_the_inventory() {
    let bulkhead = partitions();
    let _held = hold(bulkhead.partition("critical").unwrap());
    let inventory = Inventory::default();
    inventory.add(bulkhead.clone());
    let entries = inventory.entries();
    let entries: Vec<_> = entries
        .iter()
        .map(|entry| (entry.kind, entry.name.as_str(), entry.state))
        .collect();
    let expected = [
        ("bulkhead", "inbound", "full"),
        ("bulkhead", "inbound/critical", "full"),
        ("bulkhead", "inbound/non-critical", "open"),
    ];
    assert_eq!(entries, expected);
    assert!(bulkhead.partition("unheard of").is_none());
}

#[tokio::test(start_paused = true)]
async fn what_a_call_ends_with_passes_through() {
    let bulkhead = bulkhead(1, 0);
    let failed = bulkhead.call(|| ready(Err::<(), _>(io::Error::other("down")))).await;
    assert!(matches!(failed, Err(Guarded::Inner(error)) if error.to_string() == "down"));
    let (answer, notify) = (oneshot::channel::<u32>(), Arc::new(Notify::new()));
    let (sender, receiver) = answer;
    let call = bulkhead.call(|| {
        notify.notify_one();
        receiver
    });
    let call = async { call.await.unwrap() };
    let answer = async {
        notify.notified().await;
        assert_eq!(load(&bulkhead), (1, 0));
        sender.send(42).unwrap();
    };
    assert_eq!(tokio::join!(call, answer).0, 42);
    let counts = ["calls", "refused", "cancelled", "waited"].map(|name| counter(&bulkhead, name));
    assert_eq!((load(&bulkhead), counts), ((0, 0), [2, 0, 0, 0]));
}

/// One place, so that whoever does not give it back is found out.
struct Plain(Bulkhead);

/// Panics unless the one place is free, and everybody was counted once.
fn holds_nothing(bulkhead: &Bulkhead, made: Made, what: &str) {
    assert_eq!(load(bulkhead), (0, 0), "{what}: a place is held");
    let [calls, cancelled] = ["calls", "cancelled"].map(|name| counter(bulkhead, name));
    assert!(calls <= made.called, "{what}: {calls} calls");
    assert!(
        cancelled <= made.asked && calls + cancelled >= made.called,
        "{what}: {cancelled} cancelled"
    );
}

impl Rig for Plain {
    type Service = BulkheadService<Inner>;

    fn service(&self, inner: Inner) -> Self::Service {
        self.0.layer().layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        holds_nothing(&self.0, made, what);
    }
}

#[test]
fn whatever_interrupts_a_call_its_place_comes_free() {
    policy_harness::interrupt(|| Plain(bulkhead(1, 0)));
}

type Name = fn(&()) -> &'static str;

struct Partitioned(PartitionedBulkhead);

impl Rig for Partitioned {
    type Service = PartitionedBulkheadService<Inner, Name>;

    fn service(&self, inner: Inner) -> Self::Service {
        let name: Name = |()| "critical";
        self.0.layer(name).layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        holds_nothing(self.0.partition("critical").unwrap(), made, what);
    }
}

#[test]
fn whatever_interrupts_a_call_in_a_partition_its_place_comes_free() {
    policy_harness::interrupt(|| Partitioned(partitions()));
}

/// Polls `future` so many times and drops it then.
fn poll_and_drop<F: Future>(mut future: Pin<Box<F>>, times: usize) {
    for _ in 0..times {
        let _ = future.as_mut().poll(&mut cx());
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_after_any_poll_leaves_nothing_behind() {
    for (times, comes_free) in (0..4).flat_map(|times| [(times, false), (times, true)]) {
        let bulkhead = bulkhead(1, 1);
        let held = hold(&bulkhead);
        let mut call = Box::pin(bulkhead.call(pending::<Result<(), io::Error>>));
        let _ = call.as_mut().poll(&mut cx());
        if comes_free {
            drop(held);
            poll_and_drop(call, times);
            assert_eq!(load(&bulkhead), (0, 0), "dropped {times} polls after a place came free");
        } else {
            poll_and_drop(call, times);
            assert_eq!(load(&bulkhead), (1, 0), "dropped after {times} polls");
        }
    }
}

fn tenants(capacity: usize) -> KeyedBulkhead<u32> {
    let builder = Bulkhead::builder("tenants").concurrent(1).queue(1).wait(WAIT);
    builder.build_keyed(capacity).unwrap()
}

/// Takes a place of a key that has one free.
fn hold_of(bulkhead: &KeyedBulkhead<u32>, key: u32) -> Result<Permit, Refusal> {
    match pin!(bulkhead.acquire(key)).poll(&mut cx()) {
        Poll::Ready(end) => end,
        Poll::Pending => panic!("no place is free"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_full_does_not_touch_another() {
    let bulkhead = tenants(10);
    let service = bulkhead
        .layer(|key: &u32| *key)
        .layer(service_fn(|key: u32| ready(Ok::<_, Infallible>(key))));
    let held = hold_of(&bulkhead, 7).unwrap();
    assert_eq!(service.clone().oneshot(8).await.unwrap(), 8);
    let mut waiting = Box::pin(service.clone().oneshot(7));
    assert!(waiting.as_mut().poll(&mut cx()).is_pending());
    let snapshot = bulkhead.snapshot(&7).unwrap();
    assert_eq!((snapshot.in_flight, snapshot.queued), (1, 1));
    assert_eq!(reason(&service.clone().oneshot(7).await.unwrap_err()), FULL);
    drop(held);
    assert_eq!(waiting.await.unwrap(), 7);
    assert_eq!(bulkhead.call(7, || ready(Ok::<_, Infallible>(1))).await.unwrap(), 1);
    assert_eq!(counter(&bulkhead, "calls"), 4);
}

#[test]
fn a_key_in_use_is_never_forgotten_and_a_new_one_without_room_is_refused() {
    let bulkhead = tenants(4);
    for key in 0..1000 {
        drop(hold_of(&bulkhead, key).unwrap());
        assert!(bulkhead.keys() <= 4, "{} keys", bulkhead.keys());
    }
    let _held: Vec<_> = (0..4).map(|key| hold_of(&bulkhead, key).unwrap()).collect();
    for key in 4..1000 {
        assert_eq!(hold_of(&bulkhead, key).unwrap_err().reason(), Reason::TooManyKeys);
    }
    for key in 0..4 {
        assert_eq!(bulkhead.snapshot(&key).unwrap().in_flight, 1, "{key} was forgotten");
    }
    assert_eq!(counter(&bulkhead, "refused"), 996);
    let wrong = Bulkhead::builder("tenants")
        .build_keyed::<u32>(1)
        .unwrap_err()
        .to_string();
    assert_eq!(
        wrong,
        "`bulkhead.tenants.capacity` is 1; it must be from 2 to 1000000 keys"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_reaches_the_keys_that_are_there_and_those_to_come() {
    let bulkhead = tenants(10);
    let _held = hold_of(&bulkhead, 7).unwrap();
    let mut waiting = Box::pin(bulkhead.acquire(7));
    assert!(waiting.as_mut().poll(&mut cx()).is_pending());
    assert_eq!(bulkhead.describe().state, "full");
    bulkhead.reconfigure(|config| config.concurrent = 2).unwrap();
    let _second = waiting.await.unwrap();
    let _others = [hold_of(&bulkhead, 8).unwrap(), hold_of(&bulkhead, 8).unwrap()];
    assert_eq!(bulkhead.snapshot(&8).unwrap().in_flight, 2);
}

/// The state, and what the settings say of the load.
fn shown(described: &impl Describe) -> (&'static str, String) {
    let entry = described.describe();
    let setting = |name| {
        let mut settings = entry.settings.iter();
        settings.find(|(key, _)| *key == name).unwrap().1.as_str()
    };
    (
        entry.state,
        ["in_flight", "queued", "saturation"].map(setting).join(" "),
    )
}

#[tokio::test(start_paused = true)]
async fn the_inventory_shows_the_load() {
    let bulkhead = bulkhead(3, 2);
    assert_eq!(shown(&bulkhead), ("open", "0 0 0%".to_owned()));
    let _two = [(); 2].map(|()| hold(&bulkhead));
    assert_eq!(shown(&bulkhead), ("open", "2 0 67%".to_owned()));
    let _third = hold(&bulkhead);
    let mut waiting = Box::pin(bulkhead.acquire());
    assert!(waiting.as_mut().poll(&mut cx()).is_pending());
    assert_eq!(shown(&bulkhead), ("full", "3 1 100%".to_owned()));
    bulkhead.reconfigure(|config| config.concurrent = 2).unwrap();
    assert_eq!(shown(&bulkhead), ("full", "3 1 150%".to_owned()));

    let builder = Bulkhead::builder("tenants").concurrent(2).queue(1).wait(WAIT);
    let tenants = builder.build_keyed(10).unwrap();
    let _held = [7, 7, 8].map(|key| hold_of(&tenants, key).unwrap());
    let mut waiting = Box::pin(tenants.acquire(7));
    assert!(waiting.as_mut().poll(&mut cx()).is_pending());
    assert_eq!(
        shown(&tenants),
        ("full", "3 1 100%".to_owned()),
        "the fullest key counts"
    );
}

struct OfAKey(KeyedBulkhead<u32>);

impl Rig for OfAKey {
    type Service = KeyedBulkheadService<Inner, u32, fn(&()) -> u32>;

    fn service(&self, inner: Inner) -> Self::Service {
        let key: fn(&()) -> u32 = |()| 7;
        self.0.layer(key).layer(inner)
    }

    fn holds_nothing(&self, _: Made, what: &str) {
        let in_flight = self.0.snapshot(&7).map_or(0, |snapshot| snapshot.in_flight);
        assert_eq!(in_flight, 0, "{what}: a place is held");
        let others = (0..2).map(|key| hold_of(&self.0, key));
        assert!(others.collect::<Result<Vec<_>, _>>().is_ok(), "{what}: the key is held");
    }
}

#[test]
fn whatever_interrupts_a_call_of_a_key_its_place_and_its_key_come_free() {
    policy_harness::interrupt(|| OfAKey(tenants(2)));
}
