//! The table, as Markdown.

use crate::sim::Scenario;
use crate::sim::figures::Figures;

pub const HEAD: &str = "\
| what goes wrong | guards | offered | goodput | calls for each | p99 | critical | sheddable | well again |
|---|---|---:|---:|---:|---:|---:|---:|---:|";

/// Writes one run's row.
pub fn row(scenario: &Scenario, is_guarded: bool, figures: &Figures) -> String {
    let guards = if is_guarded { scenario.policy } else { "none" };
    let recovery = match figures.recovery {
        Some(seconds) => format!("{seconds} s"),
        None => "never".to_owned(),
    };
    format!(
        "| {} | {guards} | {:.0} % | {:.0} % | {:.2} | {} ms | {:.1} % | {:.1} % | {recovery} |",
        scenario.name,
        100.0 * figures.offered,
        100.0 * figures.goodput,
        figures.amplification,
        figures.p99_ms,
        100.0 * figures.critical,
        100.0 * figures.sheddable,
    )
}
