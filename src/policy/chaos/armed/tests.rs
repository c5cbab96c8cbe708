use std::time::Duration;

use proptest::prelude::*;

use super::engine::Fault;
use crate::base::random::Random;
use crate::policy::chaos::config::{ChaosConfig, Latency, Schedule};

const SEC: Duration = Duration::from_secs(1);

/// Shares that are at most 1 in all.
fn config() -> impl Strategy<Value = ChaosConfig> {
    [0.0..1.0_f64, 0.0..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0].prop_map(|parts| {
        let sum: f64 = parts.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        ChaosConfig {
            latency_share: parts[0] / sum,
            error_share: parts[1] / sum,
            hang_share: parts[2] / sum,
            disconnect_share: parts[3] / sum,
            latency: Latency::uniform(SEC, 3 * SEC),
            ..ChaosConfig::default()
        }
    })
}

/// Decides by where each share begins and ends.
fn model(config: &ChaosConfig, chance: f64) -> Option<&'static str> {
    let ends = config.shares().into_iter().scan(0.0, |end, (key, share)| {
        *end += share;
        Some((key, *end))
    });
    ends.into_iter().find(|(_, end)| chance < *end).map(|(key, _)| key)
}

fn key(fault: Fault) -> &'static str {
    match fault {
        Fault::Latency(_) => "latency_share",
        Fault::Error => "error_share",
        Fault::Hang => "hang_share",
        Fault::Disconnect => "disconnect_share",
    }
}

proptest! {
    #[test]
    fn shares_lie_side_by_side(config in config(), chance in 0.0..1.0_f64) {
        let ends = config.shares().into_iter().scan(0.0, |end, (_, share)| { *end += share; Some(*end) });
        // At an edge the two may round differently.
        prop_assume!(ends.into_iter().all(|end| (chance - end).abs() > 1e-9));
        prop_assert_eq!(config.fault(SEC, chance).map(key), model(&config, chance));
    }

    #[test]
    fn a_schedule_covers_what_a_walk_through_its_rounds_covers(
        after in 0_u32..50, lasts in 1_u32..20, pause in 0_u32..20, now in 0_u32..400, repeats: bool,
    ) {
        let schedule = Schedule::after(after * SEC).lasts(lasts * SEC);
        let schedule = if repeats { schedule.every((lasts + pause) * SEC) } else { schedule };
        let rounds = (0..if repeats { 500 } else { 1 }).map(|round| after + round * (lasts + pause));
        let covered = rounds.into_iter().any(|start| (start..start + lasts).contains(&now));
        let config = ChaosConfig { error_share: 1.0, schedule, ..ChaosConfig::default() };
        prop_assert_eq!(config.fault(now * SEC, 0.5).is_some(), covered);
    }
}

#[test]
fn each_fault_comes_as_often_as_its_share_says() {
    let (random, calls) = (Random::seeded(7), 100_000);
    let config = ChaosConfig {
        latency_share: 0.1,
        error_share: 0.02,
        hang_share: 0.005,
        disconnect_share: 0.3,
        latency: Latency::uniform(SEC, 3 * SEC),
        ..ChaosConfig::default()
    };
    let faults: Vec<_> = (0..calls).filter_map(|_| config.fault(SEC, random.unit())).collect();
    for (name, share) in config.shares() {
        let count = faults.iter().filter(|fault| key(**fault) == name).count() as f64;
        let mean = share * f64::from(calls);
        // Five standard deviations of the binomial distribution.
        let most = 5.0 * (mean * (1.0 - share)).sqrt();
        assert!(
            (count - mean).abs() < most,
            "{name}: {count} instead of {mean} ± {most}"
        );
    }
    let waits = faults.iter().filter_map(|fault| match fault {
        Fault::Latency(latency) => Some(latency.as_secs_f64()),
        _ => None,
    });
    let waits: Vec<_> = waits.collect();
    let mean = waits.iter().sum::<f64>() / waits.len() as f64;
    assert!((1.97..2.03).contains(&mean), "{mean}");
    assert!(waits.iter().all(|wait| (1.0..=3.0).contains(wait)));
}

#[test]
fn a_schedule_begins_and_ends_on_the_nanosecond() {
    let nano = Duration::from_nanos(1);
    let config = ChaosConfig {
        error_share: 1.0,
        schedule: Schedule::after(10 * SEC).lasts(5 * SEC).every(20 * SEC),
        ..ChaosConfig::default()
    };
    let is_on = |at| config.fault(at, 0.0).is_some();
    for round in [0, 1, 1000] {
        let start = 10 * SEC + round * 20 * SEC;
        let edges = [start - nano, start, start + 5 * SEC - nano, start + 5 * SEC];
        assert_eq!(edges.map(is_on), [false, true, true, false], "round {round}");
    }
}
