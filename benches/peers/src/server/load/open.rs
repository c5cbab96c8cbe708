//! The open loop: each request is due at its time, whatever became of those before.
//!
//! Its latency counts from then, also if all lines were taken and it was sent later. Counted from the sending, the
//! requests of a stall would be as quick as any other: that is coordinated omission.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use super::{Done, Lines};

/// Asks what is due at these times after the beginning, the earliest first, and gives up what is not answered at `end`.
///
/// What is given up counts with how long it has waited by then, as it would have taken longer still.
pub(in crate::server) fn run(lines: &mut impl Lines, due: &[Duration], end: Duration) -> io::Result<Done> {
    let begun = lines.now();
    let mut latencies = Vec::with_capacity(due.len());
    let mut to_send = due.iter().copied().peekable();
    // All of them get their share, as from many clients.
    let mut free: VecDeque<usize> = (0..lines.count()).collect();
    let mut under_way: Vec<(usize, Duration)> = Vec::with_capacity(lines.count());
    let mut now = Duration::ZERO;
    let mut last = Duration::ZERO;
    while latencies.len() < due.len() && now < end {
        while let Some(&line) = free.front()
            && let Some(at) = to_send.next_if(|at| *at <= now)
        {
            free.pop_front();
            lines.ask(line)?;
            under_way.push((line, at));
        }
        let before = latencies.len();
        let mut which = 0;
        while let Some(&(line, at)) = under_way.get(which) {
            if lines.is_answered(line)? {
                last = lines.now() - begun;
                latencies.push(last - at);
                under_way.swap_remove(which);
                free.push_back(line);
            } else {
                which += 1;
            }
        }
        if latencies.len() == before {
            lines.pause();
        }
        now = lines.now() - begun;
    }
    let answered = latencies.len();
    let waiting = under_way.iter().map(|&(_, at)| at).chain(to_send);
    latencies.extend(waiting.map(|at| now.saturating_sub(at)));
    let took = if answered < due.len() { now } else { last };
    Ok(Done::new(took, answered, latencies))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::run;
    use crate::server::load::fake::Fake;
    use crate::server::load::{Done, Lines, closed};

    const SECOND: Duration = Duration::from_secs(1);
    const STALL: Duration = Duration::from_millis(100);
    const QUICK: Duration = Duration::from_micros(50);

    /// Returns when `count` requests are due that are spread evenly over a second.
    fn evenly(count: u32) -> Vec<Duration> {
        (0..count).map(|n| SECOND * n / count).collect()
    }

    fn open(mut lines: impl Lines, per_second: u32) -> Done {
        run(&mut lines, &evenly(per_second), 2 * SECOND).expect("nothing breaks")
    }

    fn stalling() -> Fake {
        Fake::answering_in(QUICK).stalling(SECOND / 2, STALL)
    }

    #[test]
    fn a_stall_is_as_long_for_those_who_were_due_meanwhile() {
        let done = open(stalling().lines(1), 4_000);
        assert_eq!((done.asked(), done.answered), (4_000, 4_000));
        assert!(done.percentile(0.999) > STALL * 9 / 10, "{:?}", done.percentile(0.999));
        // A tenth of all was due meanwhile, and waited half of the stall on average.
        assert!(done.percentile(0.95) > STALL / 2, "{:?}", done.percentile(0.95));
        assert!(done.percentile(0.5) < 2 * QUICK, "{:?}", done.percentile(0.5));
    }

    #[test]
    fn the_closed_loop_sees_a_stall_once() {
        let done = closed::run(&mut stalling().lines(1), SECOND).expect("nothing breaks");
        assert!(done.percentile(1.0) > STALL * 9 / 10);
        assert!(done.percentile(0.999) < 2 * QUICK, "{:?}", done.percentile(0.999));
    }

    #[test]
    fn a_rate_that_cannot_be_held_is_seen() {
        let done = open(Fake::answering_in(Duration::from_millis(1)).lines(8), 1_500);
        let per_second = done.answered as f64 / done.took.as_secs_f64();
        assert!((990.0..=1_000.0).contains(&per_second), "{per_second}");
        assert!(done.percentile(0.99) > SECOND / 3, "{:?}", done.percentile(0.99));
    }

    #[test]
    fn what_is_given_up_has_waited_until_then() {
        let done = open(Fake::answering_in(Duration::MAX).lines(2), 100);
        assert_eq!((done.asked(), done.answered), (100, 0));
        assert!(done.percentile(1.0) >= 2 * SECOND, "{:?}", done.percentile(1.0));
        assert!(done.percentile(0.5) > SECOND, "{:?}", done.percentile(0.5));
    }
}
