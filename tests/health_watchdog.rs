//! Liveness and the heartbeats behind it, seen from outside.

#![cfg(feature = "health")]

use std::time::Duration;

use seaworthy::clock::ManualClock;
use seaworthy::health::{Health, HealthReport, Phase};

mod health_support;
use health_support::{Dependency, Log, Mode, SECOND, pass, start};

fn health() -> (Health, ManualClock, Log) {
    let (clock, log) = (ManualClock::default(), Log::default());
    let health = Health::builder().clock(clock.clone()).events(log.sink()).build();
    (health, clock, log)
}

fn late(report: &HealthReport) -> Vec<(&str, Duration)> {
    let late = |heartbeat: &'_ seaworthy::health::HeartbeatReport| heartbeat.late_by();
    let heartbeats = report.heartbeats.iter();
    heartbeats
        .filter_map(|heartbeat| Some((&*heartbeat.name, late(heartbeat)?)))
        .collect()
}

#[test]
fn a_process_without_heartbeats_is_live() {
    assert!(health().0.report().is_live());
}

#[test]
fn a_late_heartbeat_fails_liveness_and_is_named_with_how_late_it_is() {
    let (health, clock, _) = health();
    let _consumer = health.watchdog().register("consumer", 30 * SECOND).unwrap();
    let _producer = health.watchdog().register("producer", 60 * SECOND).unwrap();
    clock.advance(30 * SECOND);
    assert!(health.report().is_live());
    clock.advance(Duration::from_millis(1500));
    let report = health.report();
    assert!(!report.is_live());
    assert_eq!(late(&report), [("consumer", Duration::from_millis(1500))]);
}

#[test]
fn a_beat_makes_it_live_again_and_both_turns_are_told_once() {
    let (health, clock, log) = health();
    let consumer = health.watchdog().register("consumer", SECOND).unwrap();
    clock.advance(2 * SECOND);
    assert!(!health.report().is_live());
    assert!(!health.report().is_live());
    consumer.beat();
    assert!(health.report().is_live());
    assert!(health.report().is_live());
    assert_eq!(
        log.of("heartbeat"),
        [
            "heartbeat consumer: beating -> late (silent for 2s, at most 1s)",
            "heartbeat consumer: late -> beating (silent for 0ns, at most 1s)",
        ]
    );
}

#[test]
fn a_dropped_heartbeat_is_no_longer_waited_for_and_its_name_is_free() {
    let (health, clock, _) = health();
    let consumer = health.watchdog().register("consumer", SECOND).unwrap();
    clock.advance(2 * SECOND);
    drop(consumer);
    assert!(health.report().is_live());
    let _again = health.watchdog().register("consumer", SECOND).unwrap();
    assert!(health.report().is_live());
}

#[tokio::test]
async fn a_heartbeat_that_a_panic_drops_turns_late_until_its_name_is_registered_again() {
    let (health, clock, _) = health();
    let consumer = health.watchdog().register("consumer", SECOND).unwrap();
    let task = tokio::spawn(async move {
        consumer.beat();
        tokio::task::yield_now().await;
        panic!("the consumer's loop");
    });
    assert!(task.await.unwrap_err().is_panic());
    clock.advance(2 * SECOND);
    assert_eq!(late(&health.report()), [("consumer", SECOND)]);
    let refused = health.watchdog().register("consumer", Duration::ZERO);
    assert!(refused.is_err() && !health.report().is_live());
    let _again = health.watchdog().register("consumer", SECOND).unwrap();
    assert!(health.report().is_live());
    assert_eq!(health.report().heartbeats.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn liveness_and_readiness_do_not_touch_each_other() {
    let health = Health::new();
    health.check(Dependency::new(Mode::Down).check("payments")).unwrap();
    start(&health).await;
    assert_eq!((health.phase(), health.report().is_live()), (Phase::NotReady, true));
    let health = Health::new();
    let _consumer = health.watchdog().register("consumer", SECOND).unwrap();
    start(&health).await;
    pass(2 * SECOND).await;
    assert_eq!((health.phase(), health.report().is_live()), (Phase::Ready, false));
}

#[test]
fn every_mistake_in_a_heartbeat_is_told_at_once() {
    let (health, ..) = health();
    let error = health.watchdog().register("a b", Duration::MAX).unwrap_err();
    assert_eq!(error.as_slice().len(), 2);
    let _consumer = health.watchdog().register("consumer", SECOND).unwrap();
    let error = health.watchdog().register("consumer", 2 * SECOND).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`heartbeat.consumer` is registered already; it must be a name that no other has"
    );
    let silence = health.watchdog().register("silent", 90_000 * SECOND).unwrap_err();
    assert_eq!(
        silence.to_string(),
        "`heartbeat.silent.max_silence` is 90000s; it must be from 10ms to 86400s"
    );
    let kept: Vec<_> = (1..256)
        .map(|number| health.watchdog().register(format!("loop-{number}"), SECOND).unwrap())
        .collect();
    assert!(health.watchdog().register("more", SECOND).is_err());
    drop(kept);
    assert!(health.watchdog().register("more", SECOND).is_ok());
}

#[test]
fn a_dependency_check_does_not_fit_into_liveness() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/check_in_readiness.rs");
    cases.compile_fail("tests/ui/check_in_liveness.rs");
}
