//! The simulation of "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015) again, with our schedules.
//!
//! Clients want to write one row. Each reads its version and writes back, and the write fails if somebody else was
//! quicker. The network takes 10 ms a way, normally distributed with 2 ms; the backoff begins at 5 ms, and is capped at
//! 2 s. What is counted are the writes until everybody has succeeded.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::super::backoff::{Backoff, Jitter, Sequence};
use super::MS;

const CLIENTS: usize = 100;
const RUNS: u32 = 60;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Read,
    HasRead { version: u32 },
    Write { version: u32 },
    Refused,
}

/// Returns how many writes one run takes.
fn writes(backoff: Option<&Backoff>, random: &mut fastrand::Rng) -> u32 {
    let mut sequences: Vec<_> = (0..CLIENTS).map(|_| Sequence::default()).collect();
    let mut queue = BinaryHeap::new();
    for client in 0..CLIENTS {
        queue.push(Reverse((way(random), client, Message::Read)));
    }
    let (mut version, mut writes) = (0, 0);
    while let Some(Reverse((now, client, message))) = queue.pop() {
        let (wait, next) = match message {
            Message::Read => (Duration::ZERO, Message::HasRead { version }),
            Message::HasRead { version } => (Duration::ZERO, Message::Write { version }),
            Message::Write { version: read } => {
                writes += 1;
                if read == version {
                    version += 1;
                    continue;
                }
                (Duration::ZERO, Message::Refused)
            }
            Message::Refused => {
                let wait = backoff.map(|backoff| sequences[client].next(backoff, random.f64()).unwrap());
                (wait.unwrap_or_default(), Message::Read)
            }
        };
        queue.push(Reverse((now + wait + way(random), client, next)));
    }
    writes
}

/// One way through the network: the normal distribution as the sum of twelve even ones.
fn way(random: &mut fastrand::Rng) -> Duration {
    let normal = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
    Duration::from_secs_f64((10.0 + 2.0 * normal).abs() / 1000.0)
}

fn mean_of(backoff: Option<Backoff>) -> f64 {
    let mut random = fastrand::Rng::with_seed(2015);
    let sum: u32 = (0..RUNS).map(|_| writes(backoff.as_ref(), &mut random)).sum();
    f64::from(sum) / f64::from(RUNS)
}

/// The published means; there the first delay of the exponential schedules is twice the base.
#[test]
fn the_published_means_of_the_backoff_simulation_come_out() {
    let exponential = |jitter| Backoff::exponential(10 * MS).cap(2000 * MS).jitter(jitter);
    let decorrelated = Backoff::exponential(5 * MS).cap(2000 * MS).jitter(Jitter::Decorrelated);
    let cases = [
        ("none", None, 2426.0),
        ("exponential", Some(exponential(Jitter::None)), 1846.0),
        ("decorrelated jitter", Some(decorrelated), 999.0),
        ("equal jitter", Some(exponential(Jitter::Equal)), 813.0),
        ("full jitter", Some(exponential(Jitter::Full)), 796.0),
    ];
    for (name, backoff, published) in cases {
        let mean = mean_of(backoff);
        assert!(
            (mean / published - 1.0).abs() < 0.02,
            "{name}: {mean} instead of {published}"
        );
    }
}
