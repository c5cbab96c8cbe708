use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, Once, Weak};
use std::thread;
use std::time::Duration;

use super::recorder::{FlightRecorder, Shared, lock};
use crate::base::clock::Clock;
use crate::base::ticks::Ticks;
use crate::telemetry::aside::aside;

/// The shortest time between two dumps that panics cause.
const BETWEEN: Duration = Duration::from_secs(60);

/// The longest that a thread which panics waits for the log.
const PATIENCE: Duration = Duration::from_millis(250);

/// The recorders of this process that somebody still uses.
static RECORDERS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

static DUMPS: Mutex<Dumps> = Mutex::new(Dumps { last: None, skipped: 0 });

/// Decides which panics cause a dump: a request that always panics must not flood the log.
struct Dumps {
    last: Option<Ticks>,
    skipped: u64,
}

impl Dumps {
    /// Returns how many panics before this one caused none, if this one does.
    fn take(&mut self, now: Ticks) -> Option<u64> {
        if self.last.is_some_and(|last| now.since(last) < BETWEEN) {
            self.skipped += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.skipped))
    }
}

/// Returns how many panics caused no dump since this was last told.
pub(super) fn not_dumped() -> u64 {
    std::mem::take(&mut lock(&DUMPS).skipped)
}

impl FlightRecorder {
    /// Lets the panic hook know of it.
    pub(crate) fn watch_panics(&self) {
        let mut recorders = lock(&RECORDERS);
        recorders.retain(|recorder| recorder.strong_count() > 0);
        recorders.push(self.downgrade());
    }
}

/// Records panics from now on, and then does what was done before; for whoever owns the process.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note(info);
            earlier(info);
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    let recorders: Vec<_> = lock(&RECORDERS).iter().filter_map(FlightRecorder::upgrade).collect();
    if recorders.is_empty() {
        return;
    }
    let thread = thread::current();
    for recorder in &recorders {
        let thread = thread.name().unwrap_or_default();
        match info.location() {
            Some(location) => recorder.panicked(thread, format_args!("{location}")),
            None => recorder.panicked(thread, format_args!("")),
        }
    }
    let Some(skipped) = lock(&DUMPS).take(Clock::default().ticks()) else {
        return;
    };
    // On another thread: a panic of whoever takes the log would end the process here, and this thread may hold its lock.
    aside(PATIENCE, move || {
        for recorder in recorders {
            recorder.dump("panic", skipped);
            recorder.flush();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_panic_a_minute_causes_a_dump_and_those_between_are_counted() {
        let mut dumps = Dumps { last: None, skipped: 0 };
        let second = |second: u64| Ticks(second * 1_000_000_000);
        assert_eq!(dumps.take(second(100)), Some(0));
        for now in 101..160 {
            assert_eq!(dumps.take(second(now)), None);
        }
        assert_eq!(dumps.take(second(160)), Some(59));
        assert_eq!(dumps.take(second(161)), None);
        assert_eq!(dumps.take(second(1000)), Some(1));
    }
}
