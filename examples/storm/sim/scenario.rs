//! What goes wrong, and which guards stand against it.

use std::ops::Range;

use super::CAPACITY;
use super::arrivals::Flow;
use super::policies::{
    Guards, allowance, partitions, room, round_the_dependency, shedding, within_a_budget, without_a_budget,
};
use super::server::{Course, Health};

/// One thing that goes wrong.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// What the guarded run has that the other has not.
    pub policy: &'static str,
    /// From when to when something is wrong, in seconds.
    pub fault: Range<u32>,
    /// The seconds that the figures are of.
    pub measured: Range<u32>,
    /// How long it runs.
    pub seconds: u32,
    pub flows: Vec<Flow>,
    pub server: Course,
    pub dependency: Course,
    /// Makes the guards of the run without the policy and of the one with it.
    pub guards: fn(bool, u64) -> Guards,
}

impl Scenario {
    /// Says whether calls of the dependency are counted, and not those of the server.
    pub fn is_about_dependency(&self) -> bool {
        self.flows.iter().any(|flow| flow.calls_out)
    }
}

/// Returns all of them, in the order of the table.
pub fn all() -> Vec<Scenario> {
    vec![
        retry_storm(),
        dependency("slow dependency", slow),
        dependency("dead dependency", dead),
        dependency("flapping dependency", flapping),
        restart(),
        flood(),
        overload("overload", "bulkhead with partitions", |is_guarded, _| Guards {
            partitions: is_guarded.then(partitions),
            ..Guards::default()
        }),
        overload(
            "overload, capacity unknown",
            "adaptive limit, load shedding",
            |is_guarded, _| match is_guarded {
                true => shedding(),
                false => Guards::default(),
            },
        ),
    ]
}

const WELL: Course = |_| Health::WELL;

/// Requests at a share of the capacity, a fifth of them critical.
fn usual(share: f64, seconds: u32) -> Flow {
    Flow {
        from: 0.0,
        until: f64::from(seconds),
        per_second: share * CAPACITY,
        critical: 0.2,
        calls_out: false,
        is_flood: false,
    }
}

/// For ten seconds the server has 30 % of its capacity.
fn retry_storm() -> Scenario {
    Scenario {
        name: "retry storm",
        policy: "retry budget",
        fault: 10..20,
        // Until all is well again: calm seconds would hide what is spent in the others.
        measured: 10..40,
        seconds: 50,
        flows: vec![usual(0.6, 50)],
        server: |time| match time {
            10.0..20.0 => Health::Slower(1.0 / 0.3),
            _ => Health::WELL,
        },
        dependency: WELL,
        guards: |is_guarded, seed| {
            if is_guarded {
                within_a_budget(seed)
            } else {
                without_a_budget(seed)
            }
        },
    }
}

/// For fifteen seconds something is wrong with the dependency, which half of the requests need.
fn dependency(name: &'static str, course: Course) -> Scenario {
    let flow = Flow {
        critical: 0.5,
        calls_out: true,
        ..usual(0.5, 45)
    };
    Scenario {
        name,
        policy: "breaker, timeout, bulkhead",
        fault: 10..25,
        measured: 10..25,
        seconds: 45,
        flows: vec![flow],
        server: WELL,
        dependency: course,
        guards: |is_guarded, seed| {
            if is_guarded {
                round_the_dependency(seed)
            } else {
                Guards::default()
            }
        },
    }
}

/// Slow enough to thrash under what half of the requests ask for, and not so slow that no call succeeds.
fn slow(time: f64) -> Health {
    match time {
        10.0..25.0 => Health::Slower(8.0),
        _ => Health::WELL,
    }
}

fn dead(time: f64) -> Health {
    match time {
        10.0..25.0 => Health::Hangs,
        _ => Health::WELL,
    }
}

/// Three seconds of every five.
fn flapping(time: f64) -> Health {
    match time {
        10.0..25.0 if time % 5.0 >= 2.0 => Health::Slower(100.0),
        _ => Health::WELL,
    }
}

/// The server is away for two seconds, and then cold: four times as slow at first, warm after ten more.
fn restart() -> Scenario {
    Scenario {
        name: "restart",
        policy: "bulkhead",
        fault: 10..12,
        measured: 10..40,
        seconds: 40,
        flows: vec![usual(0.6, 40)],
        server: |time| match time {
            10.0..12.0 => Health::Down,
            12.0..22.0 => Health::Slower(4.0 - 3.0 * (time - 12.0) / 10.0),
            _ => Health::WELL,
        },
        dependency: WELL,
        guards: |is_guarded, seed| Guards {
            room: is_guarded.then(room),
            ..without_a_budget(seed)
        },
    }
}

/// One client asks for five times the capacity.
fn flood() -> Scenario {
    let flood = Flow {
        from: 10.0,
        until: 20.0,
        is_flood: true,
        ..usual(5.0, 30)
    };
    Scenario {
        name: "flood from one client",
        policy: "rate limit for each client",
        fault: 10..20,
        measured: 10..20,
        seconds: 30,
        flows: vec![usual(0.6, 30), flood],
        server: WELL,
        dependency: WELL,
        guards: |is_guarded, _| Guards {
            clients: is_guarded.then(allowance),
            ..Guards::default()
        },
    }
}

/// For fifteen seconds everybody together asks for three times the capacity.
fn overload(name: &'static str, policy: &'static str, guards: fn(bool, u64) -> Guards) -> Scenario {
    let surge = Flow {
        from: 10.0,
        until: 25.0,
        ..usual(2.4, 32)
    };
    Scenario {
        name,
        policy,
        fault: 10..25,
        measured: 10..25,
        seconds: 32,
        flows: vec![usual(0.6, 32), surge],
        server: WELL,
        dependency: WELL,
        guards,
    }
}
