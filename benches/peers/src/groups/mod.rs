//! What is compared with what.

mod adaptive;
mod breaker;
mod bulkhead;
mod five;
pub(crate) mod floors;
mod outbound;
mod rate_limit;
mod retry;
mod telemetry;
mod timeout;
pub(crate) mod together;

use tick::Clock;

use seaworthy_harness::comparison::Comparison;

/// Comparisons that are run together.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) comparisons: fn(&Clock) -> Vec<Comparison>,
}

/// All groups, by the names by which they can be asked for.
pub(crate) const ALL: [Group; 10] = [
    Group {
        name: "breaker",
        comparisons: breaker::comparisons,
    },
    Group {
        name: "timeout",
        comparisons: timeout::comparisons,
    },
    Group {
        name: "retry",
        comparisons: retry::comparisons,
    },
    Group {
        name: "together",
        comparisons: together::comparisons,
    },
    Group {
        name: "rate-limit",
        comparisons: rate_limit::comparisons,
    },
    Group {
        name: "bulkhead",
        comparisons: bulkhead::comparisons,
    },
    Group {
        name: "adaptive",
        comparisons: adaptive::comparisons,
    },
    Group {
        name: "five",
        comparisons: five::comparisons,
    },
    Group {
        name: "outbound",
        comparisons: outbound::comparisons,
    },
    Group {
        name: "telemetry",
        comparisons: telemetry::comparisons,
    },
];

#[cfg(test)]
mod tests {
    use super::{ALL, floors};
    use crate::clocked::Clocked;
    use crate::versions::Versions;

    #[test]
    fn every_row_does_what_its_comparison_says_and_has_a_version() {
        let clocked = Clocked::new().expect("the runtime starts");
        let _entered = clocked.surroundings.enter();
        let versions = Versions::of_this_build();
        for comparison in ALL.iter().flat_map(|group| (group.comparisons)(&clocked.clock)) {
            comparison.verify();
            for row in &comparison.rows {
                assert_ne!(versions.label(row.package), row.package, "it is no dependency");
            }
        }
        floors::comparison().verify();
    }
}
