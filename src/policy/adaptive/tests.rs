use self::simulation::{CALL, Guarded, Limit, Plain, Seen, Unguarded, World, run};
use super::{Aimd, Gradient2};

mod simulation;

/// What became of a limit after something had changed.
#[derive(Clone, Copy, Debug)]
struct Course {
    /// After how many seconds the mean of two was, and stayed, within a third of where it settled.
    after: f64,
    /// The most that the mean of half a second was after the change, as a multiple of where it settled.
    overshoot: f64,
    /// Mean time of a call at the end, as a multiple of what it takes without waiting.
    stretch: f64,
    /// Answers a second at the end.
    answered: f64,
}

fn mean(seen: &[Seen], of: impl Fn(&Seen) -> f64) -> f64 {
    seen.iter().map(of).sum::<f64>() / seen.len() as f64
}

fn course(seen: &[Seen], change: f64, call: f64) -> Course {
    let end = &seen[seen.len() - 100..];
    let settled = mean(end, |seen| seen.limit);
    let after: Vec<_> = seen.iter().filter(|seen| seen.at >= change).copied().collect();
    let is_settled = |part: &[Seen]| (mean(part, |seen| seen.limit) / settled - 1.0).abs() <= 1.0 / 3.0;
    let last = after.windows(20).rposition(|part| !is_settled(part));
    let half_seconds = after.windows(5).map(|part| mean(part, |seen| seen.limit) / settled);
    let answered = mean(end, |seen| f64::from(seen.answered));
    Course {
        after: last.map_or(0.0, |last| (last + 1) as f64 / 10.0),
        overshoot: half_seconds.fold(0.0, f64::max),
        stretch: mean(end, |seen| seen.latency) / answered / call,
        answered: answered * 10.0,
    }
}

/// Returns the mean of so many courses.
fn of<L: Limit, const RUNS: u64>(limit: impl Fn() -> L, world: World, change: f64) -> Course {
    let call = (world.call)(world.lasts);
    let all: Vec<_> = (0..RUNS)
        .map(|seed| course(&run(&mut limit(), world, seed), change, call))
        .collect();
    let mean = |of: fn(&Course) -> f64| all.iter().map(of).sum::<f64>() / RUNS as f64;
    Course {
        after: mean(|course| course.after),
        overshoot: mean(|course| course.overshoot),
        stretch: mean(|course| course.stretch),
        answered: mean(|course| course.answered),
    }
}

/// What is written down of a course: seconds, and how many times what it settles at, or what a call takes.
struct Told {
    after: f64,
    overshoot: f64,
    stretch: f64,
}

const fn told(after: f64, overshoot: f64, stretch: f64) -> Told {
    Told {
        after,
        overshoot,
        stretch,
    }
}

/// Compares what happens with what the page says; `plain` is how many times calls take longer without the guard.
fn holds(world: World, change: f64, ours: [Told; 2], plain: [f64; 2]) {
    let guarded = [
        of::<_, 10>(|| Guarded::new(Gradient2::default()), world, change),
        of::<_, 10>(|| Guarded::new(Aimd::default()), world, change),
    ];
    let unguarded = [Plain::Gradient2, Plain::Aimd].map(|kind| of::<_, 1>(|| Unguarded::new(kind), world, change));
    let is_near = |seen: f64, told: f64, least: f64| (seen - told).abs() <= (0.2 * told).max(least);
    let capacity = (world.workers)(world.lasts) as f64 / (world.call)(world.lasts);
    for (seen, told) in guarded.iter().zip(ours) {
        assert!(is_near(seen.after, told.after, 0.5), "settles after {seen:?}");
        assert!(is_near(seen.overshoot, told.overshoot, 0.0), "overshoots by {seen:?}");
        assert!(is_near(seen.stretch, told.stretch, 0.0), "calls take {seen:?}");
        let offered = (world.offered)(world.lasts);
        assert!(seen.answered >= 0.93 * capacity.min(offered), "answers {seen:?}");
    }
    for (seen, told) in unguarded.iter().zip(plain) {
        assert!(is_near(seen.stretch, told, 0.0), "without the guard {seen:?}");
    }
}

/// Forty seconds of five thousand calls a second, for which ten workers are too few.
const FULL: World = World {
    offered: |_| 5000.0,
    workers: |_| 10,
    call: |_| CALL,
    outlier: f64::INFINITY,
    lasts: 40.0,
};

#[test]
fn it_settles_when_there_is_less_capacity() {
    let workers = |now| if now < 20.0 { 10 } else { 4 };
    let ours = [told(1.3, 2.12, 1.87), told(1.1, 2.31, 1.75)];
    holds(World { workers, ..FULL }, 20.0, ours, [8.6, 86.8]);
}

#[test]
fn it_settles_when_there_is_more_capacity() {
    let workers = |now| if now < 20.0 { 10 } else { 40 };
    let ours = [told(1.5, 1.07, 1.49), told(1.8, 1.10, 1.61)];
    holds(World { workers, ..FULL }, 20.0, ours, [5.40, 8.81]);
}

#[test]
fn it_does_not_run_away_when_latency_rises_slowly_with_load() {
    let offered = |now| 500.0 + 20.0 * now;
    let world = World {
        offered,
        lasts: 120.0,
        ..FULL
    };
    // From when the capacity is reached.
    let ours = [told(13.4, 1.23, 1.88), told(5.3, 1.33, 1.66)];
    holds(world, 25.0, ours, [15.4, 92.8]);
}

#[test]
fn it_does_not_collapse_on_one_slow_outlier() {
    let world = World {
        outlier: 20.0,
        offered: |_| 900.0,
        ..FULL
    };
    let ours = [told(0.0, 1.14, 1.54), told(0.0, 1.16, 1.47)];
    holds(world, 20.0, ours, [1.58, 1.64]);
    let seen = run(&mut Guarded::new(Gradient2::default()), world, 1);
    let [before, after] = [&seen[100..200], &seen[200..300]].map(|part| mean(part, |seen| seen.limit));
    assert!(after >= 0.8 * before, "{before} before, {after} after");
}

#[test]
fn a_burst_after_an_idle_time_finds_the_limit_that_was() {
    let offered = |now| if (15.0..25.0).contains(&now) { 0.0 } else { 3000.0 };
    let world = World { offered, ..FULL };
    let ours = [told(0.0, 1.12, 1.72), told(1.3, 1.28, 1.83)];
    holds(world, 25.0, ours, [5.53, 25.8]);
    let seen = run(&mut Guarded::new(Gradient2::default()), world, 1);
    let first: u32 = seen[250..260].iter().map(|seen| seen.answered).sum();
    assert!(first >= 800, "{first} answers in the first second of the burst");
}
