//! Prints what was measured, each variant beside the bare server.

use super::variant::Variant;
use super::{CONNECTIONS, ROUND};
use crate::report::{Line, table};
use crate::statistics::Spread;

/// One round of one variant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) per_second: f64,
    /// Of the server, for a request.
    pub(super) cpu_nanos: f64,
    /// How much of the time the server ran.
    pub(super) share: f64,
    /// Nanoseconds from the request to the answer.
    pub(super) median: f64,
    pub(super) p99: f64,
}

/// All rounds of one variant.
pub(super) struct Measured {
    pub(super) variant: Variant,
    pub(super) samples: Vec<Sample>,
    /// For one request.
    pub(super) allocations: f64,
}

pub(super) fn text(measured: &[Measured]) -> String {
    let rounds = measured.first().map_or(0, |bare| bare.samples.len());
    let mut text = format!(
        "static handler over loopback, HTTP/1.1, {CONNECTIONS} connections, {rounds} rounds of {ROUND:?}; medians over the \
         rounds, in brackets their 10..90 %\n\n"
    );
    let columns = [
        "requests/s",
        "of bare",
        "µs of processor",
        "bare's of it",
        "runs",
        "p50 µs",
        "p99 µs",
        "of bare's",
        "allocations",
    ];
    let Some(Measured { samples: bare, .. }) = measured.first() else {
        return text;
    };
    let lines = measured.iter().map(|of_one| {
        let Measured {
            samples, allocations, ..
        } = of_one;
        let of = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure));
        let of_bare = |figure: fn(&Sample) -> f64| {
            let ratios = samples.iter().zip(bare).map(|(one, bare)| figure(one) / figure(bare));
            spread(ratios.collect())
        };
        let bare_over = samples
            .iter()
            .zip(bare)
            .map(|(one, bare)| bare.cpu_nanos / one.cpu_nanos);
        Line {
            label: of_one.variant.label().to_owned(),
            cells: vec![
                format!("{:.0}", of(|sample| sample.per_second)),
                of_bare(|sample| sample.per_second),
                format!("{:.2}", of(|sample| sample.cpu_nanos) / 1e3),
                spread(bare_over.collect()),
                format!("{:.0} %", of(|sample| sample.share) * 100.0),
                format!("{:.0}", of(|sample| sample.median) / 1e3),
                format!("{:.0}", of(|sample| sample.p99) / 1e3),
                of_bare(|sample| sample.p99),
                format!("{allocations:.1}"),
            ],
        }
    });
    table(&mut text, &columns, lines.collect());
    text
}

fn median(samples: impl Iterator<Item = f64>) -> f64 {
    Spread::of(samples).map_or(f64::NAN, |spread| spread.median)
}

/// Shows ratios as percentages.
fn spread(ratios: Vec<f64>) -> String {
    let Some(Spread { low, median, high }) = Spread::of(ratios) else {
        return "-".to_owned();
    };
    let [low, median, high] = [low, median, high].map(|ratio| ratio * 100.0);
    format!("{median:.1} % ({low:.0}..{high:.0})")
}

#[cfg(test)]
mod tests {
    use super::{Measured, Sample, Variant, text};

    fn sample(per_second: f64) -> Sample {
        Sample {
            per_second,
            cpu_nanos: 1e9 / per_second,
            share: 1.0,
            median: 100_000.0,
            p99: 200_000.0,
        }
    }

    fn measured(variant: Variant, per_second: [f64; 3]) -> Measured {
        Measured {
            variant,
            samples: per_second.map(sample).into(),
            allocations: 4.0,
        }
    }

    #[test]
    fn a_variant_is_compared_with_the_bare_server_of_the_same_round() {
        let measured = [
            measured(Variant::Bare, [100.0, 50.0, 200.0]),
            measured(Variant::Five, [90.0, 45.0, 180.0]),
        ];
        let text = text(&measured);
        assert!(text.contains("90.0 % (90..90)"), "{text}");
    }
}
