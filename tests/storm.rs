//! What the example `storm` shows, as bounds: each holds with the guards for the worst of five seeds, breaks without
//! them for the best, and is no looser than a fifth.

#[path = "../examples/storm/sim/mod.rs"]
mod sim;

use std::ops::Range;
use std::thread;

use sim::figures::Figures;
use sim::policies::{Guards, room};
use sim::{Record, SEED, Scenario};

const SEEDS: Range<u64> = 1..6;

/// What a scenario comes to, by seed.
type Runs = Vec<Figures>;

fn scenario(name: &str) -> Scenario {
    sim::all().into_iter().find(|scenario| scenario.name == name).unwrap()
}

/// Runs a scenario for each seed.
fn with(scenario: &Scenario, guards: impl Fn(u64) -> Guards + Sync) -> Runs {
    let records = records(scenario, guards);
    records.iter().map(|record| figures(scenario, record)).collect()
}

fn figures(scenario: &Scenario, record: &Record) -> Figures {
    let figures = sim::figures(scenario, record);
    println!("{}: {figures:.3?}", scenario.name);
    figures
}

fn records(scenario: &Scenario, guards: impl Fn(u64) -> Guards + Sync) -> Vec<Record> {
    let run = |seed| sim::run(scenario, &guards, seed);
    thread::scope(|scope| {
        let threads: Vec<_> = SEEDS.map(|seed| scope.spawn(move || run(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Runs a scenario without its guards and with them.
fn both(scenario: &Scenario) -> [Runs; 2] {
    println!("without and with {}", scenario.policy);
    [false, true].map(|is_guarded| with(scenario, |seed| (scenario.guards)(is_guarded, seed)))
}

/// Takes one guard away from a scenario that has been run with all of them.
fn all_but(scenario: &Scenario, take: fn(&mut Guards)) -> Runs {
    println!("all but one of {}", scenario.policy);
    with(scenario, |seed| {
        let mut guards = (scenario.guards)(true, seed);
        take(&mut guards);
        guards
    })
}

fn least(runs: &Runs, figure: impl Fn(&Figures) -> f64) -> f64 {
    runs.iter().map(figure).fold(f64::INFINITY, f64::min)
}

fn most(runs: &Runs, figure: impl Fn(&Figures) -> f64) -> f64 {
    runs.iter().map(figure).fold(f64::NEG_INFINITY, f64::max)
}

/// Fails unless the guards keep a figure within its bound, and close to it, and without them it is beyond.
#[track_caller]
fn at_most(bound: f64, [unguarded, guarded]: [&Runs; 2], figure: impl Fn(&Figures) -> f64) {
    let (worst, best) = (most(guarded, &figure), least(unguarded, &figure));
    assert!(worst <= bound, "{worst} is more than {bound}");
    assert!(worst >= 0.8 * bound, "{bound} is too loose for {worst}");
    assert!(
        best > bound,
        "without guards it is {best}, and no more than {bound} either"
    );
}

/// As [`at_most`], for figures that should be high.
#[track_caller]
fn at_least(bound: f64, [unguarded, guarded]: [&Runs; 2], figure: impl Fn(&Figures) -> f64) {
    let (worst, best) = (least(guarded, &figure), most(unguarded, &figure));
    assert!(worst >= bound, "{worst} is less than {bound}");
    assert!(0.8 * worst <= bound, "{bound} is too loose for {worst}");
    assert!(
        best < bound,
        "without guards it is {best}, and no less than {bound} either"
    );
}

/// Fails unless all is well within two seconds with guards, and not without.
#[track_caller]
fn at_once([unguarded, guarded]: [&Runs; 2]) {
    let is_soon = |run: &Figures| matches!(run.recovery, Some(0 | 1));
    assert!(guarded.iter().all(is_soon), "{guarded:?}");
    assert!(!unguarded.iter().any(is_soon), "{unguarded:?}");
}

/// The seconds until all is well again, where never is more than any number.
fn recovery(figures: &Figures) -> f64 {
    figures.recovery.map_or(f64::INFINITY, f64::from)
}

fn p99(figures: &Figures) -> f64 {
    f64::from(figures.p99_ms)
}

fn critical(figures: &Figures) -> f64 {
    figures.critical
}

/// What retries add to the calls of the server.
fn added(figures: &Figures) -> f64 {
    figures.amplification - 1.0
}

#[test]
fn a_budget_bounds_what_a_storm_of_retries_adds_and_lets_it_end() {
    let until_well = scenario("retry storm");
    let fault = Scenario {
        measured: until_well.fault.clone(),
        ..until_well.clone()
    };
    let records = [false, true].map(|is_guarded| records(&until_well, |seed| (until_well.guards)(is_guarded, seed)));
    let [alone, until_well] = [&fault, &until_well].map(|scenario| {
        let [unguarded, guarded] = records
            .each_ref()
            .map(|records| -> Runs { records.iter().map(|record| figures(scenario, record)).collect() });
        at_most(most_added(scenario), [&unguarded, &guarded], added);
        [unguarded, guarded]
    });
    // Of 360 a second with retries 150 are served, so that 2,100 wait when the fault ends, and 700 for what was saved;
    // then 500 are served, 140 more than come: 20 s. One more for chance.
    at_most(21.0, [&until_well[0], &until_well[1]], recovery);
    // A budget bounds the harm of retries. Without any it ends sooner still.
    let single = &all_but(&fault, |guards| guards.retry.clear());
    at_most(9.0, [&alone[1], single], recovery);
}

/// Returns what ten budgets of 20 % may add to 300 requests a second.
fn most_added(scenario: &Scenario) -> f64 {
    let (per_second, share, budgets, reserve) = (300.0, 0.2, 10.0, 10.0);
    let requests = per_second * scenario.measured.len() as f64;
    // What ten seconds of health have saved, and the reserves, may be spent at once; there is no floor.
    let saved = 10.0 * share * per_second + budgets * reserve;
    share + saved / requests
}

#[test]
fn while_a_dependency_is_slow_what_does_not_need_it_goes_on() {
    let scenario = scenario("slow dependency");
    let [unguarded, guarded] = &both(&scenario);
    at_least(0.99, [unguarded, guarded], critical);
    // Left alone it does what it was asked for; asked on and on it never gets through it, though its fault is over.
    let hammered = &all_but(&scenario, |guards| guards.breaker = None);
    for unguarded in [unguarded, hammered] {
        at_most(3.0, [unguarded, guarded], recovery);
    }
    at_least(0.025, [hammered, guarded], |run| run.sheddable);
    let endless = &all_but(&scenario, |guards| guards.lookup = None);
    for unguarded in [unguarded, endless] {
        at_most(250.0, [unguarded, guarded], p99);
    }
    // What the breaker lets through is kept from the workers by the bulkhead.
    let timeout_alone = &all_but(&scenario, |guards| (guards.breaker, guards.places) = (None, None));
    at_most(320.0, [timeout_alone, hammered], p99);
}

#[test]
fn a_dead_dependency_is_left_alone_and_noticed_when_it_is_back() {
    let scenario = scenario("dead dependency");
    let [unguarded, guarded] = &both(&scenario);
    at_least(0.99, [unguarded, guarded], critical);
    let hammered = &all_but(&scenario, |guards| guards.breaker = None);
    at_most(0.035, [hammered, guarded], |run| run.amplification);
    // The longest open time, and then the probes; what hangs for ever tells a breaker nothing.
    let hung = &all_but(&scenario, |guards| guards.lookup = None);
    for unguarded in [unguarded, hung] {
        at_most(5.0, [unguarded, guarded], recovery);
    }
}

#[test]
fn a_dependency_that_flaps_is_used_while_it_is_well() {
    let scenario = scenario("flapping dependency");
    let [unguarded, guarded] = &both(&scenario);
    at_least(0.99, [unguarded, guarded], critical);
    let hammered = &all_but(&scenario, |guards| guards.breaker = None);
    for unguarded in [unguarded, hammered] {
        at_least(0.2, [unguarded, guarded], |run| run.sheddable);
        at_most(3.0, [unguarded, guarded], recovery);
    }
}

#[test]
fn a_restarted_server_that_is_still_cold_is_not_held_down() {
    let scenario = scenario("restart");
    let [unguarded, guarded] = &both(&scenario);
    at_least(0.42, [unguarded, guarded], |run| run.goodput);
    at_most(9.0, [unguarded, guarded], recovery);
    at_most(650.0, [unguarded, guarded], p99);
}

#[test]
fn a_flood_from_one_client_harms_no_other() {
    let [unguarded, guarded] = &both(&scenario("flood from one client"));
    at_least(0.999, [unguarded, guarded], |run| run.critical.min(run.sheddable));
    at_most(200.0, [unguarded, guarded], p99);
    assert!(guarded.iter().all(|run| run.recovery == Some(0)), "{guarded:?}");
}

#[test]
fn at_three_times_the_capacity_all_of_it_is_used_and_critical_requests_are_served() {
    let scenario = scenario("overload");
    let [unguarded, guarded] = &both(&scenario);
    at_least(0.9, [unguarded, guarded], |run| run.goodput);
    at_once([unguarded, guarded]);
    let without_classes = &all_but(&scenario, |guards| {
        guards.partitions = None;
        guards.room = Some(room());
    });
    for unguarded in [unguarded, without_classes] {
        at_least(0.99, [unguarded, guarded], critical);
    }
}

#[test]
fn at_three_times_a_capacity_that_nobody_knows_it_is_found_and_what_matters_least_is_shed() {
    let scenario = scenario("overload, capacity unknown");
    let [unguarded, guarded] = &both(&scenario);
    at_least(0.95, [unguarded, guarded], |run| run.goodput);
    let without_classes = &all_but(&scenario, |guards| guards.shed = None);
    for unguarded in [unguarded, without_classes] {
        at_least(0.95, [unguarded, guarded], critical);
    }
    at_once([unguarded, guarded]);
}

#[test]
fn the_same_seed_brings_the_same_storm_to_the_last_digit() {
    // Another thread for each, as the crate's counters are striped by thread.
    let run = |scenario: &Scenario, seed: u64| -> Record {
        let guards = |seed| (scenario.guards)(true, seed);
        thread::scope(|scope| scope.spawn(|| sim::run(scenario, guards, seed)).join().unwrap())
    };
    for scenario in sim::all() {
        assert!(run(&scenario, SEED) == run(&scenario, SEED), "{}", scenario.name);
    }
    let scenario = scenario("dead dependency");
    assert!(run(&scenario, SEED) != run(&scenario, SEED + 1));
}
