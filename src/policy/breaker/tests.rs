mod model;

use std::time::Duration;

use proptest::prelude::*;

use model::{Model, ModelTicket};

use super::config::{CircuitBreakerConfig, SlowCalls, Window};
use super::error::CircuitOpen;
use super::keyed::KeyedCircuitBreaker;
use super::layer::{CircuitBreaker, CircuitBreakerBuilder};
use super::permit::Permit;
use super::state::State;
use crate::base::clock::{Clock, ManualClock};
use crate::base::outcome::Outcome;
use crate::base::ticks::Ticks;

const MILLI: Duration = Duration::from_millis(1);

/// A circuit as its users see it, whichever way it is kept.
trait Subject {
    fn enter(&self) -> Result<Permit, CircuitOpen>;
    fn looks(&self) -> (State, [u64; 3], Option<Duration>);
    fn reset(&self);
    /// Forces a state, if such a circuit can be forced.
    fn force(&self, _: State) -> bool {
        false
    }
}

impl Subject for CircuitBreaker {
    fn enter(&self) -> Result<Permit, CircuitOpen> {
        self.enter().map(|ticket| self.permit(ticket))
    }

    fn looks(&self) -> (State, [u64; 3], Option<Duration>) {
        let snapshot = self.snapshot();
        (
            snapshot.state,
            [snapshot.calls, snapshot.failed, snapshot.slow],
            snapshot.next_attempt,
        )
    }

    fn reset(&self) {
        self.reset();
    }

    fn force(&self, state: State) -> bool {
        match state {
            State::ForcedOpen => self.force_open(),
            State::ForcedClosed => self.force_closed(),
            _ => self.disable(),
        }
        true
    }
}

impl Subject for KeyedCircuitBreaker<u8> {
    fn enter(&self) -> Result<Permit, CircuitOpen> {
        self.enter(7).map_err(|refusal| CircuitOpen {
            retry_after: refusal.retry_after(),
        })
    }

    fn looks(&self) -> (State, [u64; 3], Option<Duration>) {
        let snapshot = self.snapshot(&7).expect("made when the test began");
        (
            snapshot.state,
            [snapshot.calls, snapshot.failed, snapshot.slow],
            snapshot.next_attempt,
        )
    }

    fn reset(&self) {
        self.reset(&7);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Advance(u32),
    Enter,
    /// One of the calls under way ends.
    End(usize, End),
    Reset,
    Force(State),
    /// Not after every step, because whoever looks at a window moves it on.
    Look,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Success,
    Failure,
    Ignored,
    Dropped,
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        4 => Just(End::Success),
        5 => Just(End::Failure),
        1 => Just(End::Ignored),
        1 => Just(End::Dropped),
    ];
    prop_oneof![
        20 => (0..40u32).prop_map(Step::Advance),
        3 => (40..3000u32).prop_map(Step::Advance),
        50 => Just(Step::Enter),
        50 => (any::<usize>(), end).prop_map(|(which, end)| Step::End(which, end)),
        1 => Just(Step::Reset),
        30 => Just(Step::Look),
        1 => prop_oneof![Just(State::ForcedOpen), Just(State::ForcedClosed), Just(State::Disabled)]
            .prop_map(Step::Force),
    ]
}

fn config() -> impl Strategy<Value = CircuitBreakerConfig> {
    let window = prop_oneof![
        (1..12u32).prop_map(Window::Count),
        (10..600u32).prop_map(|ms| Window::Time(MILLI * ms)),
        (1..5u32).prop_map(Window::Consecutive),
    ];
    let slow = prop_oneof![
        Just(None),
        (1..80u32, 1..=100u8).prop_map(|(ms, rate)| Some(SlowCalls::new(MILLI * ms, rate))),
    ];
    let rates = (1..=100u8, 1..=100u8, 1..12u32);
    let times = (1..300u32, 1..8u32, 1..400u32);
    (window, slow, rates, times, 1..7u32)
        .prop_map(|(window, slow, rates, times, probes)| CircuitBreakerConfig {
            window,
            failure_rate: rates.0,
            slow_calls: slow.filter(|_| !matches!(window, Window::Consecutive(_))),
            minimum_calls: match window {
                Window::Count(calls) => rates.2.min(calls),
                _ => rates.2,
            },
            open: MILLI * times.0,
            open_max: MILLI * times.0 * times.1,
            open_jitter: 0,
            probes,
            probe_success_rate: rates.1,
            probe_deadline: MILLI * times.2,
            ..CircuitBreakerConfig::default()
        })
        .prop_filter("a slow probe must be able to end in time", |config| {
            config.slow_calls.is_none_or(|slow| slow.after <= config.probe_deadline)
        })
}

fn agree(
    subject: &impl Subject,
    clock: &ManualClock,
    config: CircuitBreakerConfig,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let mut model = Model::new(config);
    let mut calls: Vec<(Permit, ModelTicket)> = Vec::new();
    for step in steps {
        match *step {
            Step::Advance(ms) => {
                clock.advance(MILLI * ms);
                model.advance(MILLI * ms);
            }
            Step::Enter => match (subject.enter(), model.enter()) {
                (Ok(permit), Ok(ticket)) => calls.push((permit, ticket)),
                (Err(open), Err(wait)) => prop_assert_eq!(open.retry_after, wait),
                (let_in, expected) => {
                    prop_assert!(false, "{:?}, but the model {:?}", let_in.is_ok(), expected.is_ok());
                }
            },
            Step::End(which, end) if !calls.is_empty() => {
                let (mut permit, ticket) = calls.swap_remove(which % calls.len());
                let failed = match end {
                    End::Success => Some(false),
                    End::Failure => Some(true),
                    End::Ignored | End::Dropped => None,
                };
                match end {
                    End::Success => permit.end(Outcome::Success),
                    End::Failure => permit.end(Outcome::Failure),
                    End::Ignored => permit.end(Outcome::Ignored),
                    End::Dropped => drop(permit),
                }
                model.exit(ticket, failed);
            }
            Step::End(..) => {}
            Step::Reset => {
                subject.reset();
                model.reset();
            }
            Step::Force(state) if subject.force(state) => model.force(state),
            Step::Force(_) => {}
            Step::Look => compare(subject, &model)?,
        }
    }
    compare(subject, &model)
}

fn compare(subject: &impl Subject, model: &Model) -> Result<(), TestCaseError> {
    let (state, window, next) = subject.looks();
    let expected = model.looks();
    prop_assert_eq!((state, window), (expected.0, expected.1));
    if state != State::HalfOpen {
        prop_assert_eq!(next, expected.2);
    }
    Ok(())
}

fn builder(config: &CircuitBreakerConfig, clock: &ManualClock) -> CircuitBreakerBuilder {
    let mut builder = CircuitBreaker::builder("payments").clock(Clock::from(clock.clone()));
    builder.config = config.clone();
    builder
}

proptest! {
    // Of 500 steps each on the average; `ci/check models` makes millions of them.
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_circuit_agrees_with_the_obvious_model(
        config in config(),
        steps in prop::collection::vec(step(), 0..1000),
    ) {
        let clock = ManualClock::default();
        let breaker = builder(&config, &clock).build().unwrap();
        agree(&breaker, &clock, config, &steps)?;
    }

    #[test]
    fn a_keyed_circuit_agrees_with_the_obvious_model(
        config in config(),
        steps in prop::collection::vec(step(), 0..1000),
    ) {
        let clock = ManualClock::default();
        // The silences of this test must not make it forget its key.
        let breaker = builder(&config, &clock).build_keyed(2, Duration::from_secs(1_000_000)).unwrap();
        drop(breaker.enter(7));
        agree(&breaker, &clock, config, &steps)?;
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(200)
}

#[test]
fn a_time_that_has_no_end_does_not_overflow() {
    assert_eq!(Ticks(5).after(Duration::MAX), Ticks::NEVER);
    assert_eq!(Ticks(5).since(Ticks(9)), Duration::ZERO);
}
