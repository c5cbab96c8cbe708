use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::{Future, ready};
use std::mem;
use std::ops::{ControlFlow, DerefMut};
use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::source::{Delivery, GivenBack, Job, Source};
use crate::base::context::Context;
use crate::base::error::BoxError;
use crate::base::sync::{Mutex, lock};

/// Makes a bounded channel of jobs within this process: what sends them, and the source.
///
/// It has room for `most` jobs, and at least for one, those under way included. Those that a drain leaves become dead
/// letters of their worker; a process that is killed loses them: whoever cannot accept that takes a queue. The source
/// ends when all senders are gone and all jobs are done.
pub fn channel<T: Job>(most: usize) -> (Jobs<T>, ChannelSource<T>) {
    let most = most.clamp(1, Semaphore::MAX_PERMITS);
    let shared = Arc::new(Shared {
        most,
        room: Arc::new(Semaphore::new(most)),
        waiting: Mutex::new(Waiting {
            jobs: VecDeque::new(),
            is_closed: false,
            is_over: false,
        }),
        changed: Arc::default(),
    });
    let open = Arc::new(Open(Arc::clone(&shared)));
    let jobs = Jobs {
        shared: Arc::clone(&shared),
        _open: open,
    };
    (jobs, ChannelSource(shared))
}

struct Shared<T> {
    most: usize,
    room: Arc<Semaphore>,
    waiting: Mutex<Waiting<T>>,
    changed: Arc<Notify>,
}

struct Waiting<T> {
    jobs: VecDeque<Receipt<T>>,
    /// Whether nobody can send any more.
    is_closed: bool,
    /// Whether nobody takes any more.
    is_over: bool,
}

/// A job of a channel, with its room.
pub struct Receipt<T> {
    job: Arc<T>,
    context: Context,
    /// How many were made before it came back.
    attempts: u32,
    _room: OwnedSemaphorePermit,
    /// After its room is free again: the last one that is dropped ends the source.
    _told: Told,
}

impl<T: Job> Receipt<T> {
    fn deliver(self) -> Delivery<ChannelSource<T>> {
        Delivery {
            job: Arc::clone(&self.job),
            context: Some(self.context.clone()),
            attempts: self.attempts,
            receipt: self,
        }
    }
}

/// Tells the source of a change when it is dropped.
struct Told(Arc<Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl<T> fmt::Debug for Receipt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").finish_non_exhaustive()
    }
}

/// Closes the channel when the last of those who send is dropped.
struct Open<T>(Arc<Shared<T>>);

impl<T> Drop for Open<T> {
    fn drop(&mut self) {
        lock(&self.0.waiting).is_closed = true;
        self.0.changed.notify_one();
    }
}

/// Sends jobs to a worker; clones send to the same one.
pub struct Jobs<T> {
    shared: Arc<Shared<T>>,
    _open: Arc<Open<T>>,
}

impl<T> Clone for Jobs<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            _open: Arc::clone(&self._open),
        }
    }
}

impl<T: Job> Jobs<T> {
    /// Sends a job in the context of the present work, without its deadline; waits for room.
    ///
    /// # Errors
    ///
    /// When the source is gone, with the job.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the job.
    pub async fn send(&self, job: T) -> Result<(), Closed<T>> {
        match Arc::clone(&self.shared.room).acquire_owned().await {
            Ok(room) => self.push(job, room),
            Err(_) => Err(Closed { job }),
        }
    }

    /// Sends a job if there is room now; returns it if not.
    ///
    /// # Errors
    ///
    /// When there is no room, or the source is gone.
    pub fn try_send(&self, job: T) -> Result<(), TrySendError<T>> {
        match Arc::clone(&self.shared.room).try_acquire_owned() {
            Ok(room) => self.push(job, room).map_err(|Closed { job }| TrySendError::Closed(job)),
            Err(TryAcquireError::NoPermits) => Err(TrySendError::Full(job)),
            Err(TryAcquireError::Closed) => Err(TrySendError::Closed(job)),
        }
    }

    fn push(&self, job: T, room: OwnedSemaphorePermit) -> Result<(), Closed<T>> {
        let mut waiting = lock(&self.shared.waiting);
        if waiting.is_over {
            return Err(Closed { job });
        }
        waiting.jobs.push_back(Receipt {
            job: Arc::new(job),
            context: Context::current().detached(),
            attempts: 0,
            _room: room,
            _told: Told(Arc::clone(&self.shared.changed)),
        });
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl<T> fmt::Debug for Jobs<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

/// A job that was not sent: nobody works off the channel any more.
#[non_exhaustive]
pub struct Closed<T> {
    /// What was to be done.
    pub job: T,
}

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the job was not sent: nobody works off the channel any more")
    }
}

impl<T> Error for Closed<T> {}

/// A job that was not sent.
#[non_exhaustive]
pub enum TrySendError<T> {
    /// There is no room at the moment: whoever asked may come again.
    Full(T),
    /// Nobody works off the channel any more.
    Closed(T),
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the job was not sent: the channel is full",
            Self::Closed(_) => "the job was not sent: nobody works off the channel any more",
        })
    }
}

impl<T> Error for TrySendError<T> {}

/// The jobs of a [`channel`].
pub struct ChannelSource<T>(Arc<Shared<T>>);

impl<T> ChannelSource<T> {
    /// Lets nobody send any more; returns what waits.
    fn end(&self) -> impl DerefMut<Target = Waiting<T>> {
        self.0.room.close();
        let mut waiting = lock(&self.0.waiting);
        waiting.is_over = true;
        waiting
    }
}

impl<T: Job> ChannelSource<T> {
    /// Takes the next job, if there is one; breaks off if there cannot be another.
    fn take(&self) -> ControlFlow<(), Option<Receipt<T>>> {
        let mut waiting = lock(&self.0.waiting);
        let receipt = waiting.jobs.pop_front();
        // One that is under way may come back.
        if receipt.is_none() && waiting.is_closed && self.0.room.available_permits() == self.0.most {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(receipt)
    }
}

impl<T: Job> Source for ChannelSource<T> {
    type Job = T;
    type Receipt = Receipt<T>;

    async fn next(&self) -> Result<Option<Delivery<Self>>, BoxError> {
        loop {
            let changed = self.0.changed.notified();
            match self.take() {
                ControlFlow::Continue(Some(receipt)) => {
                    // Whoever waits beside this one was told of the same change.
                    self.0.changed.notify_one();
                    return Ok(Some(receipt.deliver()));
                }
                ControlFlow::Continue(None) => changed.await,
                ControlFlow::Break(()) => {
                    self.0.changed.notify_one();
                    return Ok(None);
                }
            }
        }
    }

    fn done(&self, receipt: Receipt<T>) -> impl Future<Output = Result<(), BoxError>> + Send {
        drop(receipt);
        ready(Ok(()))
    }

    /// Puts it behind the others: one that fails each time must not keep them waiting.
    fn give_back(
        &self,
        mut receipt: Receipt<T>,
        given_back: GivenBack,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        receipt.attempts = receipt.attempts.saturating_add(given_back.attempts);
        lock(&self.0.waiting).jobs.push_back(receipt);
        self.0.changed.notify_one();
        ready(Ok(()))
    }

    fn leftover(&self) -> Option<Delivery<Self>> {
        self.end().jobs.pop_front().map(Receipt::deliver)
    }
}

impl<T> Drop for ChannelSource<T> {
    fn drop(&mut self) {
        let left = mem::take(&mut self.end().jobs);
        if !left.is_empty() {
            tracing::error!(
                jobs = left.len(),
                "jobs end with their channel, which nobody works off any more"
            );
        }
    }
}

impl<T> fmt::Debug for ChannelSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSource").finish_non_exhaustive()
    }
}
