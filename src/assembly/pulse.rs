use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
}

impl Pulse {
    pub(super) fn new(sink: impl EventSink) -> Self {
        Self(Arc::new(Turns {
            events: Events::new(sink),
            late: Counter::default(),
            longest_micros: AtomicU64::new(0),
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
            self.0.note(clock.now() - asked);
            sleep(PERIOD).await;
        }
    }
}

impl Turns {
    fn note(&self, late: Duration) {
        if late >= LATE {
            self.late.increment();
            let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            self.longest_micros.fetch_max(micros, Ordering::Relaxed);
            let change = Change::Finished {
                result: "held_up",
                took: late,
                detail: "something blocks its threads",
            };
            self.events.emit("runtime", NAME, change);
        }
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
