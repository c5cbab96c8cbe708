//! What every layer costs a call: `cargo bench --bench overhead --features full`.
//!
//! It builds and runs the package `benches/overhead`, and does nothing else: what is built for benches of this package has
//! the features of its tests, and with `test-util` the policies read a slower clock. Whoever depends on this crate does not
//! have that, and is told what they get.

use std::env;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    // cargo says so to benches that are meant to run, and not to those that are only tried among the tests.
    if !env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let wanted = env::args_os().skip(1).filter(|argument| argument != "--bench");
    eprintln!("building `seaworthy-overhead`, with the library as its users build it: a minute or two the first time");
    let mut command = Command::new(cargo);
    // What cargo tells this program about its own package would look to build scripts like settings that have changed.
    let told = env::vars_os().map(|(name, _)| name);
    for name in told.filter(|name| is_of_a_package(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    let status = command
        .args([
            "run",
            "--release",
            "--package",
            "seaworthy-overhead",
            "--manifest-path",
            manifest,
            "--",
        ])
        .args(wanted)
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_of_a_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}
