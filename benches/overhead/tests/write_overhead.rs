//! `ci/write-overhead` refuses figures that do not belong together.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

const NOON: u64 = 1_800_000_000;

/// A folder of figures, which is gone when this is dropped.
struct Figures(PathBuf);

impl Figures {
    /// Leaves figures that belong together.
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("seaworthy-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("there is room");
        let figures = Self(folder);
        for bench in ["overhead", "peers", "server"] {
            figures.leave(bench, &origin());
        }
        figures
    }

    fn leave(&self, bench: &str, origin: &Value) {
        let path = self.0.join(format!("{bench}.json"));
        fs::write(path, origin.to_string()).expect("there is room");
    }

    /// Returns why they are refused, or nothing.
    fn refusal(&self) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ci/write-overhead");
        let ended = Command::new("python3").arg(script).arg("--check").arg(&self.0).output();
        let ended = ended.expect("python3 is there");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.success(), said.is_empty(), "{said}");
        said
    }
}

impl Drop for Figures {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn origin() -> Value {
    json!({
        "machine": { "processor": "abacus", "cores": 2, "compiler": "rustc 1" },
        "time": NOON,
        "commit": "c0ffee",
    })
}

#[test]
fn figures_of_one_machine_day_and_commit_are_written() {
    let figures = Figures::new("alike");
    let mut later = origin();
    later["time"] = json!(NOON + 86_400);
    figures.leave("server", &later);
    assert_eq!(figures.refusal(), "");
}

#[test]
fn figures_of_two_machines_are_refused() {
    for (what, value) in [
        ("processor", json!("slide rule")),
        ("cores", json!(3)),
        ("compiler", json!("rustc 2")),
    ] {
        let figures = Figures::new(what);
        let mut other = origin();
        other["machine"][what] = value.clone();
        figures.leave("server", &other);
        let refusal = figures.refusal();
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        for said in [
            &format!("one {what}"),
            &format!("server.json: {value}"),
            "--bench server",
        ] {
            assert!(refusal.contains(said), "{said} is not in {refusal:?}");
        }
    }
}

#[test]
fn figures_of_another_commit_are_refused_if_that_is_known() {
    let figures = Figures::new("commit");
    let mut other = origin();
    other["commit"] = json!("decaf");
    figures.leave("peers", &other);
    assert!(figures.refusal().contains("peers.json: decaf"), "{}", figures.refusal());
    other["commit"] = Value::Null;
    figures.leave("peers", &other);
    assert_eq!(figures.refusal(), "");
}

#[test]
fn figures_that_are_a_day_older_are_refused() {
    let figures = Figures::new("older");
    let mut old = origin();
    old["time"] = json!(NOON - 86_401);
    figures.leave("peers", &old);
    let refusal = figures.refusal();
    assert!(refusal.contains("peers.json is 24 hours older"), "{refusal}");
    assert!(refusal.contains("cargo bench -p seaworthy-peers"), "{refusal}");
}

#[test]
fn a_bench_that_has_not_run_is_named() {
    let figures = Figures::new("missing");
    fs::remove_file(figures.0.join("server.json")).expect("it is there");
    assert!(figures.refusal().contains("--bench server"), "{}", figures.refusal());
}
