//! `cargo bench -p seaworthy-peers --bench server` compares servers over loopback.

use std::process::ExitCode;

fn main() -> ExitCode {
    match seaworthy_peers::serve_and_load(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
