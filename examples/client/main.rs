//! A guarded client alone, of a job or a tool: nothing is served, and no port is opened.
//!
//! ```sh
//! cargo run --example client --features app
//! ```
//!
//! It calls `rates`, which it starts itself, and which is well, flaky, hangs and is down by turns; says what came of each
//! call; and lists what the guards have counted. Take `rates.rs` from it: a dependency is declared once, and whoever has
//! the client cannot call it without deadline, retry, breaker, attempt timeout and bulkhead.

mod rates;
mod upstream;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use seaworthy::inventory::{Describe, Entry};
use seaworthy::{App, BoxError, HttpClient};
use tokio::task::JoinSet;
use tokio::time::sleep;

use rates::ask;
use upstream::{Mood, Upstream};

#[tokio::main]
async fn main() -> ExitCode {
    match convert().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn convert() -> Result<(), BoxError> {
    let upstream = Upstream::default();
    let mut app = App::builder("converter");
    let rates = rates::declare(&mut app, &upstream.serve().await?);
    // Reads the settings: `SEAWORTHY_DEPENDENCIES__RATES__DEADLINE=2s` wins over what the program says.
    app.build()?;

    for (mood, calls) in [
        (Mood::Healthy, 3),
        (Mood::Flaky, 3),
        (Mood::Hanging, 2),
        (Mood::Down, 6),
    ] {
        upstream.set(mood);
        in_turn(&rates, mood, calls).await;
    }
    upstream.set(Mood::Healthy);
    in_turn(&rates, Mood::Healthy, 1).await;
    println!("\nA second later, when the circuit lets some calls through again:");
    sleep(Duration::from_secs(1)).await;
    in_turn(&rates, Mood::Healthy, 5).await;

    println!("\nTwenty at once, for which there are four places and a queue of four:");
    upstream.set(Mood::Slow);
    at_once(&rates, 20).await;

    println!("\nWhat the guards have counted:");
    rates.dependency().describe_all().iter().for_each(print);
    Ok(())
}

async fn in_turn(rates: &HttpClient, mood: Mood, calls: u32) {
    println!("\n{mood:?}:");
    for _ in 0..calls {
        let start = Instant::now();
        let ending = ask(rates).await;
        println!("  {:4} ms  {ending}", start.elapsed().as_millis());
    }
}

async fn at_once(rates: &HttpClient, calls: u32) {
    let mut under_way = JoinSet::new();
    for _ in 0..calls {
        let rates = rates.clone();
        under_way.spawn(async move { ask(&rates).await });
    }
    for ending in under_way.join_all().await {
        println!("  {ending}");
    }
}

fn print(entry: &Entry) {
    let counters = entry.counters.iter().filter(|(_, count)| *count > 0);
    let counters: Vec<_> = counters.map(|(name, count)| format!("{name} {count}")).collect();
    println!("  {:10} {:9} {}", entry.kind, entry.state, counters.join(", "));
}
