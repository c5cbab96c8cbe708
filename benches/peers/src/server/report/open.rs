use std::fmt::Write as _;

use super::cells::{latencies, micros, number, percent};
use crate::server::figures::{AtRate, Figures};
use seaworthy_harness::table::{Line, table};

/// Who answers less than this share of what is due does not hold the rate. Who does hold it is still done a little after
/// the last request was due, and a busy machine makes that tens of milliseconds.
const HELD: f64 = 0.97;

/// Prints how each of them does at the same rates.
pub(super) fn print(text: &mut String, figures: &Figures) {
    let (rounds, length) = (figures.open_rounds, figures.open_milliseconds);
    let _ = writeln!(
        text,
        "\nopen loop: requests are due at random times whatever became of those before, and count from then; {rounds} \
         rounds of {length} ms\n"
    );
    let columns = [
        "answered/s",
        "of due",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "p99 of bare's",
        "µs of processor",
    ];
    let lines = figures.open.iter().flat_map(at_rate);
    table(text, &columns, lines.collect());
}

fn at_rate(AtRate { rate, rows }: &AtRate) -> Vec<Line> {
    let heading = Line {
        label: format!("{rate} due/s"),
        cells: vec![String::new(); 7],
    };
    let lines = rows.iter().map(|row| {
        let answered = row.per_second.median;
        let mut cells = vec![number(answered, 0), of_due(answered / f64::from(*rate))];
        cells.extend(latencies(row));
        cells.extend([percent(row.p99_of_bare), micros(row.cpu_nanoseconds, 2)]);
        Line {
            label: format!("  {}", row.label),
            cells,
        }
    });
    std::iter::once(heading).chain(lines).collect()
}

fn of_due(share: f64) -> String {
    let not_held = if share < HELD { "NOT HELD: " } else { "" };
    format!("{not_held}{:.1} %", share * 100.0)
}
