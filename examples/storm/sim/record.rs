//! What happened, second by second.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

/// Whose requests are looked at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Those that must be answered.
    Critical,
    /// Those that may be refused.
    Sheddable,
    /// Those of the one client that floods.
    Flood,
}

/// What became of the requests that came in one second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Second {
    /// First tries, by group.
    pub offered: [u32; 3],
    /// Answers in time, by group.
    pub good: [u32; 3],
    /// How long each took that did not come from the flood, to its answer, its refusal or the end of its patience.
    pub latencies_ms: Vec<u32>,
    /// Requests that need what the scenario is about: the server or its dependency ...
    pub first_tries: u32,
    /// ... and how often that was called within this second.
    pub calls: u32,
    /// The states that the circuit breaker had at its sampled moments.
    pub breaker: Vec<&'static str>,
}

/// What happened in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub seconds: Vec<Second>,
}

/// Writes a record.
#[derive(Clone, Debug)]
pub struct Recorder {
    record: Arc<Mutex<Record>>,
    start: Instant,
}

impl Recorder {
    pub fn new(seconds: u32) -> Self {
        let seconds = vec![Second::default(); seconds as usize];
        Self {
            record: Arc::new(Mutex::new(Record { seconds })),
            start: Instant::now(),
        }
    }

    /// Returns the time since the beginning of the run, in seconds.
    pub fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    pub fn start(&self) -> Instant {
        self.start
    }

    /// Notes a first try, and whether it needs what the scenario is about.
    pub fn came(&self, group: Group, is_counted: bool) {
        self.at(self.now(), |second| {
            second.offered[group as usize] += 1;
            second.first_tries += u32::from(is_counted);
        });
    }

    /// Notes what became of a request that came at `came`.
    pub fn ended(&self, group: Group, came: f64, is_good: bool) {
        let took = Duration::from_secs_f64((self.now() - came).max(0.0));
        self.at(came, |second| {
            second.good[group as usize] += u32::from(is_good);
            if group != Group::Flood {
                second.latencies_ms.push(took.as_millis() as u32);
            }
        });
    }

    pub fn called(&self) {
        self.at(self.now(), |second| second.calls += 1);
    }

    pub fn breaker(&self, state: &'static str) {
        self.at(self.now(), |second| second.breaker.push(state));
    }

    pub fn finish(&self) -> Record {
        self.record().clone()
    }

    fn at(&self, time: f64, note: impl FnOnce(&mut Second)) {
        if let Some(second) = self.record().seconds.get_mut(time as usize) {
            note(second);
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap()
    }
}
