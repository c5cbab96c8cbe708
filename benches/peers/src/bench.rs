//! `cargo bench -p seaworthy-peers -- breaker` compares the breakers; without a name, everything.

use std::process::ExitCode;

fn main() -> ExitCode {
    // cargo adds `--bench` to what is asked for.
    let wanted = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    match seaworthy_peers::run(&wanted.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
