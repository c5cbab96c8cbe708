//! Shows what a storm does to a service, with and without the guards that stand against it.
//!
//! ```sh
//! cargo run --example storm --features full
//! ```
//!
//! Prints a table of Markdown and draws `storm.svg`. Everything happens in virtual time, so minutes take seconds; the
//! same seed brings the same figures. What they must come to is held by `tests/storm.rs`.

mod arguments;
mod plot;
mod sim;
mod table;

use std::error::Error;
use std::process::ExitCode;

use arguments::Arguments;
use sim::{Record, Scenario};

fn main() -> ExitCode {
    match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(None) => {
            println!("{}", arguments::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Some(arguments)) => match storm(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("storm: cannot draw {}: {error}", arguments.path.display());
                ExitCode::FAILURE
            }
        },
        Err(wrong) => {
            eprintln!("storm: {wrong}\n\n{}", arguments::USAGE);
            ExitCode::from(2)
        }
    }
}

/// One scenario, without its guards and with them.
struct Pair {
    scenario: Scenario,
    records: [Record; 2],
}

fn storm(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    println!(
        "seed {}, capacity {} requests a second\n",
        arguments.seed,
        sim::CAPACITY
    );
    println!("{}", table::HEAD);
    let mut pairs = Vec::new();
    for scenario in sim::all() {
        let records = [false, true].map(|is_guarded| {
            let record = sim::run(&scenario, |seed| (scenario.guards)(is_guarded, seed), arguments.seed);
            println!(
                "{}",
                table::row(&scenario, is_guarded, &sim::figures(&scenario, &record))
            );
            record
        });
        pairs.push(Pair { scenario, records });
    }
    plot::draw(&pairs, &arguments.path)?;
    println!("\ndrawn: {}", arguments.path.display());
    Ok(())
}
