//! What load shedding makes of the queue behind it: one that stands is pressure, a burst is none.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use seaworthy::bulkhead::{Bulkhead, Permit};
use seaworthy::clock::ManualClock;
use seaworthy::criticality::Criticality;
use seaworthy::load_shed::LoadShed;
use seaworthy::{BoxError, Reason, Refusal};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

type Call = Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

/// A service with one place and a queue, in front of which load is shed; all under a clock of the test's own.
struct Harbour {
    clock: ManualClock,
    shed: LoadShed,
    bulkhead: Bulkhead,
    service: BoxCloneSyncService<(), (), BoxError>,
}

impl Harbour {
    fn new(queue: u32) -> Self {
        let clock = ManualClock::default();
        let shed = LoadShed::builder("orders").clock(clock.clone().into()).build().unwrap();
        let bulkhead = Bulkhead::builder("orders").concurrent(1).queue(queue).wait(60_000 * MS);
        let bulkhead = bulkhead.build().unwrap();
        let inner = service_fn(|()| ready(Ok::<_, Infallible>(())));
        let service = ServiceBuilder::new()
            .layer(shed.layer())
            .layer(bulkhead.layer())
            .service(inner);
        let service = BoxCloneSyncService::new(service);
        Self {
            clock,
            shed,
            bulkhead,
            service,
        }
    }

    fn call(&self) -> Call {
        Box::pin(self.service.clone().oneshot(()))
    }

    /// Takes the one place.
    async fn occupy(&self) -> Permit {
        self.bulkhead.acquire().await.unwrap()
    }

    /// A call that has to wait for so long.
    async fn wait(&self, time: Duration) {
        let held = self.occupy().await;
        let mut call = self.call();
        assert!(poll(&mut call).is_pending(), "it has not had to wait");
        self.clock.advance(time);
        drop(held);
        call.await.unwrap();
    }

    /// Makes calls wait for so long, one after another, until that is noticed.
    async fn stand(&self, each: Duration) {
        for _ in 0..20 {
            self.wait(each).await;
            if self.shed.pressure() > 0.0 {
                return;
            }
        }
        panic!("it is not noticed that all wait for {each:?}");
    }

    fn admits(&self) -> usize {
        let classes = Criticality::ALL.into_iter();
        classes.filter(|class| self.shed.check(*class).is_ok()).count()
    }
}

fn poll(call: &mut Call) -> Poll<Result<(), BoxError>> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_queue_that_everybody_waits_in_refuses_the_sheddable_ones() {
    let harbour = Harbour::new(64);
    harbour.stand(22 * MS).await;
    assert_eq!(harbour.shed.pressure(), 22.0 / 30.0);
    let sheddable = Criticality::Sheddable.scope(harbour.call()).await.unwrap_err();
    let reason = Refusal::find(sheddable.as_ref()).unwrap().reason();
    assert_eq!(
        reason,
        Reason::Shed {
            criticality: Criticality::Sheddable
        }
    );
    assert_eq!(harbour.admits(), 3);
    let harbour = Harbour::new(64);
    harbour.stand(35 * MS).await;
    assert_eq!(harbour.admits(), 0, "more than the delay that is too long for anybody");
}

#[tokio::test]
async fn a_burst_is_no_pressure_if_one_of_its_interval_found_no_queue() {
    let harbour = Harbour::new(64);
    for _ in 0..20 {
        harbour.wait(50 * MS).await;
        harbour.call().await.unwrap();
        harbour.clock.advance(49 * MS);
        assert_eq!(harbour.shed.pressure(), 0.0);
    }
}

#[tokio::test]
async fn a_burst_that_is_worked_off_refuses_nobody() {
    let harbour = Harbour::new(64);
    let held = harbour.occupy().await;
    let mut burst: Vec<_> = (0..30).map(|_| harbour.call()).collect();
    assert!(burst.iter_mut().all(|call| poll(call).is_pending()));
    drop(held);
    for call in burst {
        // The first has waited for 4 ms, the last for 120.
        harbour.clock.advance(4 * MS);
        call.await.unwrap();
        assert_eq!(harbour.admits(), 4);
    }
    harbour.call().await.unwrap();
    harbour.clock.advance(100 * MS);
    assert_eq!(harbour.admits(), 4);
}

#[tokio::test]
async fn pressure_goes_by_itself_when_nobody_comes_and_when_all_are_refused() {
    for look_every in [10 * MS, 60 * MS, 100 * MS, 1000 * MS] {
        let harbour = Harbour::new(64);
        harbour.stand(50 * MS).await;
        assert_eq!(harbour.admits(), 0);
        let mut past = Duration::ZERO;
        while past < 200 * MS {
            harbour.clock.advance(look_every);
            past += look_every;
            let _ = harbour.call().await;
        }
        assert_eq!(harbour.admits(), 4, "looked at every {look_every:?}");
    }
    let harbour = Harbour::new(64);
    harbour.stand(50 * MS).await;
    harbour.clock.advance(Duration::from_secs(3600));
    assert_eq!((harbour.admits(), harbour.shed.pressure()), (4, 0.0));
}

#[tokio::test]
async fn a_caller_who_gives_up_has_waited_too() {
    let harbour = Harbour::new(64);
    let _held = harbour.occupy().await;
    for _ in 0..3 {
        let mut call = harbour.call();
        assert!(poll(&mut call).is_pending());
        harbour.clock.advance(40 * MS);
        drop(call);
    }
    assert_eq!(harbour.admits(), 0);
}

#[tokio::test]
async fn whom_a_full_queue_refuses_at_once_has_not_found_it_empty() {
    let harbour = Harbour::new(1);
    for _ in 0..4 {
        let held = harbour.occupy().await;
        let mut queued = harbour.call();
        assert!(poll(&mut queued).is_pending());
        let error = harbour.call().await.unwrap_err();
        let reason = Refusal::find(error.as_ref()).unwrap().reason();
        assert!(matches!(reason, Reason::BulkheadFull { .. }), "{reason:?}");
        harbour.clock.advance(26 * MS);
        drop(held);
        queued.await.unwrap();
    }
    assert_eq!(harbour.admits(), 2);
}

#[tokio::test]
async fn a_service_that_fails_at_once_says_nothing_about_a_queue() {
    let clock = ManualClock::default();
    let shed = LoadShed::builder("orders").clock(clock.clone().into()).build().unwrap();
    let limit = ServiceBuilder::new().concurrency_limit(1);
    let inner = limit.service(service_fn(|fails: bool| {
        ready(if fails {
            Err(io::Error::other("at once"))
        } else {
            Ok(())
        })
    }));
    let service = shed.layer().layer(inner.clone());
    for _ in 0..3 {
        let mut holder = inner.clone();
        holder.ready().await.unwrap();
        let mut call = Box::pin(service.clone().oneshot(false));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        clock.advance(40 * MS);
        drop(holder);
        call.await.unwrap();
        service.clone().oneshot(true).await.unwrap_err();
    }
    assert!(shed.pressure() > 1.0);
}

#[tokio::test]
async fn a_queue_that_nobody_gets_through_is_as_long_as_it_was() {
    let harbour = Harbour::new(64);
    harbour.stand(24 * MS).await;
    assert_eq!(harbour.admits(), 2);
    let _held = harbour.occupy().await;
    let mut waiting = Vec::new();
    for _ in 0..50 {
        harbour.clock.advance(20 * MS);
        let mut call = harbour.call();
        assert!(poll(&mut call).is_pending(), "a critical one is let in");
        waiting.push(call);
        assert_eq!(harbour.admits(), 2);
    }
}

#[tokio::test]
async fn the_queue_is_no_signal_if_its_delay_is_set_to_zero_and_counts_again_when_it_is_not() {
    let harbour = Harbour::new(64);
    harbour
        .shed
        .reconfigure(|config| config.queue_delay = Duration::ZERO)
        .unwrap();
    for _ in 0..5 {
        harbour.wait(50 * MS).await;
        assert_eq!(harbour.shed.pressure(), 0.0);
    }
    harbour
        .shed
        .reconfigure(|config| config.queue_delay = 100 * MS)
        .unwrap();
    harbour.stand(50 * MS).await;
    assert_eq!(harbour.shed.pressure(), 0.5);
}
