//! The script: what goes wrong, for how long, and what stands against it. What is expected then is in `expected.rs`.

use crate::expectation::Expectation;
use crate::expected;
use crate::policy::Policy;
use crate::trouble::Mood;

/// The service that is played with, as its own reviews name it.
pub const SERVICE: &str = "orders";

/// One thing that goes wrong.
pub struct Phase {
    pub name: &'static str,
    pub about: &'static str,
    /// What stands against it.
    pub policy: Policy,
    /// How `payments` is while it lasts.
    pub mood: Mood,
    pub seconds: u64,
    pub orders: Rate,
    /// How many orders a second one more client places; nobody may place more than 20.
    pub flood: u32,
    /// Whether `orders` is replaced by another while it lasts.
    pub is_restarted: bool,
    pub expected: &'static [Expectation],
}

/// How many orders are placed a second, by a hundred clients.
pub enum Rate {
    Usual,
    /// So many times what was measured to be possible.
    Capacities(f64),
}

pub const USUAL_PER_SECOND: f64 = 100.0;

const QUIET: Phase = Phase {
    name: "",
    about: "",
    policy: Policy::Retry,
    mood: Mood::Well,
    seconds: 5,
    orders: Rate::Usual,
    flood: 0,
    is_restarted: false,
    expected: &[],
};

pub static SCRIPT: [Phase; 7] = [
    Phase {
        name: "ordinary",
        about: "one call of payments in twenty fails",
        policy: Policy::Retry,
        mood: Mood::FailsOneIn(20),
        expected: expected::ORDINARY,
        ..QUIET
    },
    Phase {
        name: "slow",
        about: "one call of payments in twenty takes 5 s",
        policy: Policy::AttemptTimeout,
        mood: Mood::HangsOneIn(20),
        expected: expected::SLOW,
        ..QUIET
    },
    Phase {
        name: "down",
        about: "every call of payments fails",
        policy: Policy::Breaker,
        mood: Mood::FailsOneIn(1),
        seconds: 4,
        expected: expected::DOWN,
        ..QUIET
    },
    Phase {
        name: "flapping",
        about: "payments is well for half a second in every two",
        policy: Policy::Breaker,
        mood: Mood::Flaps,
        seconds: 8,
        expected: expected::FLAPPING,
        ..QUIET
    },
    Phase {
        name: "flood",
        about: "one client places 300 orders a second",
        policy: Policy::RateLimit,
        flood: 300,
        expected: expected::FLOOD,
        ..QUIET
    },
    Phase {
        name: "overload",
        about: "three times as many orders as payments can agree to",
        policy: Policy::Bulkhead,
        orders: Rate::Capacities(3.0),
        expected: expected::OVERLOAD,
        ..QUIET
    },
    Phase {
        name: "restart",
        about: "orders gets SIGTERM, when another one is ready",
        policy: Policy::Drain,
        is_restarted: true,
        expected: expected::RESTART,
        ..QUIET
    },
];
