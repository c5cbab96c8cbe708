//! The generic cell rate algorithm (ITU-T I.371, annex A), as `governor` computes it.

use std::cell::Cell;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use super::quota::Terms;
use crate::base::ticks::Ticks;

/// What a request finds, and leaves behind: when the next one would come if all came evenly.
///
/// As long as that is not later than now, nothing has been spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrival(pub(super) Ticks);

/// Why a request does not go through now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It may at that time, if nobody else comes before.
    Until(Ticks),
    /// It asks for more than there can ever be at once.
    Never,
    /// There is no room for its key.
    NoRoom,
}

impl Arrival {
    /// Spends `weight` of what the terms allow, all or nothing.
    #[inline]
    pub(super) fn spend(self, weight: NonZeroU32, terms: Terms, now: Ticks) -> Result<Self, Denied> {
        if weight > terms.burst {
            return Err(Denied::Never);
        }
        // A limiter whose time begins now, and which has spent what is ahead.
        let ahead = Ahead(Cell::new(NonZeroU64::new(self.0.0.saturating_sub(now.0))));
        let quota = Quota::with_period(Duration::from_nanos(terms.interval));
        let Some(quota) = quota else {
            return Err(Denied::Never);
        };
        let limiter = RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::new(quota.allow_burst(terms.burst), ahead, Now);
        let decided = if weight == NonZeroU32::MIN {
            Ok(limiter.check())
        } else {
            limiter.check_n(weight)
        };
        match decided {
            Ok(Ok(())) => {
                let ahead = limiter.into_state_store().0.get().map_or(0, NonZeroU64::get);
                Ok(Self(Ticks(now.0.saturating_add(ahead))))
            }
            Ok(Err(not_until)) => {
                let wait = not_until.earliest_possible().as_u64();
                Err(Denied::Until(Ticks(now.0.saturating_add(wait))))
            }
            Err(_) => Err(Denied::Never),
        }
    }

    /// Returns how many requests could go through at once.
    pub(super) fn remaining(self, terms: Terms, now: Ticks) -> u32 {
        let ahead = self.0.0.saturating_sub(now.0);
        let spent = ahead.div_ceil(terms.interval);
        terms
            .burst
            .get()
            .saturating_sub(u32::try_from(spent).unwrap_or(u32::MAX))
    }

    /// Counts what has been spent at another interval: as many requests as before.
    pub(super) fn at_interval(self, old: u64, new: u64, now: Ticks) -> Self {
        let ahead = u128::from(self.0.0.saturating_sub(now.0));
        let ahead = ahead * u128::from(new) / u128::from(old.max(1));
        Self(Ticks(now.0 + u64::try_from(ahead).unwrap_or(MOST).min(MOST)))
    }
}

/// The most that can be ahead, so that no sum overflows: 18 years.
pub(super) const MOST: u64 = 1 << 59;

/// How far the next arrival is ahead of now.
struct Ahead(Cell<Option<NonZeroU64>>);

impl StateStore for Ahead {
    type Key = NotKeyed;

    #[inline]
    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (decided, ahead) = decide(self.0.get().map(|ahead| ahead.get().into()))?;
        self.0.set(NonZeroU64::new(ahead.as_u64()));
        Ok(decided)
    }
}

/// Stands still at the beginning of a limiter's time.
#[derive(Clone, Debug)]
struct Now;

impl Clock for Now {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        Nanos::default()
    }
}
