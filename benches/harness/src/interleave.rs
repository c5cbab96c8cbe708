//! Measures rows in turn: A B C, B C A, C A B, and so on.
//!
//! A machine is never quiet, and never the same from one second to the next. Rows that take turns in batches of well
//! under a millisecond meet the same disturbances, and what one adds to the bare inner service is the difference of two
//! batches of the same round.

use std::time::{Duration, Instant};

use crate::allocations;
use crate::comparison::{Batch, Comparison, Row};
use crate::statistics::Spread;

/// How long a batch takes: long beside the two clock readings round it, short beside the scheduler's time slices.
const BATCH: Duration = Duration::from_micros(50);

/// The figures of one comparison.
pub struct Figures {
    /// Of a call to the bare inner service, in nanoseconds.
    pub bare: Spread,
    /// Those of the rows, in their order.
    pub rows: Vec<RowFigures>,
}

/// The figures of one row.
#[derive(Clone, Copy, Debug)]
pub struct RowFigures {
    /// Nanoseconds that a call takes more than the bare one of the same round.
    pub added: Spread,
    /// Allocations that a call makes more than the bare one.
    pub allocations: f64,
    /// Bytes that a call allocates more than the bare one.
    pub bytes: f64,
}

/// Returns the order of `count` rows in a round.
pub fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| (round + turn) % count)
}

/// Finds out how many calls make a batch; warms the row up on the way.
pub fn calibrate(row: &Row, batch: &mut Batch) -> u32 {
    let mut calls = 16;
    loop {
        let took = time(row, batch, calls);
        // The limit is for a row of which the compiler left nothing.
        if took >= BATCH || calls >= 1 << 20 {
            return calls;
        }
        calls *= 2;
    }
}

/// Runs one batch, and returns how long that took.
pub fn time(row: &Row, batch: &mut Batch, calls: u32) -> Duration {
    row.reset();
    let start = Instant::now();
    std::hint::black_box(batch(calls));
    start.elapsed()
}

/// Measures a comparison on this thread.
pub fn measure(comparison: &Comparison, rounds: usize) -> Figures {
    comparison.verify();
    let rows: Vec<&Row> = std::iter::once(&comparison.bare).chain(&comparison.rows).collect();
    let mut batches: Vec<Batch> = rows.iter().map(|row| row.batch()).collect();
    let calls: Vec<u32> = rows
        .iter()
        .zip(&mut batches)
        .map(|(row, batch)| calibrate(row, batch))
        .collect();

    let mut samples = vec![Vec::with_capacity(rounds); rows.len()];
    let warm_up = rounds / 10;
    for round in 0..warm_up + rounds {
        for which in order(round, rows.len()) {
            let took = time(rows[which], &mut batches[which], calls[which]);
            if round >= warm_up {
                samples[which].push(took.as_nanos() as f64 / f64::from(calls[which]));
            }
        }
    }

    comparison.verify();
    let allocated: Vec<(f64, f64)> = rows
        .iter()
        .zip(&mut batches)
        .map(|(row, batch)| allocated(row, batch))
        .collect();
    let (bare, others) = samples.split_first().expect("there is a bare row");
    Figures {
        bare: Spread::of(bare.iter().copied()).expect("there are rounds"),
        rows: others
            .iter()
            .zip(&allocated[1..])
            .map(|(samples, (allocations, bytes))| {
                let added = samples.iter().zip(bare).map(|(with, without)| with - without);
                RowFigures {
                    added: Spread::of(added).expect("there are rounds"),
                    allocations: allocations - allocated[0].0,
                    bytes: bytes - allocated[0].1,
                }
            })
            .collect(),
    }
}

/// Returns how many allocations a call makes, and of how many bytes.
fn allocated(row: &Row, batch: &mut Batch) -> (f64, f64) {
    const CALLS: u32 = 1_000;
    row.reset();
    let allocated = allocations::count(|| {
        batch(CALLS);
    });
    let per_call = |n: u64| n as f64 / f64::from(CALLS);
    (per_call(allocated.count), per_call(allocated.bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::order;

    #[test]
    fn every_round_begins_with_another_row() {
        let rounds: Vec<Vec<usize>> = (0..3).map(|round| order(round, 3).collect()).collect();
        assert_eq!(rounds, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }

    #[test]
    fn every_row_has_its_turn_in_every_round() {
        for round in 0..20 {
            let turns: BTreeSet<usize> = order(round, 7).collect();
            assert_eq!(turns, (0..7).collect());
        }
    }

    #[test]
    fn every_row_has_every_place_equally_often() {
        let mut places = [[0; 5]; 5];
        for round in 0..50 {
            for (place, row) in order(round, 5).enumerate() {
                places[row][place] += 1;
            }
        }
        assert_eq!(places, [[10; 5]; 5]);
    }
}
