use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use super::appraise::{Appraisal, Appraise};
use super::engine::Progress;
use super::rules::Rules;
use super::service::Terms;
use crate::base::attempt::Attempt;
use crate::base::clock::sleep;
use crate::base::deadline::{Deadline, is_over};
use crate::base::error::BoxError;
use crate::base::ready::{self, Origin};
use crate::base::refusal::{Guarded, Refusal};
use crate::base::replay::Replay;
use crate::base::stripe::Lane;
use crate::base::within::Within;

/// What the requests of one handle or layer share.
pub(super) trait HasRules {
    fn rules(&self) -> &Rules;
}

/// Makes the attempts `F` at one request, each of a `P`, and says what their ends mean.
trait Maker<F: Future, P, X> {
    type End;

    fn end(output: F::Output) -> Self::End;
    fn appraise(&self, shared: &X, end: &Self::End) -> Appraisal;
    fn prepare(&mut self, shared: &X, attempt: Attempt) -> Option<P>;
    fn start(&mut self, shared: &X, prepared: P) -> F;
}

pin_project! {
    /// Attempts one after another, until one of them is the last.
    struct Attempts<F, P, M> {
        #[pin]
        state: State<F, P>,
        maker: M,
        progress: Progress,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, P> {
        Running { #[pin] attempt: F },
        // In a box, as few wait: what every call carries is the smaller for it.
        Waiting { sleep: Pin<Box<Sleep>>, prepared: Option<P> },
    }
}

impl<F: Future, P, M> Attempts<F, P, M> {
    #[inline]
    fn poll<X: HasRules>(self: Pin<&mut Self>, cx: &mut Context<'_>, shared: &X) -> Poll<M::End>
    where
        M: Maker<F, P, X>,
    {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Running { attempt } => {
                    let end = M::end(ready!(this.progress.attempt.run(|| attempt.poll(cx))));
                    let appraisal = this.maker.appraise(shared, &end);
                    if appraisal == Appraisal::Final {
                        return Poll::Ready(end);
                    }
                    let prepare = |attempt| this.maker.prepare(shared, attempt);
                    let Some((wait, prepared)) = shared.rules().next(this.progress, appraisal, prepare) else {
                        return Poll::Ready(end);
                    };
                    // The response may hold a connection, and the attempt a permit: nothing is held while it waits.
                    drop(end);
                    let (sleep, prepared) = (Box::pin(sleep(wait)), Some(prepared));
                    this.state.set(State::Waiting { sleep, prepared });
                }
                StateProj::Waiting { sleep, prepared } => {
                    ready!(sleep.as_mut().poll(cx));
                    // Whoever is polled late may find that nobody waits any more.
                    if is_over() {
                        return Poll::Pending;
                    }
                    let Some(prepared) = prepared.take() else {
                        return Poll::Pending;
                    };
                    let start = || this.maker.start(shared, prepared);
                    let attempt = this.progress.attempt.run(start);
                    this.state.set(State::Running { attempt });
                }
            }
        }
    }
}

pin_project! {
    /// One request with its attempts, under its total and the deadline that it finds.
    struct Retried<F, P, M, X: HasRules> {
        #[pin]
        within: Within<Attempts<F, P, M>>,
        shared: Lane<X>,
        limit: Option<Duration>,
        ended: bool,
    }

    impl<F, P, M, X: HasRules> PinnedDrop for Retried<F, P, M, X> {
        fn drop(this: Pin<&mut Self>) {
            if !this.ended {
                this.shared.rules().cancelled();
            }
        }
    }
}

impl<F: Future, P, M: Maker<F, P, X>, X: HasRules> Retried<F, P, M, X> {
    #[inline]
    fn start(shared: Lane<X>, given: Option<Deadline>, start: impl FnOnce(&X) -> (F, M)) -> Self {
        let limit = shared.rules().begin();
        let within = Within::start(limit, given, || {
            shared.rules().pay();
            let (attempt, maker) = shared.rules().within(|| Attempt::FIRST.run(|| start(&shared)));
            Attempts {
                state: State::Running { attempt },
                maker,
                progress: Progress::new(),
            }
        });
        Self {
            within,
            shared,
            limit,
            ended: false,
        }
    }

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<M::End, Refusal>> {
        let this = self.project();
        let shared = &**this.shared;
        let ended = ready!(
            this.within
                .poll_with(cx, |attempts, cx| shared.rules().within(|| attempts.poll(cx, shared)))
        );
        *this.ended = true;
        Poll::Ready(ended.map_err(|late| shared.rules().refuse(late, *this.limit)))
    }
}

/// Calls a tower service again.
struct Calls<K, Req> {
    kept: Option<K>,
    request: PhantomData<fn(Req)>,
}

impl<S, R, A> HasRules for Origin<Terms<R, A>, S> {
    fn rules(&self) -> &Rules {
        self.handle.retry.rules()
    }
}

impl<S, R, A, Req> Maker<ready::Call<S, R::Sent>, R::Sent, Origin<Terms<R, A>, S>> for Calls<R::Kept, Req>
where
    S: Service<R::Sent, Error: Into<BoxError>> + Clone,
    R: Replay<Req>,
    A: Appraise<S::Response, BoxError>,
{
    type End = Result<S::Response, BoxError>;

    fn end(output: Result<S::Response, S::Error>) -> Self::End {
        output.map_err(Into::into)
    }

    #[inline]
    fn appraise(&self, origin: &Origin<Terms<R, A>, S>, end: &Self::End) -> Appraisal {
        origin.handle.appraise.appraise(end.as_ref())
    }

    fn prepare(&mut self, origin: &Origin<Terms<R, A>, S>, attempt: Attempt) -> Option<R::Sent> {
        origin.handle.replay.again(self.kept.as_mut()?, attempt)
    }

    fn start(&mut self, origin: &Origin<Terms<R, A>, S>, request: R::Sent) -> ready::Call<S, R::Sent> {
        ready::Call::of(origin.service(), request)
    }
}

pin_project! {
    /// The response of a service behind a [`Retry`](super::Retry).
    pub struct ResponseFuture<S, R, A, Req>
    where
        S: Service<R::Sent>,
        R: Replay<Req>,
    {
        #[pin]
        retried: Retried<ready::Call<S, R::Sent>, R::Sent, Calls<R::Kept, Req>, Origin<Terms<R, A>, S>>,
    }
}

impl<S, R, A, Req> ResponseFuture<S, R, A, Req>
where
    S: Service<R::Sent, Error: Into<BoxError>> + Clone,
    R: Replay<Req>,
    A: Appraise<S::Response, BoxError>,
{
    #[inline]
    pub(super) fn new(service: &mut S, origin: Lane<Origin<Terms<R, A>, S>>, request: Req) -> Self {
        let given = origin.handle.replay.deadline(&request);
        let retried = Retried::start(origin, given, |origin| {
            let (sent, kept) = origin.handle.replay.begin(request);
            let maker = Calls {
                kept,
                request: PhantomData,
            };
            (ready::Call::new(service, sent), maker)
        });
        Self { retried }
    }
}

impl<S, R, A, Req> Future for ResponseFuture<S, R, A, Req>
where
    S: Service<R::Sent, Error: Into<BoxError>> + Clone,
    R: Replay<Req>,
    A: Appraise<S::Response, BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(self.project().retried.poll(cx));
        Poll::Ready(ended.unwrap_or_else(|refusal| Err(Box::new(refusal))))
    }
}

/// Calls a user's function again.
struct Operations<O, A> {
    operation: O,
    appraise: A,
}

impl HasRules for Rules {
    fn rules(&self) -> &Rules {
        self
    }
}

impl<O, F, T, E, A> Maker<F, (), Rules> for Operations<O, A>
where
    O: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
    A: Appraise<T, E>,
{
    type End = Result<T, E>;

    fn end(output: Result<T, E>) -> Result<T, E> {
        output
    }

    #[inline]
    fn appraise(&self, _: &Rules, end: &Result<T, E>) -> Appraisal {
        self.appraise.appraise(end.as_ref())
    }

    fn prepare(&mut self, _: &Rules, _: Attempt) -> Option<()> {
        Some(())
    }

    fn start(&mut self, _: &Rules, (): ()) -> F {
        (self.operation)()
    }
}

pin_project! {
    /// A future of the user's own behind a retry; made by [`Retry::call_idempotent`](super::Retry::call_idempotent).
    #[must_use = "a call that nobody awaits counts as cancelled"]
    pub struct Call<O, F, A> {
        #[pin]
        retried: Retried<F, (), Operations<O, A>, Rules>,
    }
}

impl<O, F, T, E, A> Call<O, F, A>
where
    O: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
    A: Appraise<T, E>,
{
    #[inline]
    pub(super) fn new(rules: Lane<Rules>, mut operation: O, appraise: A) -> Self {
        let retried = Retried::start(rules, None, |_| {
            let attempt = operation();
            (attempt, Operations { operation, appraise })
        });
        Self { retried }
    }
}

impl<O, F, T, E, A> Future for Call<O, F, A>
where
    O: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
    A: Appraise<T, E>,
{
    type Output = Result<T, Guarded<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(self.project().retried.poll(cx));
        Poll::Ready(match ended {
            Ok(end) => end.map_err(Guarded::Inner),
            Err(refusal) => Err(Guarded::Refused(refusal)),
        })
    }
}
