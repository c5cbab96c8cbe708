use std::time::Duration;

/// What was asked and answered.
pub(in crate::server) struct Done {
    /// From the beginning to the last answer.
    pub(in crate::server) took: Duration,
    pub(in crate::server) answered: usize,
    /// Of everything that was asked, the shortest first.
    latencies: Vec<Duration>,
}

impl Done {
    pub(super) fn new(took: Duration, answered: usize, mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self {
            took,
            answered,
            latencies,
        }
    }

    /// How many requests there were, with those that were never answered.
    pub(in crate::server) fn asked(&self) -> usize {
        self.latencies.len()
    }

    /// Returns the latency than which so many, as a share of one, were no longer.
    pub(in crate::server) fn percentile(&self, share: f64) -> Duration {
        let rank = (self.latencies.len() as f64 * share).ceil() as usize;
        let at = rank.saturating_sub(1);
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Done;

    #[test]
    fn a_percentile_is_the_latency_that_so_many_did_not_exceed() {
        let latencies = (1..=1000).rev().map(Duration::from_millis).collect();
        let done = Done::new(Duration::from_secs(1), 1000, latencies);
        let percentiles = [0.0, 0.5, 0.99, 0.999, 1.0].map(|share| done.percentile(share).as_millis());
        assert_eq!(percentiles, [1, 500, 990, 999, 1000]);
    }

    #[test]
    fn where_nothing_was_asked_nothing_took_long() {
        let done = Done::new(Duration::ZERO, 0, Vec::new());
        assert_eq!(done.percentile(0.999), Duration::ZERO);
    }
}
