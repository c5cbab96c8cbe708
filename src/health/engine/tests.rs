use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::Run::{Down, Panicked, TimedOut, Up};
use super::*;
use crate::base::clock::Clock;

const SECOND: Duration = Duration::from_secs(1);

fn config(failing_after: u32, recovering_after: u32) -> CheckConfig {
    CheckConfig {
        failing_after,
        recovering_after,
        ..CheckConfig::default()
    }
}

/// Runs a check once every ten seconds and returns the verdict after each.
fn verdicts(config: &CheckConfig, runs: &[Run]) -> Vec<Verdict> {
    let mut engine = Engine::new(config);
    let mut now = Clock::default().now();
    let mut verdict_after = |run: &Run| {
        now += 10 * SECOND;
        engine.start(now);
        engine.record(now, *run);
        engine.verdict(now).0
    };
    runs.iter().map(&mut verdict_after).collect()
}

#[test]
fn a_check_that_never_ran_is_unknown() {
    let engine = Engine::new(&CheckConfig::default());
    assert_eq!(
        engine.verdict(Clock::default().now()),
        (Verdict::Unknown, "has not run yet")
    );
}

#[test]
fn the_first_result_decides_at_once_whatever_the_thresholds() {
    assert_eq!(verdicts(&config(5, 5), &[Up]), [Verdict::Up]);
    assert_eq!(verdicts(&config(5, 5), &[Down]), [Verdict::Down]);
    assert_eq!(verdicts(&config(5, 5), &[TimedOut]), [Verdict::Unknown]);
}

#[test]
fn it_fails_at_the_threshold_and_not_before() {
    let found = verdicts(&config(3, 1), &[Up, Down, Down, Down]);
    assert_eq!(found, [Verdict::Up, Verdict::Up, Verdict::Up, Verdict::Down]);
}

#[test]
fn a_success_in_between_starts_the_count_of_failures_again() {
    let found = verdicts(&config(2, 1), &[Up, Down, Up, Down, Up, Down]);
    assert!(found.iter().all(|verdict| *verdict == Verdict::Up));
}

#[test]
fn timeouts_panics_and_failures_count_together_and_the_latest_is_told() {
    let found = verdicts(&config(3, 1), &[Up, TimedOut, Panicked, Down, TimedOut]);
    assert_eq!(found[2..], [Verdict::Up, Verdict::Down, Verdict::Unknown]);
}

#[test]
fn it_recovers_at_the_threshold_and_a_failure_in_between_starts_the_count_again() {
    let found = verdicts(&config(1, 2), &[Down, Up, Down, Up, Up]);
    assert_eq!(found[..4], [Verdict::Down; 4]);
    assert_eq!(found[4], Verdict::Up);
}

#[test]
fn a_result_is_stale_after_three_missed_runs_and_one_timeout() {
    let mut engine = Engine::new(&CheckConfig::default());
    let ran = Clock::default().now();
    engine.record(ran, Up);
    assert_eq!(engine.verdict(ran + 34 * SECOND), (Verdict::Up, "up"));
    let late = ran + 34 * SECOND + Duration::from_nanos(1);
    assert_eq!(engine.verdict(late), (Verdict::Unknown, "stale"));
}

#[test]
fn after_a_stale_result_the_next_one_decides_at_once() {
    let mut engine = Engine::new(&config(3, 3));
    let ran = Clock::default().now();
    engine.record(ran, Up);
    engine.record(ran + 35 * SECOND, Down);
    assert_eq!(engine.verdict(ran + 35 * SECOND).0, Verdict::Down);
    engine.record(ran + 70 * SECOND, Up);
    assert_eq!(engine.verdict(ran + 70 * SECOND).0, Verdict::Up);
}

#[test]
fn a_run_that_cannot_be_cut_is_unknown_after_twice_its_timeout() {
    let mut engine = Engine::new(&CheckConfig::default());
    let start = Clock::default().now();
    engine.record(start, Up);
    engine.start(start);
    assert_eq!(engine.verdict(start + 2 * SECOND).0, Verdict::Up);
    let blocked = start + 2 * SECOND + Duration::from_nanos(1);
    assert_eq!(engine.verdict(blocked), (Verdict::Unknown, "blocks its thread"));
    engine.record(blocked, Up);
    assert_eq!(engine.verdict(blocked).0, Verdict::Up);
}

#[test]
fn everything_is_counted() {
    let mut engine = Engine::new(&CheckConfig::default());
    let now = Clock::default().now();
    for run in [Up, Down, TimedOut, Panicked] {
        engine.record(now, run);
    }
    let expected = Tally {
        runs: 4,
        failures: 3,
        timeouts: 1,
        panics: 1,
    };
    assert_eq!(engine.tally(), expected);
}

/// Reads the whole history, from the last gap in which everything went stale, for every question.
struct Model {
    config: CheckConfig,
    history: Vec<(Instant, Run)>,
}

impl Model {
    fn verdict(&self, now: Instant) -> Verdict {
        let stale = |from: Instant, to: Instant| to - from > self.config.stale_age();
        let Some((last, _)) = self.history.last() else {
            return Verdict::Unknown;
        };
        if stale(*last, now) {
            return Verdict::Unknown;
        }
        let gap = (1..self.history.len()).rfind(|&run| stale(self.history[run - 1].0, self.history[run].0));
        let runs: Vec<_> = self.history[gap.unwrap_or(0)..].iter().map(|(_, run)| *run).collect();
        match self.answer(&runs) {
            Up => Verdict::Up,
            Down => Verdict::Down,
            TimedOut | Panicked => Verdict::Unknown,
        }
    }

    /// The answer after `runs`, from what the answer was before the last of them.
    fn answer(&self, runs: &[Run]) -> Run {
        let (last, before) = runs.split_last().expect("at least one run");
        if before.is_empty() {
            return *last;
        }
        let was_up = self.answer(before) == Up;
        let same = runs
            .iter()
            .rev()
            .take_while(|run| (**run == Up) == (*last == Up))
            .count();
        match (was_up, *last == Up) {
            (true, true) => Up,
            (true, false) if same >= self.config.failing_after as usize => *last,
            (true, false) => Up,
            (false, true) if same >= self.config.recovering_after as usize => Up,
            (false, true) => self.answer(before),
            (false, false) => *last,
        }
    }
}

proptest! {
    #[test]
    fn the_engine_agrees_with_a_model_that_reads_the_whole_history(
        failing_after in 1..4_u32,
        recovering_after in 1..4_u32,
        stale_after in 1..3_u32,
        runs in prop::collection::vec((0..30_u64, prop::sample::select(vec![Up, Down, TimedOut, Panicked])), 0..14),
        later in 0..40_u64,
    ) {
        let config = CheckConfig { stale_after, ..config(failing_after, recovering_after) };
        let mut engine = Engine::new(&config);
        let mut model = Model { config, history: Vec::new() };
        let mut now = Clock::default().now();
        for (pause, run) in runs {
            now += Duration::from_secs(pause);
            prop_assert_eq!(engine.verdict(now).0, model.verdict(now));
            engine.record(now, run);
            model.history.push((now, run));
            prop_assert_eq!(engine.verdict(now).0, model.verdict(now));
        }
        now += Duration::from_secs(later);
        prop_assert_eq!(engine.verdict(now).0, model.verdict(now));
    }
}
