//! What the tests of health share.

#![allow(dead_code, reason = "not every test file uses all of it")]

use std::future::pending;
use std::io::{Error, Result};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seaworthy::events::{Change, Event};
use seaworthy::health::{Check, Health};
use tokio::runtime::Handle;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Lets this much of the paused time pass, one timer after the other.
pub(crate) async fn pass(time: Duration) {
    let _ = tokio::time::timeout(time, pending::<()>()).await;
}

/// Lets everything run that needs no time.
pub(crate) async fn settle() {
    pass(Duration::from_millis(1)).await;
}

/// A dependency that does as it is told, and counts how often it is asked.
#[derive(Clone, Default)]
pub(crate) struct Dependency {
    mode: Arc<AtomicUsize>,
    pub(crate) runs: Arc<AtomicUsize>,
    pub(crate) at_once: Arc<AtomicUsize>,
    pub(crate) most_at_once: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Up,
    Down,
    Hung,
    Panicking,
}

impl Dependency {
    pub(crate) fn new(mode: Mode) -> Self {
        let dependency = Self::default();
        dependency.turn(mode);
        dependency
    }

    pub(crate) fn turn(&self, mode: Mode) {
        self.mode.store(mode as usize, Ordering::SeqCst);
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    pub(crate) fn check(&self, name: &str) -> Check {
        let dependency = self.clone();
        Check::new(name, move || dependency.clone().run())
    }

    async fn run(self) -> Result<()> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let _ended = Ended(self.at_once.clone());
        tokio::task::yield_now().await;
        match self.mode.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => Err(Error::other("password=hunter2")),
            2 => pending().await,
            _ => panic!("password=hunter2"),
        }
    }
}

struct Ended(Arc<AtomicUsize>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Starts the checks of `health` on the test's own runtime and lets each run once.
pub(crate) async fn start(health: &Health) {
    health.start(&Handle::current());
    settle().await;
}

/// What a health has told its sink, a line a change.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn sink(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let log = self.clone();
        move |event| {
            let (kind, name) = (event.kind, event.name);
            let line = match &event.change {
                Change::State { from, to, detail } => format!("{kind} {name}: {from} -> {to} ({detail})"),
                Change::Finished { result, detail, .. } => format!("{kind} {name}: {result} ({detail})"),
                other => format!("{kind} {name}: {other:?}"),
            };
            log.0.lock().expect("no sink panics").push(line);
        }
    }

    /// Takes the lines so far that begin with `kind`.
    pub(crate) fn of(&self, kind: &str) -> Vec<String> {
        let lines = self.0.lock().expect("no sink panics");
        lines.iter().filter(|line| line.starts_with(kind)).cloned().collect()
    }
}
