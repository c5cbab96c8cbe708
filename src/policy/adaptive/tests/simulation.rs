//! A server with workers and an endless queue in front of them, under a limit or another.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::super::permit::Permit;
use super::super::{AdaptiveLimit, LimitAlgorithm};
use crate::base::clock::{Clock, ManualClock};
use crate::base::outcome::Outcome;

/// How long a call takes on average, when it waits for nothing.
pub(super) const CALL: f64 = 0.010;

/// What is tried: ours, or what others do.
pub(super) trait Limit {
    type Permit;
    fn enter(&mut self, now: f64) -> Option<Self::Permit>;
    fn ended(&mut self, permit: Self::Permit, took: f64, now: f64);
    fn limit(&self) -> f64;
}

/// Ours, with its guard.
pub(super) struct Guarded {
    pub(super) handle: AdaptiveLimit,
    clock: ManualClock,
    at: f64,
}

impl Guarded {
    pub(super) fn new(algorithm: impl LimitAlgorithm) -> Self {
        let clock = ManualClock::default();
        let limit = AdaptiveLimit::builder("simulated").clock(Clock::from(clock.clone()));
        Self {
            handle: limit.algorithm(algorithm).build().expect("the defaults are in range"),
            clock,
            at: 0.0,
        }
    }

    fn advance(&mut self, now: f64) {
        self.clock.advance(Duration::from_secs_f64((now - self.at).max(0.0)));
        self.at = self.at.max(now);
    }
}

impl Limit for Guarded {
    type Permit = Permit;

    fn enter(&mut self, now: f64) -> Option<Permit> {
        self.advance(now);
        let permit = self.handle.enter();
        if permit.is_none() {
            self.handle.refuse();
        }
        permit.map(Permit::begin)
    }

    fn ended(&mut self, mut permit: Permit, _: f64, now: f64) {
        self.advance(now);
        permit.end(Outcome::Success);
    }

    fn limit(&self) -> f64 {
        self.handle.snapshot().limit as f64
    }
}

/// The same algorithms as others have them: without a guard.
#[derive(Clone, Copy)]
pub(super) enum Plain {
    /// The limit falls with calls of 5 s or more alone.
    Aimd,
    /// The baseline is the average of the last 600 windows of a second; each call, or the mean of a window, counts.
    Gradient2,
}

pub(super) struct Unguarded {
    kind: Plain,
    limit: f64,
    in_flight: usize,
    baseline: f64,
    sum: f64,
    calls: u32,
    ends: f64,
}

impl Unguarded {
    pub(super) fn new(kind: Plain) -> Self {
        Self {
            kind,
            limit: 20.0,
            in_flight: 0,
            baseline: 0.0,
            sum: 0.0,
            calls: 0,
            ends: 1.0,
        }
    }

    fn window(&mut self, latency: f64) {
        let is_used = self.in_flight as f64 * 2.0 >= self.limit;
        let next = match self.kind {
            Plain::Aimd if latency >= 5.0 => self.limit * 0.9,
            Plain::Aimd if is_used => self.limit + 1.0,
            Plain::Aimd => self.limit,
            Plain::Gradient2 => {
                let weight = if self.baseline == 0.0 { 1.0 } else { 2.0 / 601.0 };
                self.baseline += (latency - self.baseline) * weight;
                if self.baseline / latency > 2.0 {
                    self.baseline *= 0.95;
                }
                let gradient = (1.5 * self.baseline / latency).clamp(0.5, 1.0);
                let next = self.limit * gradient + self.limit.sqrt();
                if is_used {
                    self.limit * 0.8 + next * 0.2
                } else {
                    self.limit
                }
            }
        };
        self.limit = next.clamp(4.0, 1000.0);
    }
}

impl Limit for Unguarded {
    type Permit = ();

    fn enter(&mut self, _: f64) -> Option<()> {
        let is_free = self.in_flight < self.limit as usize;
        self.in_flight += usize::from(is_free);
        is_free.then_some(())
    }

    fn ended(&mut self, (): (), took: f64, now: f64) {
        self.sum += took;
        self.calls += 1;
        // Its own windows are as long as ours, so that the guard alone makes the difference.
        if now >= self.ends && self.calls >= 20 {
            self.window(self.sum / f64::from(self.calls));
            (self.sum, self.calls, self.ends) = (0.0, 0, now + 0.1);
        }
        self.in_flight -= 1;
    }

    fn limit(&self) -> f64 {
        self.limit
    }
}

/// What comes in and how much can be done at a time.
#[derive(Clone, Copy)]
pub(super) struct World {
    /// Calls a second, by the time in seconds.
    pub(super) offered: fn(f64) -> f64,
    pub(super) workers: fn(f64) -> usize,
    /// How long a call takes that waits for nothing, by the time; exponential round this.
    pub(super) call: fn(f64) -> f64,
    /// When one call takes ten seconds.
    pub(super) outlier: f64,
    pub(super) lasts: f64,
}

/// What was seen in one tenth of a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) at: f64,
    pub(super) limit: f64,
    pub(super) answered: u32,
    pub(super) refused: u32,
    pub(super) latency: f64,
}

struct Running<P> {
    permit: P,
    began: f64,
    takes: f64,
}

/// Lets the world turn; what happens at one time is ordered by when it was decided.
pub(super) fn run<L: Limit>(limit: &mut L, world: World, seed: u64) -> Vec<Seen> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut exponential = move |mean: f64| -mean * (1.0 - random.f64()).ln();
    let mut seen: Vec<Seen> = Vec::new();
    let mut queue: VecDeque<Running<L::Permit>> = VecDeque::new();
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut running: Vec<Option<Running<L::Permit>>> = Vec::new();
    let mut arrives = 0.0;
    let mut outlier = world.outlier;
    let nanos = |time: f64| (time * 1e9) as u64;
    loop {
        let ended = ends.peek().map(|Reverse((at, _))| *at);
        let is_arrival = ended.is_none_or(|at| nanos(arrives) <= at);
        let now = if is_arrival {
            arrives
        } else {
            ended.unwrap_or_default() as f64 / 1e9
        };
        if now >= world.lasts {
            return seen;
        }
        let part = (now * 10.0) as usize;
        while seen.len() <= part {
            let at = seen.len() as f64 / 10.0;
            seen.push(Seen {
                at,
                limit: limit.limit(),
                ..Seen::default()
            });
        }
        if is_arrival && (world.offered)(now) == 0.0 {
            arrives = now + 0.01;
        } else if is_arrival {
            arrives = now + exponential(1.0 / (world.offered)(now));
            match limit.enter(now) {
                None => seen[part].refused += 1,
                Some(permit) => {
                    let mut takes = exponential((world.call)(now));
                    if now >= outlier {
                        (takes, outlier) = (10.0, f64::INFINITY);
                    }
                    queue.push_back(Running {
                        permit,
                        began: now,
                        takes,
                    });
                }
            }
        } else if let Some(Reverse((_, place))) = ends.pop()
            && let Some(call) = running[place].take()
        {
            let took = now - call.began;
            seen[part].answered += 1;
            seen[part].latency += took;
            limit.ended(call.permit, took, now);
        }
        while ends.len() < (world.workers)(now)
            && let Some(call) = queue.pop_front()
        {
            let end = now + call.takes;
            let place = running.iter().position(Option::is_none).unwrap_or(running.len());
            if place == running.len() {
                running.push(None);
            }
            running[place] = Some(call);
            ends.push(Reverse((nanos(end), place)));
        }
    }
}
