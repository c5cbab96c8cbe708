//! Holds the instructions of every row to those that are written down.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;

use seaworthy_harness::baseline::{self, Baseline, Instructions, Tolerated};
use seaworthy_harness::machine::Machine;
use seaworthy_harness::surroundings::Surroundings;

use crate::instructions;

/// Where they are written down, and what writes them there.
const FILE: &str = "ci/overhead.toml";
const RECORD: &str = "ci/instructions record";

/// Counts them, and compares them with those that are written down.
pub(crate) fn compare() -> Result<(), Box<dyn Error>> {
    let Baseline {
        tolerated,
        instructions: written,
        ..
    } = Baseline::read()?;
    let machine = Machine::this();
    if machine.host != written.host {
        println!(
            "NOT COMPARED: {FILE} is of {}, this is {}; `{RECORD}` would write this one down instead",
            written.host, machine.host
        );
        return Ok(());
    }
    let limits = Limits::of(&written, tolerated, &machine.compiler);
    println!("{}", limits.reason);
    let mut counted = count()?;
    let mut complaints = judge(&written, &limits, &counted);
    // What time has a part in may meet another time when it is counted again; what the code costs always comes again.
    for _ in 0..2 {
        if !complaints.is_empty() {
            keep_nearer(&mut counted, &count()?, &written);
            complaints = judge(&written, &limits, &counted);
        }
    }
    println!("{} rows counted, {} complaints", counted.len(), complaints.len());
    if complaints.is_empty() {
        return Ok(());
    }
    Err(complaints.join("\n").into())
}

fn count() -> Result<HashMap<String, f64>, Box<dyn Error>> {
    let surroundings = Surroundings::new()?;
    let _entered = surroundings.enter();
    instructions::of(&[])
}

/// How far a row may be from what is written down.
struct Limits {
    share: f64,
    few: f64,
    /// Why so far.
    reason: String,
}

impl Limits {
    fn of(written: &Instructions, tolerated: Tolerated, compiler: &str) -> Self {
        let few = tolerated.few_instructions;
        if compiler == written.compiler {
            let share = tolerated.instructions;
            let reason = format!(
                "the compiler is that of {FILE}, {compiler}: {:.0} % are tolerated, and {few} in any case",
                share * 100.0
            );
            return Self { share, few, reason };
        }
        let share = tolerated.instructions_of_another_compiler;
        let reason = format!(
            "ANOTHER COMPILER: {FILE} is of {}, this is {compiler}: {:.0} % are tolerated instead of {:.0} %, and {few} in \
             any case; `{RECORD}` makes it this one's",
            written.compiler,
            share * 100.0,
            tolerated.instructions * 100.0
        );
        Self { share, few, reason }
    }

    fn around(&self, written: f64) -> f64 {
        self.few.max(self.share * written)
    }
}

/// Keeps of two counts of each row that which is nearer to what is written down.
fn keep_nearer(counted: &mut HashMap<String, f64>, again: &HashMap<String, f64>, written: &Instructions) {
    for (row, count) in counted {
        if let (Some(again), Some(written)) = (again.get(row), written.added.get(row))
            && (again - written).abs() < (*count - written).abs()
        {
            *count = *again;
        }
    }
}

/// Complains of every row that costs more than is written down, and of every one that costs less: what is won and not
/// written down can be lost again unseen.
fn judge(written: &Instructions, limits: &Limits, counted: &HashMap<String, f64>) -> Vec<String> {
    let mut complaints: Vec<String> = Vec::new();
    for (row, &count) in counted {
        let Some(&added) = written.added.get(row) else {
            complaints.push(format!(
                "{row}: {count:.1} instructions, and nothing is recorded in {FILE}; `{RECORD}` does it"
            ));
            continue;
        };
        let around = limits.around(added);
        let said = format!("{row}: {count:.1} instructions, {added:.1} are recorded in {FILE}");
        if count > added + around {
            complaints.push(format!("{said}; if it is meant to cost more, `{RECORD}`"));
        } else if count < added - around {
            complaints.push(format!(
                "{said}; it costs less now: `{RECORD}`, or that can be lost again unseen"
            ));
        }
    }
    let gone = written.added.keys().filter(|row| !counted.contains_key(*row));
    complaints.extend(gone.map(|row| format!("{row}: recorded in {FILE}, and there is no such row; `{RECORD}`")));
    complaints.sort();
    complaints
}

/// Writes them down.
pub(crate) fn record() -> Result<(), Box<dyn Error>> {
    let machine = Machine::this();
    let counted = count()?;
    let path = baseline::path();
    let text = recorded(&fs::read_to_string(&path)?, &machine, &counted)?;
    fs::write(path, text)?;
    println!("{} rows written down", counted.len());
    Ok(())
}

/// Puts what was counted in the place of what the file had.
fn recorded(text: &str, machine: &Machine, counted: &HashMap<String, f64>) -> Result<String, Box<dyn Error>> {
    let (before, _) = text
        .split_once("[instructions]\n")
        .ok_or("the file has no part `[instructions]`")?;
    let mut text = format!(
        "{before}[instructions]\ncompiler = {:?}\nhost = {:?}\n\n[instructions.added]\n",
        machine.compiler, machine.host
    );
    let mut rows: Vec<(&String, &f64)> = counted.iter().collect();
    rows.sort_by_key(|(row, _)| row.as_str());
    for (row, count) in rows {
        writeln!(text, "{row:?} = {count:.1}")?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
