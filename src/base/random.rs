//! Chance, which tests can repeat.

use std::sync::Arc;

use super::sync::{Mutex, lock};

/// A source of random numbers: each thread's own by default, or a seeded one for tests.
///
/// Clones draw from the same source. Not for secrets.
#[derive(Clone, Debug, Default)]
pub struct Random(Option<Arc<Mutex<fastrand::Rng>>>);

impl Random {
    /// Draws the same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)))))
    }

    /// Draws a number from 0 up to, but not including, 1.
    pub(crate) fn unit(&self) -> f64 {
        match &self.0 {
            Some(seeded) => lock(seeded).f64(),
            None => fastrand::f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_another_does_not() {
        let draw = |seed| {
            let random = Random::seeded(seed);
            [random.unit(), random.unit()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(draw(1)[0], draw(1)[1]);
    }
}
