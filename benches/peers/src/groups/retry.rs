//! Retries that have nothing to repeat: a call that succeeds, or fails in a way that is not worth another attempt.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use seatbelt::{RecoveryInfo, ResilienceContext};
use seaworthy::attempt::Attempt;
use seaworthy::replay::Replay;
use seaworthy::retry::{Appraisal, Appraise, Retry};
use tick::Clock;
use tokio::time::Sleep;
use tower::Layer as _;
use tower::retry::backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff};
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, RetryLayer};

use crate::comparison::{Comparison, Row};
use crate::drive::drive;
use crate::inner::{Failure, Inner};

pub(crate) fn comparisons(clock: &Clock) -> Vec<Comparison> {
    Inner::ALL.map(|inner| of(inner, clock)).into()
}

fn of(inner: Inner, clock: &Clock) -> Comparison {
    let retry = ours();
    Comparison {
        title: inner.to_string(),
        settings: "no failure counts as worth a retry".to_owned(),
        outcome: inner.outcome(),
        bare: Row::service("std", "bare", inner),
        rows: vec![
            Row::service("seaworthy", "layer, with its budget", layer(&retry).layer(inner)),
            Row::new("seaworthy", "direct call, with its budget", move || {
                let retry = retry.clone();
                move |n| black_box(drive(retry.call_idempotent_appraised(|| inner.answer(n), Never))).is_ok()
            }),
            Row::service("tower", "layer", RetryLayer::new(Attempts::three()).layer(inner)),
            Row::service(
                "tower",
                "layer, with its budget",
                RetryLayer::new(Budgeted::new()).layer(inner),
            ),
            Row::service(
                "tower-resilience-retry",
                "layer",
                tower_resilience_retry::RetryLayer::<u64, u64, Failure>::builder()
                    .name("payments")
                    .max_attempts(3)
                    .exponential_backoff(Duration::from_millis(100))
                    .retry_on(|_| false)
                    .build()
                    .layer(inner),
            ),
            Row::service("seatbelt", "tower layer", seatbelt(inner, clock)),
            Row::layered("seatbelt", "layered", seatbelt(inner, clock)),
            Row::new("backon", "direct call", move || {
                move |n| {
                    let attempt = || inner.answer(n);
                    black_box(drive(attempt.retry(ExponentialBuilder::default()).when(|_| false))).is_ok()
                }
            }),
        ],
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

pub(crate) fn ours() -> Retry {
    Retry::builder("payments").build().expect("the defaults are in range")
}

pub(crate) fn layer(retry: &Retry) -> seaworthy::retry::RetryLayer<Numbers, Never> {
    retry.layer().replay(Numbers).appraise(Never)
}

/// Decides at run time, as real policies do.
#[derive(Clone)]
pub(crate) struct Never;

impl<T, E> Appraise<T, E> for Never {
    fn appraise(&self, end: Result<&T, &E>) -> Appraisal {
        if end.is_err() && black_box(false) {
            Appraisal::Again
        } else {
            Appraisal::Final
        }
    }
}

/// A number may be sent twice.
#[derive(Clone)]
pub(crate) struct Numbers;

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

type SeatbeltRetry = seatbelt::retry::Retry<u64, Result<u64, Failure>, Inner>;

fn seatbelt(inner: Inner, clock: &Clock) -> SeatbeltRetry {
    let context = ResilienceContext::new(clock);
    let layer = seatbelt::retry::Retry::layer("payments", &context)
        .clone_input()
        .recovery_with(|_, _| RecoveryInfo::never());
    layer.layer(inner)
}

/// A policy as in tower's documentation, with tower's own backoff.
#[derive(Clone)]
struct Attempts {
    left: usize,
    backoff: ExponentialBackoff,
}

impl Attempts {
    fn three() -> Self {
        Self {
            left: 3,
            backoff: ExponentialBackoffMaker::default().make_backoff(),
        }
    }
}

impl Policy<u64, u64, Failure> for Attempts {
    type Future = Sleep;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, Failure>) -> Option<Sleep> {
        if !worth_a_retry(result) || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(self.backoff.next_backoff())
    }

    fn clone_request(&mut self, n: &u64) -> Option<u64> {
        Some(*n)
    }
}

/// The same with a budget instead of a number of attempts.
#[derive(Clone)]
pub(crate) struct Budgeted {
    budget: Arc<TpsBudget>,
    backoff: ExponentialBackoff,
}

impl Budgeted {
    pub(crate) fn new() -> Self {
        Self {
            budget: Arc::default(),
            backoff: ExponentialBackoffMaker::default().make_backoff(),
        }
    }
}

impl<E> Policy<u64, u64, E> for Budgeted {
    type Future = Sleep;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, E>) -> Option<Sleep> {
        if result.is_ok() {
            self.budget.deposit();
            return None;
        }
        (worth_a_retry(result) && self.budget.withdraw()).then(|| self.backoff.next_backoff())
    }

    fn clone_request(&mut self, n: &u64) -> Option<u64> {
        Some(*n)
    }
}

/// Decides at run time, as real policies do.
fn worth_a_retry<E>(result: &Result<u64, E>) -> bool {
    result.is_err() && black_box(false)
}
