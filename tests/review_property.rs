//! Whoever takes a guard away, or somebody's word, never makes a review better.

mod review_support;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use review_support::{Folder, URL, attested, builder, review, waived};
use seaworthy::breaker::Window;
use seaworthy::review::{Kind, Level, Review, Verdict};
use seaworthy::{AppBuilder, Control};

/// How a guard stands, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    On,
    Waived,
    /// It is there and does nothing, or is not there and nobody says why.
    Missing,
}

const CONTROLS: [Control; 5] = [
    Control::Deadline,
    Control::Retry,
    Control::Breaker,
    Control::AttemptTimeout,
    Control::Bulkhead,
];

/// Those of which there is a way to have them do nothing without a waiver.
const SPOILT: [Control; 2] = [Control::Retry, Control::Breaker];

/// Those of all requests.
const INBOUND: [Control; 5] = [
    Control::LoadShed,
    Control::AdaptiveLimit,
    Control::Bulkhead,
    Control::RateLimit,
    Control::ClientRateLimit,
];

/// Some of which fight each other, or the second that callers wait.
#[derive(Clone, Debug)]
struct Numbers {
    deadline_ms: u64,
    /// In percent of the deadline.
    attempt: u64,
    places: u32,
    window_ms: u64,
}

/// The item of each guard.
const ITEMS: [&str; 5] = ["timeouts", "retries", "circuit-breakers", "timeouts", "bulkheads"];

#[derive(Clone, Debug)]
struct Wiring {
    /// The guards of each dependency, with their numbers.
    dependencies: Vec<([State; 5], Numbers)>,
    /// Which guards of all requests are left out.
    left_out: [bool; 5],
    attested: Vec<String>,
    waived: Vec<String>,
}

impl Wiring {
    fn review(&self, folder: &Folder) -> Review {
        let said = self.attested.iter().map(|id| attested(id));
        let waived = self.waived.iter().map(|id| waived(id, "2026-12-01"));
        let mut app = folder.app(&said.chain(waived).collect::<String>());
        app = app.setting("server.deadline", "1s");
        for (number, (states, numbers)) in self.dependencies.iter().enumerate() {
            app = declared(app, &format!("d{number}"), states, numbers);
        }
        for (control, _) in INBOUND.iter().zip(self.left_out).filter(|(_, is_out)| *is_out) {
            app = app.without(*control, "another one has it");
        }
        review(app)
    }

    /// Lists what can be taken away, and returns it without one of that.
    ///
    /// A guard whose numbers make it worth nothing is no guard: to give a reason for leaving it out is better.
    fn less(&self, before: &Review, which: Index) -> Option<Self> {
        let mut ways = Vec::new();
        for (number, (states, _)) in self.dependencies.iter().enumerate() {
            let subject = format!("dependency d{number}");
            let works = |guard: usize| {
                let mut parts = before.item(ITEMS[guard]).unwrap().evidence.iter();
                !parts.any(|part| part.subject == subject && part.kind == Kind::Missing)
            };
            for (guard, state) in states.iter().enumerate().filter(|(guard, _)| works(*guard)) {
                let worse = [State::Waived, State::Missing]
                    .into_iter()
                    .filter(|worse| worse > state);
                let can = |worse: &State| *worse == State::Waived || SPOILT.contains(&CONTROLS[guard]);
                ways.extend(worse.filter(can).map(|worse| {
                    let mut less = self.clone();
                    less.dependencies[number].0[guard] = worse;
                    less
                }));
            }
        }
        // With nothing to look at, nothing is shed, and so nothing is taken away.
        let sheds = !(self.left_out[1] && self.left_out[2]);
        let works = |guard: &usize| !self.left_out[*guard] && (sheds || INBOUND[*guard] != Control::LoadShed);
        for guard in (0..INBOUND.len()).filter(works) {
            let mut less = self.clone();
            less.left_out[guard] = true;
            ways.push(less);
        }
        for word in 0..self.attested.len() {
            let mut less = self.clone();
            less.attested.remove(word);
            ways.push(less);
        }
        for waiver in 0..self.waived.len() {
            let mut less = self.clone();
            less.waived.remove(waiver);
            ways.push(less);
        }
        (!ways.is_empty()).then(|| ways.swap_remove(which.index(ways.len())))
    }
}

fn declared(mut app: AppBuilder, name: &str, states: &[State; 5], numbers: &Numbers) -> AppBuilder {
    let of = |control| states[CONTROLS.iter().position(|of| *of == control).unwrap()];
    let Numbers {
        deadline_ms,
        attempt,
        places,
        window_ms,
    } = *numbers;
    let mut dependency = app
        .dependency(name)
        .deadline(Duration::from_millis(deadline_ms))
        .attempt_timeout(Duration::from_millis(deadline_ms * attempt / 100))
        .bulkhead(|bulkhead| bulkhead.concurrent(places))
        .breaker(|breaker| breaker.window(Window::Time(Duration::from_millis(window_ms))));
    for (control, _) in CONTROLS
        .iter()
        .zip(states)
        .filter(|(_, state)| **state == State::Waived)
    {
        dependency = dependency.without(*control, "another one has it");
    }
    let client = dependency.http(URL);
    if of(Control::Breaker) == State::Missing {
        client.dependency().breaker().disable();
    }
    if of(Control::Retry) == State::Missing {
        app = app.setting(format!("dependencies.{name}.attempts"), "1");
    }
    app
}

fn ids(is_waived: bool) -> Vec<String> {
    let review = review(builder());
    let items = review
        .items
        .iter()
        .filter(|reviewed| !is_waived || !reviewed.item.is_never);
    items.map(|reviewed| reviewed.item.id.clone()).collect()
}

fn states() -> impl Strategy<Value = [State; 5]> {
    let state = prop_oneof![3 => Just(State::On), 1 => Just(State::Waived), 1 => Just(State::Missing)];
    vec(state, 5).prop_map(|states| {
        let mut guards = [State::On; 5];
        for (guard, state) in states.into_iter().enumerate() {
            let can = state != State::Missing || SPOILT.contains(&CONTROLS[guard]);
            guards[guard] = if can { state } else { State::Waived };
        }
        guards
    })
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let numbers = (
        prop_oneof![Just(900), Just(1000), Just(5000)],
        prop_oneof![Just(30), Just(90)],
        prop_oneof![Just(1), Just(64)],
        prop_oneof![Just(30_000), Just(500)],
    );
    numbers.prop_map(|(deadline_ms, attempt, places, window_ms)| Numbers {
        deadline_ms,
        attempt,
        places,
        window_ms,
    })
}

/// Half of the wirings have all that is missing waived or attested, so that a verdict of GO is among them.
fn wirings() -> impl Strategy<Value = Wiring> {
    let some = |ids: Vec<String>| {
        let all = ids.len();
        prop_oneof![Just(ids.clone()), proptest::sample::subsequence(ids, 0..=all)]
    };
    let parts = (
        vec((states(), numbers()), 0..4),
        proptest::array::uniform5(proptest::bool::weighted(0.2)),
        some(ids(false)),
        some(ids(true)),
    );
    parts.prop_map(|(dependencies, left_out, attested, waived)| Wiring {
        dependencies,
        left_out,
        attested,
        waived,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_takes_something_away_never_makes_a_review_better(wiring in wirings(), which in vec(any::<Index>(), 1..6)) {
        let folder = Folder::new();
        let mut wiring = wiring;
        let mut before = wiring.review(&folder);
        for which in which {
            let Some(less) = wiring.less(&before, which) else { break };
            let after = less.review(&folder);
            for (was, is) in before.items.iter().zip(&after.items) {
                prop_assert!(is.kind <= was.kind, "{:?} became {is:?}\nfrom {wiring:?}\nto {less:?}", was);
            }
            prop_assert!(after.reached() <= before.reached());
            for level in Level::ALL {
                let verdict = |review: &Review| review.clone().toward(level).verdict();
                prop_assert!(verdict(&before) == Verdict::Go || verdict(&after) == Verdict::NoGo);
            }
            (wiring, before) = (less, after);
        }
    }
}
