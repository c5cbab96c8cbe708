//! A game day for `orders`: what goes wrong in production is made to go wrong, under load, and what must hold is measured.
//!
//! ```sh
//! cargo run --release --example gameday --features full
//! ```
//!
//! Plays the script in `script.rs` against `orders` in a process of its own, with real HTTP requests; ends with 0 if every
//! phase met what is expected of it. It prints tables, draws `game-day.svg`, and writes a dated result, which the review
//! takes as evidence once the manifest names it. `--only down --without breaker` shows what a policy is there for.
//!
//! To play with a service of your own: the guide `run-a-game-day` says what is about `orders`.

#[path = "../orders/api.rs"]
mod api;
#[path = "../orders/app.rs"]
mod app;
mod arguments;
#[path = "../orders/drills.rs"]
mod drills;
mod expectation;
mod expected;
mod figures;
mod load;
mod orders;
#[path = "../orders/payments/mod.rs"]
#[expect(dead_code, reason = "the stand-in of the game day has more troubles")]
mod payments;
mod play;
mod plot;
mod policy;
mod progress;
mod record;
mod replica;
mod result;
mod script;
mod stand_in;
mod table;
mod trouble;
mod verdict;

use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;
use std::time::SystemTime;

use seaworthy::BoxError;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use arguments::{Arguments, USAGE};
use play::Stage;
use progress::Progress;
use stand_in::StandIn;
use verdict::Verdict;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    // The game day starts itself once more in this way.
    if let Some(("orders", without)) = arguments
        .first()
        .and_then(|first| Some((first.to_str()?, arguments.get(1))))
    {
        return orders::serve(without.and_then(|policy| policy.to_str()?.parse().ok()));
    }
    match Arguments::parse(arguments) {
        Ok(None) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Ok(Some(arguments)) => match game_day(&arguments) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("gameday: {error}");
                ExitCode::FAILURE
            }
        },
        Err(wrong) => {
            eprintln!("gameday: {wrong}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether every phase met what is expected of it.
#[tokio::main]
async fn game_day(arguments: &Arguments) -> Result<bool, BoxError> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        passed = play(arguments) => passed,
        _ = interrupt.recv() => Err("interrupted".into()),
        _ = terminate.recv() => Err("terminated".into()),
        _ = hangup.recv() => Err("its terminal has gone".into()),
    }
}

async fn play(arguments: &Arguments) -> Result<bool, BoxError> {
    let at = SystemTime::now();
    let stage = Stage {
        payments: StandIn::start().await?,
        without: arguments.without,
        began: Instant::now(),
        progress: Progress::new(),
    };
    let (mut played, mut verdicts) = (Vec::new(), Vec::new());
    for phase in arguments.phases() {
        let seen = stage.play(phase).await?;
        let verdict = Verdict::of(phase, &seen);
        stage.progress.end(phase, verdict.passed());
        verdicts.push(verdict);
        played.push((phase, seen));
    }
    println!("{}", table::tables(&verdicts));

    let path = arguments
        .result
        .clone()
        .unwrap_or_else(|| result::file_name(at, arguments.is_whole()).into());
    let result = result::result(at, &arguments.only, arguments.without, &verdicts);
    fs::write(&path, format!("{result:#}\n")).map_err(|error| format!("{}: {error}", path.display()))?;
    plot::draw(&played, &arguments.svg).map_err(|error| format!("{}: {error}", arguments.svg.display()))?;
    println!("\nwritten: {}\ndrawn: {}", path.display(), arguments.svg.display());
    Ok(verdicts.iter().all(Verdict::passed))
}
