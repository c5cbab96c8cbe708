use std::time::Duration;

use proptest::prelude::*;

use super::engine::{INTERVAL, StandingQueue};
use crate::base::ticks::Ticks;

/// What happens at a queue.
#[derive(Clone, Copy, Debug)]
enum Step {
    FoundEmpty,
    Joined,
    Waited(u64),
    GaveUp(u64),
    Looked,
}

/// Remembers every wait of an interval, those that were given up apart, and whether one began.
#[derive(Default)]
struct Model {
    ends: u64,
    waits: Vec<u64>,
    given_up: Vec<u64>,
    joined: bool,
    standing: u64,
}

impl Model {
    fn turn(&mut self, now: u64) {
        if now < self.ends {
            return;
        }
        let past = now - self.ends;
        let waits = std::mem::take(&mut self.waits);
        let given_up = std::mem::take(&mut self.given_up).into_iter().max();
        let joined = std::mem::take(&mut self.joined);
        self.ends = now + INTERVAL.as_millis() as u64;
        self.standing = if past >= INTERVAL.as_millis() as u64 {
            0
        } else if let Some(shortest) = waits.into_iter().min() {
            shortest
        } else if let Some(longest) = given_up.filter(|longest| *longest > 0) {
            longest.max(self.standing)
        } else if joined {
            self.standing
        } else {
            0
        };
    }

    fn step(&mut self, step: Step, now: u64) {
        // Looks that have nothing to find end no interval.
        let is_quiet = self.standing == 0
            && self.waits.iter().min().is_none_or(|shortest| *shortest == 0)
            && self.given_up.iter().all(|time| *time == 0);
        match step {
            Step::FoundEmpty => self.waits.push(0),
            Step::Looked if is_quiet => {}
            Step::Looked => self.turn(now),
            Step::Joined => {
                self.turn(now);
                self.joined = true;
            }
            Step::Waited(time) => {
                self.turn(now);
                self.waits.push(time);
            }
            Step::GaveUp(time) => {
                self.turn(now);
                self.given_up.push(time);
            }
        }
    }
}

fn at(ms: u64) -> Ticks {
    Ticks(0).after(Duration::from_millis(ms))
}

fn take(queue: &StandingQueue, step: Step, now: u64) -> u64 {
    match step {
        Step::FoundEmpty => queue.found_empty(),
        Step::Joined => queue.joined(at(now)),
        Step::Waited(time) => queue.waited(Duration::from_millis(time), at(now)),
        Step::GaveUp(time) => queue.gave_up(Duration::from_millis(time), at(now)),
        Step::Looked => {}
    }
    queue.delay(|| at(now)).as_millis() as u64
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        1 => Just(Step::FoundEmpty),
        3 => Just(Step::Joined),
        6 => (0_u64..500).prop_map(Step::Waited),
        2 => (0_u64..500).prop_map(Step::GaveUp),
        3 => Just(Step::Looked),
    ];
    let pause = prop_oneof![4 => 0_u64..30, 1 => 90_u64..110, 1 => 150_u64..250];
    prop::collection::vec((pause, step), 1..200)
}

proptest! {
    #[test]
    fn a_queue_stands_as_long_as_the_shortest_wait_of_the_interval_before(steps in steps()) {
        let (queue, mut model) = (StandingQueue::new(), Model::default());
        let mut now = 1_000;
        for (pause, step) in steps {
            now += pause;
            model.step(step, now);
            model.step(Step::Looked, now);
            prop_assert_eq!(take(&queue, step, now), model.standing, "{:?} at {} ms", step, now);
        }
    }

    #[test]
    fn nobody_is_delayed_by_a_queue_that_nobody_came_to_for_two_intervals(steps in steps(), pause in 200_u64..100_000) {
        let queue = StandingQueue::new();
        let mut now = 1_000;
        for (pause, step) in steps {
            now += pause;
            take(&queue, step, now);
        }
        prop_assert_eq!(take(&queue, Step::Looked, now + pause), 0);
    }
}

#[test]
fn of_many_threads_that_find_the_interval_over_one_ends_it() {
    let queue = StandingQueue::new();
    for round in 0..100 {
        let now = 1_000 + round * 100;
        queue.waited(Duration::from_millis(7), at(now));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| queue.delay(|| at(now + 100)));
            }
        });
        assert_eq!(take(&queue, Step::Looked, now + 100), 7, "round {round}");
        queue.waited(Duration::from_millis(7), at(now + 100));
    }
}
