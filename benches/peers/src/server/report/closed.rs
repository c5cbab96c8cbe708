use std::fmt::Write as _;

use super::cells::{latencies, micros, number, percent, whole_percent};
use crate::server::figures::{Figures, Memory};
use seaworthy_harness::table::{Line, table};

/// Prints how fast each of them can be asked, and what a request costs it.
pub(super) fn print(text: &mut String, figures: &Figures) {
    let (rounds, length) = (figures.closed_rounds, figures.closed_milliseconds);
    let _ = writeln!(
        text,
        "\nclosed loop: each connection asks again once it is answered; {rounds} rounds of {length} ms\n"
    );
    let columns = [
        "requests/s",
        "of bare",
        "µs of processor",
        "bare's of it",
        "runs",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "allocations",
        "bytes",
        "peak MiB",
    ];
    let lines = figures.closed.iter().zip(&figures.memory).map(|(row, memory)| {
        let mut cells = vec![
            number(row.per_second.median, 0),
            percent(row.per_second_of_bare),
            micros(row.cpu_nanoseconds, 2),
            percent(row.bare_of_cpu),
            whole_percent(row.ran.median),
        ];
        cells.extend(latencies(row));
        cells.extend(used(memory));
        Line {
            label: row.label.to_owned(),
            cells,
        }
    });
    table(text, &columns, lines.collect());
}

fn used(memory: &Memory) -> [String; 3] {
    let peak = memory.peak.map_or(f64::NAN, |bytes| bytes as f64 / f64::from(1 << 20));
    [number(memory.allocations, 1), number(memory.bytes, 0), number(peak, 1)]
}
