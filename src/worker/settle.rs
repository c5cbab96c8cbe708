//! One job, from its first attempt until it is settled.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fmt, iter};

use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use super::dead_letter::DeadLetter;
use super::handle::Shared;
use super::permanent::is_permanent;
use super::source::{Delivery, GivenBack, Job, Source};
use crate::base::clock::sleep;
use crate::base::context::Context;
use crate::base::error::BoxError;
use crate::base::refusal::Guarded;
use crate::policy::retry::Appraisal;
use crate::shutdown::Draining;

/// How long to wait before a job goes back whose letter could not be stored: a full disk is not free again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a source may take to settle a job, and the dead letters to store one.
pub(super) const SETTLE: Duration = Duration::from_secs(5);

/// The longest reason that is kept, in characters.
const REASON: usize = 1_000;

/// How a job ended.
enum End {
    Done,
    /// It is given up on, for this reason.
    Dead(String),
    /// It was cut by the drain.
    Unfinished,
}

/// Does one job, and settles it.
pub(super) async fn settle<S, F, Fut, E>(
    worker: Arc<Shared>,
    source: Arc<S>,
    delivery: Delivery<S>,
    handler: Arc<F>,
    draining: Draining,
) where
    S: Source,
    F: Fn(Arc<S::Job>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    let Delivery {
        job,
        receipt,
        context,
        attempts: before,
    } = delivery;
    let mut under_way = UnderWay::begin(&worker);
    let context = context.unwrap_or_else(|| Context::current().detached());
    let made = Arc::<AtomicU32>::default();
    let work = attempts(Arc::clone(&worker), Arc::clone(&job), handler, Arc::clone(&made));
    // A task of its own: what panics ends there.
    let mut work = JoinSet::from_iter([context.clone().scope(work)]);
    let cut = async {
        draining.draining().await;
        sleep(worker.config.drain).await;
    };
    let ended = tokio::select! {
        biased;
        ended = work.join_next() => ended,
        () = cut => {
            work.abort_all();
            // What it holds is given up before somebody else may get the job; or it has just ended by itself.
            work.join_next().await
        }
    };
    let made = made.load(Ordering::Relaxed);
    let reason = match end(ended) {
        End::Done => {
            worker.counts.done.increment();
            return under_way.settled(&bounded(source.done(receipt)).await);
        }
        End::Dead(reason) => {
            let letter = letter(&worker, &*job, &context, before.saturating_add(made), reason);
            match bury(&worker, letter).await {
                Ok(()) => return under_way.settled(&bounded(source.done(receipt)).await),
                Err(error) => {
                    tokio::select! {
                        () = sleep(PAUSE) => {}
                        () = draining.draining() => {}
                    }
                    format!("its dead letter was not stored: {error}")
                }
            }
        }
        End::Unfinished => "it was cut by a drain".into(),
    };
    let given_back = bounded(source.give_back(receipt, GivenBack::new(made, reason))).await;
    let counts = &worker.counts;
    let count = if given_back.is_ok() {
        &counts.given_back
    } else {
        &counts.lost
    };
    count.increment();
    under_way.settled(&given_back);
}

fn end(ended: Option<Result<Result<(), String>, JoinError>>) -> End {
    match ended {
        Some(Ok(Ok(()))) => End::Done,
        Some(Ok(Err(reason))) => End::Dead(reason),
        Some(Err(error)) if error.is_panic() => End::Dead("its handler panicked".into()),
        _ => End::Unfinished,
    }
}

/// Counts a job as under way until it is dropped, and as lost if it was not settled by then: a drain was over before.
struct UnderWay<'a> {
    worker: &'a Shared,
    is_settled: bool,
}

impl<'a> UnderWay<'a> {
    fn begin(worker: &'a Shared) -> Self {
        worker.counts.begun.increment();
        Self {
            worker,
            is_settled: false,
        }
    }

    /// Takes note of what the source says to the end of a job.
    fn settled(&mut self, settled: &Result<(), BoxError>) {
        self.is_settled = true;
        if let Err(error) = settled {
            self.worker.counts.source_errors.increment();
            tracing::error!(worker = &*self.worker.name, %error, "the source did not settle a job");
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.worker.counts.ended.increment();
        if !self.is_settled {
            self.worker.counts.lost.increment();
            tracing::error!(worker = &*self.worker.name, "a job ends without being settled");
        }
    }
}

/// Tries a job as often as the retry allows, and counts that; returns why it is given up on.
async fn attempts<J, F, Fut, E>(
    worker: Arc<Shared>,
    job: Arc<J>,
    handler: Arc<F>,
    made: Arc<AtomicU32>,
) -> Result<(), String>
where
    F: Fn(Arc<J>) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Into<BoxError>,
{
    let attempt = || {
        made.fetch_add(1, Ordering::Relaxed);
        let attempt = handler(Arc::clone(&job));
        async { attempt.await.map_err(Into::into) }
    };
    let again = |end: Result<&(), &BoxError>| match end {
        Err(error) if !is_permanent(error.as_ref()) => Appraisal::Again,
        _ => Appraisal::Final,
    };
    let done = worker.retry.call_idempotent_appraised(attempt, again).await;
    done.map_err(|error| match error {
        Guarded::Refused(refusal) => refusal.to_string(),
        Guarded::Inner(error) => error.to_string(),
    })
}

fn letter<J: Job>(worker: &Shared, job: &J, context: &Context, attempts: u32, reason: String) -> DeadLetter {
    DeadLetter {
        attempts,
        request_id: context.id().map(ToString::to_string),
        ..DeadLetter::new(&*worker.name, shortened(reason), job.payload())
    }
}

/// Cuts a reason that says too much: it may repeat what somebody has sent.
fn shortened(mut reason: String) -> String {
    if let Some((end, _)) = reason.char_indices().nth(REASON) {
        reason.truncate(end);
        reason.push('…');
    }
    reason
}

/// Stores a dead letter. Without a store its job is over, too: given back it would come again at once, for ever.
async fn bury(worker: &Shared, letter: DeadLetter) -> Result<(), BoxError> {
    let DeadLetter { attempts, reason, .. } = &letter;
    tracing::warn!(worker = &*worker.name, attempts, reason, "a job is given up on");
    let Some(dead_letters) = &worker.dead_letters else {
        worker.counts.lost.increment();
        return Ok(());
    };
    let stored = bounded(dead_letters.store(letter)).await;
    match &stored {
        Ok(()) => worker.counts.dead.increment(),
        Err(error) => tracing::error!(worker = &*worker.name, %error, "a dead letter was not stored"),
    }
    stored
}

#[expect(
    clippy::disallowed_methods,
    reason = "behind a function of ours the compiler takes the future for less general than it is"
)]
async fn bounded(work: impl Future<Output = Result<(), BoxError>>) -> Result<(), BoxError> {
    let ended = timeout(SETTLE, work).await;
    ended.unwrap_or_else(|_| Err(NoAnswer.into()))
}

/// Neither the source nor the store of dead letters has answered in time.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {SETTLE:?}")
    }
}

impl Error for NoAnswer {}

/// Makes dead letters of what would end with the process; what cannot be stored, or not before the end, is counted.
pub(super) async fn leave<S: Source>(worker: &Arc<Shared>, source: &Arc<S>) {
    let left: Vec<_> = iter::from_fn(|| source.leftover()).collect();
    let mut ends = EndsWithTheProcess {
        worker,
        jobs: left.len() as u64,
    };
    for delivery in left {
        // A task of its own: what panics takes no other along.
        let mut stored = JoinSet::from_iter([keep(Arc::clone(worker), Arc::clone(source), delivery)]);
        match stored.join_next().await {
            Some(Ok(Ok(()))) => ends.jobs -= 1,
            // Each would wait as long.
            Some(Ok(Err(error))) if error.is::<NoAnswer>() => return,
            _ => {}
        }
    }
}

/// Stores a job that a drain has left, and settles it.
async fn keep<S: Source>(worker: Arc<Shared>, source: Arc<S>, delivery: Delivery<S>) -> Result<(), BoxError> {
    let Delivery {
        job,
        receipt,
        context,
        attempts,
    } = delivery;
    let reason = match attempts {
        0 => "the process ended before it was begun",
        _ => "the process ended before it was done",
    };
    let context = context.unwrap_or_else(|| Context::current().detached());
    bury(&worker, letter(&worker, &*job, &context, attempts, reason.into())).await?;
    if bounded(source.done(receipt)).await.is_err() {
        worker.counts.source_errors.increment();
    }
    Ok(())
}

/// Counts what is left when it is dropped, by a drain that is over too.
struct EndsWithTheProcess<'a> {
    worker: &'a Shared,
    jobs: u64,
}

impl Drop for EndsWithTheProcess<'_> {
    fn drop(&mut self) {
        if self.jobs > 0 {
            self.worker.counts.lost.add_many(0, self.jobs);
            tracing::error!(
                worker = &*self.worker.name,
                jobs = self.jobs,
                "jobs end with the process"
            );
        }
    }
}
