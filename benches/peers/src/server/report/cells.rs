//! Figures as cells of a table; `-` is what the system does not tell.

use crate::server::figures::Row;
use seaworthy_harness::statistics::Spread;

pub(super) fn latencies(row: &Row) -> [String; 3] {
    [row.p50_nanoseconds, row.p99_nanoseconds, row.p999_nanoseconds].map(|latency| micros(latency, 0))
}

pub(super) fn micros(nanoseconds: Spread, digits: usize) -> String {
    number(nanoseconds.median / 1e3, digits)
}

pub(super) fn number(number: f64, digits: usize) -> String {
    if number.is_finite() {
        format!("{number:.digits$}")
    } else {
        "-".to_owned()
    }
}

pub(super) fn whole_percent(share: f64) -> String {
    if share.is_finite() {
        format!("{:.0} %", share * 100.0)
    } else {
        "-".to_owned()
    }
}

pub(super) fn percent(ratios: Spread) -> String {
    let Spread { low, median, high } = ratios;
    let [low, median, high] = [low, median, high].map(|ratio| ratio * 100.0);
    if median.is_finite() {
        format!("{median:.1} % ({low:.0}..{high:.0})")
    } else {
        "-".to_owned()
    }
}
