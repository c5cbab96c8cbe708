//! Hooks of a shutdown: their order, their shares of the time, and what one that goes wrong costs the others.

#![cfg(feature = "shutdown")]

use std::future::pending;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seaworthy::BoxError;
use seaworthy::events::{Change, Event};
use seaworthy::shutdown::{Cause, Drained, Phase, Shutdown};
use tokio::runtime::{Builder, Handle};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// Notes each hook that has ended as its name, result and duration.
type Log = Arc<Mutex<Vec<(String, &'static str, Duration)>>>;

/// A shutdown at whose hooks one arrives at once, with 3 s for them.
fn shutdown() -> (Shutdown, Log) {
    let log = Log::default();
    let notes = Arc::clone(&log);
    let sink = move |event: &Event<'_>| {
        if let ("shutdown_hook", Change::Finished { result, took, .. }) = (event.kind, &event.change) {
            notes.lock().unwrap().push((event.name.to_owned(), result, *took));
        }
    };
    let builder = Shutdown::builder().hold(Duration::ZERO).events(sink);
    (builder.build().unwrap(), log)
}

async fn drive(shutdown: &Shutdown) -> Drained {
    shutdown.begin(Cause::Requested);
    shutdown.drive(&Handle::current()).await
}

fn add<F>(shutdown: &Shutdown, name: &str, hook: F)
where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    shutdown.on_shutdown(name, || hook);
}

fn entry(name: &str, result: &'static str, took: Duration) -> (String, &'static str, Duration) {
    (name.to_owned(), result, took)
}

#[tokio::test(start_paused = true)]
async fn hooks_run_one_after_the_other_the_last_added_first() {
    let (shutdown, log) = shutdown();
    for (name, ms) in [("pool", 100), ("consumer", 200), ("cache", 300)] {
        add(&shutdown, name, async move {
            sleep(Duration::from_millis(ms)).await;
            Ok(())
        });
    }
    assert!(drive(&shutdown).await.is_whole());
    let took = Duration::from_millis;
    let expected = [("cache", 300), ("consumer", 200), ("pool", 100)].map(|(name, ms)| entry(name, "done", took(ms)));
    assert_eq!(*log.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn hooks_that_hang_get_an_even_share_of_the_time_that_is_left() {
    let (shutdown, log) = shutdown();
    for name in ["d", "c", "b"] {
        add(&shutdown, name, pending());
    }
    add(&shutdown, "a", async { Ok(()) });
    let drained = drive(&shutdown).await;
    let expected = [
        entry("a", "done", Duration::ZERO),
        entry("b", "failed", SECOND),
        entry("c", "failed", SECOND),
        entry("d", "failed", SECOND),
    ];
    assert_eq!(*log.lock().unwrap(), expected);
    assert_eq!(
        (drained.took, drained.hooks_failed, drained.exit_code()),
        (3 * SECOND, 3, 3)
    );
    assert!(!drained.stalled);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_goes_wrong_costs_no_other_its_turn() {
    let (shutdown, log) = shutdown();
    add(&shutdown, "good", async { Ok(()) });
    add(&shutdown, "fails", async { Err("disk full".into()) });
    add(&shutdown, "hangs", pending());
    add(&shutdown, "panics", async { panic!("in a hook") });
    shutdown.on_shutdown("panics at once", || -> std::future::Ready<_> {
        panic!("before there is a future")
    });
    let drained = drive(&shutdown).await;
    assert_eq!((drained.hooks_failed, drained.exit_code()), (4, 3));
    let ends: Vec<_> = log
        .lock()
        .unwrap()
        .iter()
        .map(|(name, result, _)| (name.clone(), *result))
        .collect();
    let expected = [
        ("panics at once", "failed"),
        ("panics", "failed"),
        ("hangs", "failed"),
        ("fails", "failed"),
        ("good", "done"),
    ];
    assert_eq!(ends, expected.map(|(name, result)| (name.to_owned(), result)));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_is_late_is_dropped() {
    let (shutdown, _) = shutdown();
    let (held, dropped) = mpsc::channel::<()>();
    add(&shutdown, "hangs", async move {
        pending::<()>().await;
        held.send(())?;
        Ok(())
    });
    drive(&shutdown).await;
    tokio::task::yield_now().await;
    assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

#[test]
fn a_runtime_that_runs_nothing_is_noticed_and_its_hooks_count_as_failed() {
    let stalled = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let (release, released) = mpsc::channel::<()>();
    let (blocked, is_blocked) = mpsc::channel();
    stalled.spawn(async move {
        blocked.send(()).unwrap();
        // Ends when the test drops the other end.
        let _ = released.recv();
    });
    is_blocked.recv().unwrap();

    let driver = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (shutdown, log) = shutdown();
    add(&shutdown, "one", async { Ok(()) });
    add(&shutdown, "other", async { Ok(()) });
    let drained = driver.block_on(async {
        shutdown.begin(Cause::Terminate);
        shutdown.drive(stalled.handle()).await
    });
    assert_eq!((drained.stalled, drained.hooks_failed), (true, 2));
    assert_eq!(
        (drained.exit_code(), shutdown.phase()),
        (Drained::STALLED, Phase::Stopped)
    );
    assert_eq!(drained.took, 3 * SECOND + SECOND / 2);

    drop(release);
    // Everything that was queued before has had its turns when the last of these ends.
    stalled.block_on(async {
        for _ in 0..10 {
            tokio::spawn(tokio::task::yield_now()).await.unwrap();
        }
    });
    assert!(
        log.lock().unwrap().is_empty(),
        "no hook runs after the shutdown is over"
    );
}

#[test]
fn a_runtime_that_runs_nothing_is_noticed_without_hooks_too() {
    let gone = Builder::new_current_thread().enable_time().build().unwrap();
    let driver = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (shutdown, _) = shutdown();
    let drained = driver.block_on(async {
        shutdown.begin(Cause::Terminate);
        // A current-thread runtime that nobody drives.
        shutdown.drive(gone.handle()).await
    });
    assert_eq!((drained.exit_code(), drained.hooks_failed), (Drained::STALLED, 0));
}
