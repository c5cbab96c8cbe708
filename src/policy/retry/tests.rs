mod simulation;

use std::time::Duration;

use proptest::prelude::*;

use super::appraise::Appraisal;
use super::backoff::{Backoff, Jitter, Sequence};
use super::config::RetryConfig;
use super::engine::{Progress, Stop};
use super::layer::Retry;
use crate::base::budget::Budget;
use crate::base::inventory::Describe;

const MS: Duration = Duration::from_millis(1);

fn delays(backoff: &Backoff, chances: &[f64]) -> Vec<Duration> {
    let mut sequence = Sequence::default();
    chances
        .iter()
        .map_while(|chance| sequence.next(backoff, *chance))
        .collect()
}

fn in_ms(backoff: Backoff, chance: f64) -> Vec<f64> {
    let backoff = backoff.cap(1000 * MS);
    let millis = |delay: Duration| delay.as_secs_f64() * 1000.0;
    delays(&backoff, &[chance; 6]).into_iter().map(millis).collect()
}

#[test]
fn schedules_without_jitter_are_what_their_names_say() {
    let none = |backoff: Backoff| in_ms(backoff.jitter(Jitter::None), 0.9);
    assert_eq!(none(Backoff::constant(50 * MS)), [50.0; 6]);
    assert_eq!(
        none(Backoff::linear(50 * MS)),
        [50.0, 100.0, 150.0, 200.0, 250.0, 300.0]
    );
    assert_eq!(
        none(Backoff::exponential(50 * MS)),
        [50.0, 100.0, 200.0, 400.0, 800.0, 1000.0]
    );
    let fibonacci = || [1, 2, 3, 5].into_iter().map(Duration::from_millis);
    assert_eq!(none(Backoff::iterator(fibonacci)), [1.0, 2.0, 3.0, 5.0]);
}

#[test]
fn jitter_draws_from_what_the_formulas_say() {
    let exponential = |jitter, chance| in_ms(Backoff::exponential(100 * MS).jitter(jitter), chance);
    assert_eq!(exponential(Jitter::Full, 0.0), [0.0; 6]);
    assert_eq!(
        exponential(Jitter::Full, 0.5),
        [50.0, 100.0, 200.0, 400.0, 500.0, 500.0]
    );
    assert_eq!(
        exponential(Jitter::Equal, 0.0),
        [50.0, 100.0, 200.0, 400.0, 500.0, 500.0]
    );
    assert_eq!(
        exponential(Jitter::Equal, 0.5),
        [75.0, 150.0, 300.0, 600.0, 750.0, 750.0]
    );
    // From 100 to three times the last: 100…300, then 100…600, 100…1050, and so on.
    assert_eq!(
        exponential(Jitter::Decorrelated, 0.5),
        [200.0, 350.0, 575.0, 912.5, 1000.0, 1000.0]
    );
    assert_eq!(exponential(Jitter::Decorrelated, 0.0), [100.0; 6]);
}

fn backoff() -> impl Strategy<Value = Backoff> {
    let delay = || prop_oneof![0..2_000u64, Just(u64::MAX), any::<u64>()].prop_map(Duration::from_millis);
    let schedule = (delay(), delay(), 0..4u8).prop_map(|(first, second, kind)| match kind {
        0 => Backoff::constant(first),
        1 => Backoff::linear(first),
        2 => Backoff::exponential(first),
        _ => Backoff::iterator(move || [first, second, Duration::MAX, Duration::ZERO].into_iter().cycle()),
    });
    let jitter = prop_oneof![
        Just(Jitter::None),
        Just(Jitter::Full),
        Just(Jitter::Equal),
        Just(Jitter::Decorrelated)
    ];
    (schedule, jitter, 0..3_000u64)
        .prop_map(|(schedule, jitter, cap)| schedule.jitter(jitter).cap(Duration::from_millis(cap)))
}

proptest! {
    #[test]
    fn no_delay_exceeds_the_cap_whatever_the_schedule_and_the_chance(
        backoff in backoff(),
        cap in 0..3_000u64,
        chances in prop::collection::vec(0.0..1.0f64, 1..80),
    ) {
        let cap = Duration::from_millis(cap);
        let backoff = backoff.cap(cap);
        let drawn = delays(&backoff, &chances);
        prop_assert_eq!(drawn.len(), chances.len());
        prop_assert!(drawn.iter().all(|delay| *delay <= cap), "{:?}: {:?}", backoff, drawn);
    }

    #[test]
    fn jitter_stays_within_its_bounds(first in 1..500u64, cap in 500..3_000u64, chances in prop::collection::vec(0.0..1.0f64, 1..12)) {
        let (first, cap) = (Duration::from_millis(first), Duration::from_millis(cap));
        let drawn = |jitter| delays(&Backoff::exponential(first).cap(cap).jitter(jitter), &chances);
        let planned = drawn(Jitter::None);
        prop_assert!(drawn(Jitter::Full).iter().zip(&planned).all(|(delay, most)| delay <= most));
        prop_assert!(drawn(Jitter::Equal).iter().zip(&planned).all(|(delay, most)| delay <= most && *delay >= *most / 2));
        let mut last = first;
        for delay in drawn(Jitter::Decorrelated) {
            prop_assert!(delay >= first.min(cap) && delay <= (last * 3).min(cap));
            last = delay;
        }
    }

    /// Says again what each verdict must be, by what there is to say about it and not by the order of the questions.
    #[test]
    fn the_engine_agrees_with_the_obvious_model(
        attempts in 1..6u32,
        appraisals in prop::collection::vec((0..4u8, 0..200u64, prop::option::of(0..300u64)), 1..8),
    ) {
        let config = RetryConfig {
            attempts,
            backoff: Backoff::linear(10 * MS).jitter(Jitter::None),
            total: None,
        };
        let mut progress = Progress::new();
        let mut drawn = 0;
        for (made, (kind, hint, remaining)) in (1..).zip(appraisals) {
            let (hint, remaining) = (Duration::from_millis(hint), remaining.map(Duration::from_millis));
            let appraisal = [
                Appraisal::Final,
                Appraisal::Again,
                Appraisal::AgainAfter(hint),
                Appraisal::AgainIn(hint),
            ][usize::from(kind)];
            drawn = if kind == 3 { 0 } else { drawn + 1 };
            let wait = [Duration::MAX, 10 * MS * drawn, 10 * MS * drawn + hint, hint][usize::from(kind)];
            let in_time = remaining.is_none_or(|remaining| wait < remaining);
            let expected = match (kind, made >= attempts, in_time) {
                (0, ..) => Err(Stop::Final),
                (_, true, _) => Err(Stop::Exhausted),
                (_, false, false) => Err(Stop::OutOfTime),
                (_, false, true) => Ok(wait),
            };
            prop_assert_eq!(progress.decide(appraisal, &config, 0.5, remaining), expected);
            if expected.is_err() {
                break;
            }
            progress.attempt = progress.attempt.next();
        }
    }
}

#[test]
fn nobody_waits_for_a_year_because_he_was_told_to() {
    let config = RetryConfig {
        total: None,
        ..RetryConfig::default()
    };
    let year = Duration::from_secs(365 * 24 * 3600);
    for appraisal in [
        Appraisal::AgainIn(year),
        Appraisal::AgainAfter(year),
        Appraisal::AgainAfter(Duration::MAX),
    ] {
        let decided = Progress::new().decide(appraisal, &config, 0.5, None);
        assert_eq!(decided, Err(Stop::OutOfTime), "{appraisal:?}");
    }
}

#[test]
fn a_schedule_that_ends_ends_the_attempts() {
    let config = RetryConfig {
        attempts: 100,
        backoff: Backoff::iterator(|| [MS, MS].into_iter()),
        total: None,
    };
    let mut progress = Progress::new();
    let mut decide = || progress.decide(Appraisal::Again, &config, 0.0, None);
    assert!(decide().is_ok() && decide().is_ok());
    assert_eq!(decide(), Err(Stop::Exhausted));
}

#[test]
fn a_setting_out_of_range_is_refused_with_its_range() {
    let wrong = Retry::builder("payments")
        .attempts(0)
        .total(Duration::ZERO)
        .backoff(Backoff::exponential(2000 * MS))
        .build()
        .unwrap_err();
    let text = wrong.to_string();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "`retry.payments.attempts` is 0; it must be from 1 to 100",
            "`retry.payments.total` is 0ns; it must be from 1ms to 86400s",
            "`retry.payments.backoff.first` is 2s; it must be at most `cap` (1s), which bounds every delay",
        ]
    );
    let wrong = Retry::builder("payments")
        .backoff(Backoff::default().cap(Duration::MAX))
        .build();
    assert!(wrong.unwrap_err().to_string().contains("`retry.payments.backoff.cap`"));
}

#[test]
fn a_rejected_change_keeps_the_old_settings() {
    let retry = Retry::builder("payments").build().unwrap();
    retry.reconfigure(|config| config.attempts = 101).unwrap_err();
    assert_eq!(retry.config().attempts, 3);
    retry.reconfigure(|config| config.attempts = 100).unwrap();
    assert_eq!(retry.config().attempts, 100);
}

#[test]
fn the_inventory_shows_the_settings_in_force_and_whose_budget_pays() {
    let retry = Retry::builder("payments").build().unwrap();
    let entries = retry.describe_all();
    let kinds: Vec<_> = entries.iter().map(|entry| (entry.kind, entry.name.as_str())).collect();
    assert_eq!(kinds, [("retry", "payments"), ("budget", "payments")]);
    let expected = [
        ("attempts", "3"),
        ("backoff", "50ms, doubling, at most 1s, jitter full"),
        ("total", "5s"),
        ("budget", "payments"),
    ];
    assert_eq!(
        entries[0].settings,
        expected.map(|(key, value)| (key, value.to_owned()))
    );

    let budget = Budget::builder("shared").build().unwrap();
    let retry = Retry::builder("payments").budget(budget).total(None).build().unwrap();
    let entries = retry.describe_all();
    assert_eq!(entries.len(), 1, "a shared budget is described by whoever made it");
    assert!(entries[0].settings.contains(&("budget", "shared".to_owned())));
    assert!(entries[0].settings.contains(&("total", "none".to_owned())));
}
