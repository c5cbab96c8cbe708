//! Who asks for what, and when.

use std::time::Duration;

use fastrand::Rng;
use seaworthy::replay::Idempotent;

use super::CLIENTS;
use super::record::Group;

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub client: u32,
    pub group: Group,
    /// Whether the server must ask its dependency for the answer.
    pub calls_out: bool,
    /// How long the client waits for an answer.
    pub patience: Duration,
}

impl Idempotent for Request {}

/// Requests that come independently of each other, and of what becomes of them.
#[derive(Clone, Debug)]
pub struct Flow {
    /// From when to when, in seconds.
    pub from: f64,
    pub until: f64,
    pub per_second: f64,
    /// The share of requests that must not be refused.
    pub critical: f64,
    /// Whether those that may be refused need the dependency.
    pub calls_out: bool,
    /// Whether all come from one client.
    pub is_flood: bool,
}

impl Flow {
    /// Returns the requests with the time of each, in seconds.
    pub fn requests(&self, mut random: Rng) -> impl Iterator<Item = (f64, Request)> + use<> {
        let flow = self.clone();
        let mut time = flow.from;
        std::iter::from_fn(move || {
            time += exponential(&mut random, 1.0 / flow.per_second);
            (time < flow.until).then(|| (time, flow.request(&mut random)))
        })
    }

    fn request(&self, random: &mut Rng) -> Request {
        let patience = Duration::from_millis(random.u64(1000..=1500));
        let is_critical = random.f64() < self.critical;
        let client = random.u32(0..CLIENTS);
        let (client, group) = match (self.is_flood, is_critical) {
            (true, _) => (CLIENTS, Group::Flood),
            (false, true) => (client, Group::Critical),
            (false, false) => (client, Group::Sheddable),
        };
        Request {
            client,
            group,
            calls_out: self.calls_out && !is_critical,
            patience,
        }
    }
}

/// Draws from the exponential distribution.
pub fn exponential(random: &mut Rng, mean: f64) -> f64 {
    -(1.0 - random.f64()).ln() * mean
}
