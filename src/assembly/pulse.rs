use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::base::Counter;
use crate::base::clock::{Clock, sleep};
use crate::base::events::{Change, EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::health::Heartbeat;

/// The name of the heartbeat in `/livez`, and of the entry in the inventory.
pub(super) const NAME: &str = "runtime";

/// How long the service's runtime may run none of its tasks before it counts as stalled: a probe within the two seconds
/// after the stall began finds it.
pub(super) const MAX_SILENCE: Duration = Duration::from_millis(1500);

/// How often the runtime is asked for a turn, and so the longest time for which its sockets and timers stay with a worker
/// that is blocked.
const PERIOD: Duration = Duration::from_millis(100);

/// From this on a turn counts as late: somebody holds up every worker.
const LATE: Duration = Duration::from_millis(250);

/// Counts and tells how often the service's runtime was held up; that it recovered is why this could be counted.
#[derive(Clone, Debug)]
pub(super) struct Pulse(Arc<Turns>);

#[derive(Debug)]
struct Turns {
    events: Events,
    late: Counter,
    longest_micros: AtomicU64,
    untold: Mutex<Untold>,
}

/// Hold-ups that nobody has been told of: what goes on and on is told ever less often.
#[derive(Debug, Default)]
struct Untold {
    times: u64,
    longest: Duration,
    /// When to look again, and how long after the look before that is.
    next: Option<Instant>,
    wait: Duration,
}

impl Pulse {
    pub(super) fn new(sink: impl EventSink) -> Self {
        Self(Arc::new(Turns {
            events: Events::new(sink),
            late: Counter::default(),
            longest_micros: AtomicU64::new(0),
            untold: Mutex::default(),
        }))
    }

    /// Beats for as long as `runtime` runs tasks; to be polled on another one, which goes on when that does not.
    ///
    /// A timer of the runtime's own would not do. tokio leaves sockets and timers with the worker that waited for them
    /// last, even if what that runs next blocks it, and the others sleep on. A task that comes from outside wakes one
    /// of them, and it takes them over: as long as one worker is free, the others' sections hold nobody up for long.
    pub(super) async fn beat(self, heartbeat: Heartbeat, runtime: Handle) {
        let clock = Clock::default();
        loop {
            let asked = clock.now();
            if runtime.spawn(async {}).await.is_err() {
                // The runtime has ended, and nobody is late.
                return;
            }
            heartbeat.beat();
            let now = clock.now();
            self.0.note(now - asked, now);
            sleep(PERIOD).await;
        }
    }
}

impl Turns {
    fn note(&self, late: Duration, now: Instant) {
        let is_late = late >= LATE;
        if is_late {
            self.late.increment();
            let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            self.longest_micros.fetch_max(micros, Ordering::Relaxed);
        }
        let told = {
            let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
            untold.add(is_late.then_some(late));
            untold.take(now)
        };
        if let Some((times, took)) = told {
            let detail = match times {
                1 => "something blocks its threads".to_owned(),
                _ => {
                    format!("something blocks its threads: {times} times since this was last told, the longest of them")
                }
            };
            let (result, detail) = ("held_up", &*detail);
            let change = Change::Finished { result, took, detail };
            self.events.emit("runtime", NAME, change);
        }
    }
}

impl Untold {
    const SHORTEST: Duration = Duration::from_secs(2);
    const LONGEST: Duration = Duration::from_secs(60);

    fn add(&mut self, late: Option<Duration>) {
        self.times += u64::from(late.is_some());
        self.longest = self.longest.max(late.unwrap_or_default());
    }

    /// Returns how many there were, and the longest of them, if it is time to tell it.
    fn take(&mut self, now: Instant) -> Option<(u64, Duration)> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        if self.times == 0 {
            (self.next, self.wait) = (None, Duration::ZERO);
            return None;
        }
        self.wait = (2 * self.wait).clamp(Self::SHORTEST, Self::LONGEST);
        self.next = Some(now + self.wait);
        Some((mem::take(&mut self.times), mem::take(&mut self.longest)))
    }
}

impl Describe for Pulse {
    fn describe(&self) -> Entry {
        let longest = Duration::from_micros(self.0.longest_micros.load(Ordering::Relaxed));
        Entry::new("runtime", NAME, "on")
            .setting("max_silence", format!("{MAX_SILENCE:?}"))
            .setting("longest_hold_up", format!("{longest:?}"))
            .counter("hold_ups", self.0.late.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::events::Event;

    #[test]
    fn what_holds_up_again_and_again_is_told_ever_less_often_and_none_is_lost() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let pulse = Pulse::new(move |event: &Event<'_>| {
            if let Change::Finished { took, detail, .. } = event.change {
                let count = detail.split(' ').find_map(|word| word.parse().ok()).unwrap_or(1_u64);
                sink.lock().unwrap().push((count, took));
            }
        });
        let begin = Clock::default().now();
        let note = |tenths: u64, late: u64| {
            let now = begin + Duration::from_millis(100 * tenths);
            pulse.0.note(Duration::from_millis(late), now);
        };
        (0..6_000).for_each(|tenths| note(tenths, if tenths % 5 == 0 { 250 + tenths } else { 1 }));
        (6_000..6_700).for_each(|tenths| note(tenths, 1));
        let said = mem::take(&mut *told.lock().unwrap());
        assert!(said.len() < 16, "{said:?}");
        assert_eq!(said.iter().map(|(count, _)| count).sum::<u64>(), 1_200, "{said:?}");
        assert_eq!(said[0], (1, LATE), "the first at once");
        assert_eq!(
            said.iter().map(|(_, took)| *took).max(),
            Some(Duration::from_millis(6_245))
        );
        note(7_500, 300);
        assert_eq!(
            *told.lock().unwrap(),
            [(1, Duration::from_millis(300))],
            "at once again"
        );
    }
}
