//! What a request costs on a real server, over loopback: bare, behind layers, behind the whole inbound stack.
//!
//! Each variant is a process of its own with one worker thread, as a service has one subscriber and one allocator. The
//! load comes from this process, over connections that are kept alive, and each of them waits for its answer before it
//! asks again. Variants take turns in rounds, in another order each round, and a round's figures are over those of the
//! bare server in the same round.
//!
//! The handler does nothing, which is the worst case for whoever stands before it. On a busy machine requests per second
//! say how much of a core was left; the processor time of a request does not, and is the figure to take then.

mod child;
mod load;
mod report;
mod variant;

use std::error::Error;
use std::time::Duration;

use child::Child;
use load::Load;
use report::{Measured, Sample};
use variant::Variant;

use crate::cores;
use crate::interleave::order;

type Failed = Box<dyn Error + Send + Sync>;

/// How many connections ask at once.
const CONNECTIONS: usize = 32;
/// Before each round, on its new connections.
const WARM_UP: Duration = Duration::from_millis(100);
const ROUND: Duration = Duration::from_millis(700);
const ROUNDS: usize = 40;

/// Serves one variant if `--serve` says so; loads all of them otherwise, unless other benches alone are asked for.
///
/// # Errors
///
/// When the system refuses a process, a thread or a socket, and when an answer is not what the handler says.
pub fn serve_and_load(arguments: impl Iterator<Item = String>) -> Result<(), Failed> {
    let arguments: Vec<String> = arguments.collect();
    if let [option, name, ..] = &*arguments
        && option == "--serve"
    {
        return child::serve(Variant::named(name)?);
    }
    // cargo adds `--bench`, and gives every target the names that are asked of one of them.
    let wanted: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let mut rounds = ROUNDS;
    match &*wanted {
        [] => {}
        [name] if *name == "server" => {}
        [name, number] if *name == "server" => rounds = number.parse()?,
        _ => return Ok(()),
    }
    let samples = measure(rounds)?;
    print!("{}", report::text(&samples));
    Ok(())
}

fn measure(rounds: usize) -> Result<Vec<Measured>, Failed> {
    let cores = cores::two();
    let mut children = Vec::new();
    for variant in Variant::ALL {
        children.push(Child::start(variant, cores.map(|[first, _]| first))?);
    }
    let _bound = cores.map(|[_, second]| cores::bind(second));
    let mut samples = vec![Vec::with_capacity(rounds); children.len()];
    for round in 0..rounds {
        eprint!("\rround {} of {rounds}", round + 1);
        for which in order(round, children.len()) {
            samples[which].push(sample(&mut children[which])?);
        }
    }
    eprintln!();
    let mut measured = Vec::new();
    for (child, samples) in children.iter().zip(samples) {
        let allocations = Load::connect(child.address, 1)?.allocations()?;
        measured.push(Measured {
            variant: child.variant,
            samples,
            allocations,
        });
    }
    Ok(measured)
}

fn sample(child: &mut Child) -> Result<Sample, Failed> {
    let mut load = Load::connect(child.address, CONNECTIONS)?;
    load.run(WARM_UP)?;
    let before = child.cpu_time()?;
    let mut done = load.run(ROUND)?;
    let cpu = child.cpu_time()? - before;
    done.latencies.sort_unstable();
    let at = |share: f64| done.latencies[((done.latencies.len() - 1) as f64 * share) as usize];
    let requests = done.latencies.len() as f64;
    Ok(Sample {
        per_second: requests / done.took.as_secs_f64(),
        cpu_nanos: cpu.as_nanos() as f64 / requests,
        share: cpu.as_secs_f64() / done.took.as_secs_f64(),
        median: at(0.5).as_nanos() as f64,
        p99: at(0.99).as_nanos() as f64,
    })
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
        let arguments = ["--serve", "fast"].map(str::to_owned);
        let refusal = serve_and_load(arguments.into_iter()).expect_err("nobody serves fast");
        assert!(refusal.to_string().contains("bare"), "{refusal}");
    }
}
