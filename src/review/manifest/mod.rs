//! What no code can prove: who says so, since when, until when, and where it can be looked up.

mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::day::Day;
use crate::base::error::InvalidSetting;

/// The most bytes of a manifest, or of a file that it names, that are read.
const LONGEST: u64 = 1 << 20;

/// What stands in `readiness.toml`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manifest {
    /// Where the paths in it begin.
    folder: PathBuf,
    /// By the ids of items.
    pub(super) attested: BTreeMap<String, Attestation>,
    /// By the ids of items.
    pub(super) waived: BTreeMap<String, Waiver>,
    /// By the failure.
    pub(super) runbooks: BTreeMap<String, String>,
    /// By the name of the dependency.
    pub(super) dependency_runbooks: BTreeMap<String, String>,
    pub(super) on_call: Option<OnCall>,
    pub(super) game_day: Option<GameDay>,
}

/// Who says something, and until when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) by: String,
    pub(super) on: Day,
    /// From the beginning of this day on it is worth nothing.
    pub(super) expires: Day,
}

/// Says that an item is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attestation {
    pub(super) word: Word,
    /// The evidence: an address, or the path of a file.
    pub(super) link: String,
    pub(super) note: String,
}

/// Says that an item is not met, and why that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiver {
    pub(super) by: String,
    pub(super) reason: String,
    /// From the beginning of this day on it is worth nothing.
    pub(super) until: Day,
}

/// Who is called, and what happens if nobody answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OnCall {
    pub(super) word: Word,
    pub(super) rotation: Vec<String>,
    /// Who is called one after the other.
    pub(super) chain: Vec<String>,
    /// By severity, `SEV-1` first.
    pub(super) escalation: BTreeMap<String, Escalation>,
}

/// How soon somebody answers, and how soon the next one is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Escalation {
    pub(super) respond: Duration,
    pub(super) after: Option<Duration>,
}

/// Where the result of the last game day is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GameDay {
    pub(super) result: String,
    pub(super) at_most: Duration,
}

/// What a service can fail by whatever it calls, and that a runbook has to be there for.
pub(super) const FAILURES: [&str; 5] = ["overload", "stall", "startup", "drain", "panic"];

/// How bad an incident can be, the worst first.
pub(super) const SEVERITIES: [&str; 4] = ["SEV-1", "SEV-2", "SEV-3", "SEV-4"];

impl Word {
    pub(super) fn holds(&self, at: Duration) -> bool {
        self.on <= Day::of(at) && Day::of(at) < self.expires
    }
}

impl Waiver {
    pub(super) fn holds(&self, at: Duration) -> bool {
        Day::of(at) < self.until
    }
}

impl Manifest {
    /// Returns where the paths in it begin.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes runbooks of dependencies that are not declared.
    pub(crate) fn check_dependencies(&self, declared: &[Arc<str>], wrong: &mut Vec<InvalidSetting>) {
        let is_declared = |name: &&String| declared.iter().any(|known| **known == ***name);
        for name in self.dependency_runbooks.keys().filter(|name| !is_declared(name)) {
            let key = format!("readiness.runbooks.dependencies.{name}");
            wrong.push(InvalidSetting::new(
                key,
                "of an unknown dependency",
                "of one that the program declares",
            ));
        }
    }

    /// Returns where a path in it leads.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

/// Says why a file is of no use to a reader, if it is of none: it is not there, empty, or no text.
pub(super) fn flaw(path: &Path) -> Option<String> {
    match read(path) {
        Ok(text) if text.trim().is_empty() => Some(format!("{} is empty", path.display())),
        Ok(_) => None,
        Err(error) => Some(format!("{} cannot be read: {error}", path.display())),
    }
}

/// Says why a file is no evidence, if it is none: it may be a picture, and as long as it likes.
pub(super) fn gone(path: &Path) -> Option<String> {
    match fs::metadata(path) {
        Ok(file) if file.is_file() && file.len() > 0 => None,
        Ok(_) => Some(format!("{} is empty, or no file", path.display())),
        Err(error) => Some(format!("{} cannot be read: {error}", path.display())),
    }
}

/// Reads a text; one that is longer than anybody reads is an error.
pub(super) fn read(path: &Path) -> io::Result<String> {
    // Before it is opened: already that may never end with a pipe.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no ordinary file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8"))
}

/// Returns whether a link leads out of this machine, and so cannot be looked at.
pub(super) fn is_address(link: &str) -> bool {
    link.starts_with("https://") || link.starts_with("http://")
}
