//! The loop: fetches as long as there is a place, and settles each job once.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::handle::{Shared, Worker};
use super::settle::{leave, settle};
use super::source::{Delivery, Source};
use crate::base::clock::sleep;
use crate::base::error::BoxError;
use crate::health::Heartbeat;
use crate::shutdown::Draining;

/// How often the loop beats when nothing happens.
const BEAT: Duration = Duration::from_secs(1);

/// How long to wait before a source that failed is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a source answers.
type Fetched<S> = Result<Option<Delivery<S>>, BoxError>;

impl Worker {
    /// Works until the source has no more jobs, or a drain has begun and what was under way is settled.
    ///
    /// The heartbeat, if there is one, beats once a second at least as long as the loop goes round. A source that fails is
    /// asked again after a second; its [`next`](Source::next) is dropped by a drain alone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the jobs under way, and settles none of them.
    pub async fn run<S, F, Fut, E>(&self, source: S, draining: &Draining, heartbeat: Option<Heartbeat>, handler: F)
    where
        S: Source,
        F: Fn(Arc<S::Job>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let (source, handler) = (Arc::new(source), Arc::new(handler));
        let mut jobs = Jobs::new(&self.0, heartbeat);
        while let Some(next) = jobs.fetch(&*source, draining).await {
            match next {
                Ok(Some(delivery)) => {
                    let (source, handler) = (Arc::clone(&source), Arc::clone(&handler));
                    let job = settle(Arc::clone(&self.0), source, delivery, handler, draining.clone());
                    jobs.under_way.spawn(job);
                }
                Ok(None) => break,
                Err(error) => {
                    self.0.counts.source_errors.increment();
                    tracing::warn!(worker = &*self.0.name, %error, "the source of jobs failed; asking again");
                    let mut pause = pin!(async {
                        tokio::select! {
                            () = sleep(PAUSE) => {}
                            () = draining.draining() => {}
                        }
                    });
                    while jobs.turn(&mut pause).await.is_none() {}
                }
            }
        }
        let under_way = async {
            while !jobs.under_way.is_empty() {
                jobs.turn(pending::<()>()).await;
            }
        };
        if draining.is_draining() {
            // What waits is not begun any more, and need not wait for what is under way; some of that may come back.
            tokio::join!(under_way, leave(&self.0, &source));
            leave(&self.0, &source).await;
        } else {
            under_way.await;
        }
    }
}

/// The jobs under way, and the heartbeat that tells that the loop goes round.
struct Jobs<'a> {
    worker: &'a Shared,
    heartbeat: Option<Heartbeat>,
    under_way: JoinSet<()>,
}

impl<'a> Jobs<'a> {
    fn new(worker: &'a Shared, heartbeat: Option<Heartbeat>) -> Self {
        Self {
            worker,
            heartbeat,
            under_way: JoinSet::new(),
        }
    }

    /// Waits for a place, and then for the next job; `None` once a drain has begun.
    async fn fetch<S: Source>(&mut self, source: &S, draining: &Draining) -> Option<Fetched<S>> {
        let drained = async {
            draining.draining().await;
            None
        };
        let fetched = async {
            while self.under_way.len() >= self.worker.config.concurrent as usize {
                self.turn(pending::<()>()).await;
            }
            let mut next = pin!(source.next());
            loop {
                if let Some(next) = self.turn(&mut next).await {
                    return Some(next);
                }
            }
        };
        tokio::select! {
            biased;
            drained = drained => drained,
            fetched = fetched => fetched,
        }
    }

    /// Goes round once: until what is waited for is there, a job has ended, or it is time for the next beat.
    async fn turn<T>(&mut self, awaited: impl Future<Output = T>) -> Option<T> {
        self.heartbeat.iter().for_each(Heartbeat::beat);
        tokio::select! {
            biased;
            Some(ended) = self.under_way.join_next() => {
                // Its handler's panics end elsewhere: this is a payload's, a source's or a store's.
                if let Err(error) = ended {
                    tracing::error!(worker = &*self.worker.name, %error, "a job was not settled");
                }
                None
            }
            awaited = awaited => Some(awaited),
            () = sleep(BEAT) => None,
        }
    }
}
