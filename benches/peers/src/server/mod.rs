//! What a request costs on a real server, over loopback: bare, behind each layer, behind whole stacks, ours and others'.
//!
//! Each variant is a process of its own with one worker thread, as a service has one subscriber and one allocator. The
//! load comes from this process, over connections that are kept alive. Variants take turns in rounds, in another order
//! each round, and a round's figures are over those of the bare server in the same round.
//!
//! In a closed loop each connection asks again once it has been answered: that says how much a server can do. In an
//! open one requests are due at rates that are the same for all, and count from then: that says how long they take.
//! Where the bare server does not hold a rate, it was the load that had no whole core.
//!
//! The handler does nothing, which is the worst case for whoever stands before it. On a busy machine requests per second
//! say how much of a core was left; the processor time of a request does not, and is the figure to take then.

mod allocated;
mod arguments;
mod child;
mod figures;
mod load;
mod measure;
mod rates;
mod report;
mod sample;
mod variants;

use std::fs;

use arguments::Wanted;
use variants::Failed;

use seaworthy_harness::folder::folder;

/// Serves one variant if `--serve` says so; loads all of them otherwise, unless other benches alone are asked for.
///
/// # Errors
///
/// When an argument is wrong, when the system refuses a process, a thread, a socket or a file, and when an answer is not
/// what the handler says.
pub fn serve_and_load(arguments: impl Iterator<Item = String>) -> Result<(), Failed> {
    let arguments: Vec<String> = arguments.collect();
    match Wanted::of(&arguments)? {
        Wanted::Serve(variant) => child::serve(variant),
        Wanted::Load { rounds, variants } => {
            let figures = measure::all(rounds, &variants)?;
            let text = report::text(&figures);
            print!("{text}");
            // A part would be taken for the whole.
            if variants.len() == variants::ALL.len() {
                let folder = folder()?;
                fs::write(folder.join("server.txt"), text)?;
                fs::write(folder.join("server.json"), serde_json::to_string_pretty(&figures)?)?;
                println!("\n{}/server.txt and server.json hold the same", folder.display());
            }
            Ok(())
        }
        Wanted::Nothing => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::serve_and_load;

    #[test]
    fn nothing_is_measured_when_only_groups_of_the_other_bench_are_asked_for() {
        let arguments = ["breaker", "--bench"].map(str::to_owned);
        assert!(serve_and_load(arguments.into_iter()).is_ok());
    }

    #[test]
    fn an_unknown_variant_is_refused_with_those_that_there_are() {
        for arguments in [["--serve", "fast"], ["server", "fast"]] {
            let refusal = serve_and_load(arguments.map(str::to_owned).into_iter()).expect_err("nobody serves fast");
            assert!(refusal.to_string().contains("bare"), "{refusal}");
        }
    }
}
