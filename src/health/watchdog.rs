use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::config::{check_name, check_silence};
use super::report::HeartbeatReport;
use crate::base::clock::Clock;
use crate::base::error::InvalidSettings;

/// Decides liveness: every registered heartbeat must beat in time.
///
/// Liveness asks for a restart, and a restart mends this process alone. That is why it takes heartbeats of the
/// process's own loops and nothing else: a dependency's [`Check`](super::Check) does not fit in here. Clones share one
/// list.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use seaworthy::clock::ManualClock;
/// use seaworthy::health::Health;
///
/// let clock = ManualClock::default();
/// let health = Health::builder().clock(clock.clone()).build();
/// let heartbeat = health.watchdog().register("consumer", Duration::from_secs(30)).unwrap();
///
/// clock.advance(Duration::from_secs(20));
/// heartbeat.beat(); // once a turn of the consumer's loop
/// clock.advance(Duration::from_secs(20));
/// assert!(health.report().is_live());
/// clock.advance(Duration::from_secs(20));
/// assert!(!health.report().is_live());
/// ```
#[derive(Clone, Debug)]
pub struct Watchdog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    origin: Instant,
    pulses: Mutex<Vec<Arc<Pulse>>>,
}

/// One heartbeat, as both sides see it.
#[derive(Debug)]
struct Pulse {
    name: Arc<str>,
    max_silence: Duration,
    /// Nanoseconds from the watchdog's origin to the last beat.
    beat: AtomicU64,
    /// Whether it was last reported as late.
    late: AtomicBool,
    /// Whether whoever beat it has panicked.
    abandoned: AtomicBool,
}

/// A heartbeat that turned late or that beats again.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) name: Arc<str>,
    pub(super) late: bool,
    pub(super) detail: String,
}

impl Watchdog {
    pub(super) fn new(clock: Clock) -> Self {
        let origin = clock.now();
        Self(Arc::new(Shared {
            clock,
            origin,
            pulses: Mutex::default(),
        }))
    }

    /// Registers a heartbeat, which beats for the first time by this.
    ///
    /// `max_silence` is from 10 ms to 24 h: several turns of the loop at its slowest.
    ///
    /// # Errors
    ///
    /// A name that is taken or is not 1 to 64 letters, digits, `.`, `_`, `-`; a silence out of range; more than 256.
    pub fn register(&self, name: impl Into<String>, max_silence: Duration) -> Result<Heartbeat, InvalidSettings> {
        let name = name.into();
        let mut pulses = self.pulses();
        // Whoever starts again after a panic takes its own place.
        let replaced = pulses
            .iter()
            .position(|pulse| pulse.is_abandoned() && *pulse.name == *name);
        let others = pulses.iter().enumerate().filter(|(index, _)| Some(*index) != replaced);
        let taken: Vec<_> = others.map(|(_, pulse)| &*pulse.name).collect();
        let wrong = [
            check_name("heartbeat", &name, taken.into_iter(), &[]),
            check_silence(&name, max_silence),
        ];
        InvalidSettings::check(wrong.into_iter().flatten().collect())?;
        let was_late = replaced.is_some_and(|index| pulses.remove(index).late.load(Ordering::Relaxed));
        let pulse = Arc::new(Pulse {
            name: name.into(),
            max_silence,
            beat: AtomicU64::new(self.nanos()),
            late: AtomicBool::new(was_late),
            abandoned: AtomicBool::new(false),
        });
        pulses.push(Arc::clone(&pulse));
        Ok(Heartbeat {
            pulse,
            watchdog: self.clone(),
        })
    }

    pub(super) fn reports(&self, now: Instant) -> Vec<HeartbeatReport> {
        let since_origin = now.saturating_duration_since(self.0.origin);
        self.pulses().iter().map(|pulse| pulse.report(since_origin)).collect()
    }

    /// Returns which heartbeats have turned since this was last asked; each turn is told once.
    pub(super) fn turns(&self, now: Instant) -> Vec<Turn> {
        let since_origin = now.saturating_duration_since(self.0.origin);
        let turn = |pulse: &Arc<Pulse>| pulse.turn(since_origin);
        self.pulses().iter().filter_map(turn).collect()
    }

    fn nanos(&self) -> u64 {
        let since_origin = self.0.clock.now().saturating_duration_since(self.0.origin);
        u64::try_from(since_origin.as_nanos()).unwrap_or(u64::MAX)
    }

    fn pulses(&self) -> MutexGuard<'_, Vec<Arc<Pulse>>> {
        self.0.pulses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    fn report(&self, since_origin: Duration) -> HeartbeatReport {
        let beat = Duration::from_nanos(self.beat.load(Ordering::Relaxed));
        HeartbeatReport {
            name: Arc::clone(&self.name),
            max_silence: self.max_silence,
            silence: since_origin.saturating_sub(beat),
        }
    }

    fn turn(&self, since_origin: Duration) -> Option<Turn> {
        let report = self.report(since_origin);
        let late = report.late_by().is_some();
        let turned = self.late.swap(late, Ordering::Relaxed) != late;
        turned.then(|| Turn {
            name: report.name,
            late,
            detail: format!("silent for {:?}, at most {:?}", report.silence, report.max_silence),
        })
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }
}

/// Shows that one loop of the process makes progress; made by [`Watchdog::register`].
///
/// Dropping it deregisters it, so that a loop which ends is not late. If it is dropped by a panic it stays, is late in
/// time, and fails liveness until somebody registers its name again.
#[must_use = "a heartbeat that is dropped is deregistered"]
pub struct Heartbeat {
    pulse: Arc<Pulse>,
    watchdog: Watchdog,
}

impl Heartbeat {
    /// Says that there is progress, at the price of a look at the clock and one store.
    pub fn beat(&self) {
        self.pulse.beat.store(self.watchdog.nanos(), Ordering::Relaxed);
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.pulse.abandoned.store(true, Ordering::Relaxed);
        } else {
            self.watchdog.pulses().retain(|pulse| !Arc::ptr_eq(pulse, &self.pulse));
        }
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Heartbeat").field(&self.pulse.name).finish()
    }
}
