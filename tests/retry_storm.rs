//! A thousand clients of a server that fails, in virtual time: what retries add to its load, with and without a budget.

use std::future::ready;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use seaworthy::BoxError;
use seaworthy::budget::Budget;
use seaworthy::random::Random;
use seaworthy::replay::Idempotent;
use seaworthy::retry::{Appraisal, Appraise, Retry, RetryBuilder};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Layer, ServiceExt, service_fn};

const CLIENTS: u32 = 1000;
const SECONDS: u32 = 30;

#[derive(Clone)]
struct Read;

impl Idempotent for Read {}

/// What came of a storm.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    requests: u64,
    attempts: u64,
}

impl Load {
    fn amplification(self) -> f64 {
        self.attempts as f64 / self.requests as f64
    }
}

/// Lets each client make a request a second, for half a minute, to a server that fails from the beginning on.
async fn storm(retry_of: impl Fn(u32) -> Retry) -> Load {
    let attempts = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let attempts = attempts.clone();
        let service = retry_of(client).layer().layer(service_fn(move |_: Read| {
            attempts.fetch_add(1, Ordering::Relaxed);
            async {
                sleep(Duration::from_millis(20)).await;
                Err::<(), _>(io::Error::other("down"))
            }
        }));
        clients.spawn(async move {
            let mut requests = JoinSet::new();
            for second in 0..SECONDS {
                sleep_until(start + Duration::from_millis(u64::from(second * 1000 + client))).await;
                requests.spawn(service.clone().oneshot(Read));
            }
            requests.join_all().await
        });
    }
    let ended = clients.join_all().await;
    assert!(ended.iter().flatten().all(Result::is_err));
    Load {
        requests: u64::from(CLIENTS * SECONDS),
        attempts: attempts.load(Ordering::Relaxed),
    }
}

fn builder(client: u32) -> RetryBuilder {
    Retry::builder("payments").random(Random::seeded(u64::from(client)))
}

#[tokio::test(start_paused = true)]
async fn with_a_budget_the_load_grows_by_the_budget_and_no_more() {
    let budget = Budget::builder("payments").build().unwrap();
    let load = storm(|client| builder(client).budget(budget.clone()).build().unwrap()).await;
    let config = budget.config();
    let seconds = f64::from(SECONDS + 1);
    let granted = f64::from(config.reserve) + f64::from(config.floor) * seconds;
    let most = 1.0 + f64::from(config.share) / 100.0 + granted / load.requests as f64;
    println!(
        "with a budget that all share: {load:?}, {:.3} times the load",
        load.amplification()
    );
    assert!(load.amplification() <= most, "{load:?}: more than {most}");
    assert!(load.amplification() >= 0.97 * most, "{load:?}: much less than {most}");
}

#[tokio::test(start_paused = true)]
async fn a_budget_for_each_client_bounds_all_of_them() {
    let own = || Budget::builder("payments").floor(0).reserve(0).build().unwrap();
    let load = storm(|client| builder(client).budget(own()).build().unwrap()).await;
    println!(
        "with a budget for each: {load:?}, {:.3} times the load",
        load.amplification()
    );
    assert!(load.amplification() <= 1.2, "{load:?}");
    assert!(load.amplification() >= 1.15, "{load:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_a_failing_server_has_every_attempt_of_everybody() {
    let load = storm(|client| builder(client).without_budget().build().unwrap()).await;
    println!("without a budget: {load:?}, {:.3} times the load", load.amplification());
    assert_eq!(load.attempts, 3 * load.requests);
}

/// The retry throttling of gRPC (gRFC A6): a failure costs a token, a success gives a share of one back, and with half of
/// the tokens or less nothing is retried. In thousandths of a token.
#[derive(Clone)]
struct Throttle {
    tokens: Arc<AtomicI64>,
    most: i64,
    ratio: i64,
}

impl Throttle {
    fn new(most: i64, ratio: i64) -> Self {
        Self {
            tokens: Arc::new(AtomicI64::new(most)),
            most,
            ratio,
        }
    }

    fn add(&self, tokens: i64) -> i64 {
        let add = |old: i64| Some((old + tokens).clamp(0, self.most));
        self.tokens
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, add)
            .unwrap();
        self.tokens.load(Ordering::SeqCst)
    }
}

impl<T> Appraise<T, BoxError> for Throttle {
    fn appraise(&self, end: Result<&T, &BoxError>) -> Appraisal {
        match end {
            Ok(_) => {
                self.add(self.ratio);
                Appraisal::Final
            }
            Err(_) if self.add(-1000) > self.most / 2 => Appraisal::Again,
            Err(_) => Appraisal::Final,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn grpcs_retry_throttling_comes_out_as_published() {
    // `maxTokens` 10 and `tokenRatio` 0.1, the example of gRFC A6; `maxAttempts` 4.
    let throttle = Throttle::new(10_000, 100);
    let retry = builder(0).attempts(4).total(None).without_budget().build().unwrap();
    let layer = retry.layer().appraise(throttle.clone());
    let attempts_of = async |is_up: bool| {
        let attempts = Arc::new(AtomicU64::new(0));
        let count = attempts.clone();
        let service = layer.layer(service_fn(move |_: Read| {
            count.fetch_add(1, Ordering::SeqCst);
            ready(if is_up { Ok(()) } else { Err(io::Error::other("down")) })
        }));
        let _ = service.oneshot(Read).await;
        attempts.load(Ordering::SeqCst)
    };
    // 10 → 9, 8, 7 and 6 tokens: all four attempts. Then 5, which is half: none after the first.
    let mut outage = Vec::new();
    for _ in 0..4 {
        outage.push(attempts_of(false).await);
    }
    assert_eq!(outage, [4, 1, 1, 1]);
    // 3 tokens are left. To rise above half by tenths, with the failure's own token, takes 31 successes.
    for _ in 0..30 {
        attempts_of(true).await;
    }
    assert_eq!(attempts_of(false).await, 1);
    for _ in 0..11 {
        attempts_of(true).await;
    }
    assert_eq!(
        attempts_of(false).await,
        2,
        "one attempt more, for the tenth above half"
    );

    let throttle = Throttle::new(10_000, 100);
    let shared = Arc::new(AtomicU64::new(0));
    let mut requests = JoinSet::new();
    for client in 0..CLIENTS {
        let retry = builder(client).attempts(4).without_budget().build().unwrap();
        let count = shared.clone();
        let service = retry
            .layer()
            .appraise(throttle.clone())
            .layer(service_fn(move |_: Read| {
                count.fetch_add(1, Ordering::SeqCst);
                ready(Err::<(), _>(io::Error::other("down")))
            }));
        requests.spawn(service.oneshot(Read));
    }
    requests.join_all().await;
    let added = shared.load(Ordering::SeqCst) - u64::from(CLIENTS);
    println!("gRPC's throttling: {added} retries of a thousand requests");
    assert!(added <= 4, "{added} retries");
}
