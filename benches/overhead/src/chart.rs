//! Draws the figures of services that are ready at once or not called, on a logarithmic scale: a bar for each row, and a line
//! over what lies between the 10th and the 90th percentile. With all figures it would be three screens long.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use seaworthy_harness::inner::Inner;

use crate::figures::{Figures, Line, Measured};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 900;
const ROW: i32 = 18;
/// Where bars begin, right of what they are of, and where the longest one ends.
const LEFT: i32 = 250;
const RIGHT: i32 = 680;
const BAR: RGBColor = RGBColor(30, 100, 170);
const GREY: RGBColor = RGBColor(90, 90, 90);
const FONT: (&str, i32) = ("sans-serif", 13);

/// Draws them into one file.
pub(crate) fn draw(figures: &Figures, path: &Path) -> Drawn {
    let drawn: Vec<&Measured> = figures
        .comparisons
        .iter()
        .filter(|measured| is_drawn(measured))
        .collect();
    let lines: usize = drawn.iter().map(|measured| 2 + measured.rows.len()).sum();
    let root = SVGBackend::new(path, (WIDTH, (lines as u32 + 3) * ROW as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("ns that a call costs more; {}", figures.origin.machine);
    root.draw(&Text::new(title, (10, 8), FONT.into_font()))?;
    let rows = drawn.iter().flat_map(|measured| &measured.rows);
    let longest = rows.map(|row| row.nanoseconds.high).fold(1.0, f64::max);
    let mut y = 3 * ROW;
    for measured in drawn {
        y = comparison(&root, measured, y, longest)?;
    }
    axis(&root, y - ROW, longest)?;
    root.present()?;
    Ok(())
}

fn is_drawn(measured: &Measured) -> bool {
    let left_out = [Inner::PendingOnce, Inner::Failing].map(|inner| inner.to_string());
    !left_out.iter().any(|inner| measured.title.contains(inner))
}

/// Returns how far to the right so many nanoseconds are; all below one are one.
fn x(nanoseconds: f64, longest: f64) -> i32 {
    LEFT + (nanoseconds.max(1.0).log10() / longest.max(10.0).log10() * f64::from(RIGHT - LEFT)) as i32
}

/// Draws a line for each power of ten.
fn axis(area: &Area<'_>, bottom: i32, longest: f64) -> Drawn {
    let powers = (0..).map(|power| 10_f64.powi(power));
    for nanoseconds in powers.take_while(|nanoseconds| *nanoseconds <= longest) {
        let x = x(nanoseconds, longest);
        let line = vec![(x, 3 * ROW), (x, bottom)];
        area.draw(&PathElement::new(line, GREY.mix(0.3).stroke_width(1)))?;
        area.draw(&Text::new(
            format!("{nanoseconds}"),
            (x - 4, 2 * ROW),
            FONT.into_font().color(&GREY),
        ))?;
    }
    Ok(())
}

/// Draws one comparison, and returns where the next one begins.
fn comparison(area: &Area<'_>, measured: &Measured, mut y: i32, longest: f64) -> Result<i32, Box<dyn Error>> {
    let heading = format!("{} ({:.1} ns bare)", measured.title, measured.bare.median);
    area.draw(&Text::new(heading, (10, y), FONT.into_font().color(&GREY)))?;
    for row in &measured.rows {
        y += ROW;
        bar(area, row, y, longest)?;
    }
    Ok(y + 2 * ROW)
}

fn bar(area: &Area<'_>, row: &Line, y: i32, longest: f64) -> Drawn {
    let x = |nanoseconds| x(nanoseconds, longest);
    let spread = row.nanoseconds;
    area.draw(&Text::new(row.what, (30, y), FONT.into_font()))?;
    area.draw(&Rectangle::new(
        [(LEFT, y + 2), (x(spread.median), y + ROW - 5)],
        BAR.filled(),
    ))?;
    let middle = y + ROW / 2 - 1;
    let range = vec![(x(spread.low), middle), (x(spread.high), middle)];
    area.draw(&PathElement::new(range, BLACK.stroke_width(1)))?;
    let figures = format!("{:.1} ({:.1}..{:.1})", spread.median, spread.low, spread.high);
    area.draw(&Text::new(figures, (x(spread.high) + 8, y), FONT.into_font()))?;
    Ok(())
}
