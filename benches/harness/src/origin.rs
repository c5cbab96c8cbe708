//! Where figures come from: figures of one page must be of one machine, one day and one library.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::process::Command;
use std::time::SystemTime;

use serde::Serialize;

use crate::machine::Machine;

/// The machine, the time and the sources that figures are of.
#[derive(Clone, Serialize)]
pub struct Origin {
    /// What measures.
    pub machine: Machine,
    /// When it began; seconds since 1970.
    pub time: u64,
    /// The commit by which the library is as it is, if git tells.
    pub commit: Option<String>,
}

impl Origin {
    /// Asks the system, the compiler and git.
    pub fn now() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            machine: Machine::this(),
            time: since_1970.unwrap_or_default().as_secs(),
            commit: commit(),
        }
    }
}

/// What is measured, and not what is told of it: docs may be committed between two benches.
const LIBRARY: [&str; 5] = ["--", "src", "Cargo.toml", "Cargo.lock", ":!src/docs"];

fn commit() -> Option<String> {
    let last = git(&["log", "-1", "--format=%H"])?;
    // Of files that git does not know, their names alone.
    let changed = git(&["status", "--porcelain"])? + &git(&["diff", "HEAD"])?;
    let changed = if changed.is_empty() {
        String::new()
    } else {
        let mut hasher = DefaultHasher::new();
        changed.hash(&mut hasher);
        format!(", and {:016x}, which is not committed", hasher.finish())
    };
    (!last.is_empty()).then(|| format!("{last}{changed}"))
}

/// Returns what git says of the library's files.
fn git(arguments: &[&str]) -> Option<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let command = Command::new("git")
        .args(["-C", root])
        .args(arguments)
        .args(LIBRARY)
        .output();
    let output = command.ok().filter(|output| output.status.success())?;
    let said = String::from_utf8(output.stdout).ok()?;
    Some(said.trim().to_owned())
}
