//! Prints what was measured, this project's worst row first.

use std::fmt::Write as _;

use crate::comparison::{Comparison, Outcome, Row};
use crate::interleave::{Figures, RowFigures};
use crate::pair::{PairFigures, PairRow};
use crate::statistics::{Spread, ratio};
use crate::versions::Versions;

/// A comparison with its figures.
pub(crate) struct Measured {
    pub(crate) comparison: Comparison,
    pub(crate) alone: Figures,
    /// Those of two threads, if they were asked for and there are two cores.
    pub(crate) pair: Option<PairFigures>,
}

/// Describes the machine by what nobody can go below on it.
pub(crate) fn floors(measured: &Measured, versions: &Versions) -> String {
    let mut text = String::from("floors of this machine, ns over an empty loop\n\n");
    let lines = measured.alone().into_iter().map(|(row, figures)| Line {
        label: label(row, versions),
        cells: vec![format!("{:.1}", figures.added.median), range(figures.added)],
    });
    table(&mut text, &["median", "10..90 %"], lines.collect());
    pair(&mut text, measured, versions);
    text
}

/// Prints a group: how ours stands beside the best peers, worst first, and then all rows of all comparisons.
pub(crate) fn group(name: &str, comparisons: &[Measured], versions: &Versions) -> String {
    let mut text = format!("\n{name}\n{}\n\n", "=".repeat(name.len()));
    let mut standings: Vec<Standing> = comparisons.iter().flat_map(Standing::of).collect();
    standings.sort_by(|one, other| other.times.total_cmp(&one.times));
    if standings.is_empty() {
        text.push_str("seaworthy has none: its peers alone\n");
    } else {
        text.push_str("what ours costs over what the best peer does, the worst first\n\n");
        let lines = standings.iter().map(|standing| Line {
            label: standing.ours.clone(),
            cells: vec![
                format!("{:.2}", standing.times),
                label(standing.best, versions),
                times(standing.alike),
            ],
        });
        table(&mut text, &["times", "the best peer", "/ best alike"], lines.collect());
    }
    for measured in comparisons {
        alone(&mut text, measured, versions);
        pair(&mut text, measured, versions);
    }
    text
}

impl Measured {
    fn alone(&self) -> Vec<(&Row, &RowFigures)> {
        self.comparison.rows.iter().zip(&self.alone.rows).collect()
    }

    /// Returns what was measured on two threads; nothing if nothing was.
    fn pair(&self) -> Vec<(&Row, &PairRow)> {
        let shared = self.comparison.rows.iter().filter(|row| row.shared);
        let figures = self.pair.iter().filter_map(|pair| pair.rows.as_ref()).flatten();
        shared.zip(figures).collect()
    }
}

/// What one row of ours costs beside the best peer.
struct Standing<'a> {
    ours: String,
    times: f64,
    best: &'a Row,
    /// Beside the best peer that does alike.
    alike: Option<f64>,
}

impl<'a> Standing<'a> {
    fn of(measured: &'a Measured) -> Vec<Self> {
        let title = &measured.comparison.title;
        let alone = costs(&measured.alone(), |figures| figures.added.median);
        let pair = costs(&measured.pair(), |figures| figures.cost.median);
        let mut standings = Self::among(&alone, title);
        standings.extend(Self::among(&pair, &format!("on two threads, {title}")));
        standings
    }

    fn among(rows: &[(&'a Row, f64)], title: &str) -> Vec<Self> {
        let ours = rows.iter().filter(|(row, _)| row.is_ours());
        let standings = ours.filter_map(|&(row, cost)| {
            let (best, least) = best_peer(rows, None)?;
            Some(Self {
                ours: format!("{title}: {}", row.what),
                times: ratio(cost, least)?,
                best,
                alike: best_peer(rows, Some(row.alike)).and_then(|(_, least)| ratio(cost, least)),
            })
        });
        standings.collect()
    }
}

fn costs<'a, F>(rows: &[(&'a Row, &F)], cost: impl Fn(&F) -> f64) -> Vec<(&'a Row, f64)> {
    rows.iter().map(|(row, figures)| (*row, cost(figures))).collect()
}

/// Returns the peer that costs least; of those that do alike, if there is a `kind`.
fn best_peer<'a>(rows: &[(&'a Row, f64)], kind: Option<&str>) -> Option<(&'a Row, f64)> {
    rows.iter()
        .filter(|(row, _)| !row.is_ours() && kind.is_none_or(|kind| row.alike == kind))
        .min_by(|(_, one), (_, other)| one.total_cmp(other))
        .copied()
}

/// Sorts ours before the peers: the worst of ours first, the best of the peers first.
fn sort<F>(rows: &mut [(&Row, F)], cost: impl Fn(&F) -> f64) {
    rows.sort_by(|(row, figures), (other_row, other)| {
        let ours_first = other_row.is_ours().cmp(&row.is_ours());
        let by_cost = cost(figures).total_cmp(&cost(other));
        ours_first.then(if row.is_ours() { by_cost.reverse() } else { by_cost })
    });
}

/// Prints what one thread measured.
fn alone(text: &mut String, measured: &Measured, versions: &Versions) {
    let Comparison { title, settings, .. } = &measured.comparison;
    let _ = writeln!(
        text,
        "\n{title}: ns that a call adds to {:.1} bare",
        measured.alone.bare.median
    );
    if !settings.is_empty() {
        let _ = writeln!(text, "({settings})");
    }
    text.push('\n');

    let mut rows = measured.alone();
    sort(&mut rows, |figures| figures.added.median);
    let costs = costs(&rows, |figures| figures.added.median);
    let over_best = |cost: f64, kind: Option<&str>| {
        let (_, least) = best_peer(&costs, kind)?;
        ratio(cost, least)
    };
    let kinds = rows.iter().any(|(row, _)| !row.alike.is_empty());
    let mut columns = vec!["added", "10..90 %", "/ best", "allocations", "bytes"];
    if kinds {
        columns.insert(3, "/ best alike");
    }
    let lines = rows.iter().map(|(row, figures)| {
        let mut cells = vec![
            format!("{:.1}", figures.added.median),
            range(figures.added),
            times(over_best(figures.added.median, None)),
            count(figures.allocations),
            count(figures.bytes),
        ];
        if kinds {
            cells.insert(3, times(over_best(figures.added.median, Some(row.alike))));
        }
        Line {
            label: label(row, versions),
            cells,
        }
    });
    table(text, &columns, lines.collect());
}

/// Prints what two threads measured, if they did.
fn pair(text: &mut String, measured: &Measured, versions: &Versions) {
    if !measured.comparison.on_two_threads {
        return;
    }
    let _ = write!(text, "\non two threads, {}: ", measured.comparison.title);
    let Some(PairFigures { counted, rounds, .. }) = &measured.pair else {
        text.push_str("not measured, as there is one core\n");
        return;
    };
    let mut rows = measured.pair();
    if rows.is_empty() {
        let few = match counted {
            0 => "none".to_owned(),
            _ => format!("only {counted}"),
        };
        let _ = writeln!(text, "{few} of {rounds} rounds had two whole cores: no figures");
        return;
    }
    let _ = writeln!(
        text,
        "throughput over one thread's, {counted} of {rounds} rounds counted\n"
    );

    sort(&mut rows, |figures| figures.cost.median);
    let costs = costs(&rows, |figures| figures.cost.median);
    let best = best_peer(&costs, None);
    // Floors are no rivals of each other.
    let compared = measured.comparison.outcome != Outcome::Floor;
    let mut columns = vec!["gain", "10..90 %", "ns a call"];
    if compared {
        columns.push("/ best");
    }
    let lines = rows.iter().map(|(row, figures)| {
        let mut cells = vec![
            format!("{:.2}", figures.gain.median),
            format!("{:.2}..{:.2}", figures.gain.low, figures.gain.high),
            format!("{:.1}", figures.cost.median),
        ];
        if compared {
            cells.push(times(best.and_then(|(_, least)| ratio(figures.cost.median, least))));
        }
        Line {
            label: label(row, versions),
            cells,
        }
    });
    table(text, &columns, lines.collect());
}

/// A line of a table.
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) cells: Vec<String>,
}

fn label(row: &Row, versions: &Versions) -> String {
    format!("{}: {}", versions.label(row.package), row.what)
}

fn range(spread: Spread) -> String {
    format!("{:.1}..{:.1}", spread.low, spread.high)
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

fn count(of_a_call: f64) -> String {
    let whole = of_a_call.fract() == 0.0;
    format!("{of_a_call:.*}", if whole { 0 } else { 2 })
}

/// Prints lines with their labels to the left and their cells to the right, each below its column.
pub(crate) fn table(text: &mut String, columns: &[&str], lines: Vec<Line>) {
    let label = widest(lines.iter().map(|line| line.label.as_str()));
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| widest(lines.iter().map(|line| line.cells[at].as_str()).chain([*column])))
        .collect();
    let header = Line {
        label: String::new(),
        cells: columns.iter().map(|&column| column.to_owned()).collect(),
    };
    for line in std::iter::once(&header).chain(&lines) {
        let _ = write!(text, "  {:label$}", line.label);
        for (cell, width) in line.cells.iter().zip(&widths) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.push('\n');
    }
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Line, Measured, best_peer, costs, group, table};
    use crate::comparison::{Comparison, Outcome, Row};
    use crate::interleave::{Figures, RowFigures};
    use crate::statistics::Spread;
    use crate::versions::Versions;

    fn spread(median: f64) -> Spread {
        Spread {
            low: median,
            median,
            high: median,
        }
    }

    /// Makes a comparison of rows that add so many nanoseconds.
    fn measured(title: &str, rows: &[(&'static str, &'static str, f64)]) -> Measured {
        let row = |package, what| Row::new(package, what, || |_| true);
        let figures = rows.iter().map(|&(_, _, added)| RowFigures {
            added: spread(added),
            allocations: 0.0,
            bytes: 0.0,
        });
        Measured {
            comparison: Comparison {
                title: title.to_owned(),
                settings: String::new(),
                outcome: Outcome::Floor,
                bare: row("std", "bare"),
                rows: rows.iter().map(|&(package, what, _)| row(package, what)).collect(),
                on_two_threads: false,
            },
            alone: Figures {
                bare: spread(1.0),
                rows: figures.collect(),
            },
            pair: None,
        }
    }

    fn places(text: &str, parts: &[&str]) -> Vec<usize> {
        parts
            .iter()
            .map(|part| text.find(part).unwrap_or_else(|| panic!("no {part} in:\n{text}")))
            .collect()
    }

    #[test]
    fn our_worst_row_is_printed_first() {
        let mild = measured("mild", &[("seaworthy", "fair", 20.0), ("tower", "peer", 20.0)]);
        let severe = [
            ("tower", "cheap", 10.0),
            ("seaworthy", "good", 5.0),
            ("seaworthy", "bad", 30.0),
        ];
        let text = group(
            "breaker",
            &[mild, measured("severe", &severe)],
            &Versions::of_this_build(),
        );
        let first = places(
            &text,
            &["severe: bad", "3.00", "mild: fair", "1.00", "severe: good", "0.50"],
        );
        assert!(first.is_sorted(), "{text}");
        let table = &text[text.find("\nsevere").expect("it has a table")..];
        assert!(places(table, &["bad", "good", "cheap"]).is_sorted(), "{text}");
    }

    #[test]
    fn the_best_peer_is_that_which_adds_least() {
        let rows = [
            ("seaworthy", "ours", 30.0),
            ("tower", "dear", 60.0),
            ("governor", "cheap", 15.0),
        ];
        let measured = measured("calls", &rows);
        let costs = costs(&measured.alone(), |figures| figures.added.median);
        let best = best_peer(&costs, None).map(|(row, cost)| (row.what, cost));
        assert_eq!(best, Some(("cheap", 15.0)));
    }

    #[test]
    fn a_group_without_ours_says_so() {
        let text = group(
            "retry",
            &[measured("calls", &[("tower", "peer", 9.0)])],
            &Versions::of_this_build(),
        );
        assert!(text.contains("seaworthy has none"), "{text}");
    }

    #[test]
    fn cells_stand_below_their_columns() {
        let line = |label: &str, cell: &str| Line {
            label: label.to_owned(),
            cells: vec![cell.to_owned()],
        };
        let mut text = String::new();
        table(
            &mut text,
            &["added"],
            vec![line("short", "1.0"), line("much longer", "1234567.0")],
        );
        let widths: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(widths, [24, 24, 24], "{text}");
    }
}
