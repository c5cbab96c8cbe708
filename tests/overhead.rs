//! What a call through every layer allocates, and how often it reads the clock, as `ci/overhead.toml` has it. In a binary of its
//! own, as it counts for the whole process.

// As a part of this test and no crate: the package is built as users build it, without the features by which the clock counts.
#[path = "../benches/overhead/src/rows/mod.rs"]
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use seaworthy::clock;
use seaworthy_harness::allocations;
use seaworthy_harness::baseline::{self, Baseline, Calls, Tolerated};
use seaworthy_harness::comparison::Row;
use seaworthy_harness::surroundings::Surroundings;

/// So many that whatever is made by a first call has been made, and tables have grown for all keys.
const WARM_UP: u32 = 2_000;
/// All of them count: what happens at each tenth call alone is no less there.
const CALLS: u32 = 1_000;

/// What so many calls did; less than nothing if a row does less than the service alone.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counted {
    allocations: i64,
    bytes: i64,
    clock_readings: i64,
}

impl Counted {
    fn of(row: &Row) -> Self {
        let mut batch = row.batch();
        batch(WARM_UP);
        let before = clock::reads();
        let allocated = allocations::count(|| {
            batch(CALLS);
        });
        Self {
            allocations: allocated.count.cast_signed(),
            bytes: allocated.bytes.cast_signed(),
            clock_readings: (clock::reads() - before).cast_signed(),
        }
    }

    fn over(self, bare: Self) -> Self {
        Self {
            allocations: self.allocations - bare.allocations,
            bytes: self.bytes - bare.bytes,
            clock_readings: self.clock_readings - bare.clock_readings,
        }
    }

    fn is_as(self, written: Calls, tolerated: Tolerated) -> bool {
        let of_all = |of_one: f64| (of_one * f64::from(CALLS)).round() as i64;
        self.allocations.abs_diff(of_all(written.allocations)) <= tolerated.allocations
            && self.bytes.abs_diff(of_all(written.bytes)) <= tolerated.bytes
            && self.clock_readings.abs_diff(of_all(written.clock_readings)) <= tolerated.clock_readings
    }

    /// Returns it as the file has it: for one call.
    fn written(self) -> String {
        let of_one = |of_all: i64| of_all as f64 / f64::from(CALLS);
        let [allocations, bytes, clock_readings] = [self.allocations, self.bytes, self.clock_readings].map(of_one);
        format!("{{ allocations = {allocations}, bytes = {bytes}, clock_readings = {clock_readings} }}")
    }
}

/// Counts what every row does more than the service alone.
fn all() -> BTreeMap<String, Counted> {
    let surroundings = Surroundings::new().unwrap();
    let _entered = surroundings.enter();
    let mut all = BTreeMap::new();
    for comparison in rows::all() {
        comparison.verify();
        let bare = Counted::of(&comparison.bare);
        for row in &comparison.rows {
            let added = Counted::of(row).over(bare);
            all.insert(baseline::name(&comparison.title, row.what), added);
        }
    }
    all
}

const PAGE: &str = include_str!("../src/docs/overhead.md");

/// Returns what a page has between two of its marks.
fn block<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("<!-- begin {name} -->")).unwrap();
    rest.split_once(&format!("<!-- end {name} -->")).unwrap().0
}

#[test]
fn the_docs_have_a_line_for_every_row() {
    let mut title = "";
    let mut rows = BTreeSet::new();
    for line in block(PAGE, "overhead").lines() {
        if let Some((heading, _)) = line.split_once(" ns bare)") {
            title = heading.trim().rsplit_once(" (").unwrap().0;
        } else if let Some(row) = line.strip_prefix("    ").filter(|row| !row.starts_with(' ')) {
            rows.insert(baseline::name(title, row.split("  ").next().unwrap()));
        }
    }
    let written: BTreeSet<String> = Baseline::read().unwrap().calls.into_keys().collect();
    let otherwise: Vec<_> = rows.symmetric_difference(&written).collect();
    assert!(
        otherwise.is_empty(),
        "`ci/write-overhead` has been told of others: {otherwise:#?}"
    );
}

#[test]
fn the_readme_has_the_table_of_the_docs() {
    let readme = include_str!("../README.md");
    assert_eq!(block(readme, "standings"), block(PAGE, "standings"));
    assert!(block(PAGE, "standings").lines().count() > 20);
}

/// Returns the layers that are declared below a folder.
fn declared(folder: &Path, layers: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            declared(&path, layers);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| line.trim().strip_prefix("pub struct "));
            let names = names.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
            layers.extend(names.filter(|name| name.ends_with("Layer")).map(str::to_owned));
        }
    }
}

#[test]
fn every_layer_has_a_row() {
    let mut layers = BTreeSet::new();
    declared(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut layers);
    assert!(layers.contains("TimeoutLayer"), "{layers:?}");
    let surroundings = Surroundings::new().unwrap();
    let _entered = surroundings.enter();
    let rows = rows::all();
    let named = rows.iter().flat_map(|comparison| &comparison.rows);
    for name in named.filter_map(|row| row.layer) {
        // `seaworthy::policy::retry::layer::RetryLayer<…>`
        let path = name.split('<').next().unwrap();
        layers.remove(path.rsplit("::").next().unwrap());
    }
    assert!(layers.is_empty(), "no row of benches/overhead is of {layers:?}");
}

#[test]
fn a_row_that_does_less_than_the_service_alone_is_less_than_nothing() {
    let of = |allocations| Counted {
        allocations,
        bytes: 0,
        clock_readings: 0,
    };
    assert_eq!(of(1).over(of(3)), of(-2));
}

// One test of these: allocations are counted for one thread at a time.
#[test]
fn every_row_allocates_and_reads_the_clock_as_often_as_is_written_down() {
    let Baseline {
        tolerated,
        calls: written,
        ..
    } = Baseline::read().unwrap();
    let counted = all();
    let gone = written.keys().filter(|row| !counted.contains_key(*row));
    let gone = gone.map(|row| format!("there is no row {row:?}\n"));
    let otherwise = counted.iter().filter(|(row, counted)| {
        let written = written.get(*row);
        !written.is_some_and(|written| counted.is_as(*written, tolerated))
    });
    let otherwise = otherwise.map(|(row, counted)| format!("{row:?} = {}\n", counted.written()));
    let complaints: String = gone.chain(otherwise).collect();
    assert!(
        complaints.is_empty(),
        "ci/overhead.toml says otherwise; counted were\n{complaints}"
    );
}
