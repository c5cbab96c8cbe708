//! What is written down of each row, and how far it may be from that.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

/// The checked-in file.
#[derive(Deserialize)]
pub struct Baseline {
    /// How far a row may be from the rest of it.
    pub tolerated: Tolerated,
    /// What each row adds to a call, by its name.
    pub calls: BTreeMap<String, Calls>,
    /// What each row adds to a call where it depends on the compiler.
    pub instructions: Instructions,
}

/// By how much a row may differ from what is written down; in both directions.
#[derive(Clone, Copy, Deserialize)]
pub struct Tolerated {
    /// Of a thousand calls in all.
    pub allocations: u64,
    /// Of a thousand calls in all.
    pub bytes: u64,
    /// Of a thousand calls in all.
    pub clock_readings: u64,
    /// A share, where the compiler is the one that is written down.
    pub instructions: f64,
    /// So few are tolerated whatever their share is.
    pub few_instructions: f64,
    /// A share, where it is another compiler.
    pub instructions_of_another_compiler: f64,
}

/// What the same code does on every machine of 64 bits, and, but for bytes, with every compiler.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub struct Calls {
    /// How many, over all calls; a part of one if not every call makes it.
    pub allocations: f64,
    /// Of how many bytes, over all calls.
    pub bytes: f64,
    /// How many, over all calls.
    pub clock_readings: f64,
}

/// What depends on the compiler.
#[derive(Deserialize)]
pub struct Instructions {
    /// What it was compiled with.
    pub compiler: String,
    /// What it was compiled for.
    pub host: String,
    /// How many a call makes more than one of the bare service, by the row's name.
    pub added: BTreeMap<String, f64>,
}

impl Baseline {
    /// Reads it from the sources.
    ///
    /// # Errors
    ///
    /// If it is not there, or says nothing of something.
    pub fn read() -> Result<Self, Box<dyn Error>> {
        Ok(toml::from_str(&fs::read_to_string(path())?)?)
    }
}

/// Returns where the file is.
pub fn path() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    // Of this package, or of one in a folder of it.
    let root = manifest
        .ancestors()
        .find(|folder| folder.join("ci/overhead.toml").exists());
    root.unwrap_or(&manifest).join("ci/overhead.toml")
}

/// Names a row as the file does.
pub fn name(title: &str, what: &str) -> String {
    format!("{title}: {what}")
}
