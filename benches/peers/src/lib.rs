//! What the layers of seaworthy add to a call, beside those of other crates.
//!
//! `cargo bench -p seaworthy-peers -- breaker` compares the breakers; the groups are `breaker`, `timeout`, `retry`,
//! `rate-limit`, `bulkhead`, `adaptive`, `together`, `five`, `outbound` and `telemetry`, and without a name all of them are run. Take the ratios: absolute times are those of one
//! machine, which the floors at the top describe.
//!
//! `cargo bench -p seaworthy-peers --bench server` compares whole servers over loopback: bare, behind each layer of the
//! inbound stack, behind whole stacks, ours and others'; as fast as they can, and at fixed rates. `-- server 20 whole tower`
//! after it makes twenty rounds of these two and the bare one.
//!
//! # How it measures
//!
//! As `seaworthy_harness` says, with which `benches/overhead` measures ours alone.
//!
//! Peers are set up as their documentation begins, without the telemetry that some can add; ours with its defaults. Those
//! that have no tower layer are called directly, and their rows say so. Before and after it is measured, every row is
//! seen to do what is said of it.
//!
//! The profile is cargo's own for releases. `CARGO_PROFILE_BENCH_LTO=fat CARGO_PROFILE_BENCH_CODEGEN_UNITS=1` shows what
//! those get who ask the compiler for more.

mod clocked;
mod groups;
mod report;
mod server;
mod versions;

pub use server::serve_and_load;

use std::error::Error;
use std::fs;
use std::time::Duration;

use seaworthy_harness::comparison::Comparison;
use seaworthy_harness::origin::Origin;
use seaworthy_harness::pair::{Limits, Pair};
use seaworthy_harness::{cores, folder, interleave};

use clocked::Clocked;
use groups::Group;
use report::Measured;
use versions::Versions;

/// So many that a median stands still.
const ROUNDS: usize = 3_001;
/// Fewer, as a round takes longer here: contended batches take a multiple of their time alone.
const ROUNDS_OF_TWO: Limits = Limits {
    rounds: 1_001,
    patience: Duration::from_secs(15),
};

/// Measures the groups whose names contain one of `wanted`, or all, and prints what they found.
///
/// # Errors
///
/// If a name is that of no group, or the runtime cannot be started.
pub fn run(wanted: &[String]) -> Result<(), Box<dyn Error>> {
    let groups = chosen(wanted)?;
    let Clocked {
        surroundings, clock, ..
    } = &Clocked::new()?;
    let _entered = surroundings.enter();
    let versions = Versions::of_this_build();
    let pair = cores::two().and_then(|cores| Pair::new(&cores, surroundings.handle()));
    let measure = |comparison: Comparison| Measured {
        alone: interleave::measure(&comparison, ROUNDS),
        pair: pair
            .as_ref()
            .filter(|_| comparison.on_two_threads)
            .map(|pair| pair.measure(&comparison, ROUNDS_OF_TWO)),
        comparison,
    };

    let origin = Origin::now();
    let mut text = format!("ours beside its peers; {}\n\n", origin.machine);
    text += &report::floors(&measure(groups::floors::comparison()), &versions);
    let mut measured = Vec::new();
    for group in &groups {
        let mut of_group = Vec::new();
        for comparison in (group.comparisons)(clock) {
            eprintln!("measuring {}: {}", group.name, comparison.title);
            of_group.push(measure(comparison));
        }
        measured.push((group.name, of_group));
    }
    text += &report::standings(&measured, &versions);
    for (name, of_group) in &measured {
        text += &report::group(name, of_group, &versions);
    }
    print!("{text}");
    if groups.len() == groups::ALL.len() {
        let folder = folder::folder()?;
        fs::write(folder.join("peers.txt"), text)?;
        fs::write(folder.join("peers.json"), serde_json::to_string_pretty(&origin)?)?;
    }
    Ok(())
}

fn chosen(wanted: &[String]) -> Result<Vec<Group>, String> {
    let is = |group: &Group, name: &str| group.name.contains(name);
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !groups::ALL.iter().any(|group| is(group, name)))
    {
        let names = groups::ALL.map(|group| group.name).join(", ");
        return Err(format!("no group is called `{unknown}`; there are: {names}"));
    }
    let chosen = groups::ALL
        .into_iter()
        .filter(|group| wanted.is_empty() || wanted.iter().any(|name| is(group, name)));
    Ok(chosen.collect())
}

#[cfg(test)]
mod tests {
    use super::chosen;
    use crate::groups::ALL;

    fn names(wanted: &[&str]) -> Result<Vec<&'static str>, String> {
        let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        Ok(chosen(&wanted)?.iter().map(|group| group.name).collect())
    }

    #[test]
    fn without_a_name_all_groups_are_chosen() {
        assert_eq!(names(&[]).map(|names| names.len()), Ok(ALL.len()));
    }

    #[test]
    fn a_part_of_its_name_chooses_a_group() {
        assert_eq!(names(&["time"]), Ok(vec!["timeout"]));
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_there_are() {
        let refusal = names(&["timeout", "fuse"]).expect_err("there is no fuse");
        assert!(refusal.contains("`fuse`") && refusal.contains("timeout"), "{refusal}");
    }
}
