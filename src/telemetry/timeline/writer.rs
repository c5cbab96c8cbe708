use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::file::TimelineFile;
use super::recorder::{copy, lock};
use super::ring::Ring;
use crate::telemetry::names;

/// How often the thread looks for what is new, and so the most of its last time that a killed process loses.
const PERIOD: Duration = Duration::from_millis(50);

/// Writes entries to a file on a thread of its own, which ends when this is dropped.
pub(super) struct FileWriter {
    path: String,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Before which number everything has been written, or never will be.
    seen: u64,
    unwritten: u64,
    failing: bool,
    /// Whether somebody waits.
    asked: bool,
    ending: bool,
}

/// What the inventory says of the file.
pub(super) struct Status {
    pub(super) path: String,
    pub(super) state: &'static str,
    pub(super) unwritten: u64,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            path: "none".to_owned(),
            state: "in_memory",
            unwritten: 0,
        }
    }
}

impl FileWriter {
    pub(super) fn spawn(output: TimelineFile, ring: Arc<Mutex<Ring>>) -> io::Result<Self> {
        let path = output.path().display().to_string();
        let progress = Arc::<Progress>::default();
        let work = Work {
            output,
            ring,
            progress: Arc::clone(&progress),
            has_told: false,
        };
        thread::Builder::new()
            .name("seaworthy-recorder".to_owned())
            .spawn(|| work.run())?;
        Ok(Self { path, progress })
    }

    /// Waits until the thread has seen so many entries, but no longer than `limit`; returns whether it has.
    pub(super) fn flush(&self, limit: Duration, recorded: u64) -> bool {
        let mut state = lock(&self.progress.state);
        state.asked = true;
        self.progress.changed.notify_all();
        let is_behind = |state: &mut State| state.seen < recorded;
        let waited = self.progress.changed.wait_timeout_while(state, limit, is_behind);
        waited.is_ok_and(|(_, timed_out)| !timed_out.timed_out())
    }

    pub(super) fn status(&self) -> Status {
        let state = lock(&self.progress.state);
        Status {
            path: self.path.clone(),
            state: if state.failing { "failing" } else { "writing" },
            unwritten: state.unwritten,
        }
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        lock(&self.progress.state).ending = true;
        self.progress.changed.notify_all();
    }
}

struct Work {
    output: TimelineFile,
    ring: Arc<Mutex<Ring>>,
    progress: Arc<Progress>,
    /// Whether the log has been told that something cannot be written.
    has_told: bool,
}

impl Work {
    fn run(mut self) {
        while !self.wait() {
            self.write();
        }
        self.write();
    }

    /// Waits until it is time for a look; returns whether it is the last one.
    fn wait(&self) -> bool {
        let Progress { state, changed } = &*self.progress;
        let is_idle = |state: &mut State| !state.asked && !state.ending;
        let waited = changed.wait_timeout_while(lock(state), PERIOD, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.asked = false;
        state.ending
    }

    fn write(&mut self) {
        let mut next = lock(&self.progress.state).seen;
        let mut entries = Vec::new();
        while let Some(last) = copy(&self.ring, next, u64::MAX, &mut entries) {
            let written = self.output.write(&entries);
            let done = *written.as_ref().unwrap_or_else(|(written, _)| written);
            let mut state = lock(&self.progress.state);
            // Those that were overwritten before their turn too.
            state.unwritten += last + 1 - next - done;
            state.failing = written.is_err();
            state.seen = last + 1;
            drop(state);
            self.progress.changed.notify_all();
            if let Err((_, error)) = written {
                self.tell(&error);
            }
            next = last + 1;
            entries.clear();
        }
    }

    fn tell(&mut self, error: &io::Error) {
        if !self.has_told {
            self.has_told = true;
            // Whoever takes the log is the user's code; it must not end this thread.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                tracing::error!(
                    target: names::LOG,
                    %error,
                    "`recorder.file` cannot be written: make room, or give the path back; this is said once"
                );
            }));
        }
    }
}
