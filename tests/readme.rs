//! The README claims nothing that no test shows.

use std::fs;
use std::path::Path;

/// Reads the rows of the table of guarantees: the file and the test that each names.
fn guarantees() -> Vec<(String, String)> {
    let readme = fs::read_to_string("README.md").unwrap();
    let table = readme.split("## Guarantees").nth(1).expect("a table of guarantees");
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| ") && (line.contains("`tests/") || line.contains("`src/")));
    let names = rows.map(|row| row.rsplit('|').nth(1).unwrap().split('`').collect::<Vec<_>>());
    names.map(|names| (names[1].to_owned(), names[3].to_owned())).collect()
}

#[test]
fn every_guarantee_names_a_test_that_exists() {
    let guarantees = guarantees();
    assert!(guarantees.len() > 15);
    for (file, test) in guarantees {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let declaration = format!("fn {test}(");
        let before = text
            .split(&declaration)
            .next()
            .filter(|before| before.len() < text.len());
        let before = before.unwrap_or_else(|| panic!("{file} has no test {test}"));
        let attributes = before.rsplit("\n\n").next().unwrap();
        assert!(
            attributes.contains("test") && !attributes.contains("ignore"),
            "{test} is no test that runs"
        );
    }
}

#[test]
fn every_guarantee_has_a_fault_that_its_test_must_catch() {
    // The package does not carry them.
    if !Path::new("ci/faults").exists() {
        return;
    }
    let faults = fs::read_dir("ci/faults").unwrap().map(|entry| entry.unwrap().path());
    let faults: Vec<_> = faults
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .collect();
    let headers: String = faults.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let missing: Vec<_> = guarantees()
        .into_iter()
        .filter(|(_, test)| {
            ![" ", "::"]
                .iter()
                .any(|before| headers.contains(&format!("{before}{test}\n")))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "no patch in ci/faults names these tests: {missing:#?}"
    );
}
