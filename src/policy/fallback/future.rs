use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::answer::Answer;
use super::engine::End;
use super::rules::{Count, Rules};
use crate::base::deadline::Deadline;
use crate::base::error::BoxError;
use crate::base::outcome::{Outcome, of_error};
use crate::base::refusal::Refusal;
use crate::base::stripe::Lane;

pin_project! {
    /// The inside, and then perhaps the fallback; the one is dropped before the other begins.
    #[project = StageProj]
    enum Stage<F, U, A> {
        Asking { #[pin] inside: F },
        Unready { error: Option<U> },
        Answering { #[pin] answer: A },
        Over,
    }
}

pin_project! {
    /// A call of the inside `F`, which may not have been ready because of a `U`, with a fallback `A`.
    pub(crate) struct Rescue<F, U, A> {
        #[pin]
        stage: Stage<F, U, A>,
        rules: Lane<Rules>,
        ended: bool,
    }

    impl<F, U, A> PinnedDrop for Rescue<F, U, A> {
        fn drop(this: Pin<&mut Self>) {
            if !this.ended {
                this.rules.count(Count::Cancelled);
            }
        }
    }
}

impl<F: Future, U, A: Future> Rescue<F, U, A> {
    /// Begins the call; if the inside was not ready, with the error that it gave instead.
    #[inline]
    pub(crate) fn start(rules: Lane<Rules>, unready: Option<U>, inside: impl FnOnce() -> F) -> Self {
        rules.count(Count::Calls);
        // Made before the inside is called, so that a panic in there is counted as one that comes later.
        let mut rescue = Self {
            stage: Stage::Over,
            rules,
            ended: false,
        };
        rescue.stage = match unready {
            None => Stage::Asking { inside: inside() },
            Some(_) => Stage::Unready { error: unready },
        };
        rescue
    }

    /// Polls whichever runs. `judge` takes how the inside ended for the end, or begins the fallback; `is_good` says
    /// whether the fallback has succeeded. The fallback runs under `given`, the deadline that came with the request, too.
    #[inline]
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        given: Option<Deadline>,
        judge: impl FnOnce(Result<F::Output, U>, &Rules) -> Result<A::Output, A>,
        is_good: impl FnOnce(&A::Output) -> bool,
    ) -> Poll<A::Output> {
        let mut this = self.project();
        let end = match this.stage.as_mut().project() {
            StageProj::Asking { inside } => Some(Ok(ready!(inside.poll(cx)))),
            StageProj::Unready { error } => error.take().map(Err),
            StageProj::Answering { .. } => None,
            StageProj::Over => return Poll::Pending,
        };
        if let Some(end) = end {
            // What the inside holds is free before the fallback begins, which may be waiting for that.
            this.stage.set(Stage::Over);
            match judge(end, this.rules) {
                Ok(output) => {
                    *this.ended = true;
                    return Poll::Ready(output);
                }
                Err(answer) => this.stage.set(Stage::Answering { answer }),
            }
        }
        let StageProj::Answering { answer } = this.stage.as_mut().project() else {
            return Poll::Pending;
        };
        let output = ready!(under(given, || answer.poll(cx)));
        this.stage.set(Stage::Over);
        let is_good = is_good(&output);
        *this.ended = true;
        if !is_good {
            this.rules.count(Count::Failed);
        }
        Poll::Ready(output)
    }
}

/// Runs `work` under a deadline, if there is one.
#[inline]
pub(crate) fn under<T>(given: Option<Deadline>, work: impl FnOnce() -> T) -> T {
    match given {
        Some(given) => given.run(work),
        None => work(),
    }
}

pin_project! {
    /// The response of a service with a [`Fallback`](super::Fallback).
    pub struct ResponseFuture<F, A, Req>
    where
        A: Answer<Req, BoxError>,
    {
        #[pin]
        rescue: Rescue<F, BoxError, A::Future>,
        answer: A,
        kept: Option<A::Kept>,
    }
}

impl<F, A: Answer<Req, BoxError>, Req> ResponseFuture<F, A, Req> {
    #[inline]
    pub(super) fn new(rescue: Rescue<F, BoxError, A::Future>, answer: A, kept: A::Kept) -> Self {
        let kept = Some(kept);
        Self { rescue, answer, kept }
    }
}

impl<F, A, Req, T, E> Future for ResponseFuture<F, A, Req>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
    A: Answer<Req, BoxError, Future: Future<Output = Result<T, BoxError>>>,
{
    type Output = Result<T, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (answer, kept) = (this.answer, this.kept);
        let judge = |end: Result<F::Output, BoxError>, rules: &Rules| {
            let error = match end {
                Ok(Ok(response)) => return Ok(Ok(response)),
                Ok(Err(error)) => error.into(),
                Err(unready) => unready,
            };
            let (refusal, outcome) = (Refusal::find(error.as_ref()), of_error(&error));
            match kept.take().filter(|_| rules.uses(End { refusal, outcome }, None)) {
                Some(kept) => Err(answer.answer(kept, error)),
                None => Ok(Err(error)),
            }
        };
        this.rescue.poll(cx, None, judge, Result::is_ok)
    }
}

pin_project! {
    /// A future of the user's own with a fallback; made by [`Fallback::call`](super::Fallback::call).
    #[must_use = "a call that nobody awaits counts as cancelled"]
    pub struct Call<F, A, B> {
        #[pin]
        rescue: Rescue<F, Infallible, B>,
        answer: Option<A>,
    }
}

impl<F, A, B> Call<F, A, B> {
    pub(super) fn new(rescue: Rescue<F, Infallible, B>, answer: A) -> Self {
        let answer = Some(answer);
        Self { rescue, answer }
    }
}

impl<F, A, B, T, E> Future for Call<F, A, B>
where
    F: Future<Output = Result<T, E>>,
    A: FnOnce(E) -> B,
    B: Future<Output = Result<T, E>>,
    E: Error + 'static,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = this.answer;
        let judge = |end: Result<F::Output, Infallible>, rules: &Rules| {
            let error = match end {
                Ok(Ok(value)) => return Ok(Ok(value)),
                Ok(Err(error)) => error,
                Err(never) => match never {},
            };
            let end = End {
                refusal: Refusal::find(&error),
                outcome: Outcome::Failure,
            };
            match answer.take().filter(|_| rules.uses(end, None)) {
                Some(answer) => Err(answer(error)),
                None => Ok(Err(error)),
            }
        };
        this.rescue.poll(cx, None, judge, Result::is_ok)
    }
}
