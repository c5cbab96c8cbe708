//! Prints the figures, one line for each row.

use std::fmt::Write as _;

use crate::figures::{Figures, Measured};
use seaworthy_harness::table::{self, Line, count, range};

/// Prints one table of all.
pub(crate) fn table(figures: &Figures) -> String {
    let mut text = format!(
        "what a call costs more than the bare service; {}; {} s\n",
        figures.origin.machine, figures.seconds
    );
    text.push_str("added ns: median and 10..90 % of differences to the bare service; instructions under valgrind; ");
    let _ = writeln!(text, "gain: throughput of all cores on one handle over one thread's\n");
    let columns = [
        "added ns",
        "10..90 %",
        "instructions",
        "allocations",
        "bytes",
        "gain",
        "10..90 %",
    ];
    let lines = figures.comparisons.iter().flat_map(of_comparison);
    table::table(&mut text, &columns, lines.collect());
    text.push('\n');
    for Measured { title, settings, .. } in &figures.comparisons {
        if !settings.is_empty() {
            let _ = writeln!(text, "{title}: {settings}");
        }
    }
    for measured in &figures.comparisons {
        if let Some(rounds) = &measured.rounds {
            let _ = writeln!(text, "gain, {}: {rounds}", measured.title);
        }
    }
    text
}

fn of_comparison(measured: &Measured) -> Vec<Line> {
    let heading = Line {
        label: format!("{} ({:.1} ns bare)", measured.title, measured.bare.median),
        cells: vec![String::new(); 7],
    };
    let lines = measured.rows.iter().map(|row| {
        let gain = row.on_all_cores.as_ref().map(|all| all.gain);
        Line {
            label: format!("  {}", row.what),
            cells: vec![
                format!("{:.1}", row.nanoseconds.median),
                range(row.nanoseconds),
                row.instructions
                    .map_or_else(|| "-".to_owned(), |count| format!("{count:.0}")),
                count(row.allocations),
                count(row.bytes),
                gain.map_or_else(|| "-".to_owned(), |gain| format!("{:.2}", gain.median)),
                gain.map_or_else(|| "-".to_owned(), |gain| format!("{:.2}..{:.2}", gain.low, gain.high)),
            ],
        }
    });
    std::iter::once(heading).chain(lines).collect()
}
