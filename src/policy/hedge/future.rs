use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use super::layer::Hedge;
use super::rules::{Phase, Progress, Rules};
use crate::base::attempt::Attempt;
use crate::base::clock::sleep;
use crate::base::deadline::Deadline;
use crate::base::error::BoxError;
use crate::base::outcome::{Classify, Outcome};
use crate::base::ready::{self, Origin};
use crate::base::refusal::{Guarded, Refusal};
use crate::base::replay::Replay;
use crate::base::stripe::Lane;
use crate::base::within::Within;

/// What the requests of one handle or layer share.
pub(super) trait HasRules {
    fn rules(&self) -> &Rules;
}

/// Makes the attempts `F` at one request, the second one of a `P`, and says which ends are successes.
trait Maker<F: Future, P, X> {
    type End;

    fn end(output: F::Output) -> Self::End;
    fn is_success(&self, end: &Self::End) -> bool;
    fn is_repeatable(&self) -> bool;
    fn prepare(&mut self, attempt: Attempt) -> Option<P>;
    fn start(&mut self, shared: &X, prepared: P) -> F;
}

pin_project! {
    /// Two attempts at the same time, until one of them succeeds.
    struct Race<F, P, M> {
        #[pin]
        first: Option<F>,
        #[pin]
        second: Option<F>,
        #[pin]
        timer: Option<Sleep>,
        maker: M,
        prepared: PhantomData<P>,
    }
}

impl<F: Future, P, M> Race<F, P, M> {
    #[inline]
    fn poll<X: HasRules>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        shared: &Lane<X>,
        progress: &mut Progress,
    ) -> Poll<M::End>
    where
        M: Maker<F, P, X>,
    {
        if let Poll::Ready(end) = self.as_mut().poll_first(cx, shared, progress) {
            return Poll::Ready(end);
        }
        self.poll_second(cx, shared, progress)
    }

    #[inline]
    fn poll_first<X: HasRules>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        shared: &Lane<X>,
        progress: &Progress,
    ) -> Poll<M::End>
    where
        M: Maker<F, P, X>,
    {
        let mut this = self.project();
        let Some(first) = this.first.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let end = M::end(ready!(progress.first.run(|| first.poll(cx))));
        let is_success = this.maker.is_success(&end);
        if is_success {
            let is_repeatable = this.maker.is_repeatable();
            shared.rules().first_won(shared.index(), progress, is_repeatable);
        }
        // What it holds is free before the other one goes on, which may be waiting for that.
        this.first.set(None);
        if is_success || this.second.is_none() {
            this.second.set(None);
            return Poll::Ready(end);
        }
        Poll::Pending
    }

    fn poll_second<X: HasRules>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        shared: &Lane<X>,
        progress: &mut Progress,
    ) -> Poll<M::End>
    where
        M: Maker<F, P, X>,
    {
        let rules = shared.rules();
        let mut this = self.project();
        if progress.phase == Phase::New {
            let delay = rules.wait(progress, this.maker.is_repeatable());
            this.timer.set(delay.map(sleep));
        }
        if progress.phase == Phase::Waiting {
            let Some(timer) = this.timer.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            // A first attempt that uses up its task's budget on every poll would otherwise keep the timer from running.
            ready!(pin!(tokio::task::unconstrained(timer)).poll(cx));
            this.timer.set(None);
            if let Some(prepared) = rules.hedge(progress, |attempt| this.maker.prepare(attempt)) {
                let start = || this.maker.start(shared, prepared);
                let second = progress.first.next().run(start);
                this.second.set(Some(second));
            }
        }
        let Some(second) = this.second.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let end = M::end(ready!(progress.first.next().run(|| second.poll(cx))));
        let is_success = this.maker.is_success(&end);
        if is_success {
            rules.second_won(shared.index(), progress);
        }
        this.second.set(None);
        if is_success || this.first.is_none() {
            this.first.set(None);
            return Poll::Ready(end);
        }
        Poll::Pending
    }
}

pin_project! {
    /// One request with its attempts, under the deadline that it finds.
    struct Hedged<F, P, M, X: HasRules> {
        #[pin]
        within: Within<Race<F, P, M>>,
        shared: Lane<X>,
        progress: Progress,
        ended: bool,
    }

    impl<F, P, M, X: HasRules> PinnedDrop for Hedged<F, P, M, X> {
        fn drop(this: Pin<&mut Self>) {
            if !this.ended {
                this.shared.rules().cancelled(this.shared.index(), &this.progress);
            }
        }
    }
}

impl<F: Future, P, M: Maker<F, P, X>, X: HasRules> Hedged<F, P, M, X> {
    #[inline]
    fn start(shared: Lane<X>, given: Option<Deadline>, start: impl FnOnce() -> (F, M)) -> Self {
        shared.rules().begin();
        let within = Within::start(None, given, || {
            shared.rules().pay();
            let (first, maker) = shared.rules().within(start);
            Race {
                first: Some(first),
                second: None,
                timer: None,
                maker,
                prepared: PhantomData,
            }
        });
        Self {
            within,
            shared,
            progress: Progress::new(Attempt::current()),
            ended: false,
        }
    }

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<M::End, Refusal>> {
        let this = self.project();
        let (shared, progress) = (&*this.shared, this.progress);
        let polled = this
            .within
            .poll_with(cx, |race, cx| shared.rules().within(|| race.poll(cx, shared, progress)));
        let ended = ready!(polled);
        *this.ended = true;
        Poll::Ready(ended.map_err(|_| shared.rules().refuse(shared.index(), progress)))
    }
}

/// Calls a tower service twice.
struct Calls<R, C, K, Req> {
    replay: R,
    classify: C,
    kept: Option<K>,
    request: PhantomData<fn(Req)>,
}

impl<S> HasRules for Origin<Hedge, S> {
    fn rules(&self) -> &Rules {
        self.handle.rules()
    }
}

impl<S, R, C, Req> Maker<ready::Call<S, R::Sent>, R::Sent, Origin<Hedge, S>> for Calls<R, C, R::Kept, Req>
where
    S: Service<R::Sent, Error: Into<BoxError>> + Clone,
    R: Replay<Req>,
    C: Classify<S::Response, BoxError>,
{
    type End = Result<S::Response, BoxError>;

    fn end(output: Result<S::Response, S::Error>) -> Self::End {
        output.map_err(Into::into)
    }

    #[inline]
    fn is_success(&self, end: &Self::End) -> bool {
        self.classify.classify(end.as_ref()) == Outcome::Success
    }

    fn is_repeatable(&self) -> bool {
        self.kept.is_some()
    }

    fn prepare(&mut self, attempt: Attempt) -> Option<R::Sent> {
        self.replay.concurrent(self.kept.as_mut()?, attempt)
    }

    fn start(&mut self, origin: &Origin<Hedge, S>, request: R::Sent) -> ready::Call<S, R::Sent> {
        ready::Call::of(origin.service(), request)
    }
}

pin_project! {
    /// The response of a service behind a [`Hedge`].
    pub struct ResponseFuture<S, R, C, Req>
    where
        S: Service<R::Sent>,
        R: Replay<Req>,
    {
        #[pin]
        hedged: Hedged<ready::Call<S, R::Sent>, R::Sent, Calls<R, C, R::Kept, Req>, Origin<Hedge, S>>,
    }
}

impl<S, R, C, Req> ResponseFuture<S, R, C, Req>
where
    S: Service<R::Sent, Error: Into<BoxError>> + Clone,
    R: Replay<Req>,
    C: Classify<S::Response, BoxError>,
{
    #[inline]
    pub(super) fn new(service: &mut S, origin: Lane<Origin<Hedge, S>>, replay: R, classify: C, request: Req) -> Self {
        let given = replay.deadline(&request);
        let hedged = Hedged::start(origin, given, || {
            let (sent, kept) = replay.begin(request);
            let maker = Calls {
                replay,
                classify,
                kept,
                request: PhantomData,
            };
            (ready::Call::new(service, sent), maker)
        });
        Self { hedged }
    }
}

impl<S, R, C, Req> Future for ResponseFuture<S, R, C, Req>
where
    S: Service<R::Sent, Error: Into<BoxError>> + Clone,
    R: Replay<Req>,
    C: Classify<S::Response, BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(self.project().hedged.poll(cx));
        Poll::Ready(ended.unwrap_or_else(|refusal| Err(Box::new(refusal))))
    }
}

/// Calls a user's function twice.
struct Operations<O, C> {
    operation: O,
    classify: C,
}

impl HasRules for Rules {
    fn rules(&self) -> &Rules {
        self
    }
}

impl<O, F, T, E, C> Maker<F, (), Rules> for Operations<O, C>
where
    O: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type End = Result<T, E>;

    fn end(output: Result<T, E>) -> Result<T, E> {
        output
    }

    fn is_success(&self, end: &Result<T, E>) -> bool {
        self.classify.classify(end.as_ref()) == Outcome::Success
    }

    fn is_repeatable(&self) -> bool {
        true
    }

    fn prepare(&mut self, _: Attempt) -> Option<()> {
        Some(())
    }

    fn start(&mut self, _: &Rules, (): ()) -> F {
        (self.operation)()
    }
}

pin_project! {
    /// A future of the user's own behind a hedge; made by [`Hedge::call_idempotent`].
    #[must_use = "a call that nobody awaits counts as cancelled"]
    pub struct Call<O, F, C> {
        #[pin]
        hedged: Hedged<F, (), Operations<O, C>, Rules>,
    }
}

impl<O, F, T, E, C> Call<O, F, C>
where
    O: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    pub(super) fn new(rules: Lane<Rules>, mut operation: O, classify: C) -> Self {
        let hedged = Hedged::start(rules, None, || {
            let first = operation();
            (first, Operations { operation, classify })
        });
        Self { hedged }
    }
}

impl<O, F, T, E, C> Future for Call<O, F, C>
where
    O: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, Guarded<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(self.project().hedged.poll(cx));
        Poll::Ready(match ended {
            Ok(end) => end.map_err(Guarded::Inner),
            Err(refusal) => Err(Guarded::Refused(refusal)),
        })
    }
}
