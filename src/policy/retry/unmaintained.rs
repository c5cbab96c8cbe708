//! Policies of the crate `backoff` as schedules, for those who have them already.

use std::time::Duration;

use ::backoff::backoff::Backoff as Policy;

use super::backoff::{Backoff, Jitter};

impl Backoff {
    /// Waits as a policy of the crate `backoff` says, which is made anew for each request that needs a second attempt.
    ///
    /// The policy's own randomization is the jitter; the [cap](Self::cap) holds after it. When the policy has had
    /// enough, by its own clock, the attempts end. That crate is not maintained any more (RUSTSEC-2025-0012): take the
    /// schedules here for anything new.
    ///
    /// # Examples
    ///
    /// ```
    /// use backoff::ExponentialBackoffBuilder;
    /// use seaworthy::retry::{Backoff, Retry};
    ///
    /// let policy = || ExponentialBackoffBuilder::new().with_multiplier(3.0).build();
    /// let ledger = Retry::builder("ledger").backoff(Backoff::policy(policy)).build().unwrap();
    /// # drop(ledger);
    /// ```
    pub fn policy<P: Policy + Send + 'static>(policy: impl Fn() -> P + Send + Sync + 'static) -> Self {
        Self::iterator(move || Delays(policy())).jitter(Jitter::None)
    }
}

struct Delays<P>(P);

impl<P: Policy> Iterator for Delays<P> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next_backoff()
    }
}

#[cfg(test)]
mod tests {
    use ::backoff::backoff::{Constant, Stop};
    use ::backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

    use super::super::backoff::Sequence;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn delays(backoff: &Backoff) -> Vec<Duration> {
        let mut sequence = Sequence::default();
        (0..6).map_while(|_| sequence.next(backoff, 0.5)).collect()
    }

    #[test]
    fn a_policy_of_the_crate_is_a_schedule_that_begins_anew_with_each_request() {
        let exponential = || -> ExponentialBackoff {
            ExponentialBackoffBuilder::new()
                .with_initial_interval(10 * MS)
                .with_multiplier(3.0)
                .with_randomization_factor(0.0)
                .build()
        };
        let backoff = Backoff::policy(exponential).cap(200 * MS);
        let expected = [10, 30, 90, 200, 200, 200].map(Duration::from_millis);
        assert_eq!(delays(&backoff), expected);
        assert_eq!(delays(&backoff), expected);
        assert_eq!(delays(&Backoff::policy(|| Constant::new(7 * MS))), [7 * MS; 6]);
    }

    #[test]
    fn a_policy_that_has_had_enough_ends_the_attempts_and_none_exceeds_the_cap() {
        assert!(delays(&Backoff::policy(|| Stop {})).is_empty());
        let random = || ExponentialBackoffBuilder::new().with_randomization_factor(1.0).build();
        let backoff = Backoff::policy(random).cap(600 * MS);
        for _ in 0..100 {
            assert!(delays(&backoff).iter().all(|delay| *delay <= 600 * MS));
        }
    }
}
