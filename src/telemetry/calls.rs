//! The durations of attempts at dependencies that are not called over HTTP.
//!
//! They are counted here and not by the exporter: its histograms allocate, and threads wait for each other in them.

use std::fmt::{self, Write};
use std::time::Duration;

use super::names;
use crate::base::Counters;
use crate::base::outcome::Outcome;
use crate::base::stripe::{self, MOST_STRIPES, Striped};

const OUTCOMES: [&str; 4] = ["success", "failure", "ignored", "cancelled"];
const BOUNDS: [f64; 14] = names::REQUEST_DURATION_BUCKETS;
/// Those of the bounds, and one for what is over them.
const BUCKETS: usize = BOUNDS.len() + 1;

/// The durations of one dependency.
#[derive(Clone)]
pub(crate) struct Calls(Striped<Durations>);

struct Durations {
    dependency: String,
    counts: Counters<{ OUTCOMES.len() * BUCKETS }>,
    nanos: Counters<{ OUTCOMES.len() }>,
}

impl Calls {
    pub(super) fn new(dependency: &str) -> Self {
        let durations = Durations {
            dependency: dependency.to_owned(),
            counts: Counters::default(),
            nanos: Counters::default(),
        };
        Self(Striped::new(durations, stripe::count(MOST_STRIPES)))
    }

    /// Returns what keeps the account for one call.
    #[inline]
    pub(crate) fn account(&self) -> Account {
        Account(self.0.lane())
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let Durations {
            dependency,
            counts,
            nanos,
        } = &*self.0;
        for (index, outcome) in OUTCOMES.into_iter().enumerate() {
            let (name, labels) = (
                names::DEPENDENCY_DURATION,
                format!("dependency=\"{dependency}\",outcome=\"{outcome}\""),
            );
            let of_bucket = |bucket| counts.sum_of(index * BUCKETS + bucket);
            if (0..BUCKETS).all(|bucket| of_bucket(bucket) == 0) {
                continue;
            }
            let mut sum = 0;
            for bucket in 0..BUCKETS {
                sum += of_bucket(bucket);
                let bound = BOUNDS.get(bucket).map_or("+Inf".to_owned(), f64::to_string);
                writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {sum}")?;
            }
            let seconds = Duration::from_nanos(nanos.sum_of(index)).as_secs_f64();
            writeln!(text, "{name}_sum{{{labels}}} {seconds}\n{name}_count{{{labels}}} {sum}")?;
        }
        Ok(())
    }
}

/// Where one call is counted.
pub(crate) struct Account(stripe::Lane<Durations>);

impl Account {
    /// Takes note of the call; without an outcome nobody waited for it to the end.
    #[inline]
    pub(crate) fn ended(&self, outcome: Option<Outcome>, took: Duration) {
        let outcome = match outcome {
            Some(Outcome::Success) => 0,
            Some(Outcome::Failure) => 1,
            Some(Outcome::Ignored) => 2,
            None => 3,
        };
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(BOUNDS.len());
        self.0.counts.add(outcome * BUCKETS + bucket);
        self.0
            .nanos
            .add_many(outcome, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// Renders those of all dependencies, as Prometheus' text format has it.
pub(super) fn render(all: &[Calls]) -> String {
    let mut series = String::new();
    let _ = all.iter().try_for_each(|calls| calls.write(&mut series));
    if series.is_empty() {
        return series;
    }
    let (name, help) = (
        names::DEPENDENCY_DURATION,
        "Time of an attempt at a dependency that is not called over HTTP.",
    );
    format!("# HELP {name} {help}\n# TYPE {name} histogram\n{series}\n")
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Calls({})", self.0.dependency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_in_its_bucket_and_all_above() {
        let calls = Calls::new("ledger");
        for (outcome, millis) in [
            (Some(Outcome::Success), 5),
            (Some(Outcome::Success), 6),
            (Some(Outcome::Failure), 20_000),
            (None, 1),
        ] {
            calls.account().ended(outcome, Duration::from_millis(millis));
        }
        let text = render(&[calls]);
        let value = |line: &str| {
            let line = format!("seaworthy_dependency_duration_seconds_{line} ");
            let found = text.lines().find_map(|found| found.strip_prefix(&line));
            found.unwrap_or_else(|| panic!("{line}: {text}")).to_owned()
        };
        let labels = |outcome: &str| format!("dependency=\"ledger\",outcome=\"{outcome}\"");
        let bucket = |outcome: &str, le: &str| value(&format!("bucket{{{},le=\"{le}\"}}", labels(outcome)));
        assert_eq!(bucket("success", "0.005"), "1");
        assert_eq!(bucket("success", "0.01"), "2");
        assert_eq!(bucket("success", "+Inf"), "2");
        assert_eq!(bucket("failure", "10"), "0");
        assert_eq!(bucket("failure", "+Inf"), "1");
        assert_eq!(bucket("cancelled", "0.005"), "1");
        assert_eq!(value(&format!("sum{{{}}}", labels("success"))), "0.011");
        assert_eq!(value(&format!("count{{{}}}", labels("failure"))), "1");
        assert_eq!(render(&[Calls::new("idle")]), "");
    }
}
