use std::collections::{BTreeMap, HashMap};

use seaworthy_harness::baseline::{Instructions, Tolerated};

use super::{Limits, judge, keep_nearer};

const TOLERATED: Tolerated = Tolerated {
    allocations: 0,
    bytes: 0,
    clock_readings: 0,
    instructions: 0.03,
    few_instructions: 6.0,
    instructions_of_another_compiler: 0.3,
};

const COMPILER: &str = "rustc 1";
const ANOTHER: &str = "rustc 2";

fn written() -> Instructions {
    Instructions {
        compiler: COMPILER.to_owned(),
        host: String::new(),
        added: BTreeMap::from([("small".to_owned(), 50.0), ("large".to_owned(), 1_000.0)]),
    }
}

fn counts(counted: &[(&str, f64)]) -> HashMap<String, f64> {
    counted.iter().map(|&(row, count)| (row.to_owned(), count)).collect()
}

fn complaints(compiler: &str, counted: &[(&str, f64)]) -> Vec<String> {
    let written = written();
    let limits = Limits::of(&written, TOLERATED, compiler);
    judge(&written, &limits, &counts(counted))
}

#[test]
fn what_is_tolerated_passes_in_both_directions() {
    for counted in [
        [("small", 56.0), ("large", 1_030.0)],
        [("small", 44.0), ("large", 970.0)],
    ] {
        assert_eq!(complaints(COMPILER, &counted), Vec::<String>::new());
    }
}

#[test]
fn what_costs_more_is_named_with_both_counts_the_file_and_the_command() {
    let complaints = complaints(COMPILER, &[("small", 57.0), ("large", 1_031.0)]);
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    for said in [
        "large",
        "1031.0",
        "1000.0",
        "ci/overhead.toml",
        "ci/instructions record",
    ] {
        assert!(complaints[0].contains(said), "{said} is not in {:?}", complaints[0]);
    }
}

#[test]
fn what_costs_less_is_to_be_recorded_too() {
    let complaints = complaints(COMPILER, &[("small", 43.0), ("large", 969.0)]);
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(
        complaints[0].contains("costs less") && complaints[0].contains("ci/instructions record"),
        "{complaints:?}"
    );
}

#[test]
fn another_compiler_may_count_otherwise_but_not_at_will() {
    let tolerated = complaints(ANOTHER, &[("small", 65.0), ("large", 1_300.0)]);
    assert_eq!(tolerated, Vec::<String>::new());
    assert_eq!(complaints(ANOTHER, &[("small", 66.0), ("large", 1_301.0)]).len(), 2);
}

#[test]
fn another_compiler_is_told_with_the_tolerance_that_holds_then() {
    let reason = |compiler| Limits::of(&written(), TOLERATED, compiler).reason;
    assert!(reason(COMPILER).contains("3 %"), "{}", reason(COMPILER));
    let another = reason(ANOTHER);
    for said in ["ANOTHER COMPILER", COMPILER, ANOTHER, "30 %"] {
        assert!(another.contains(said), "{said} is not in {another:?}");
    }
}

#[test]
fn rows_that_are_new_or_gone_are_to_be_written_down() {
    let complaints = complaints(COMPILER, &[("small", 50.0), ("new", 1.0)]);
    assert!(complaints[0].starts_with("large: recorded"), "{complaints:?}");
    assert!(complaints[1].starts_with("new: 1.0"), "{complaints:?}");
    assert_eq!(complaints.len(), 2);
}

#[test]
fn of_several_counts_the_nearest_is_judged() {
    let mut counted = counts(&[("small", 80.0), ("large", 1_000.0)]);
    keep_nearer(
        &mut counted,
        &counts(&[("small", 49.0), ("large", 2_000.0)]),
        &written(),
    );
    assert_eq!(counted, counts(&[("small", 49.0), ("large", 1_000.0)]));
}
