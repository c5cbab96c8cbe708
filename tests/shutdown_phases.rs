//! The phases of a shutdown, driven from outside on tokio's paused time.

#![cfg(feature = "shutdown")]

use std::future::pending;
use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use seaworthy::shutdown::{Cause, Drained, Phase, Shutdown};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until};

const SECOND: Duration = Duration::from_secs(1);

/// Holds for 5 s, drains for 20 s, grants 3 s to hooks.
fn shutdown() -> Shutdown {
    Shutdown::builder().build().unwrap()
}

async fn drive(shutdown: &Shutdown, cause: Cause) -> Drained {
    shutdown.begin(cause);
    shutdown.drive(&Handle::current()).await
}

#[tokio::test(start_paused = true)]
async fn phases_follow_each_other_at_their_times() {
    let shutdown = shutdown();
    let _never_ends = shutdown.enter();
    shutdown.on_shutdown("hangs", pending);
    let driven = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { drive(&shutdown, Cause::Terminate).await }
    });
    let start = Instant::now();
    let expected = [
        (0, Phase::Running),
        (1, Phase::Holding),
        (4_999, Phase::Holding),
        (5_001, Phase::Draining),
        (24_999, Phase::Draining),
        (25_001, Phase::Hooks),
        (27_999, Phase::Hooks),
        (28_001, Phase::Stopped),
    ];
    for (ms, phase) in expected {
        sleep_until(start + Duration::from_millis(ms)).await;
        assert_eq!(shutdown.phase(), phase, "after {ms} ms");
    }
    let drained = driven.await.unwrap();
    assert_eq!(drained.took, 28 * SECOND);
    assert_eq!((drained.requests_cut, drained.hooks_failed), (1, 1));
    assert_eq!((drained.stalled, drained.exit_code()), (false, 3));
}

#[tokio::test(start_paused = true)]
async fn readiness_says_no_before_the_hold_is_seen_and_a_callback_that_panics_stops_nothing() {
    let shutdown = shutdown();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (handle, phases) = (shutdown.clone(), seen.clone());
    shutdown.on_begin(|| panic!("in a callback"));
    shutdown.on_begin(move || phases.lock().unwrap().push(handle.phase()));
    assert!(drive(&shutdown, Cause::Terminate).await.is_whole());
    assert_eq!(*seen.lock().unwrap(), [Phase::Running]);
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_skips_the_hold() {
    for (cause, hold) in [(Cause::Interrupt, 0), (Cause::Terminate, 5), (Cause::Requested, 5)] {
        let drained = drive(&shutdown(), cause).await;
        assert_eq!((drained.took, drained.exit_code()), (hold * SECOND, 0), "{cause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn listeners_and_long_work_are_told_when_the_drain_begins_and_not_before() {
    let shutdown = shutdown();
    let (closing, draining) = (shutdown.closing(), shutdown.draining());
    let start = Instant::now();
    let waited = tokio::spawn(async move {
        assert!(!draining.is_draining());
        tokio::join!(closing, draining.draining());
        assert!(draining.is_draining());
        start.elapsed()
    });
    let request = shutdown.enter();
    tokio::spawn(async move {
        sleep(9 * SECOND).await;
        drop(request);
    });
    assert_eq!(drive(&shutdown, Cause::Terminate).await.took, 9 * SECOND);
    assert_eq!(waited.await.unwrap(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_drain_ends_with_the_last_request_or_task() {
    let shutdown = shutdown();
    let task = shutdown.tracker().spawn(async {
        sleep(7 * SECOND).await;
        "ended"
    });
    let request = shutdown.enter();
    tokio::spawn(async move {
        sleep(11 * SECOND).await;
        drop(request);
    });
    let drained = drive(&shutdown, Cause::Terminate).await;
    assert_eq!((drained.took, drained.exit_code()), (11 * SECOND, 0));
    assert_eq!(task.await.unwrap(), Some("ended"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_while_a_task_is_waited_for_is_waited_for_too() {
    let shutdown = shutdown();
    shutdown.tracker().spawn(sleep(10 * SECOND));
    let late = shutdown.clone();
    tokio::spawn(async move {
        // On a connection that was kept alive; the requests before it have ended.
        sleep(8 * SECOND).await;
        let _request = late.enter();
        sleep(6 * SECOND).await;
    });
    let drained = drive(&shutdown, Cause::Terminate).await;
    assert_eq!((drained.took, shutdown.in_flight()), (14 * SECOND, 0));
}

#[tokio::test(start_paused = true)]
async fn requests_of_all_threads_are_waited_for() {
    let shutdowns = [(); 4].map(|()| shutdown());
    let began = Barrier::new(shutdowns.len());
    let requests: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = shutdowns
            .iter()
            .map(|shutdown| {
                scope.spawn(|| {
                    let request = shutdown.enter();
                    // All at once, so that each thread has a place of its own.
                    began.wait();
                    request
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (shutdown, request) in shutdowns.iter().zip(requests) {
        assert_eq!(shutdown.in_flight(), 1);
        tokio::spawn(async move {
            sleep(11 * SECOND).await;
            drop(request);
        });
        let drained = drive(shutdown, Cause::Terminate).await;
        assert_eq!((drained.took, shutdown.in_flight()), (11 * SECOND, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_at_the_drains_deadline_is_dropped_and_counted() {
    let shutdown = shutdown();
    let tracker = shutdown.tracker();
    let (held, dropped) = mpsc::channel::<()>();
    let task = tracker.spawn(async move {
        pending::<()>().await;
        drop(held);
    });
    let another = tracker.spawn(pending::<()>());
    let _request = shutdown.enter();
    assert_eq!((tracker.running(), shutdown.in_flight()), (2, 1));
    let drained = drive(&shutdown, Cause::Terminate).await;
    assert_eq!((drained.requests_cut, drained.tasks_cut), (1, 2));
    assert_eq!((drained.took, drained.exit_code()), (25 * SECOND, Drained::CUT));
    tokio::task::yield_now().await;
    assert_eq!(
        dropped.try_recv(),
        Err(TryRecvError::Disconnected),
        "its destructor has run"
    );
    assert_eq!((task.await.unwrap(), another.await.unwrap()), (None, None));
    assert_eq!(tracker.running(), 0);
    assert_eq!(
        tracker.spawn(async {}).await.unwrap(),
        None,
        "nothing starts after the cut"
    );
}

#[tokio::test(start_paused = true)]
async fn only_the_first_cause_counts_and_it_may_come_before_the_drive() {
    let shutdown = shutdown();
    shutdown.begin(Cause::Interrupt);
    shutdown.begin(Cause::Terminate);
    let drained = shutdown.drive(&Handle::current()).await;
    assert_eq!(drained.took, Duration::ZERO, "as after an interrupt");
}

#[tokio::test(start_paused = true)]
async fn a_drive_waits_to_be_asked() {
    let shutdown = shutdown();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        sleep(60 * SECOND).await;
        asked.begin(Cause::Interrupt);
    });
    let start = Instant::now();
    let drained = shutdown.drive(&Handle::current()).await;
    assert_eq!((start.elapsed(), drained.took), (60 * SECOND, Duration::ZERO));
}

#[test]
fn phases_that_do_not_fit_into_the_grace_period_are_refused_with_the_sum() {
    let wrong = Shutdown::builder().hold(7 * SECOND).build().unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "`shutdown.grace_period` is 30s; it must be more than hold 7s + drain 20s + hooks 3s + 1s to notice a stall and write the last log lines = 31s"
    );
    let endless = Shutdown::builder().drain(Duration::MAX).hooks(Duration::MAX);
    endless.build().unwrap_err();
}
