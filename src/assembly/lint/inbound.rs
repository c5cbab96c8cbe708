//! Numbers of what is served.

use std::time::Duration;

use crate::base::finding::Finding;
use crate::policy::rate_limit::Quota;

/// How long a request takes of which nobody has said it.
const ASSUMED: Duration = Duration::from_millis(10);

/// What does not keep a request that outlasts it.
const DRAIN: &str = "drain";

/// The numbers of a service.
#[derive(Clone, Debug)]
pub(in super::super) struct Inbound {
    /// The longest time for a request of which nothing else is said.
    pub(in super::super) deadline: Duration,
    /// The longest wait of a shutdown for what is in flight.
    pub(in super::super) drain: Duration,
    pub(in super::super) connections: usize,
    /// How many requests of one kind may be under way at once; `None` if nothing limits that.
    pub(in super::super) places: Option<u32>,
    pub(in super::super) endpoints: Vec<Promise>,
}

/// What one endpoint promises.
#[derive(Clone, Debug)]
pub(in super::super) struct Promise {
    pub(in super::super) subject: String,
    /// Its own, if it has one.
    pub(in super::super) deadline: Option<Duration>,
    pub(in super::super) is_stream: bool,
    /// How many requests of all clients together.
    pub(in super::super) quota: Option<Quota>,
    pub(in super::super) latency: Option<Duration>,
    /// How many of its kind may be under way at once; `None` if nothing limits that.
    pub(in super::super) places: Option<u32>,
}

impl Inbound {
    /// Lists what works badly.
    pub(in super::super) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.outlasts_drain("server.deadline", self.deadline));
        findings.extend(self.never_filled());
        for promise in &self.endpoints {
            let own = promise.deadline.filter(|_| !promise.is_stream);
            findings.extend(own.and_then(|own| self.outlasts_drain(&promise.subject, own)));
            findings.extend(promise.more_than_fits());
        }
        findings
    }

    /// Returns the longest time that a caller waits; `None` if one may read a stream for ever.
    pub(in super::super) fn patience(&self) -> Option<Duration> {
        if self.endpoints.iter().any(|promise| promise.is_stream) {
            return None;
        }
        let own = self.endpoints.iter().filter_map(|promise| promise.deadline);
        own.chain([self.deadline]).max()
    }

    fn outlasts_drain(&self, subject: &str, deadline: Duration) -> Option<Finding> {
        let drain = self.drain;
        (deadline > drain).then(|| {
            let found = format!("a request may take {deadline:?} and the drain waits {drain:?}: it is cut");
            let advice = format!(
                "raise `shutdown.drain` to {deadline:?}, and `shutdown.grace_period` by as much, or shorten the deadline"
            );
            Finding::new(subject, found, advice).disproving(DRAIN)
        })
    }

    /// Over HTTP/1.1 a connection carries one request at a time.
    fn never_filled(&self) -> Option<Finding> {
        let (connections, places) = (self.connections, self.places?);
        (connections < places as usize).then(|| {
            let found = format!(
                "{connections} connections carry {connections} requests at once over HTTP/1.1, and there are {places} places"
            );
            let advice = format!("raise it to {places} or more, or have fewer places");
            Finding::new("server.max_connections", found, advice)
        })
    }
}

impl Promise {
    /// Little's law: under way at once are as many as come in a time, times how long each takes.
    fn more_than_fits(&self) -> Option<Finding> {
        let (quota, places) = self.quota.zip(self.places)?;
        let latency = self.latency.or((!self.is_stream).then_some(ASSUMED))?;
        let at_once = at_once(quota, latency);
        (at_once > u128::from(places)).then(|| {
            let rate = f64::from(quota.requests) / quota.per.as_secs_f64();
            let rate = (rate * 1000.0).round() / 1000.0;
            let source = match self.latency {
                Some(_) => "",
                None => " (assumed; `Endpoint::typical_latency` says it)",
            };
            let found =
                format!("{rate}/s for {latency:?} each{source} are {at_once} at once, and there are {places} places");
            let advice =
                format!("lower the rate limit, or raise the places to {at_once} if the service can do as many");
            Finding::new(self.subject.as_str(), found, advice)
        })
    }
}

/// How many are under way at once, rounded up.
fn at_once(quota: Quota, latency: Duration) -> u128 {
    let busy = u128::from(quota.requests) * latency.as_nanos();
    busy.div_ceil(quota.per.as_nanos().max(1))
}
