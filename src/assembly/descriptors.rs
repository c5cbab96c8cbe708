use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::inventory::{Describe, Entry};
use crate::base::ticks::Ticks;
use crate::telemetry::open_files;

/// How long a count holds: the inventory is looked at once a second, and to count 100,000 files takes many milliseconds.
const KEPT: Duration = Duration::from_secs(5);

/// Raises the number of files and sockets that this process may open to what the system allows.
///
/// The usual soft limit of 1,024 is for programs that use `select`; a server would meet it long before its own limit of
/// connections. Where there is no such limit, or it cannot be raised, everything stays as it is.
#[cfg(all(unix, not(seaworthy_portable)))]
pub(super) fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}

#[cfg(any(not(unix), seaworthy_portable))]
pub(super) fn raise_limit() {}

/// The entry in the inventory of what this process may open.
pub(super) struct OpenFiles {
    ask: fn() -> Option<(u64, u64)>,
    last: Mutex<(Ticks, u64, u64)>,
}

impl OpenFiles {
    /// Returns `None` where it is not known.
    pub(super) fn detect() -> Option<Self> {
        Self::of(open_files)
    }

    fn of(ask: fn() -> Option<(u64, u64)>) -> Option<Self> {
        let (open, most) = ask()?;
        let last = Mutex::new((Clock::default().ticks(), open, most));
        Some(Self { ask, last })
    }

    fn counts(&self) -> (u64, u64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Clock::default().ticks();
        if now.since(last.0) >= KEPT
            && let Some((open, most)) = (self.ask)()
        {
            *last = (now, open, most);
        }
        (last.1, last.2)
    }
}

impl Describe for OpenFiles {
    fn describe(&self) -> Entry {
        let (open, most) = self.counts();
        let state = if open < most { "open" } else { "full" };
        Entry::new("open_files", "process", state)
            .setting("open", open)
            .setting("limit", most)
            .saturation(open as f64 / most as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn open_files_are_not_counted_at_every_look() {
        static ASKED: AtomicU64 = AtomicU64::new(0);
        let files = OpenFiles::of(|| Some((ASKED.fetch_add(1, Ordering::SeqCst), 10))).unwrap();
        for _ in 0..20 {
            files.describe();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(ASKED.load(Ordering::SeqCst), 4);
        assert_eq!(files.describe().settings[0].1, "4");
        assert!(OpenFiles::of(|| None).is_none());
    }
}
