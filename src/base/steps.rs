//! Steps of a histogram: each power of two is cut into eight, so that a step is at most an eighth of what it holds.

/// Each power of two is cut into so many (2³) equal steps.
const STEP_BITS: u32 = 3;

/// Returns the step that holds so many units.
#[inline]
pub(crate) const fn step_of(units: u64) -> usize {
    // Below the first power of two that is cut, a step is one unit.
    let shift = (u64::BITS - (units >> STEP_BITS).leading_zeros()).saturating_sub(1);
    ((shift as usize) << STEP_BITS) + (units >> shift) as usize
}

/// Returns at how many units a step begins, which is where the one before ends.
pub(crate) const fn begin_of(step: usize) -> u64 {
    let step = step as u64;
    let shift = (step >> STEP_BITS).saturating_sub(1);
    (step - (shift << STEP_BITS)) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_the_step_that_begins_below_it_and_ends_above_it() {
        for units in (0..4096).chain([1 << 20, (1 << 20) - 1, 987_654_321, 1 << 40]) {
            let step = step_of(units);
            assert!(begin_of(step) <= units && units < begin_of(step + 1), "{units}");
            let width = begin_of(step + 1) - begin_of(step);
            assert!(width == 1 || width * 8 <= begin_of(step), "{units}");
        }
    }
}
