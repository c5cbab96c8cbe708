//! Tables of figures, as text.

use std::fmt::Write as _;

use crate::statistics::Spread;

/// A line of a table.
pub struct Line {
    /// What stands to the left.
    pub label: String,
    /// What stands below each column.
    pub cells: Vec<String>,
}

/// Prints where the middle of the samples lies.
pub fn range(spread: Spread) -> String {
    format!("{:.1}..{:.1}", spread.low, spread.high)
}

/// Prints a number of which a call may have a part.
pub fn count(of_a_call: f64) -> String {
    let whole = of_a_call.fract() == 0.0;
    format!("{of_a_call:.*}", if whole { 0 } else { 2 })
}

/// Prints lines with their labels to the left and their cells to the right, each below its column.
pub fn table(text: &mut String, columns: &[&str], lines: Vec<Line>) {
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
    use super::{Line, table};

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
