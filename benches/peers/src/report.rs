//! Prints what was measured, this project's worst row first.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::versions::Versions;
use seaworthy_harness::comparison::{Comparison, Outcome, Row};
use seaworthy_harness::interleave::{Figures, RowFigures};
use seaworthy_harness::pair::{PairFigures, PairRow};
use seaworthy_harness::statistics::ratio;
use seaworthy_harness::table::{Line, count, range, table};

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

/// Prints how ours stands beside the best peers, in all groups; of each comparison the rows of ours that are worst.
pub(crate) fn standings(groups: &[(&str, Vec<Measured>)], versions: &Versions) -> String {
    let comparisons = groups
        .iter()
        .flat_map(|(name, of_group)| of_group.iter().map(move |measured| (name, measured)));
    let standings = comparisons.flat_map(|(name, measured)| {
        let ours = Standing::of(measured).into_iter().flat_map(worst);
        ours.map(move |worst| Standing {
            ours: format!("{name}, {}", worst.ours),
            ..worst
        })
    });
    let mut text = String::from(
        "\nours beside the best peer, the worst first; of each comparison our worst row, and our worst beside its like\n\n",
    );
    standings_table(&mut text, standings.collect(), versions);
    text
}

/// Returns the row that stands worst beside the best peer, and the one beside the best that does alike if that is another.
fn worst(standings: Vec<Standing<'_>>) -> impl Iterator<Item = Standing<'_>> {
    let mut standings = worst_first(standings).into_iter();
    let of_all = standings.next();
    let least = of_all.as_ref().and_then(|worst| worst.alike);
    let of_like = standings.filter(move |standing| standing.alike > least);
    let of_like = of_like.max_by(|one, other| one.alike.partial_cmp(&other.alike).unwrap_or(Ordering::Equal));
    of_all.into_iter().chain(of_like)
}

fn worst_first(mut standings: Vec<Standing<'_>>) -> Vec<Standing<'_>> {
    standings.sort_by(|one, other| other.times().total_cmp(&one.times()));
    standings
}

fn standings_table(text: &mut String, standings: Vec<Standing<'_>>, versions: &Versions) {
    let lines = worst_first(standings).into_iter().map(|standing| Line {
        label: standing.ours.clone(),
        cells: vec![
            format!("{:.1}", standing.cost),
            standing.allocations.map_or_else(|| "-".to_owned(), count),
            format!("{:.1}", standing.least),
            format!("{:.2}", standing.times()),
            times(standing.alike),
            label(standing.best, versions),
        ],
    });
    let columns = [
        "ours, ns",
        "allocations",
        "peer's, ns",
        "times",
        "/ best alike",
        "the best peer",
    ];
    table(text, &columns, lines.collect());
}

/// Prints a group: how ours stands beside the best peers, worst first, and then all rows of all comparisons.
pub(crate) fn group(name: &str, comparisons: &[Measured], versions: &Versions) -> String {
    let mut text = format!("\n{name}\n{}\n\n", "=".repeat(name.len()));
    let standings: Vec<Standing<'_>> = comparisons.iter().flat_map(Standing::of).flatten().collect();
    if standings.is_empty() {
        let has_ours = comparisons
            .iter()
            .any(|measured| measured.comparison.rows.iter().any(Row::is_ours));
        text.push_str(if has_ours {
            "no peer does the like\n"
        } else {
            "seaworthy has none: its peers alone\n"
        });
    } else {
        text.push_str("what ours costs over what the best peer does, the worst first\n\n");
        standings_table(&mut text, standings, versions);
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
    cost: f64,
    /// For one call, where they were counted.
    allocations: Option<f64>,
    best: &'a Row,
    /// What that costs.
    least: f64,
    /// Beside the best peer that does alike.
    alike: Option<f64>,
}

impl<'a> Standing<'a> {
    /// Returns those of one thread, and those of two.
    fn of(measured: &'a Measured) -> [Vec<Self>; 2] {
        let title = &measured.comparison.title;
        let (alone, pair) = (measured.alone(), measured.pair());
        let allocations = |which: usize| Some(alone[which].1.allocations);
        let of_two = format!("on two threads, {title}");
        [
            Self::among(&costs(&alone, |figures| figures.added.median), title, allocations),
            Self::among(&costs(&pair, |figures| figures.cost.median), &of_two, |_| None),
        ]
    }

    fn among(rows: &[(&'a Row, f64)], title: &str, allocations: impl Fn(usize) -> Option<f64>) -> Vec<Self> {
        let ours = rows.iter().enumerate().filter(|(_, (row, _))| row.is_ours());
        let standings = ours.filter_map(|(which, &(row, cost))| {
            let (best, least) = best_peer(rows, None)?;
            ratio(cost, least)?;
            Some(Self {
                ours: format!("{title}: {}", row.what),
                cost,
                allocations: allocations(which),
                best,
                least,
                alike: best_peer(rows, Some(row.alike)).and_then(|(_, least)| ratio(cost, least)),
            })
        });
        standings.collect()
    }

    fn times(&self) -> f64 {
        self.cost / self.least
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
    let Some(figures) = &measured.pair else {
        text.push_str("not measured, as there is one core\n");
        return;
    };
    let _ = writeln!(text, "throughput over one thread's: {figures}");
    let mut rows = measured.pair();
    if rows.is_empty() {
        return;
    }
    text.push('\n');
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

fn label(row: &Row, versions: &Versions) -> String {
    format!("{}: {}", versions.label(row.package), row.what)
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

#[cfg(test)]
mod tests {
    use super::{Measured, best_peer, costs, group, standings};
    use crate::versions::Versions;
    use seaworthy_harness::comparison::{Comparison, Outcome, Row};
    use seaworthy_harness::interleave::{Figures, RowFigures};
    use seaworthy_harness::statistics::Spread;

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
    fn over_all_groups_the_worst_row_of_each_comparison_stands_first() {
        let rows = [
            ("seaworthy", "good", 5.0),
            ("seaworthy", "fair", 20.0),
            ("tower", "peer", 10.0),
        ];
        let bad = [("seaworthy", "bad", 30.0), ("tower", "peer", 10.0)];
        let groups = [
            ("retry", vec![measured("calls", &rows)]),
            ("breaker", vec![measured("calls", &bad)]),
        ];
        let text = standings(&groups, &Versions::of_this_build());
        let first = places(&text, &["breaker, calls: bad", "3.00", "retry, calls: fair", "2.00"]);
        assert!(first.is_sorted(), "{text}");
        assert!(!text.contains("good"), "{text}");
    }

    #[test]
    fn the_worst_row_beside_its_like_is_printed_too() {
        let rows = [
            ("seaworthy", "dear", 50.0),
            ("seaworthy", "plain", 30.0),
            ("seaworthy", "least", 20.0),
            ("tower", "cheap", 10.0),
            ("tower", "timed", 40.0),
        ];
        let mut measured = measured("calls", &rows);
        for row in &mut measured.comparison.rows {
            if matches!(row.what, "dear" | "timed") {
                row.alike = "timed";
            }
        }
        let text = standings(&[("retry", vec![measured])], &Versions::of_this_build());
        let first = places(
            &text,
            &[
                "retry, calls: dear",
                "5.00",
                "1.25",
                "retry, calls: plain",
                "3.00",
                "3.00",
            ],
        );
        assert!(first.is_sorted(), "{text}");
        assert_eq!(text.matches("3.00").count(), 2, "{text}");
        assert!(!text.contains("least"), "{text}");
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
}
