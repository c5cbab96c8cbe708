//! What became of each request.

use std::ops::Range;
use std::time::Duration;

/// One request, by when it was due: a load that waits for answers would not see what those wait who come meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the game day began.
    pub due: Duration,
    /// From when it was due.
    pub took: Duration,
    pub who: Who,
    pub ended: Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// One of a hundred clients, who places an order.
    Client,
    /// One client who places far too many.
    Flooder,
    /// Somebody whose request takes 1.5 s.
    Slow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Answered,
    /// By this policy.
    Refused(&'static str),
    /// With another status.
    Failed,
    /// Without an answer.
    Lost,
}

/// Finds out who refused, by what is said in the problem.
pub fn refused_by(detail: &str) -> Option<&'static str> {
    let said = [
        ("more than ", "rate limit"),
        ("circuit is open", "breaker"),
        ("no place ", "bulkhead"),
        ("calls are as many as it can take", "adaptive limit"),
        ("too much to do", "load shed"),
        ("no response within", "timeout"),
        ("deadline has passed", "timeout"),
    ];
    said.into_iter()
        .find(|(words, _)| detail.contains(words))
        .map(|(_, by)| by)
}

/// Chooses those that were due within a time.
pub fn due_within(samples: &[Sample], when: &Range<Duration>) -> Vec<Sample> {
    samples
        .iter()
        .filter(|sample| when.contains(&sample.due))
        .copied()
        .collect()
}

/// Counts those for which something holds.
pub fn count(samples: &[Sample], is_meant: impl Fn(&Sample) -> bool) -> usize {
    samples.iter().filter(|sample| is_meant(sample)).count()
}

/// Returns the milliseconds that so great a share of them took at the most; `None` if there are none.
pub fn percentile(samples: &[Sample], share: f64, is_meant: impl Fn(&Sample) -> bool) -> Option<f64> {
    let took = samples
        .iter()
        .filter(|sample| is_meant(sample))
        .map(|sample| sample.took);
    let mut took: Vec<_> = took.collect();
    took.sort();
    // The nearest rank.
    let rank = (share * took.len() as f64).ceil() as usize;
    let took = took.get(rank.saturating_sub(1))?;
    Some(took.as_secs_f64() * 1000.0)
}

/// A service is well again when for so long so great a share of the clients' orders is answered.
const WELL_FOR: Duration = Duration::from_millis(500);
const WELL_SHARE: f64 = 0.95;

/// Returns how long after `healed` the clients' orders are answered again; `None` if they are not by the end.
pub fn recovery(samples: &[Sample], healed: Duration, end: Duration) -> Option<Duration> {
    let step = Duration::from_millis(50);
    let mut from = healed;
    while from + WELL_FOR <= end {
        let mut part = due_within(samples, &(from..from + WELL_FOR));
        part.retain(|sample| sample.who == Who::Client);
        let answered = count(&part, |sample| sample.ended == Ended::Answered);
        if !part.is_empty() && answered as f64 >= WELL_SHARE * part.len() as f64 {
            return Some(from - healed);
        }
        from += step;
    }
    None
}
