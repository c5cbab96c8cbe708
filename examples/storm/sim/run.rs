//! One run of one scenario.

use std::time::Duration;

use fastrand::Rng;
use seaworthy::breaker::CircuitBreaker;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep_until, timeout};
use tower::ServiceExt;

use super::arrivals::{Flow, Request};
use super::policies::Guards;
use super::record::{Record, Recorder};
use super::scenario::Scenario;
use super::server::{Answers, Dice, counted, dependency, network, server};

/// Runs a scenario in virtual time, in which its guards are made, too.
pub fn run(scenario: &Scenario, guards: impl FnOnce(u64) -> Guards, seed: u64) -> Record {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime
        .unwrap()
        .block_on(async { simulate(scenario, &guards(seed), seed).await })
}

async fn simulate(scenario: &Scenario, guards: &Guards, seed: u64) -> Record {
    let recorder = Recorder::new(scenario.seconds);
    let mut seeds = Rng::with_seed(seed);
    let world = World {
        clients: clients(scenario, guards, [seeds.fork(), seeds.fork()], &recorder),
        is_about_dependency: scenario.is_about_dependency(),
        recorder: recorder.clone(),
    };
    if let Some(breaker) = guards.breaker.clone() {
        tokio::spawn(sample(breaker, recorder.clone()));
    }
    let mut flows = JoinSet::new();
    for flow in &scenario.flows {
        flows.spawn(world.clone().offer(flow.clone(), seeds.fork()));
    }
    flows.join_all().await;
    recorder.finish()
}

/// Puts clients, server and dependency together.
fn clients(scenario: &Scenario, guards: &Guards, random: [Rng; 2], recorder: &Recorder) -> Vec<Answers> {
    let [ours, theirs] = random.map(Dice::new);
    let count = |inner, is_counted| {
        if is_counted {
            counted(inner, recorder.clone())
        } else {
            inner
        }
    };
    let is_about_dependency = scenario.is_about_dependency();
    let dependency = dependency(scenario.dependency, theirs, recorder.clone());
    let outbound = guards.outbound(network(count(dependency, is_about_dependency)));
    let server = server(scenario.server, outbound, ours, recorder.clone());
    guards.clients(count(server, !is_about_dependency))
}

/// Notes the state of a circuit ten times a second.
async fn sample(breaker: CircuitBreaker, recorder: Recorder) {
    let mut moments = interval(Duration::from_millis(100));
    loop {
        moments.tick().await;
        recorder.breaker(breaker.snapshot().state.label());
    }
}

#[derive(Clone)]
struct World {
    clients: Vec<Answers>,
    is_about_dependency: bool,
    recorder: Recorder,
}

impl World {
    /// Lets the requests of a flow come, and waits for what becomes of them.
    async fn offer(self, flow: Flow, random: Rng) {
        let mut requests = JoinSet::new();
        for (time, request) in flow.requests(random) {
            sleep_until(self.recorder.start() + Duration::from_secs_f64(time)).await;
            let client = self.clients[request.client as usize % self.clients.len()].clone();
            requests.spawn(ask(client, request, self.recorder.clone()));
            self.recorder
                .came(request.group, request.calls_out || !self.is_about_dependency);
        }
        requests.join_all().await;
    }
}

/// Asks once, and waits as long as the client has patience.
async fn ask(client: Answers, request: Request, recorder: Recorder) {
    let came = recorder.now();
    let answer = timeout(request.patience, client.oneshot(request)).await;
    recorder.ended(request.group, came, matches!(answer, Ok(Ok(()))));
}
