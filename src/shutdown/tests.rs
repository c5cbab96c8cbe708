//! What a second signal does: it cannot be sent to a test's own process, so it is a future here.

use std::future::pending;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;

use super::{Cause, Drained, Phase, Shutdown};
use crate::base::clock::{Clock, sleep};
use crate::base::events::{Change, Event};

const SECOND: Duration = Duration::from_secs(1);

/// Holds for 5 s, drains for 20 s, and has two hooks of 1 s each after a task that never ends.
fn busy() -> (Shutdown, mpsc::Receiver<()>) {
    let shutdown = Shutdown::builder().build().unwrap();
    let (held, dropped) = mpsc::channel();
    shutdown.tracker().spawn(async move {
        pending::<()>().await;
        drop(held);
    });
    for name in ["first added", "last added"] {
        shutdown.on_shutdown(name, || async {
            sleep(SECOND).await;
            Ok(())
        });
    }
    (shutdown, dropped)
}

async fn interrupted(shutdown: &Shutdown, after: Duration, by: Cause) -> Drained {
    shutdown.begin(Cause::Terminate);
    let interrupt = async {
        sleep(after).await;
        by
    };
    let drained = shutdown.drive_until(&Handle::current(), interrupt).await;
    assert_eq!(drained.took, after);
    assert_eq!((drained.interrupted, shutdown.phase()), (Some(by), Phase::Stopped));
    drained
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_during_the_hold_cuts_everything() {
    let (shutdown, dropped) = busy();
    let drained = interrupted(&shutdown, SECOND, Cause::Terminate).await;
    assert_eq!((drained.exit_code(), drained.tasks_cut), (143, 1));
    assert_eq!(drained.hooks_failed, 2, "they never began");
    assert!(shutdown.draining().is_draining(), "listeners close");
    sleep(SECOND).await;
    assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_during_the_drain_cuts_everything() {
    let (shutdown, dropped) = busy();
    let drained = interrupted(&shutdown, 6 * SECOND, Cause::Interrupt).await;
    assert_eq!(
        (drained.exit_code(), drained.tasks_cut, drained.hooks_failed),
        (130, 1, 2)
    );
    sleep(SECOND).await;
    assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_during_the_hooks_ends_the_one_that_runs_and_forgets_no_count() {
    let (shutdown, _) = busy();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let (started, ended) = (ran.clone(), ran.clone());
    shutdown.on_shutdown("slow", move || async move {
        started.lock().unwrap().push("started");
        sleep(SECOND / 2).await;
        ended.lock().unwrap().push("ended");
        Ok(())
    });
    // 5 s hold, 20 s drain, then the hooks: half a second into "last added".
    let drained = interrupted(&shutdown, 26 * SECOND, Cause::Terminate).await;
    assert_eq!(
        (drained.exit_code(), drained.tasks_cut),
        (143, 1),
        "cut at the drain's deadline"
    );
    assert_eq!(drained.hooks_failed, 2, "one did not end, one never began");
    assert_eq!(*ran.lock().unwrap(), ["started", "ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_does_not_outlive_a_drive_that_was_cut_short() {
    let shutdown = Shutdown::builder().hold(Duration::ZERO).build().unwrap();
    let (held, dropped) = mpsc::channel::<()>();
    shutdown.on_shutdown("slow", move || async move {
        sleep(2 * SECOND).await;
        held.send(())?;
        Ok(())
    });
    interrupted(&shutdown, SECOND, Cause::Terminate).await;
    sleep(5 * SECOND).await;
    assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn a_drive_that_is_dropped_at_any_moment_leaves_its_phase_and_no_panic() {
    for (after, phase) in [(1, Phase::Holding), (6, Phase::Draining), (26, Phase::Hooks)] {
        let (shutdown, _) = busy();
        shutdown.begin(Cause::Terminate);
        let handle = Handle::current();
        tokio::select! {
            _ = shutdown.drive(&handle) => unreachable!("too early"),
            () = sleep(after * SECOND) => {}
        }
        assert_eq!(shutdown.phase(), phase);
    }
    let shutdown = Shutdown::builder().build().unwrap();
    drop(shutdown.drive(&Handle::current()));
    assert_eq!(shutdown.phase(), Phase::Running);
}

#[tokio::test(start_paused = true)]
async fn every_phase_and_every_hook_is_reported_once() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let sink = move |event: &Event<'_>| {
        let line = match event.change {
            Change::State { from, to, detail } => format!("{} {from} > {to} {detail}", event.kind),
            Change::Finished { result, took, .. } => format!("{} {} {result} {took:?}", event.kind, event.name),
            Change::Settings => panic!("nothing was changed"),
        };
        seen.lock().unwrap().push(line);
    };
    let shutdown = Shutdown::builder().events(sink).build().unwrap();
    shutdown.on_shutdown("bad", || async { Err("why".into()) });
    shutdown.on_shutdown("good", || async {
        sleep(SECOND).await;
        Ok(())
    });
    let request = shutdown.enter();
    tokio::spawn(async move {
        sleep(8 * SECOND).await;
        drop(request);
    });
    shutdown.begin(Cause::Terminate);
    let start = Clock::default().now();
    shutdown.drive(&Handle::current()).await;
    assert_eq!(Clock::default().now() - start, 9 * SECOND);
    let expected = [
        "shutdown running > holding SIGTERM",
        "shutdown_phase holding done 5s",
        "shutdown holding > draining ",
        "shutdown_phase draining done 3s",
        "shutdown draining > hooks ",
        "shutdown_hook good done 1s",
        "shutdown_hook bad failed 0ns",
        "shutdown_phase hooks done 1s",
        "shutdown hooks > stopped ",
    ];
    assert_eq!(*events.lock().unwrap(), expected);
}
