//! What every layer of seaworthy costs a call: `cargo bench --bench overhead --features full` runs this.
//!
//! Without arguments everything is measured, and left in files; an argument chooses the comparisons in whose titles it
//! stands. `instructions` counts the instructions alone and compares them with those that are written down,
//! `instructions record` writes them down.

mod chart;
mod chosen;
mod figures;
mod gate;
mod instructions;
mod report;
pub mod rows;

use std::error::Error;
use std::fs;

use seaworthy_harness::folder::folder;
use seaworthy_harness::surroundings::Surroundings;

/// Does what the arguments ask for.
///
/// # Errors
///
/// If a comparison is asked for that does not exist, if more is counted than is written down, and when the system refuses
/// a process, a thread or a file.
pub fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    match arguments {
        [instructions::CHILD, wanted @ ..] => instructions::count(wanted),
        ["instructions"] => gate::compare(),
        ["instructions", "record"] => gate::record(),
        wanted => measure(wanted),
    }
}

fn measure(wanted: &[&str]) -> Result<(), Box<dyn Error>> {
    let surroundings = Surroundings::new()?;
    let _entered = surroundings.enter();
    let figures = figures::measure(wanted, surroundings.handle())?;
    let text = report::table(&figures);
    print!("{text}");
    if wanted.is_empty() {
        let folder = folder()?;
        fs::write(folder.join("overhead.txt"), text)?;
        fs::write(folder.join("overhead.json"), serde_json::to_string_pretty(&figures)?)?;
        chart::draw(&figures, &folder.join("overhead.svg"))?;
        println!("\n{}/overhead.txt, .json and .svg hold the same", folder.display());
    }
    Ok(())
}
