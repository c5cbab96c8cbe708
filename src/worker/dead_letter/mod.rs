//! Where jobs go that are given up on.

mod file;
mod journal;
mod record;

use std::pin::Pin;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::error::BoxError;

pub use file::{DeadLetterFile, Replayed};

/// A job that is given up on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// When it was given up on, since 1970.
    pub at: Duration,
    /// The worker that has tried it.
    pub worker: String,
    /// Why, in the words of the last error, of which 1,000 characters are kept.
    pub reason: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// The id of the request that asked for it.
    pub request_id: Option<String>,
    /// The job, as its [`payload`](super::Job::payload) says it.
    pub payload: String,
}

impl DeadLetter {
    /// Makes one of now, after one attempt and of no request.
    pub fn new(worker: impl Into<String>, reason: impl Into<String>, payload: impl Into<String>) -> Self {
        Self {
            at: Clock::default().unix_time(),
            worker: worker.into(),
            reason: reason.into(),
            attempts: 1,
            request_id: None,
            payload: payload.into(),
        }
    }
}

/// A letter on its way into a store.
pub type Stored<'a> = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + 'a>>;

/// Keeps dead letters: a queue, a table, a [file](DeadLetterFile).
pub trait DeadLetters: Send + Sync + 'static {
    /// Stores one; it must be safe there when the future returns `Ok`.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped the letter may be stored or not.
    fn store(&self, letter: DeadLetter) -> Stored<'_>;

    /// Returns how many there are, if that is known without waiting.
    fn count(&self) -> Option<u64> {
        None
    }
}
