use std::time::Duration;

use proptest::prelude::*;

use super::config::{Delay, Percentile};
use super::latency::{Latency, PART, PARTS};
use super::pace::Pace;
use super::{Hedge, HedgeConfig};
use crate::base::inventory::Describe;
use crate::base::ticks::{Ticks, nanos_of};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> Ticks {
    Ticks::default().after(Duration::from_millis(millis))
}

/// Remembers every call, with the part of time in which it ended.
#[derive(Default)]
struct Model(Vec<(u64, Duration)>);

impl Model {
    /// Returns exactly what `percent` of the calls of the newest parts took at most.
    fn percentile(&self, percent: u8, least: usize, newest: u64) -> Option<Duration> {
        let is_recent = |part: u64| part + PARTS as u64 > newest;
        let calls = self.0.iter().filter(|(part, _)| is_recent(*part));
        let mut calls: Vec<_> = calls.map(|(_, took)| *took).collect();
        calls.sort();
        if calls.len() < least.max(1) {
            return None;
        }
        // The first one that, with all before it, makes up as many percent.
        let rank = (1..=calls.len()).find(|rank| rank * 100 >= calls.len() * usize::from(percent));
        rank.map(|rank| calls[rank - 1])
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(Duration),
    Record(usize, Duration),
    AtOnce(usize),
    Ask(u8, u32),
}

fn took() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..2_000_000u64).prop_map(Duration::from_nanos),
        (0..20_000u64).prop_map(Duration::from_micros),
        (0..60_000u64).prop_map(Duration::from_millis),
        Just(Duration::MAX),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0..15_000u64).prop_map(|pause| Step::Pass(millis(pause))),
        1 => (0..1_000_000u64).prop_map(|pause| Step::Pass(millis(pause))),
        12 => (0..4usize, took()).prop_map(|(stripe, took)| Step::Record(stripe, took)),
        2 => (0..4usize).prop_map(Step::AtOnce),
        6 => (1..=99u8, 0..30u32).prop_map(|(percent, least)| Step::Ask(percent, least)),
    ];
    prop::collection::vec(step, 0..200)
}

/// The longest that is told apart from what is longer.
const LONGEST: Duration = Duration::from_nanos(1 << 36);

proptest! {
    #[test]
    fn a_percentile_is_that_of_the_sorted_calls_and_at_most_an_eighth_above(start in 0..100_000u64, steps in steps()) {
        let (mut now, mut model) = (at(start), Model::default());
        let latency = Latency::new(4, now);
        let mut newest = now.0 / nanos_of(PART);
        for step in steps {
            match step {
                Step::Pass(pause) => now = now.after(pause),
                Step::Record(stripe, took) => {
                    latency.record(stripe, took, now);
                    newest = now.0 / nanos_of(PART);
                    model.0.push((newest, took.min(LONGEST)));
                }
                // Whoever looks at no clock does not know that a part is over.
                Step::AtOnce(stripe) => {
                    latency.record_at_once(stripe);
                    model.0.push((newest, Duration::ZERO));
                }
                Step::Ask(percent, least) => {
                    let found = latency.percentile(percent, least, now);
                    newest = now.0 / nanos_of(PART);
                    let exact = model.percentile(percent, least as usize, newest);
                    prop_assert_eq!(found.is_some(), exact.is_some());
                    if let (Some(found), Some(exact)) = (found, exact) {
                        prop_assert!(found >= exact, "{found:?} is below {exact:?}");
                        let error = (exact / 8).max(Duration::from_nanos(1 << 16));
                        prop_assert!(found <= exact + error, "{found:?} is too far above {exact:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_ended_within_twenty_seconds_counts_and_what_ended_before_thirty_does_not() {
    let latency = Latency::new(1, at(0));
    latency.record(0, millis(100), at(9_999));
    assert!(latency.percentile(50, 1, at(29_999)).is_some());
    assert_eq!(latency.percentile(50, 1, at(30_000)), None);
    latency.record(0, millis(100), at(30_000));
    assert!(latency.percentile(50, 1, at(59_999)).is_some());
    assert_eq!(latency.percentile(50, 1, at(60_000)), None);
}

#[test]
fn a_clock_of_another_thread_that_lags_behind_clears_nothing() {
    let latency = Latency::new(1, at(50_000));
    latency.record(0, millis(100), at(50_000));
    latency.record(0, millis(100), at(49_999));
    assert!(latency.percentile(50, 2, at(49_999)).is_some());
}

fn percentile() -> Percentile {
    Percentile::of(90).minimum_calls(10).fallback(millis(300))
}

fn delay_at(pace: &Pace, now: Ticks) -> Duration {
    pace.found(now, || percentile().into())
}

#[test]
fn the_delay_is_the_fallback_until_enough_calls_are_known_and_within_its_bounds_then() {
    let percentile = percentile().min(millis(20)).max(millis(50));
    let pace = Pace::new(&percentile.clone().into(), 1, at(0));
    let delay = || pace.found(at(1), || percentile.clone().into());
    for (calls, took, expected) in [(9, 10, 300), (1, 10, 20), (100, 30, 31), (1_000, 400, 50)] {
        (0..calls).for_each(|_| pace.record(0, millis(took), at(0)));
        // Or what has been looked for would be good for a while.
        pace.set(&percentile.clone().into());
        let found = delay().as_millis();
        assert!(
            (expected..=expected + expected / 8).contains(&found),
            "{calls} of {took} ms: {found} ms"
        );
    }
}

#[test]
fn a_percentile_is_looked_for_once_within_its_refresh() {
    let pace = Pace::new(&percentile().into(), 1, at(0));
    assert_eq!(delay_at(&pace, at(0)), millis(300));
    (0..10).for_each(|_| pace.record(0, millis(40), at(0)));
    assert_eq!(delay_at(&pace, at(99)), millis(300));
    assert!(delay_at(&pace, at(100)) < millis(46));
}

#[test]
fn other_settings_are_in_force_at_once_and_what_is_known_stays() {
    let pace = Pace::new(&percentile().into(), 1, at(0));
    (0..10).for_each(|_| pace.record(0, millis(40), at(0)));
    let before = delay_at(&pace, at(0));
    pace.set(&Delay::Fixed(millis(7)));
    assert_eq!(pace.fixed(), Some(millis(7)));
    pace.set(&percentile().into());
    assert_eq!((pace.fixed(), delay_at(&pace, at(1))), (None, before));
}

#[test]
fn a_setting_out_of_range_is_refused_with_its_range() {
    let percentile = Percentile::of(100).minimum_calls(0).max(Duration::ZERO).min(millis(2));
    let text = Hedge::builder("payments")
        .after(percentile)
        .build()
        .unwrap_err()
        .to_string();
    let expected = [
        "`hedge.payments.after.percent` is 100; it must be from 1 to 99",
        "`hedge.payments.after.minimum_calls` is 0; it must be at least 1",
        "`hedge.payments.after.max` is 0ns; it must be from 1ms to 60s",
        "`hedge.payments.after.min` is 2ms; it must be at most `max` (0ns)",
    ];
    assert_eq!(text, expected.join("\n"));
    let text = Hedge::builder("payments")
        .after(millis(60_001))
        .build()
        .unwrap_err()
        .to_string();
    assert_eq!(text, "`hedge.payments.after` is 60.001s; it must be from 1ms to 60s");
}

#[test]
fn a_rejected_change_keeps_the_old_settings() {
    let hedge = Hedge::builder("payments").after(millis(5)).build().unwrap();
    hedge
        .reconfigure(|config| config.after = Duration::ZERO.into())
        .unwrap_err();
    assert_eq!(
        *hedge.config(),
        HedgeConfig {
            after: millis(5).into()
        }
    );
    assert_eq!(hedge.delay(), millis(5));
}

#[test]
fn the_inventory_shows_the_settings_in_force_and_the_delay_that_follows() {
    let hedge = Hedge::builder("payments").build().unwrap();
    let settings = |hedge: &Hedge| {
        let settings = hedge.describe().settings;
        settings.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
    };
    let text = "percentile 95, 1ms to 5s, 500ms before 100 calls";
    assert_eq!(settings(&hedge), [text, "500ms", "payments"]);
    hedge.reconfigure(|config| config.after = millis(5).into()).unwrap();
    assert_eq!(settings(&hedge), ["5ms", "5ms", "payments"]);
}

#[test]
fn a_budget_of_its_own_is_described_and_one_that_was_given_is_not() {
    let own = Hedge::builder("payments").build().unwrap();
    let given = Hedge::builder("refunds")
        .budget(own.budget().unwrap().clone())
        .build()
        .unwrap();
    let none = Hedge::builder("plain").without_budget().build().unwrap();
    let kinds = |hedge: &Hedge| hedge.describe_all().iter().map(|entry| entry.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&own), ["hedge", "budget"]);
    assert_eq!(kinds(&given), ["hedge"]);
    assert_eq!((kinds(&none), none.budget().is_some()), (vec!["hedge"], false));
}
