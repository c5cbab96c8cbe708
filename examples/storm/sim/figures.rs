//! What is told of a run.

use super::CAPACITY;
use super::record::{Group, Record, Second};
use super::scenario::Scenario;

/// What a run comes to within the seconds that its scenario measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// First tries, in capacities of the server.
    pub offered: f64,
    /// Answers in time, in capacities of the server; the flood's do not count.
    pub goodput: f64,
    /// Calls of what the scenario is about, over the first tries that need it.
    pub amplification: f64,
    /// The time after which 99 % of all requests had an answer, a refusal or no more patience, the flood's aside.
    pub p99_ms: u32,
    /// The share of the critical requests that were answered in time.
    pub critical: f64,
    /// The share of the others.
    pub sheddable: f64,
    /// The seconds from the end of the fault until all is well again for good; `None` if it never is.
    pub recovery: Option<u32>,
}

/// A second is well when so many of its requests are answered in time.
const WELL: f64 = 0.95;

/// Sums a run up.
pub fn figures(scenario: &Scenario, record: &Record) -> Figures {
    let measured = &scenario.measured;
    let seconds = &record.seconds[measured.start as usize..measured.end as usize];
    let sum = |of: &dyn Fn(&Second) -> u32| f64::from(seconds.iter().map(of).sum::<u32>());
    let possible = seconds.len() as f64 * CAPACITY;
    let success = |group| share(&record_of(seconds, group));
    Figures {
        offered: sum(&|second| second.offered.iter().sum()) / possible,
        goodput: sum(&|second| polite(&second.good)) / possible,
        amplification: sum(&|second| second.calls) / sum(&|second| second.first_tries),
        p99_ms: percentile(seconds, 0.99),
        critical: success(Group::Critical),
        sheddable: success(Group::Sheddable),
        recovery: recovery(scenario, record),
    }
}

fn record_of(seconds: &[Second], group: Group) -> (u32, u32) {
    let good = seconds.iter().map(|second| second.good[group as usize]).sum();
    (good, seconds.iter().map(|second| second.offered[group as usize]).sum())
}

fn share((good, offered): &(u32, u32)) -> f64 {
    f64::from(*good) / f64::from(*offered)
}

/// Returns the sum without the flood.
fn polite(by_group: &[u32; 3]) -> u32 {
    by_group[Group::Critical as usize] + by_group[Group::Sheddable as usize]
}

/// Returns the latency, in milliseconds, that so large a share stays within.
pub fn percentile(seconds: &[Second], share: f64) -> u32 {
    let mut all: Vec<_> = seconds
        .iter()
        .flat_map(|second| &second.latencies_ms)
        .copied()
        .collect();
    all.sort_unstable();
    let rank = (all.len() as f64 * share).ceil() as usize;
    all.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn recovery(scenario: &Scenario, record: &Record) -> Option<u32> {
    let end = scenario.fault.end;
    let is_well = |second: &Second| share(&(polite(&second.good), polite(&second.offered))) >= WELL;
    let after = &record.seconds[end as usize..];
    let last_bad = after.iter().rposition(|second| !is_well(second));
    let seconds = last_bad.map_or(0, |last| last as u32 + 1);
    (end + seconds < scenario.seconds).then_some(seconds)
}
