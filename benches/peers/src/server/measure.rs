//! Measures all that was asked for.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use super::allocated;
use super::child::Child;
use super::figures::{AtRate, Figures, Memory, Row};
use super::load::{closed, open, schedule};
use super::rates;
use super::sample::{CONNECTIONS, Sample};
use super::variants::{Failed, PACKAGES, Variant};
use crate::versions::Versions;
use seaworthy_harness::cores;
use seaworthy_harness::interleave::order;
use seaworthy_harness::origin::Origin;
use seaworthy_harness::statistics::Spread;

/// How long a round of the closed loop is.
const CLOSED: Duration = Duration::from_millis(400);
/// How long a round of the open loop is: so that a few requests are beyond p99.9 at the lowest rate, too.
const OPEN: Duration = Duration::from_millis(600);
/// There is one of the open loop for so many of the closed one.
const SELDOMER: usize = 2;
/// When what has not been answered is given up.
const GIVEN_UP: Duration = OPEN.saturating_mul(2);

pub(super) fn all(rounds: NonZeroUsize, variants: &[&'static Variant]) -> Result<Figures, Failed> {
    let start = Instant::now();
    // Before this thread has one core alone.
    let origin = Origin::now();
    let cores = cores::two();
    let mut children = started(variants, cores.map(|[first, _]| first))?;
    let _bound = cores.map(|[_, second]| cores::bind(second));
    let bare = children.first_mut().ok_or("there is nothing to measure")?;
    let rates = rates::of(maximum(bare)?);
    let closed_rounds = rounds.get();
    let closed = turns("as fast as it can", &mut children, closed_rounds, |child, _| {
        Sample::take(child, |load| closed::run(load, CLOSED))
    })?;
    let open_rounds = closed_rounds.div_ceil(SELDOMER);
    let open: Result<_, Failed> = rates
        .into_iter()
        .map(|rate| at_rate(rate, &mut children, open_rounds))
        .collect();
    let (open, memory) = (open?, children.iter().map(memory).collect::<Result<_, _>>()?);
    progress("");
    let versions = Versions::of_this_build();
    Ok(Figures {
        origin,
        versions: PACKAGES.map(|package| versions.label(package)).into(),
        seconds: start.elapsed().as_secs(),
        connections: CONNECTIONS,
        closed_rounds,
        closed_milliseconds: CLOSED.as_millis() as u64,
        closed,
        open_rounds,
        open_milliseconds: OPEN.as_millis() as u64,
        open,
        memory,
    })
}

fn started(variants: &[&'static Variant], core: Option<usize>) -> Result<Vec<Child>, Failed> {
    let start = |&variant: &&'static Variant| {
        progress(&format!("starting {}", variant.name));
        Child::start(variant, core).map_err(|error| format!("{}: {error}", variant.name).into())
    };
    variants.iter().map(start).collect()
}

fn at_rate(rate: u32, children: &mut [Child], rounds: usize) -> Result<AtRate, Failed> {
    let rows = turns(&format!("{rate} requests/s"), children, rounds, |child, round| {
        let due = schedule::arrivals(rate, OPEN, round as u64);
        Sample::take(child, |load| open::run(load, &due, GIVEN_UP))
    })?;
    Ok(AtRate { rate, rows })
}

/// Lets all have their turns, and sums up what each of them did.
fn turns(
    what: &str,
    children: &mut [Child],
    rounds: usize,
    sample: impl Fn(&mut Child, usize) -> Result<Sample, Failed>,
) -> Result<Vec<Row>, Failed> {
    let mut samples = vec![Vec::with_capacity(rounds); children.len()];
    for round in 0..rounds {
        for which in order(round, children.len()) {
            let child = &mut children[which];
            let name = child.variant.name;
            progress(&format!("{what}: round {} of {rounds}: {name}", round + 1));
            let sample = sample(child, round).map_err(|error| format!("{name}, {what}: {error}"))?;
            samples[which].push(sample);
        }
    }
    let of_each = children.iter().zip(&samples);
    let rows = of_each.filter_map(|(child, of_one)| Row::of(child.variant, of_one, &samples[0]));
    Ok(rows.collect())
}

/// Returns how many requests a second the bare server can answer, roughly.
fn maximum(bare: &mut Child) -> Result<f64, Failed> {
    progress("finding out what the bare server can do");
    let samples: Result<Vec<Sample>, Failed> = (0..5)
        .map(|_| Sample::take(bare, |load| closed::run(load, CLOSED)))
        .collect();
    let spread = Spread::of(samples?.iter().map(|sample| sample.per_second));
    Ok(spread.map_or(0.0, |spread| spread.median))
}

fn memory(child: &Child) -> Result<Memory, Failed> {
    let peak = child.peak_memory();
    let [allocations, bytes] = allocated::per_request(child.address)?;
    Ok(Memory {
        name: child.variant.name,
        allocations,
        bytes,
        peak,
    })
}

/// Says what is going on, in the place of what it said before.
fn progress(what: &str) {
    eprint!("\r{what:<70}\r");
}
