//! Medians with their spread.

use serde::Serialize;

/// The middle of many samples, and how far they lie around it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The 10th percentile.
    pub low: f64,
    /// The 50th percentile.
    pub median: f64,
    /// The 90th percentile.
    pub high: f64,
}

impl Spread {
    /// Returns `None` if there are no samples.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        let last = samples.len().checked_sub(1)?;
        let at = |share: f64| samples[(last as f64 * share).round() as usize];
        Some(Self {
            low: at(0.1),
            median: at(0.5),
            high: at(0.9),
        })
    }
}

/// Divides what one took by what another took; `None` if the other took less than can be told from nothing.
pub fn ratio(ours: f64, theirs: f64) -> Option<f64> {
    const NOTHING: f64 = 0.5;
    (theirs >= NOTHING).then(|| ours.max(0.0) / theirs)
}

#[cfg(test)]
mod tests {
    use super::{Spread, ratio};

    #[test]
    fn the_spread_is_that_of_the_sorted_samples() {
        let samples = (0..=100).rev().map(f64::from);
        let expected = Spread {
            low: 10.0,
            median: 50.0,
            high: 90.0,
        };
        assert_eq!(Spread::of(samples), Some(expected));
    }

    #[test]
    fn one_outlier_moves_neither_median_nor_percentiles() {
        let quiet = Spread::of((0..=100).map(f64::from));
        let disturbed = Spread::of((0..=99).map(f64::from).chain([1e9]));
        assert_eq!(disturbed, quiet);
    }

    #[test]
    fn one_sample_is_its_own_spread() {
        let spread = Spread::of([7.0]).expect("there is a sample");
        assert_eq!((spread.low, spread.median, spread.high), (7.0, 7.0, 7.0));
    }

    #[test]
    fn no_samples_have_no_spread() {
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_ratio_to_nothing_is_none() {
        assert_eq!(ratio(30.0, 0.1), None);
        assert_eq!(ratio(30.0, -2.0), None);
        assert_eq!(ratio(30.0, 15.0), Some(2.0));
    }

    #[test]
    fn what_seems_to_take_less_than_nothing_takes_nothing() {
        assert_eq!(ratio(-1.0, 10.0), Some(0.0));
    }
}
