//! The services inside: as cheap as can be, and the same for everyone.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::Service;

use crate::comparison::Outcome;

thread_local!(static REACHED: Cell<u64> = const { Cell::new(0) });

/// Returns how many calls of this thread an inner service has answered.
pub fn reached() -> u64 {
    REACHED.get()
}

/// An inner service, told apart at run time: a type for each would let the compiler drop what can never be needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// Answers on the first poll.
    ReadyAtOnce,
    /// Answers on the second poll.
    PendingOnce,
    /// Fails on the first poll.
    Failing,
}

impl Inner {
    /// Every kind of it.
    pub const ALL: [Self; 3] = [Self::ReadyAtOnce, Self::PendingOnce, Self::Failing];

    /// Returns what becomes of a call that is let through to it.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::ReadyAtOnce | Self::PendingOnce => Outcome::Success,
            Self::Failing => Outcome::Failure,
        }
    }

    /// Calls it, as one calls a function.
    pub fn answer(self, n: u64) -> Answer {
        Answer {
            n,
            pending: self == Self::PendingOnce,
            fails: self == Self::Failing,
        }
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadyAtOnce => "inner ready at once",
            Self::PendingOnce => "inner pending once",
            Self::Failing => "inner failing",
        })
    }
}

impl Service<u64> for Inner {
    type Response = u64;
    type Error = Failure;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u64) -> Answer {
        self.answer(n)
    }
}

impl<B: Default> Service<Request<B>> for Inner {
    type Response = Response<B>;
    type Error = Failure;
    type Future = HttpAnswer<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> HttpAnswer<B> {
        black_box(&request);
        HttpAnswer {
            answer: self.answer(0),
            body: PhantomData,
        }
    }
}

/// The future of an inner service.
#[derive(Debug)]
pub struct Answer {
    n: u64,
    pending: bool,
    fails: bool,
}

impl Future for Answer {
    type Output = Result<u64, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::take(&mut self.pending) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        REACHED.set(REACHED.get() + 1);
        let n = black_box(self.n);
        Poll::Ready(if self.fails { Err(Failure(n)) } else { Ok(n + 1) })
    }
}

/// The future of an inner service over HTTP.
#[derive(Debug)]
pub struct HttpAnswer<B> {
    answer: Answer,
    body: PhantomData<fn() -> B>,
}

impl<B: Default> Future for HttpAnswer<B> {
    type Output = Result<Response<B>, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answer).poll(context);
        answer.map_ok(|_| Response::new(B::default()))
    }
}

/// What a failing inner service says; of some size, as real errors are, so that boxing it allocates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failure(u64);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} failed", self.0)
    }
}

impl Error for Failure {}
