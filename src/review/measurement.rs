//! What is measured for a review: a number that somebody's future finds out, and what it says.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinSet;

use super::evidence::Evidence;
use crate::base::clock::{Clock, timeout};
use crate::base::sync::{Mutex, lock};

/// How long a measurement may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most bytes of an error's text that are kept.
const LONGEST: usize = 256;

pub(super) type Found = Pin<Box<dyn Future<Output = Result<u64, String>> + Send>>;
type Judge = dyn Fn(u64, Duration) -> Result<String, String> + Send + Sync;

/// Something that can be measured.
#[derive(Clone)]
pub(crate) struct Probe(Arc<Inner>);

struct Inner {
    /// The item of the checklist that it answers to.
    item: String,
    name: String,
    measure: Box<dyn Fn() -> Found + Send + Sync>,
    /// What the number says at a time since 1970.
    judge: Box<Judge>,
    /// What is wrong whatever the number is.
    flaws: Vec<String>,
    last: Mutex<Option<Taken>>,
}

/// A measurement, with its time since 1970.
#[derive(Clone)]
struct Taken {
    at: Duration,
    value: Result<u64, String>,
}

/// What a measurement says to a review.
pub(super) struct Reading(pub(super) Evidence);

impl Probe {
    pub(super) fn new(
        item: impl Into<String>,
        name: impl Into<String>,
        measure: impl Fn() -> Found + Send + Sync + 'static,
        judge: impl Fn(u64, Duration) -> Result<String, String> + Send + Sync + 'static,
        flaws: Vec<String>,
    ) -> Self {
        Self(Arc::new(Inner {
            item: item.into(),
            name: name.into(),
            measure: Box::new(measure),
            judge: Box::new(judge),
            flaws,
            last: Mutex::default(),
        }))
    }

    pub(crate) fn item(&self) -> &str {
        &self.0.item
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Measures once, and tells what that says; a panic and a future that does not end are errors.
    pub(crate) async fn take(&self) -> Result<u64, String> {
        let measured = timeout(PATIENCE, Caught::new(|| (self.0.measure)())).await;
        let value = measured.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        let value = value.map_err(|error| cut(&error).to_owned());
        let at = Clock::default().unix_time();
        *lock(&self.0.last) = Some(Taken {
            at,
            value: value.clone(),
        });
        value
    }

    /// Measures once, and tells whether all is well now.
    pub(crate) async fn ask(&self) -> Result<(), String> {
        let value = self.take().await?;
        (self.0.judge)(value, Clock::default().unix_time()).map(drop)
    }

    fn evidence(&self, now: Duration) -> Vec<Evidence> {
        let subject = &self.0.name;
        let mut evidence: Vec<_> = self
            .0
            .flaws
            .iter()
            .map(|flaw| Evidence::missing(subject, flaw))
            .collect();
        evidence.push(match lock(&self.0.last).clone() {
            None => Evidence::missing(
                subject,
                "it has not been measured yet: serve, or wait for `App::measure`, before the review",
            ),
            Some(Taken { at, value }) => match value.and_then(|value| (self.0.judge)(value, now)) {
                Ok(found) => Evidence::measured(subject, found, at),
                Err(found) => Evidence {
                    at: Some(at),
                    ..Evidence::missing(subject, found)
                },
            },
        });
        evidence
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

/// All that can be measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measurements(Vec<Probe>);

impl Measurements {
    pub(crate) fn add(&mut self, probe: Probe) {
        self.0.push(probe);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Probe> {
        self.0.iter()
    }

    /// Returns the names that are there more than once.
    pub(crate) fn doubles(&self) -> Vec<&str> {
        let mut names = BTreeSet::new();
        let doubles = self.0.iter().filter(|probe| !names.insert(probe.name()));
        doubles.map(Probe::name).collect()
    }

    /// Measures all of them at the same time.
    pub(crate) async fn take(&self) {
        let mut taken = JoinSet::new();
        for probe in &self.0 {
            let probe = probe.clone();
            taken.spawn(async move { probe.take().await });
        }
        while taken.join_next().await.is_some() {}
    }

    pub(super) fn of(&self, item: &str, now: Duration) -> Vec<Reading> {
        let probes = self.0.iter().filter(|probe| probe.item() == item);
        probes.flat_map(|probe| probe.evidence(now)).map(Reading).collect()
    }
}

/// Ends with an error if the user's future panics, when it is made or when it runs.
struct Caught(Result<Found, ()>);

const PANICKED: &str = "it panicked";

impl Caught {
    fn new(make: impl FnOnce() -> Found) -> Self {
        Self(std::panic::catch_unwind(AssertUnwindSafe(make)).map_err(drop))
    }
}

impl Future for Caught {
    type Output = Result<u64, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(future) = &mut self.0 else {
            return Poll::Ready(Err(PANICKED.into()));
        };
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(PANICKED.into())))
    }
}

fn cut(text: &str) -> &str {
    let end = (0..=LONGEST.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}
