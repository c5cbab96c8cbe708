//! The picture: for each scenario load, latency and circuit over time, without the guards on the left and with them on
//! the right.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Pair;
use crate::sim::figures::percentile;
use crate::sim::record::{Group, Record, Second};
use crate::sim::{CAPACITY, Scenario};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 1200;
const TITLE: u32 = 28;
const PANEL: u32 = 130;
/// Left of each panel, for what its heights mean.
const MARGIN: i32 = 58;
const FAULT: RGBColor = RGBColor(250, 228, 222);
const GREY: RGBColor = RGBColor(120, 120, 120);
const COLOURS: [RGBColor; 3] = [RGBColor(190, 90, 40), RGBColor(30, 100, 170), RGBColor(150, 150, 150)];

/// Draws all of them into one file.
pub fn draw(pairs: &[Pair], path: &Path) -> Drawn {
    let heights: Vec<_> = pairs.iter().map(|pair| TITLE + PANEL * panels(pair)).collect();
    let root = SVGBackend::new(path, (WIDTH, heights.iter().sum())).into_drawing_area();
    root.fill(&WHITE)?;
    let mut rest = root.clone();
    for (pair, height) in pairs.iter().zip(heights) {
        let (block, below) = rest.split_vertically(height);
        rest = below;
        let (left, right) = block.split_horizontally(WIDTH / 2);
        for (area, is_guarded) in [(left, false), (right, true)] {
            column(&area, pair, is_guarded)?;
        }
    }
    root.present()?;
    Ok(())
}

fn has_breaker(record: &Record) -> bool {
    record.seconds.iter().any(|second| !second.breaker.is_empty())
}

fn panels(pair: &Pair) -> u32 {
    2 + u32::from(pair.records.iter().any(has_breaker))
}

fn column(area: &Area<'_>, pair: &Pair, is_guarded: bool) -> Drawn {
    let (scenario, record) = (&pair.scenario, &pair.records[usize::from(is_guarded)]);
    let guards = if is_guarded { scenario.policy } else { "no guards" };
    let title = format!("{}: {guards}", scenario.name);
    let (head, panels) = area.split_vertically(TITLE);
    head.draw(&Text::new(title, (MARGIN, 8), ("sans-serif", 16)))?;
    let areas = panels.split_evenly((self::panels(pair) as usize, 1));
    load(&areas[0], scenario, record)?;
    latency(&areas[1], scenario, record)?;
    match areas.get(2) {
        Some(area) if has_breaker(record) => breaker(area, scenario, record),
        _ => Ok(()),
    }
}

fn load(area: &Area<'_>, scenario: &Scenario, record: &Record) -> Drawn {
    let sum = |counts: &[u32]| f64::from(counts.iter().sum::<u32>());
    let offered = by_second(record, |second| sum(&second.offered));
    let good = by_second(record, |second| sum(&second.good[..Group::Flood as usize]));
    let calls = by_second(record, |second| f64::from(second.calls));
    let most = offered.iter().chain(&calls).map(|&(_, y)| y).fold(CAPACITY, f64::max);
    let called = if scenario.is_about_dependency() {
        "calls of the dependency"
    } else {
        "calls of the server"
    };
    let lines = [("offered a second", offered), ("goodput", good), (called, calls)];
    panel(area, scenario, 1.1 * most, &lines, &|y| format!("{y:.0}"))
}

fn latency(area: &Area<'_>, scenario: &Scenario, record: &Record) -> Drawn {
    let of = |share| {
        by_second(record, |second| {
            f64::from(percentile(std::slice::from_ref(second), share))
        })
    };
    let lines = [("p99, ms", of(0.99)), ("p50", of(0.5))];
    panel(area, scenario, 1600.0, &lines, &|y| format!("{y:.0}"))
}

fn breaker(area: &Area<'_>, scenario: &Scenario, record: &Record) -> Drawn {
    let height = |state: &str| match state {
        "closed" => 0.0,
        "half_open" => 1.0,
        _ => 2.0,
    };
    let samples = record.seconds.iter().enumerate().flat_map(|(second, seen)| {
        let step = 1.0 / seen.breaker.len() as f64;
        let at = move |(i, state): (usize, &&str)| (second as f64 + i as f64 * step, height(state));
        seen.breaker.iter().enumerate().map(at)
    });
    let label = |y: &f64| {
        ["closed", "half-open", "open"]
            .get(*y as usize)
            .copied()
            .unwrap_or_default()
            .to_owned()
    };
    panel(area, scenario, 2.2, &[("circuit", samples.collect())], &label)
}

/// Returns a point in the middle of each second.
fn by_second(record: &Record, value: impl Fn(&Second) -> f64) -> Vec<(f64, f64)> {
    let seconds = record.seconds.iter().enumerate();
    seconds.map(|(i, second)| (i as f64 + 0.5, value(second))).collect()
}

fn panel(
    area: &Area<'_>,
    scenario: &Scenario,
    most: f64,
    lines: &[(&str, Vec<(f64, f64)>)],
    label: &dyn Fn(&f64) -> String,
) -> Drawn {
    for (i, ((name, _), colour)) in lines.iter().zip(COLOURS).enumerate() {
        let style = ("sans-serif", 13).into_font().color(&colour);
        area.draw(&Text::new(*name, (MARGIN + 120 * i as i32, 2), style))?;
    }
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .margin_top(18)
        .margin_right(16)
        .x_label_area_size(18)
        .y_label_area_size(MARGIN - 6)
        .build_cartesian_2d(0.0..f64::from(scenario.seconds), 0.0..most)?;
    let fault = [
        (f64::from(scenario.fault.start), 0.0),
        (f64::from(scenario.fault.end), most),
    ];
    chart.draw_series([Rectangle::new(fault, FAULT.filled())])?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GREY.mix(0.2))
        .axis_style(GREY)
        .x_labels(6)
        .y_labels(3)
        .x_label_formatter(&|x| format!("{x:.0} s"))
        .y_label_formatter(label)
        .draw()?;
    for ((_, points), colour) in lines.iter().zip(COLOURS).rev() {
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
    }
    Ok(())
}
