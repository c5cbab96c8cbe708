//! When requests are due.

use std::time::Duration;

use fastrand::Rng;

/// Returns when requests are due that come at this rate for so long, the earliest first; the same for the same seed.
///
/// The times between them are exponential, as those of many clients who know nothing of each other. Evenly spaced ones
/// would never meet at a server that can do more than is asked of it, and none would ever wait for another. All are
/// stretched a little so that the number is exactly that of the rate.
pub(in crate::server) fn arrivals(per_second: u32, length: Duration, seed: u64) -> Vec<Duration> {
    let mut chance = Rng::with_seed(seed);
    let count = (f64::from(per_second) * length.as_secs_f64()).round() as usize;
    let mut sum = 0.0;
    let mut times: Vec<f64> = (0..count)
        .map(|_| {
            sum -= (1.0 - chance.f64()).ln();
            sum
        })
        .collect();
    // The gap after the last one ends with the length.
    let whole = sum - (1.0 - chance.f64()).ln();
    for time in &mut times {
        *time *= length.as_secs_f64() / whole;
    }
    times.into_iter().map(Duration::from_secs_f64).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::arrivals;

    const LENGTH: Duration = Duration::from_secs(2);

    #[test]
    fn there_are_as_many_as_the_rate_says_and_all_within_the_length() {
        let times = arrivals(5_000, LENGTH, 1);
        assert_eq!(times.len(), 10_000);
        assert!(times.is_sorted());
        assert!(times.last().is_some_and(|last| *last <= LENGTH));
    }

    #[test]
    fn all_variants_of_a_round_meet_the_same_and_other_rounds_something_else() {
        assert_eq!(arrivals(100, LENGTH, 7), arrivals(100, LENGTH, 7));
        assert_ne!(arrivals(100, LENGTH, 7), arrivals(100, LENGTH, 8));
    }

    #[test]
    fn the_times_between_them_spread_as_far_as_they_are_long() {
        let times = arrivals(5_000, LENGTH, 1);
        let gaps: Vec<f64> = times.windows(2).map(|two| (two[1] - two[0]).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        let spread = variance.sqrt() / mean;
        assert!((0.95..1.05).contains(&spread), "{spread}");
    }

    #[test]
    fn nothing_is_due_at_no_rate() {
        assert!(arrivals(0, LENGTH, 1).is_empty());
    }
}
