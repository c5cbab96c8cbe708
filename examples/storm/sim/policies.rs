//! The guards: the crate's layers, each of which a run may have or not.

use std::time::Duration;

use seaworthy::adaptive::AdaptiveLimit;
use seaworthy::breaker::{CircuitBreaker, Window};
use seaworthy::budget::Budget;
use seaworthy::bulkhead::{Bulkhead, PartitionedBulkhead};
use seaworthy::criticality::Criticality;
use seaworthy::load_shed::LoadShed;
use seaworthy::random::Random;
use seaworthy::rate_limit::{AtCapacity, KeyedRateLimit, Quota, RateLimit};
use seaworthy::retry::{Retry, RetryBuilder};
use seaworthy::timeout::Timeout;
use tower::ServiceBuilder;
use tower::util::BoxCloneService;

use super::CLIENTS;
use super::arrivals::Request;
use super::record::Group;
use super::server::{Answers, network};

/// What stands between clients, server and dependency; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    /// At the clients, of which a tenth share each: how they try again.
    pub retry: Vec<Retry>,
    /// At the clients: the time of one attempt.
    pub attempt: Option<Timeout>,
    /// At the server: so many requests for each client.
    pub clients: Option<KeyedRateLimit<u32>>,
    /// At the server: so many requests under way.
    pub room: Option<Bulkhead>,
    /// At the server: what matters least goes first when the limit below has no more to give.
    pub shed: Option<LoadShed>,
    /// At the server: as many under way as it finds out that it can bear.
    pub limit: Option<AdaptiveLimit>,
    /// At the server: so many of each kind.
    pub partitions: Option<PartitionedBulkhead>,
    /// At the server, round its calls of the dependency.
    pub breaker: Option<CircuitBreaker>,
    pub lookup: Option<Timeout>,
    pub places: Option<Bulkhead>,
}

impl Guards {
    /// Puts the guards of the clients round the network, and those of the server behind it.
    pub fn clients(&self, server: Answers) -> Vec<Answers> {
        let inbound = ServiceBuilder::new()
            .option_layer(self.clients.as_ref().map(|clients| clients.layer(client)))
            .option_layer(self.shed.as_ref().map(|shed| shed.layer_by(criticality)))
            .option_layer(self.limit.as_ref().map(AdaptiveLimit::layer))
            .option_layer(self.partitions.as_ref().map(|partitions| partitions.layer(partition)))
            .option_layer(self.room.as_ref().map(Bulkhead::layer))
            .service(server);
        let network = network(BoxCloneService::new(inbound));
        let attempt = ServiceBuilder::new()
            .option_layer(self.attempt.as_ref().map(Timeout::layer))
            .service(network);
        match &self.retry[..] {
            [] => vec![BoxCloneService::new(attempt)],
            retry => retry
                .iter()
                .map(|retry| BoxCloneService::new(ServiceBuilder::new().layer(retry.layer()).service(attempt.clone())))
                .collect(),
        }
    }

    /// Puts the server's guards round its dependency.
    pub fn outbound(&self, dependency: Answers) -> Answers {
        let guarded = ServiceBuilder::new()
            .option_layer(self.breaker.as_ref().map(CircuitBreaker::layer))
            .option_layer(self.lookup.as_ref().map(Timeout::layer))
            .option_layer(self.places.as_ref().map(Bulkhead::layer))
            .service(dependency);
        BoxCloneService::new(guarded)
    }
}

fn client(request: &Request) -> u32 {
    request.client
}

fn criticality(request: &Request) -> Criticality {
    match request.group {
        Group::Critical => Criticality::CriticalPlus,
        Group::Sheddable | Group::Flood => Criticality::Sheddable,
    }
}

fn partition(request: &Request) -> &'static str {
    match request.group {
        Group::Critical => "critical",
        Group::Sheddable | Group::Flood => "sheddable",
    }
}

/// Three attempts of 300 ms each, with jitter between them, as often as it takes.
pub fn without_a_budget(seed: u64) -> Guards {
    Guards {
        retry: retry(seed, RetryBuilder::without_budget),
        attempt: Some(attempt()),
        ..Guards::default()
    }
}

/// The same attempts within a budget of 20 % for each tenth of the clients.
pub fn within_a_budget(seed: u64) -> Guards {
    let budget = || Budget::builder("server").share(20).floor(0).build().unwrap();
    Guards {
        retry: retry(seed, |retry| retry.budget(budget())),
        attempt: Some(attempt()),
        ..Guards::default()
    }
}

fn retry(seed: u64, configure: impl Fn(RetryBuilder) -> RetryBuilder) -> Vec<Retry> {
    let retry = |tenth: u64| {
        let random = Random::seeded(seed ^ (tenth << 32));
        configure(Retry::builder("server").random(random)).build().unwrap()
    };
    (1..=10).map(retry).collect()
}

fn attempt() -> Timeout {
    Timeout::builder("attempt")
        .limit(Duration::from_millis(300))
        .build()
        .unwrap()
}

/// Lets no more requests in than there are workers, and a few wait a moment.
pub fn room() -> Bulkhead {
    let room = Bulkhead::builder("server").concurrent(super::WORKERS);
    room.queue(50).wait(Duration::from_millis(200)).build().unwrap()
}

/// Keeps places for the critical requests, which no other can take.
pub fn partitions() -> PartitionedBulkhead {
    PartitionedBulkhead::builder("server")
        .partition("critical", |config| config.concurrent = 32)
        .partition("sheddable", |config| config.concurrent = 12)
        .build()
        .unwrap()
}

/// Finds out by itself how much the server can bear, and refuses what matters least.
pub fn shedding() -> Guards {
    let limit = AdaptiveLimit::builder("server").build().unwrap();
    let shed = LoadShed::builder("server").signal("limit", limit.clone());
    Guards {
        shed: Some(shed.build().unwrap()),
        limit: Some(limit),
        ..Guards::default()
    }
}

/// Gives each client ten requests a second.
pub fn allowance() -> KeyedRateLimit<u32> {
    let quota = Quota::per_second(10).burst(20);
    let clients = RateLimit::builder("clients").quota(quota);
    clients.build_keyed(2 * CLIENTS as usize, AtCapacity::Forget).unwrap()
}

/// Gives the dependency six of the twenty workers, 150 ms a call, and a rest when it fails.
pub fn round_the_dependency(seed: u64) -> Guards {
    let breaker = CircuitBreaker::builder("dependency")
        // Of calls, as those of time begin at moments that differ between processes.
        .window(Window::Count(50))
        .open(Duration::from_secs(1), Duration::from_secs(4))
        .random(Random::seeded(seed));
    let places = Bulkhead::builder("dependency").concurrent(6).queue(5);
    Guards {
        breaker: Some(breaker.build().unwrap()),
        lookup: Some(
            Timeout::builder("dependency")
                .limit(Duration::from_millis(150))
                .build()
                .unwrap(),
        ),
        places: Some(places.wait(Duration::from_millis(20)).build().unwrap()),
        ..Guards::default()
    }
}
