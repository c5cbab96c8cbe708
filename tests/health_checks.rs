//! Startup, readiness and the checks behind it, seen from outside.

#![cfg(feature = "health")]

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use seaworthy::clock::ManualClock;
use seaworthy::events::Event;
use seaworthy::health::{Check, Health, Phase, Status, TaskState, Verdict};
use seaworthy::inventory::Inventory;
use tokio::runtime::{Builder, Handle};

mod health_support;
use health_support::{Dependency, Log, Mode, SECOND, pass, settle, start};

#[tokio::test(start_paused = true)]
async fn a_service_is_starting_until_it_was_started_and_every_task_completed() {
    let health = Health::new();
    let migrations = health.startup_task("migrations").unwrap();
    let cache = health.startup_task("cache").unwrap();
    assert_eq!(health.phase(), Phase::Starting);
    migrations.complete();
    start(&health).await;
    assert_eq!(health.phase(), Phase::Starting);
    cache.complete();
    assert_eq!(health.phase(), Phase::Ready);
    assert!(health.report().is_started());
}

#[tokio::test(start_paused = true)]
async fn a_service_without_startup_tasks_is_starting_until_it_was_started() {
    let health = Health::new();
    assert_eq!(health.phase(), Phase::Starting);
    start(&health).await;
    assert_eq!(health.phase(), Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_startup_task_leaves_the_service_starting_for_good() {
    let log = Log::default();
    let health = Health::builder().events(log.sink()).build();
    let task = health.startup_task("migrations").unwrap();
    start(&health).await;
    drop(task);
    assert_eq!(health.report().startup[0].state, TaskState::Failed);
    assert_eq!(health.phase(), Phase::Starting);
    assert_eq!(
        log.of("startup"),
        ["startup migrations: failed (dropped before it completed)"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_startup_task_tells_its_reason_to_the_event_alone() {
    let log = Log::default();
    let health = Health::builder().events(log.sink()).build();
    health.startup_task("migrations").unwrap().fail("password=hunter2");
    start(&health).await;
    assert_eq!(log.of("startup"), ["startup migrations: failed (password=hunter2)"]);
    assert!(!format!("{:?}", health.report()).contains("hunter2"));
    assert_eq!(health.phase(), Phase::Starting);
}

#[tokio::test(start_paused = true)]
async fn startup_that_has_completed_takes_no_more_tasks() {
    let health = Health::new();
    start(&health).await;
    let error = health.startup_task("late").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`startup.late` is too late; it must be registered before startup completes, which it does for good"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_another_phase_is_told_of_each() {
    let health = Health::new();
    let waits = health.clone();
    let told = tokio::spawn(async move {
        let mut told = vec![waits.phase()];
        while *told.last().unwrap() != Phase::Stopped {
            told.push(waits.changed_from(*told.last().unwrap()).await);
        }
        told
    });
    settle().await;
    start(&health).await;
    health.drain();
    settle().await;
    health.stop();
    let told = tokio::time::timeout(SECOND, told).await.expect("each was told");
    assert_eq!(
        told.unwrap(),
        [Phase::Starting, Phase::Ready, Phase::Draining, Phase::Stopped]
    );
    assert_eq!(
        health.changed_from(Phase::Ready).await,
        Phase::Stopped,
        "what has been is told at once"
    );
}

#[tokio::test(start_paused = true)]
async fn a_phase_that_only_time_has_changed_is_told_to_whoever_begins_to_wait() {
    let clock = ManualClock::default();
    let health = Health::builder().clock(clock.clone()).build();
    health.check(Dependency::new(Mode::Up).check("payments")).unwrap();
    start(&health).await;
    assert_eq!(health.phase(), Phase::Ready);
    clock.advance(3600 * SECOND);
    let changed = tokio::time::timeout(SECOND, health.changed_from(Phase::Ready)).await;
    assert_eq!(changed.ok(), Some(Phase::NotReady));
}

#[tokio::test(start_paused = true)]
async fn a_critical_dependency_that_is_down_makes_the_service_unready_until_it_is_up() {
    let payments = Dependency::new(Mode::Up);
    let health = Health::new();
    health.check(payments.check("payments")).unwrap();
    start(&health).await;
    assert_eq!(health.phase(), Phase::Ready);
    payments.turn(Mode::Down);
    pass(11 * SECOND).await;
    assert_eq!(health.phase(), Phase::NotReady);
    payments.turn(Mode::Up);
    pass(11 * SECOND).await;
    assert_eq!(health.phase(), Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_critical_dependency_is_unknown_and_the_service_unready_until_its_first_result() {
    let health = Health::new();
    health.check(Dependency::new(Mode::Up).check("payments")).unwrap();
    health.start(&Handle::current());
    assert_eq!(health.report().checks[0].verdict, Verdict::Unknown);
    assert_eq!(health.phase(), Phase::NotReady);
    settle().await;
    assert_eq!(health.phase(), Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn an_optional_dependency_never_makes_the_service_unready() {
    for mode in [Mode::Down, Mode::Hung, Mode::Panicking] {
        let health = Health::new();
        health.check(Dependency::new(mode).check("mail").optional()).unwrap();
        start(&health).await;
        pass(2 * SECOND).await;
        assert_eq!(health.phase(), Phase::Ready);
        assert_eq!(health.report().status(), Status::Warn);
    }
}

#[tokio::test(start_paused = true)]
async fn fail_open_lets_the_unknown_pass_and_not_the_down() {
    let payments = Dependency::new(Mode::Hung);
    let health = Health::new();
    health.check(payments.check("payments").fail_open()).unwrap();
    start(&health).await;
    pass(SECOND).await;
    assert_eq!(health.report().checks[0].verdict, Verdict::Unknown);
    assert_eq!((health.phase(), health.report().status()), (Phase::Ready, Status::Warn));
    payments.turn(Mode::Down);
    pass(11 * SECOND).await;
    assert_eq!(
        (health.phase(), health.report().status()),
        (Phase::NotReady, Status::Fail)
    );
}

/// Trap 43.
#[tokio::test(start_paused = true)]
async fn down_and_unknown_together_are_unready_in_either_order() {
    for modes in [[Mode::Down, Mode::Hung], [Mode::Hung, Mode::Down]] {
        let health = Health::new();
        for (name, mode) in ["first", "second"].into_iter().zip(modes) {
            health.check(Dependency::new(mode).check(name).fail_open()).unwrap();
        }
        start(&health).await;
        pass(SECOND).await;
        assert_eq!(health.phase(), Phase::NotReady);
    }
}

/// Trap 42.
#[tokio::test(start_paused = true)]
async fn a_hung_check_makes_the_service_unready_within_one_deadline() {
    let payments = Dependency::new(Mode::Up);
    let health = Health::new();
    health.check(payments.check("payments").interval(SECOND)).unwrap();
    start(&health).await;
    payments.turn(Mode::Hung);
    while payments.at_once.load(Ordering::SeqCst) == 0 {
        settle().await;
    }
    assert_eq!(health.phase(), Phase::Ready);
    pass(SECOND).await;
    assert_eq!(health.phase(), Phase::NotReady);
    assert_eq!(health.report().checks[0].why, "timed out");
    assert!(
        payments.at_once.load(Ordering::SeqCst) <= 1,
        "the hung run was not dropped"
    );
}

/// Trap 42.
#[tokio::test(start_paused = true)]
async fn a_panicking_check_makes_the_service_unready_and_is_run_again() {
    let payments = Dependency::new(Mode::Panicking);
    let log = Log::default();
    let health = Health::builder().events(log.sink()).build();
    health.check(payments.check("payments").fail_open()).unwrap();
    health.check(payments.check("ledger")).unwrap();
    start(&health).await;
    assert_eq!(health.report().checks[1].why, "panicked");
    assert_eq!(health.phase(), Phase::NotReady);
    payments.turn(Mode::Up);
    pass(11 * SECOND).await;
    assert_eq!(health.phase(), Phase::Ready);
    assert_eq!(log.of("check ledger"), ["check ledger: unknown -> up (up)"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_before_its_future_or_while_it_is_dropped_is_run_again() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let health = Health::new();
    let early = |_: ()| -> std::future::Ready<Result<(), String>> { panic!("before") };
    health.check(Check::new("early", move || early(()))).unwrap();
    let late = || {
        let bomb = Bomb;
        async move {
            let _bomb = &bomb;
            std::future::pending::<Result<(), String>>().await
        }
    };
    health.check(Check::new("late", late)).unwrap();
    start(&health).await;
    pass(25 * SECOND).await;
    let inventory = Inventory::default();
    health.describe_into(&inventory);
    for entry in &inventory.entries()[1..] {
        assert!(entry.counters.contains(&("runs", 3)), "{entry:?}");
        assert!(entry.counters.contains(&("panics", 3)), "{entry:?}");
    }
}

/// Trap 42.
#[tokio::test(start_paused = true)]
async fn many_hung_checks_cost_one_deadline() {
    let health = Health::new();
    for number in 0..100 {
        let check = Dependency::new(Mode::Hung).check(&format!("hung-{number}"));
        health.check(check).unwrap();
    }
    start(&health).await;
    pass(SECOND).await;
    let timed_out = |report: &seaworthy::health::CheckReport| report.why == "timed out";
    assert!(health.report().checks.iter().all(timed_out));
}

/// Trap 44.
#[tokio::test(start_paused = true)]
async fn asking_in_a_loop_runs_no_check_more_often_than_its_schedule() {
    let payments = Dependency::new(Mode::Up);
    let health = Health::new();
    health.check(payments.check("payments")).unwrap();
    start(&health).await;
    for _ in 0..100 {
        for _ in 0..100 {
            assert!(health.report().is_ready());
        }
        pass(SECOND).await;
    }
    // At 0 s, then every 10 to 11 s.
    assert!((10..=11).contains(&payments.runs()), "{} runs", payments.runs());
}

#[tokio::test(start_paused = true)]
async fn a_check_is_never_run_twice_at_once() {
    let hung = Dependency::new(Mode::Hung);
    let health = Health::new();
    health
        .check(hung.check("hung").interval(SECOND).timeout(SECOND))
        .unwrap();
    start(&health).await;
    pass(60 * SECOND).await;
    assert!(hung.runs() > 50);
    assert_eq!(hung.most_at_once.load(Ordering::SeqCst), 1);
}

#[test]
fn results_turn_stale_while_the_runtime_of_the_checks_is_stuck() {
    let clock = ManualClock::default();
    let log = Log::default();
    let health = Health::builder().clock(clock.clone()).events(log.sink()).build();
    health.check(Dependency::new(Mode::Up).check("payments")).unwrap();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(start(&health));
    assert_eq!(health.phase(), Phase::Ready);
    // From here on nobody drives the runtime.
    clock.advance(34 * SECOND);
    assert_eq!(health.phase(), Phase::Ready);
    clock.advance(Duration::from_nanos(1));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(health.phase(), Phase::NotReady));
        }
    });
    assert_eq!(log.of("check").last().unwrap(), "check payments: up -> unknown (stale)");
    assert_eq!(
        log.of("health").last().unwrap(),
        "health phase: ready -> not_ready (payments)"
    );
    assert_eq!(log.of("").len(), 5, "{:?}", log.of(""));
}

#[tokio::test(start_paused = true)]
async fn every_change_is_told_once_and_in_order() {
    let payments = Dependency::new(Mode::Up);
    let log = Log::default();
    let health = Health::builder().events(log.sink()).build();
    health.check(payments.check("payments")).unwrap();
    start(&health).await;
    payments.turn(Mode::Down);
    pass(31 * SECOND).await;
    health.drain();
    health.drain();
    health.stop();
    health.stop();
    health.drain();
    assert_eq!(
        log.of(""),
        [
            "health phase: starting -> not_ready (payments)",
            "check payments: unknown -> up (up)",
            "health phase: not_ready -> ready ()",
            "check payments: up -> down (password=hunter2)",
            "health phase: ready -> not_ready (payments)",
            "health phase: not_ready -> draining (payments)",
            "health phase: draining -> stopped (payments)",
        ]
    );
    assert!(!format!("{:?}", health.report()).contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn a_sink_may_ask_the_health_that_tells_it() {
    let asked: Arc<OnceLock<Health>> = Arc::default();
    let health = {
        let asked = Arc::clone(&asked);
        let sink = move |_: &Event<'_>| assert_eq!(asked.get().unwrap().phase(), Phase::Ready);
        Health::builder().events(sink).build()
    };
    asked.set(health.clone()).unwrap();
    start(&health).await;
    assert_eq!(health.phase(), Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn draining_is_for_good_and_the_checks_run_on_until_the_stop() {
    let payments = Dependency::new(Mode::Up);
    let health = Health::new();
    health.check(payments.check("payments")).unwrap();
    start(&health).await;
    health.drain();
    assert_eq!(health.phase(), Phase::Draining);
    pass(11 * SECOND).await;
    assert_eq!(payments.runs(), 2);
    assert_eq!((health.phase(), health.report().is_live()), (Phase::Draining, true));
    health.stop();
    pass(60 * SECOND).await;
    assert_eq!((health.phase(), payments.runs()), (Phase::Stopped, 2));
}

#[tokio::test(start_paused = true)]
async fn the_checks_end_with_the_last_handle_whatever_tasks_and_heartbeats_remain() {
    let payments = Dependency::new(Mode::Hung);
    let health = Health::new();
    let _task = health.startup_task("migrations").unwrap();
    let _heartbeat = health.watchdog().register("consumer", SECOND).unwrap();
    health.check(payments.check("payments")).unwrap();
    let clone = health.clone();
    start(&health).await;
    drop(health);
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 1);
    drop(clone);
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    // What the check held is gone as well: ours is the only one left.
    assert_eq!(Arc::strong_count(&payments.runs), 1);
}

#[test]
fn nothing_is_spawned_before_the_start() {
    let health = Health::new();
    // There is no runtime here: spawning would panic.
    health.check(Dependency::new(Mode::Up).check("payments")).unwrap();
    assert_eq!(health.phase(), Phase::Starting);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_comes_after_the_start_is_run_and_starting_again_runs_none_twice() {
    let payments = Dependency::new(Mode::Up);
    let health = Health::new();
    start(&health).await;
    health.check(payments.check("payments")).unwrap();
    assert_eq!(health.phase(), Phase::NotReady);
    settle().await;
    start(&health).await;
    assert_eq!((health.phase(), payments.runs()), (Phase::Ready, 1));
}

#[test]
fn every_mistake_in_a_check_is_told_at_once() {
    let health = Health::new();
    let up = Dependency::new(Mode::Up);
    let wrong = up
        .check("payments")
        .interval(Duration::from_millis(9))
        .failing_after(0)
        .stale_after(1001);
    assert_eq!(
        health.check(wrong).unwrap_err().to_string(),
        "`check.payments.interval` is 9ms; it must be from 10ms to 86400s\n\
         `check.payments.failing_after` is 0; it must be from 1 to 1000\n\
         `check.payments.stale_after` is 1001; it must be from 1 to 1000\n\
         `check.payments.timeout` is 1s; it must be at most `interval` (9ms), because a run has to end before the next \
         one starts"
    );
}

#[test]
fn a_name_is_refused_if_it_is_taken_reserved_malformed_or_one_too_many() {
    let health = Health::new();
    let up = Dependency::new(Mode::Up);
    let refused = |name: &str| health.check(up.check(name)).unwrap_err().to_string();
    health.check(up.check("payments")).unwrap();
    assert_eq!(
        refused("payments"),
        "`check.payments` is registered already; it must be a name that no other has"
    );
    assert_eq!(
        refused("shutdown"),
        "`check.shutdown` is a reserved name; it must be none of startup, shutdown, which the probes use themselves"
    );
    let malformed = "`check.name` is a text of 65 bytes; it must be 1 to 64 letters, digits, `.`, `_`, `-`";
    assert_eq!(refused(&"x".repeat(65)), malformed);
    for name in ["", "a b", "a/b", "ä", "a\n"] {
        assert!(refused(name).starts_with("`check.name` is a text of"), "{name:?}");
    }
    for number in 1..256 {
        health.check(up.check(&format!("check-{number}"))).unwrap();
    }
    assert_eq!(
        refused("more"),
        "`check.more` is number 257; it must be one of at most 256"
    );
}

#[tokio::test(start_paused = true)]
async fn the_inventory_shows_settings_state_and_counters_of_everything() {
    let health = Health::new();
    health.check(Dependency::new(Mode::Hung).check("payments")).unwrap();
    health.startup_task("migrations").unwrap().progress(3, 10);
    let _heartbeat = health.watchdog().register("consumer", SECOND).unwrap();
    start(&health).await;
    pass(SECOND).await;
    let inventory = Inventory::default();
    health.describe_into(&inventory);
    let entries = inventory.entries();
    let found: Vec<_> = entries
        .iter()
        .map(|entry| (entry.kind, &*entry.name, entry.state))
        .collect();
    assert_eq!(
        found,
        [
            ("health", "phase", "starting"),
            ("startup", "migrations", "failed"),
            ("check", "payments", "unknown"),
            ("heartbeat", "consumer", "late"),
        ]
    );
    assert_eq!(entries[1].settings, [("progress", "3 of 10".to_owned())]);
    assert!(entries[2].settings.contains(&("stale_age", "34s".to_owned())));
    let counters = [("runs", 1), ("failures", 1), ("timeouts", 1), ("panics", 0)];
    assert_eq!(entries[2].counters, counters);
}
