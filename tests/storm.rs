//! What the example `storm` shows, as bounds: each holds with the guards, breaks without them, and is no looser than a
//! fifth.

#[path = "../examples/storm/sim/mod.rs"]
mod sim;

use std::thread::{self, JoinHandle};

use sim::figures::Figures;
use sim::policies::{Guards, eager, room};
use sim::{Record, SEED, Scenario};

fn scenario(name: &str) -> Scenario {
    sim::all().into_iter().find(|scenario| scenario.name == name).unwrap()
}

fn with(scenario: &Scenario, guards: impl FnOnce(u64) -> Guards) -> Figures {
    let figures = sim::figures(scenario, &sim::run(scenario, guards, SEED));
    println!("{}: {figures:.3?}", scenario.name);
    figures
}

/// Runs a scenario without its guards and with them.
fn both(scenario: &Scenario) -> [Figures; 2] {
    println!("without and with {}", scenario.policy);
    [false, true].map(|is_guarded| with(scenario, |seed| (scenario.guards)(is_guarded, seed)))
}

/// Takes one guard away from a scenario that has been run with all of them.
fn all_but(scenario: &Scenario, take: fn(&mut Guards)) -> Figures {
    with(scenario, |seed| {
        let mut guards = (scenario.guards)(true, seed);
        take(&mut guards);
        guards
    })
}

/// Fails unless the guards keep a figure within its bound, and close to it, and without them it is beyond.
#[track_caller]
fn at_most(bound: f64, [unguarded, guarded]: [f64; 2]) {
    assert!(guarded <= bound, "{guarded} is more than {bound}");
    assert!(guarded >= 0.8 * bound, "{bound} is too loose for {guarded}");
    assert!(
        unguarded > bound,
        "without guards it is {unguarded}, and no more than {bound} either"
    );
}

/// As [`at_most`], for figures that should be high.
#[track_caller]
fn at_least(bound: f64, [unguarded, guarded]: [f64; 2]) {
    assert!(guarded >= bound, "{guarded} is less than {bound}");
    assert!(0.8 * guarded <= bound, "{bound} is too loose for {guarded}");
    assert!(
        unguarded < bound,
        "without guards it is {unguarded}, and no less than {bound} either"
    );
}

/// The seconds until all is well again, where never is more than any number.
fn recovery(figures: &Figures) -> f64 {
    figures.recovery.map_or(f64::INFINITY, f64::from)
}

#[test]
fn a_budget_bounds_what_a_storm_of_retries_adds_and_lets_it_end() {
    let runs = both(&scenario("retry storm"));
    // 1 + 20 %, and the reserves of ten budgets, of ten attempts each, for half a minute of 300 requests a second.
    at_most(1.2 + 100.0 / (30.0 * 300.0), runs.map(|run| run.amplification));
    // Of 360 a second with retries 150 are served, so that 2,100 wait when the fault ends; then 500 are served: 15 s.
    at_most(20.0, runs.map(|run| recovery(&run)));
}

#[test]
fn while_a_dependency_is_slow_what_does_not_need_it_goes_on() {
    let scenario = scenario("slow dependency");
    let runs @ [_, guarded] = both(&scenario);
    at_least(0.99, runs.map(|run| run.critical));
    at_most(5.0, runs.map(|run| recovery(&run)));
    // Most of its calls succeed, so that timeout and breaker alone do not keep it from the workers.
    let unbounded = all_but(&scenario, |guards| guards.places = None);
    let endless = all_but(&scenario, |guards| guards.lookup = None);
    for unguarded in [runs[0], unbounded, endless] {
        at_most(300.0, [unguarded, guarded].map(|run| f64::from(run.p99_ms)));
    }
}

#[test]
fn a_dead_dependency_is_left_alone_and_noticed_when_it_is_back() {
    let scenario = scenario("dead dependency");
    let runs @ [_, guarded] = both(&scenario);
    at_least(0.99, runs.map(|run| run.critical));
    let hammered = all_but(&scenario, |guards| guards.breaker = None);
    at_most(0.035, [hammered, guarded].map(|run| run.amplification));
    // The longest open time, and then the probes; what hangs for ever tells a breaker nothing.
    let hung = all_but(&scenario, |guards| guards.lookup = None);
    for unguarded in [runs[0], hung] {
        at_most(5.0, [unguarded, guarded].map(|run| recovery(&run)));
    }
}

#[test]
fn a_dependency_that_flaps_is_used_while_it_is_well() {
    let runs = both(&scenario("flapping dependency"));
    at_least(0.99, runs.map(|run| run.critical));
    at_least(0.2, runs.map(|run| run.sheddable));
    at_most(2.0, runs.map(|run| recovery(&run)));
}

#[test]
fn a_restarted_server_that_is_still_cold_is_not_held_down() {
    let scenario = scenario("restart");
    let runs @ [_, guarded] = both(&scenario);
    at_least(0.5, runs.map(|run| run.goodput));
    let crowded = all_but(&scenario, |guards| guards.room = None);
    for unguarded in [runs[0], crowded] {
        at_most(8.0, [unguarded, guarded].map(|run| recovery(&run)));
    }
    let eager = all_but(&scenario, |guards| guards.retry = eager(SEED).retry);
    at_most(450.0, [eager, guarded].map(|run| f64::from(run.p99_ms)));
}

#[test]
fn a_flood_from_one_client_harms_no_other() {
    let runs = both(&scenario("flood from one client"));
    at_least(0.999, runs.map(|run| run.critical.min(run.sheddable)));
    at_most(200.0, runs.map(|run| f64::from(run.p99_ms)));
}

#[test]
fn at_three_times_the_capacity_all_of_it_is_used_and_critical_requests_are_served() {
    let scenario = scenario("overload");
    let runs @ [_, guarded] = both(&scenario);
    at_least(0.9, runs.map(|run| run.goodput));
    at_most(0.0, runs.map(|run| recovery(&run)));
    let without_classes = all_but(&scenario, |guards| {
        guards.partitions = None;
        guards.room = Some(room());
    });
    for unguarded in [runs[0], without_classes] {
        at_least(0.99, [unguarded, guarded].map(|run| run.critical));
    }
}

#[test]
fn at_three_times_a_capacity_that_nobody_knows_it_is_found_and_what_matters_least_is_shed() {
    let scenario = scenario("overload, capacity unknown");
    let runs @ [_, guarded] = both(&scenario);
    let unbounded = all_but(&scenario, |guards| guards.limit = None);
    for unguarded in [runs[0], unbounded] {
        at_least(0.9, [unguarded, guarded].map(|run| run.goodput));
    }
    let without_classes = all_but(&scenario, |guards| guards.shed = None);
    for unguarded in [runs[0], without_classes] {
        at_least(0.97, [unguarded, guarded].map(|run| run.critical));
    }
    at_most(0.0, runs.map(|run| recovery(&run)));
}

#[test]
fn the_same_seed_brings_the_same_storm_to_the_last_digit() {
    // Another thread for each, as the crate's counters are striped by thread.
    let run = |scenario: &Scenario, seed: u64| -> JoinHandle<Record> {
        let scenario = scenario.clone();
        thread::spawn(move || sim::run(&scenario, |seed| (scenario.guards)(true, seed), seed))
    };
    for scenario in sim::all() {
        let [one, other] = [(); 2].map(|()| run(&scenario, SEED));
        assert!(one.join().unwrap() == other.join().unwrap(), "{}", scenario.name);
    }
    let scenario = scenario("dead dependency");
    let [one, other] = [SEED, SEED + 1].map(|seed| run(&scenario, seed));
    assert!(one.join().unwrap() != other.join().unwrap());
}
