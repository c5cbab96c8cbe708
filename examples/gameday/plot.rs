//! The picture: load, latency and calls of `payments` over time, with the troubles shaded.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::figures::Seen;
use crate::record::{Ended, Sample, count, due_within, percentile};
use crate::script::Phase;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;
type Line = (&'static str, RGBColor, Vec<(f64, f64)>);

const SIZE: (u32, u32) = (1200, 560);
/// Left of each panel, for what its heights mean.
const MARGIN: i32 = 64;
/// Above the panels, for the phases' names.
const TITLE: u32 = 28;
/// How much time one point stands for.
const STEP: Duration = Duration::from_millis(500);
const TROUBLE: RGBColor = RGBColor(250, 228, 222);
const GREY: RGBColor = RGBColor(120, 120, 120);
const ORANGE: RGBColor = RGBColor(190, 90, 40);
const BLUE: RGBColor = RGBColor(30, 100, 170);
const RED: RGBColor = RGBColor(190, 30, 60);

/// Draws what was played.
pub fn draw(played: &[(&Phase, Seen)], path: &Path) -> Drawn {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let end = played
        .iter()
        .map(|(_, seen)| seen.end.as_secs_f64())
        .fold(1.0, f64::max);
    let (head, panels) = root.split_vertically(TITLE);
    for (phase, seen) in played {
        let share = seen.trouble.start.as_secs_f64() / end;
        let x = MARGIN + ((SIZE.0 as i32 - MARGIN - 16) as f64 * share) as i32;
        head.draw(&Text::new(phase.name, (x, 8), ("sans-serif", 15)))?;
    }
    let panels = panels.split_evenly((2, 1));
    let per_second = |is_meant: fn(&Sample) -> bool| {
        points(played, move |part| {
            Some(count(part, is_meant) as f64 / STEP.as_secs_f64())
        })
    };
    let load = [
        ("sent a second", GREY, per_second(|_| true)),
        ("answered", BLUE, per_second(|sample| sample.ended == Ended::Answered)),
        (
            "refused",
            ORANGE,
            per_second(|sample| matches!(sample.ended, Ended::Refused(_))),
        ),
        (
            "failed or lost",
            RED,
            per_second(|sample| matches!(sample.ended, Ended::Failed | Ended::Lost)),
        ),
    ];
    panel(&panels[0], played, end, &load)?;
    let answered = |sample: &Sample| sample.ended == Ended::Answered;
    let latency = [
        (
            "p99 of answers, ms",
            ORANGE,
            points(played, |part| percentile(part, 0.99, answered)),
        ),
        ("p50", BLUE, points(played, |part| percentile(part, 0.5, answered))),
    ];
    panel(&panels[1], played, end, &latency)?;
    root.present()?;
    Ok(())
}

/// Makes a point of each half second in which there is something to tell.
fn points(played: &[(&Phase, Seen)], value: impl Fn(&[Sample]) -> Option<f64>) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    for (_, seen) in played {
        let begin = seen
            .samples
            .iter()
            .map(|sample| sample.due)
            .min()
            .unwrap_or(seen.trouble.start);
        let steps = ((seen.end.saturating_sub(begin)).as_secs_f64() / STEP.as_secs_f64()) as u32;
        points.extend((0..steps).filter_map(|step| {
            let from = begin + STEP * step;
            let part = due_within(&seen.samples, &(from..from + STEP));
            Some(((from + STEP / 2).as_secs_f64(), value(&part)?))
        }));
    }
    points
}

fn panel(area: &Area<'_>, played: &[(&Phase, Seen)], end: f64, lines: &[Line]) -> Drawn {
    for (i, (name, colour, _)) in lines.iter().enumerate() {
        let style = ("sans-serif", 13).into_font().color(colour);
        area.draw(&Text::new(*name, (MARGIN + 140 * i as i32, 2), style))?;
    }
    let values = lines.iter().flat_map(|(_, _, points)| points.iter().map(|(_, y)| *y));
    let most = 1.1 * values.fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .margin_top(18)
        .margin_right(16)
        .x_label_area_size(18)
        .y_label_area_size(MARGIN - 6)
        .build_cartesian_2d(0.0..end, 0.0..most)?;
    chart.draw_series(played.iter().map(|(_, seen)| {
        let (from, to) = (seen.trouble.start.as_secs_f64(), seen.trouble.end.as_secs_f64());
        Rectangle::new([(from, 0.0), (to, most)], TROUBLE.filled())
    }))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GREY.mix(0.2))
        .axis_style(GREY)
        .x_labels(12)
        .y_labels(4)
        .x_label_formatter(&|x| format!("{x:.0} s"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    for (_, colour, points) in lines {
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
    }
    Ok(())
}
