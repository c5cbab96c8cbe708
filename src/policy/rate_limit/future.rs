use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::snapshot::Spent;
use super::turn::{Entrance, Turn};
use crate::base::error::BoxError;
use crate::base::ready;
use crate::base::refusal::{Guarded, Refusal};

/// Begins the work of a request whose turn has come.
pub(crate) trait Begin {
    type Work: Future;

    fn begin(self) -> Self::Work;
}

impl<F: FnOnce() -> Fut, Fut: Future> Begin for F {
    type Work = Fut;

    fn begin(self) -> Fut {
        self()
    }
}

/// A service to be called with a request.
pub(crate) struct Visit<S, Req> {
    service: S,
    request: Req,
}

impl<S: Service<Req>, Req> Begin for Visit<S, Req> {
    type Work = ready::Call<S, Req>;

    fn begin(self) -> Self::Work {
        ready::Call::of(self.service, self.request)
    }
}

pin_project! {
    /// The work of a request that was let through, that waits for its turn, or that was refused.
    #[project = GatedProj]
    pub(crate) enum Gated<B, W> {
        Running { #[pin] work: W, spent: Spent },
        Waiting { turn: Turn, begin: Option<B> },
        Refused { refusal: Option<Refusal> },
    }
}

impl<B: Begin> Gated<B, B::Work> {
    pub(super) fn new(entrance: Entrance, begin: B) -> Self {
        match entrance {
            Entrance::Admitted(spent) => Self::Running {
                work: begin.begin(),
                spent,
            },
            Entrance::Waits(turn) => Self::waiting(turn, begin),
            Entrance::Refused(refusal) => Self::refused(refusal),
        }
    }
}

impl<B, W> Gated<B, W> {
    fn waiting(turn: Turn, begin: B) -> Self {
        let begin = Some(begin);
        Self::Waiting { turn, begin }
    }

    fn refused(refusal: Refusal) -> Self {
        let refusal = Some(refusal);
        Self::Refused { refusal }
    }
}

/// A request to a service behind a limit.
pub(crate) type Visited<S, Req> = Gated<Visit<S, Req>, ready::Call<S, Req>>;

impl<S: Service<Req> + Clone, Req> Visited<S, Req> {
    /// Calls the service at once if it is ready, and otherwise takes a clone along.
    #[inline]
    pub(crate) fn of_service(entrance: Entrance, service: &mut S, request: Req) -> Self {
        match entrance {
            Entrance::Admitted(spent) => Self::Running {
                work: ready::Call::new(service, request),
                spent,
            },
            Entrance::Waits(turn) => {
                let service = service.clone();
                Self::waiting(turn, Visit { service, request })
            }
            Entrance::Refused(refusal) => Self::refused(refusal),
        }
    }
}

impl<B: Begin> Gated<B, B::Work> {
    /// Returns what the work ended with, and what was left when it was let through.
    #[inline]
    pub(crate) fn poll_spent(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(<B::Work as Future>::Output, Spent), Refusal>> {
        loop {
            match self.as_mut().project() {
                GatedProj::Running { work, spent } => return work.poll(cx).map(|output| Ok((output, *spent))),
                GatedProj::Waiting { turn, begin } => {
                    let spent = ready!(Pin::new(turn).poll(cx));
                    let Some(begin) = begin.take() else {
                        return Poll::Pending;
                    };
                    match spent {
                        Ok(spent) => {
                            let work = begin.begin();
                            self.set(Self::Running { work, spent });
                        }
                        Err(refusal) => self.set(Self::Refused { refusal: Some(refusal) }),
                    }
                }
                GatedProj::Refused { refusal } => {
                    return refusal
                        .take()
                        .map_or(Poll::Pending, |refusal| Poll::Ready(Err(refusal)));
                }
            }
        }
    }
}

pin_project! {
    /// The response of a service behind a rate limit.
    pub struct ResponseFuture<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        gated: Visited<S, Req>,
    }
}

impl<S: Service<Req>, Req> ResponseFuture<S, Req> {
    #[inline]
    pub(super) fn new(gated: Visited<S, Req>) -> Self {
        Self { gated }
    }
}

impl<S: Service<Req, Error: Into<BoxError>>, Req> Future for ResponseFuture<S, Req> {
    type Output = Result<S::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().gated.poll_spent(cx)) {
            Ok((output, _)) => output.map_err(Into::into),
            Err(refusal) => Err(Box::new(refusal)),
        })
    }
}

pin_project! {
    /// A future of the user's own under a rate limit; made by [`RateLimit::call`](super::RateLimit::call).
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<F, Fut> {
        #[pin]
        gated: Gated<F, Fut>,
    }
}

impl<F, Fut> Call<F, Fut> {
    pub(super) fn new(gated: Gated<F, Fut>) -> Self {
        Self { gated }
    }
}

impl<F, Fut, T, E> Future for Call<F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Guarded<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().gated.poll_spent(cx)) {
            Ok((output, _)) => output.map_err(Guarded::Inner),
            Err(refusal) => Err(Guarded::Refused(refusal)),
        })
    }
}
