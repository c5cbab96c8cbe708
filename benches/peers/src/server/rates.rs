//! The rates of the open loop.

/// What the rates are of that which the bare server can do at most: hardly anything, a lot, and what few can hold.
const SHARES: [f64; 3] = [0.1, 0.4, 0.7];

/// Returns the rates, which are round numbers.
pub(super) fn of(maximum: f64) -> [u32; 3] {
    SHARES.map(|share| {
        let rate = (share * maximum).max(10.0);
        let unit = 10_f64.powf(rate.log10().floor() - 1.0);
        ((rate / unit).round() * unit).round() as u32
    })
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn rates_are_round_numbers() {
        assert_eq!(of(42_927.0), [4_300, 17_000, 30_000]);
        assert_eq!(of(222_938.0), [22_000, 89_000, 160_000]);
    }

    #[test]
    fn a_server_that_can_do_nothing_is_asked_all_the_same() {
        assert_eq!(of(0.0), [10, 10, 10]);
    }
}
