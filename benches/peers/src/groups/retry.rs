//! Retries that have nothing to repeat: a call that succeeds, or fails in a way that is not worth another attempt.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use seatbelt::{RecoveryInfo, ResilienceContext};
use seaworthy::retry::Retry;
use seaworthy_overhead::rows::ours::{Never, Numbers};
use tick::Clock;
use tokio::time::Sleep;
use tower::Layer as _;
use tower::retry::backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff};
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, RetryLayer};

use seaworthy_harness::comparison::{Comparison, Row};
use seaworthy_harness::drive::drive;
use seaworthy_harness::inner::{Failure, Inner};

/// A bound on how many further attempts there are to all first ones, which has to be kept for each of those.
const BUDGETED: &str = "with a budget";
/// And a bound on the time for all attempts together, for which whoever waits needs a timer.
pub(crate) const TIMED: &str = "with a budget and a total";

pub(crate) fn comparisons(clock: &Clock) -> Vec<Comparison> {
    Inner::ALL.map(|inner| of(inner, clock)).into()
}

fn of(inner: Inner, clock: &Clock) -> Comparison {
    let bare = Retry::builder("payments").total(None).without_budget();
    let bare = bare.build().expect(IN_RANGE);
    let mut rows = Vec::new();
    for (retry, [layer, direct], alike) in [
        (
            ours(),
            [
                "layer, with its budget and total",
                "direct call, with its budget and total",
            ],
            TIMED,
        ),
        (
            without_total(),
            ["layer, with its budget", "direct call, with its budget"],
            BUDGETED,
        ),
        (bare, ["layer", "direct call"], ""),
    ] {
        rows.extend(layer_and_direct(retry, inner, layer, direct).map(|row| row.alike(alike)));
    }
    rows.extend(peers(inner, clock));
    Comparison {
        title: inner.to_string(),
        settings: "no failure counts as worth a retry; a total is a bound on the time for all attempts".to_owned(),
        outcome: inner.outcome(),
        bare: Row::service("std", "bare", inner),
        rows,
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

fn layer_and_direct(retry: Retry, inner: Inner, what: &'static str, direct: &'static str) -> [Row; 2] {
    [
        Row::service("seaworthy", what, layer(&retry).layer(inner)),
        Row::new("seaworthy", direct, move || {
            let retry = retry.clone();
            move |n| black_box(drive(retry.call_idempotent_appraised(|| inner.answer(n), Never))).is_ok()
        }),
    ]
}

fn peers(inner: Inner, clock: &Clock) -> Vec<Row> {
    vec![
        Row::service("tower", "layer", RetryLayer::new(Attempts::three()).layer(inner)),
        Row::service(
            "tower",
            "layer, with its budget",
            RetryLayer::new(Budgeted::new()).layer(inner),
        )
        .alike(BUDGETED),
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
    ]
}

const IN_RANGE: &str = "the settings are in range";

/// With its defaults, a budget and a total among them.
pub(crate) fn ours() -> Retry {
    Retry::builder("payments").build().expect(IN_RANGE)
}

/// With its budget alone, as tower's can have one.
pub(crate) fn without_total() -> Retry {
    Retry::builder("payments").total(None).build().expect(IN_RANGE)
}

pub(crate) fn layer(retry: &Retry) -> seaworthy::retry::RetryLayer<Numbers, Never> {
    retry.layer().replay(Numbers).appraise(Never)
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
