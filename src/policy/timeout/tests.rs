use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::engine::BodyWatch;
use super::error::Elapsed;
use super::layer::Timeout;
use crate::base::clock::Clock;
use crate::base::inventory::Describe;
use crate::base::refusal::{Part, Reason};

#[derive(Clone, Copy, Debug)]
enum Step {
    Progress,
    Wait,
}

/// Decides by looking at the whole history again each time.
struct Model {
    total: Option<Duration>,
    idle: Option<Duration>,
    start: Instant,
    part: Part,
    history: Vec<(Instant, Step)>,
}

impl Model {
    fn silent_since(&self) -> Option<Instant> {
        let waits = self
            .history
            .iter()
            .rev()
            .take_while(|(_, step)| matches!(step, Step::Wait));
        waits.last().map(|(at, _)| *at)
    }

    fn ends(&self) -> Vec<(Instant, Elapsed)> {
        let total = self
            .total
            .map(|limit| (self.start + limit, Elapsed { limit, part: self.part }));
        let idle = self.idle.zip(self.silent_since());
        let idle = idle.map(|(limit, since)| {
            (
                since + limit,
                Elapsed {
                    limit,
                    part: if self.part == Part::Body {
                        Part::Idle
                    } else {
                        Part::RequestIdle
                    },
                },
            )
        });
        total.into_iter().chain(idle).collect()
    }

    fn step(&mut self, now: Instant, step: Step) -> Result<Option<Instant>, Elapsed> {
        self.history.push((now, step));
        let mut ends = self.ends();
        ends.sort_by_key(|(end, _)| *end);
        match (step, ends.first()) {
            (_, Some((end, elapsed))) if now >= *end => Err(*elapsed),
            (Step::Progress, _) => Ok(None),
            (Step::Wait, first) => Ok(first.map(|(end, _)| *end)),
        }
    }
}

fn limit() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![Just(None), (1..500u64).prop_map(|ms| Some(Duration::from_millis(ms)))]
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    prop::collection::vec((0..80u64, prop_oneof![Just(Step::Progress), Just(Step::Wait)]), 0..60)
}

proptest! {
    #[test]
    fn the_body_watch_agrees_with_the_obvious_model(
        total in limit(),
        idle in limit(),
        part in prop_oneof![Just(Part::Body), Just(Part::RequestBody)],
        steps in steps(),
    ) {
        let start = Clock::default().now();
        let mut model = Model { total, idle, start, part, history: Vec::new() };
        let mut watch = BodyWatch::new(|| start, total, idle, part);
        let mut now = start;
        for (pause, step) in steps {
            now += Duration::from_millis(pause);
            let decided = match step {
                Step::Progress => watch.progress(now).map(|()| None),
                Step::Wait => watch.wait(now),
            };
            let expected = model.step(now, step).map_err(Reason::from);
            prop_assert_eq!(decided, expected);
            if expected.is_err() {
                break;
            }
        }
    }
}

#[test]
fn a_limit_out_of_range_is_refused_with_its_range() {
    let wrong = Timeout::builder("payments")
        .limit(Duration::ZERO)
        .body_idle(Duration::MAX)
        .build()
        .unwrap_err();
    let text = wrong.to_string();
    assert_eq!(wrong.as_slice().len(), 2, "{text}");
    assert!(
        text.contains("`timeout.payments.limit` is 0ns; it must be from 1ms to 86400s"),
        "{text}"
    );
}

#[test]
fn a_body_limit_that_ends_before_the_response_is_refused() {
    let builder = Timeout::builder("payments")
        .limit(Duration::from_secs(2))
        .body_total(Duration::from_secs(1));
    let text = builder.build().unwrap_err().to_string();
    assert!(
        text.contains("`timeout.payments.body_total` is 1s; it must be at least `limit` (2s)"),
        "{text}"
    );
}

#[test]
fn a_rejected_change_keeps_the_old_limits() {
    let timeout = Timeout::builder("payments").build().unwrap();
    let before = timeout.config();
    timeout.reconfigure(|config| config.limit = Duration::ZERO).unwrap_err();
    assert_eq!(timeout.config(), before);
}

#[test]
fn the_inventory_shows_the_limits_in_force() {
    let timeout = Timeout::builder("payments").build().unwrap();
    timeout
        .reconfigure(|config| config.body_idle = Some(Duration::from_secs(7)))
        .unwrap();
    let entry = timeout.describe();
    assert_eq!(
        (entry.kind, entry.name.as_str(), entry.state),
        ("timeout", "payments", "on")
    );
    let expected = [("limit", "1.5s"), ("body_total", "none"), ("body_idle", "7s")];
    assert_eq!(entry.settings, expected.map(|(key, value)| (key, value.to_owned())));
}
