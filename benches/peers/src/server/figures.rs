//! What was measured.

use serde::Serialize;

use super::sample::Sample;
use super::variants::Variant;
use seaworthy_harness::origin::Origin;
use seaworthy_harness::statistics::Spread;

#[derive(Serialize)]
pub(super) struct Figures {
    #[serde(flatten)]
    pub(super) origin: Origin,
    /// Of the packages that are compared.
    pub(super) versions: Vec<String>,
    pub(super) seconds: u64,
    /// How many requests could be under way at once.
    pub(super) connections: usize,
    pub(super) closed_rounds: usize,
    pub(super) closed_milliseconds: u64,
    /// As fast as each of them could.
    pub(super) closed: Vec<Row>,
    pub(super) open_rounds: usize,
    pub(super) open_milliseconds: u64,
    pub(super) open: Vec<AtRate>,
    /// In the order of the rows.
    pub(super) memory: Vec<Memory>,
}

/// All variants at one rate.
#[derive(Serialize)]
pub(super) struct AtRate {
    /// How many requests were due a second.
    pub(super) rate: u32,
    pub(super) rows: Vec<Row>,
}

/// One variant in all rounds of one kind.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// How many requests were answered.
    pub(super) per_second: Spread,
    /// The same over what the bare server answered in the same round.
    pub(super) per_second_of_bare: Spread,
    /// Of the server, for a request.
    pub(super) cpu_nanoseconds: Spread,
    /// How much of it the bare server took in the same round.
    pub(super) bare_of_cpu: Spread,
    /// How much of the time the server ran.
    pub(super) ran: Spread,
    pub(super) p50_nanoseconds: Spread,
    pub(super) p99_nanoseconds: Spread,
    pub(super) p999_nanoseconds: Spread,
    /// Over the bare server's of the same round.
    pub(super) p99_of_bare: Spread,
    /// How many requests of all rounds were given up.
    pub(super) unanswered: usize,
}

/// What a variant's process used.
#[derive(Serialize)]
pub(super) struct Memory {
    pub(super) name: &'static str,
    /// For one request.
    pub(super) allocations: f64,
    pub(super) bytes: f64,
    /// The most bytes that were resident, if the system told.
    pub(super) peak: Option<u64>,
}

impl Row {
    /// Sums up a variant's rounds; `None` if there were none.
    pub(super) fn of(variant: &Variant, samples: &[Sample], bare: &[Sample]) -> Option<Self> {
        let spread = |figure: fn(&Sample) -> f64| Spread::of(samples.iter().map(figure));
        let with_bare = |ratio: fn(&Sample, &Sample) -> f64| {
            Spread::of(samples.iter().zip(bare).map(|(one, bare)| ratio(one, bare)))
        };
        Some(Self {
            name: variant.name,
            label: variant.label,
            per_second: spread(|one| one.per_second)?,
            per_second_of_bare: with_bare(|one, bare| one.per_second / bare.per_second)?,
            cpu_nanoseconds: spread(|one| one.cpu_nanos)?,
            bare_of_cpu: with_bare(|one, bare| bare.cpu_nanos / one.cpu_nanos)?,
            ran: spread(|one| one.share)?,
            p50_nanoseconds: spread(|one| one.p50)?,
            p99_nanoseconds: spread(|one| one.p99)?,
            p999_nanoseconds: spread(|one| one.p999)?,
            p99_of_bare: with_bare(|one, bare| one.p99 / bare.p99)?,
            unanswered: samples.iter().map(|one| one.unanswered).sum(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::Row;
    use crate::server::sample::Sample;
    use crate::server::variants::ALL;

    fn sample(per_second: f64) -> Sample {
        Sample {
            per_second,
            cpu_nanos: 1e9 / per_second,
            share: 1.0,
            p50: 100_000.0,
            p99: 200_000.0,
            p999: 300_000.0,
            unanswered: 1,
        }
    }

    /// Makes the rows of the first two variants, which have answered so many requests a second.
    pub(in crate::server) fn rows(bare: [f64; 3], other: [f64; 3]) -> Vec<Row> {
        let [bare, other] = [bare, other].map(|rounds| rounds.map(sample));
        let rows = [Row::of(&ALL[0], &bare, &bare), Row::of(&ALL[1], &other, &bare)];
        rows.into_iter().flatten().collect()
    }

    #[test]
    fn a_variant_is_compared_with_the_bare_server_of_the_same_round() {
        let rows = rows([100.0, 50.0, 200.0], [90.0, 45.0, 180.0]);
        let [_, other] = &rows[..] else {
            panic!("there are two");
        };
        for ratio in [other.per_second_of_bare, other.bare_of_cpu] {
            assert!(
                [ratio.low, ratio.median, ratio.high]
                    .iter()
                    .all(|share| (share - 0.9).abs() < 1e-9)
            );
        }
        assert_eq!(other.per_second.median, 90.0);
        assert_eq!(other.unanswered, 3);
    }

    #[test]
    fn no_rounds_make_no_row() {
        assert_eq!(Row::of(&ALL[0], &[], &[]), None);
    }
}
