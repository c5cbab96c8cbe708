//! One round of one variant.

use std::time::Duration;

use super::child::Child;
use super::load::{Done, Load, closed};
use super::variants::Failed;

/// How many connections ask at once.
pub(super) const CONNECTIONS: usize = 32;
/// Before each round, on its new connections.
const WARM_UP: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// How many requests were answered.
    pub(super) per_second: f64,
    /// Of the server, for a request that it answered; not a number if the system does not tell.
    pub(super) cpu_nanos: f64,
    /// How much of the time the server ran; not a number if the system does not tell.
    pub(super) share: f64,
    /// Latencies, in nanoseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    /// How many requests were given up.
    pub(super) unanswered: usize,
}

impl Sample {
    /// Asks a server in some way, on new connections.
    pub(super) fn take(
        child: &mut Child,
        ask: impl FnOnce(&mut Load) -> std::io::Result<Done>,
    ) -> Result<Self, Failed> {
        let mut load = Load::connect(child.address, CONNECTIONS)?;
        closed::run(&mut load, WARM_UP)?;
        let before = child.cpu_time()?;
        let done = ask(&mut load)?;
        let cpu = child.cpu_time()?.saturating_sub(before);
        Ok(Self::of(&done, cpu))
    }

    pub(super) fn of(done: &Done, cpu: Duration) -> Self {
        let answered = done.answered as f64;
        let took = done.took.as_secs_f64();
        let cpu = if cpu.is_zero() { f64::NAN } else { cpu.as_secs_f64() };
        let latency = |share| done.percentile(share).as_nanos() as f64;
        Self {
            per_second: answered / took,
            cpu_nanos: cpu * 1e9 / answered,
            share: cpu / took,
            p50: latency(0.5),
            p99: latency(0.99),
            p999: latency(0.999),
            unanswered: done.asked() - done.answered,
        }
    }
}
