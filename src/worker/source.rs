use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::base::context::Context;
use crate::base::error::BoxError;

/// Something to be done.
pub trait Job: Send + Sync + 'static {
    /// Returns it as it is written to the dead letters, so that it can be read and done again; without secrets.
    fn payload(&self) -> String;
}

impl Job for String {
    fn payload(&self) -> String {
        self.clone()
    }
}

impl Job for u64 {
    fn payload(&self) -> String {
        self.to_string()
    }
}

impl Job for serde_json::Value {
    fn payload(&self) -> String {
        self.to_string()
    }
}

/// Where jobs come from: a queue, a table, a channel.
///
/// A job that is handed out belongs to the worker until it is settled by [`done`](Self::done) or
/// [`give_back`](Self::give_back). A source whose worker dies with it must hand it out again some time.
pub trait Source: Send + Sync + 'static {
    /// What is to be done.
    type Job: Job;
    /// What settles a job.
    type Receipt: Send + 'static;

    /// Waits for the next job; `None` if none will ever come.
    ///
    /// # Cancellation
    ///
    /// Must lose nothing if the future is dropped: a drain drops it.
    fn next(&self) -> impl Future<Output = Result<Option<Delivery<Self>>, BoxError>> + Send;

    /// Takes note that a job is over, done or stored as a dead letter.
    fn done(&self, receipt: Self::Receipt) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Takes a job back that was not finished, for somebody else.
    fn give_back(
        &self,
        receipt: Self::Receipt,
        given_back: GivenBack,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Hands over, at the end of a drain, a job that would end with the process, until there is none.
    ///
    /// The worker makes dead letters of them. Default: there are none, because somebody else gets what was given back.
    fn leftover(&self) -> Option<Delivery<Self>> {
        None
    }
}

/// What is told of a job that was not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GivenBack {
    /// How many attempts were made at it since it was handed out.
    pub attempts: u32,
    /// Why it was not finished.
    pub reason: String,
}

impl GivenBack {
    /// Tells how many attempts were made, and why it was not finished.
    pub fn new(attempts: u32, reason: impl Into<String>) -> Self {
        Self {
            attempts,
            reason: reason.into(),
        }
    }
}

/// A job on its way.
#[non_exhaustive]
pub struct Delivery<S: Source + ?Sized> {
    /// What is to be done.
    pub job: Arc<S::Job>,
    /// What settles it.
    pub receipt: S::Receipt,
    /// The context of whoever asked for it: calls that are made for the job carry its ids on.
    pub context: Option<Context>,
    /// How many attempts were made at it before it was given back; they count in its dead letter.
    pub attempts: u32,
}

impl<S: Source + ?Sized> fmt::Debug for Delivery<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").finish_non_exhaustive()
    }
}

impl<S: Source + ?Sized> Delivery<S> {
    /// Hands out a job.
    pub fn new(job: S::Job, receipt: S::Receipt) -> Self {
        Self::shared(Arc::new(job), receipt)
    }

    /// Hands out a job that the source keeps, too.
    pub fn shared(job: Arc<S::Job>, receipt: S::Receipt) -> Self {
        Self {
            job,
            receipt,
            context: None,
            attempts: 0,
        }
    }

    /// Hands it out for another source with the same jobs, which stands round this one.
    ///
    /// That one hands [`leftover`](Source::leftover) on, too, or what a drain leaves ends with the process.
    pub fn hand_on<T: Source<Job = S::Job, Receipt = S::Receipt>>(self) -> Delivery<T> {
        let Self {
            job,
            receipt,
            context,
            attempts,
        } = self;
        Delivery {
            job,
            receipt,
            context,
            attempts,
        }
    }

    /// Says how many attempts were made at it before.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Does it in the context of whoever asked for it.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }
}
