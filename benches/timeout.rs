//! What a timeout adds to a call that succeeds, beside tower's own: `cargo bench --bench timeout --features full`.
//!
//! One interleaved run: batches of well under a millisecond, in turn, each turn beginning with another. Take the ratios,
//! as the machine is never quiet.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};

use seaworthy::timeout::Timeout;
use tower::{Layer, Service, ServiceExt, service_fn};

const ROUNDS: usize = 3_001;
const BATCH: u32 = 500;

async fn ready(n: u64) -> Result<u64, Infallible> {
    Ok(black_box(n) + 1)
}

async fn pending_once(n: u64) -> Result<u64, Infallible> {
    tokio::task::yield_now().await;
    Ok(black_box(n) + 1)
}

/// Returns the nanoseconds of one call, over a batch of them.
async fn batch<S: Service<u64, Response = u64, Error: std::fmt::Debug>>(service: &mut S) -> f64 {
    let start = Instant::now();
    for n in 0..u64::from(BATCH) {
        let answer = service.ready().await.unwrap().call(black_box(n)).await;
        assert_eq!(black_box(answer).unwrap(), n + 1);
    }
    start.elapsed().as_nanos() as f64 / f64::from(BATCH)
}

async fn compare<S>(what: &str, inner: S)
where
    S: Service<u64, Response = u64, Error = Infallible> + Clone,
{
    let limit = Duration::from_secs(10);
    let timeout = Timeout::builder("bench").limit(limit).build().unwrap();
    let (mut bare, mut ours) = (inner.clone(), timeout.layer().layer(inner.clone()));
    let mut theirs = tower::timeout::Timeout::new(inner, limit);
    let mut times = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        for turn in 0..3 {
            let which = (round + turn) % 3;
            times[which].push(match which {
                0 => batch(&mut bare).await,
                1 => batch(&mut ours).await,
                _ => batch(&mut theirs).await,
            });
        }
    }
    let [bare, ours, theirs] = times.map(Spread::of);
    println!("{what}: bare {:.1} ns", bare.median);
    for (name, Spread { low, median, high }) in [("seaworthy", ours), ("tower", theirs)] {
        let added = median - bare.median;
        println!("  {name:10} +{added:.0} ns (median {median:.0}, the middle half {low:.0} to {high:.0})");
    }
}

struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[(times.len() as f64 * share) as usize];
        Self {
            low: at(0.25),
            median: at(0.5),
            high: at(0.75),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    compare("ready at once", service_fn(ready)).await;
    compare("pending once", service_fn(pending_once)).await;
}
