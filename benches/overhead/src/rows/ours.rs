//! What our layers ask of their users, as little of it as can be.

use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll};

use seaworthy::attempt::Attempt;
use seaworthy::replay::{Idempotent, Replay};
use seaworthy::request::{AttemptEnded, AttemptSink, RequestEnded, RequestSink};
use seaworthy::retry::{Appraisal, Appraise};
use seaworthy_harness::inner::{Answer, Failure, Inner};
use tower::Service;

/// Finds nothing worth another attempt; decides at run time, as real policies do.
#[derive(Clone, Debug)]
pub struct Never;

impl<T, E> Appraise<T, E> for Never {
    fn appraise(&self, end: Result<&T, &E>) -> Appraisal {
        if end.is_err() && black_box(false) {
            Appraisal::Again
        } else {
            Appraisal::Final
        }
    }
}

/// Lets a number be sent twice.
#[derive(Clone, Debug)]
pub struct Numbers;

impl Replay<u64> for Numbers {
    type Sent = u64;
    type Kept = u64;

    fn begin(&self, n: u64) -> (u64, Option<u64>) {
        (n, Some(n))
    }

    fn again(&self, n: &mut u64, _: Attempt) -> Option<u64> {
        Some(*n)
    }
}

/// A request that says of itself that it may be sent twice.
#[derive(Clone, Debug)]
pub struct Read(pub u64);

impl Idempotent for Read {}

/// An inner service that takes such requests.
#[derive(Clone, Debug)]
pub struct Reads(pub Inner);

impl Service<Read> for Reads {
    type Response = u64;
    type Error = Failure;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Service::<u64>::poll_ready(&mut self.0, context)
    }

    fn call(&mut self, Read(n): Read) -> Answer {
        self.0.answer(n)
    }
}

/// Takes note of nothing: what counting costs is not the layers'.
#[derive(Debug)]
pub struct Untold;

impl Untold {
    /// Makes such a sink.
    pub fn sink() -> Arc<Self> {
        Arc::new(Self)
    }
}

impl RequestSink for Untold {
    fn began(&self, _: &'static str, _: &'static str) {}
    fn ended(&self, _: &RequestEnded<'_>) {}
}

impl AttemptSink for Untold {
    fn ended(&self, _: &AttemptEnded<'_>) {}
}
