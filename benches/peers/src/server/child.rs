//! A server in a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write, stdin};
use std::net::SocketAddr;
use std::process::{self, ChildStderr, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;

use super::variants::{Failed, Variant};
use seaworthy_harness::cores;

/// The other end: a process that serves one variant until this is dropped.
pub(super) struct Child {
    pub(super) variant: &'static Variant,
    pub(super) address: SocketAddr,
    process: process::Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStderr>>,
}

impl Child {
    /// Starts it on one core, if there is more than one.
    pub(super) fn start(variant: &'static Variant, core: Option<usize>) -> Result<Self, Failed> {
        // It inherits the core.
        let bound = core.map(cores::bind);
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--serve", variant.name])
            .stdin(Stdio::piped())
            // What it logs is for nobody.
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(bound);
        let ask = process.stdin.take().ok_or("the server has no input")?;
        let out = process.stderr.take().ok_or("the server has no output")?;
        let mut answers = BufReader::new(out).lines();
        let said = answers.next().ok_or("the server ended at once")??;
        // Whatever it cannot do, it says instead.
        let address = said.parse().map_err(|_| said)?;
        Ok(Self {
            variant,
            address,
            process,
            ask,
            answers,
        })
    }

    /// Returns how long its threads have run so far; zero if the system does not tell.
    pub(super) fn cpu_time(&mut self) -> Result<Duration, Failed> {
        writeln!(self.ask)?;
        let said = self.answers.next().ok_or("the server has ended")??;
        let nanos = said.parse().map_err(|_| said)?;
        Ok(Duration::from_nanos(nanos))
    }

    /// Returns how many bytes of memory it had at most, if the system tells.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        peak(&status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Nothing is left to be saved.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Finds the peak of resident memory in what Linux says of a process.
fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Serves a variant on this thread, prints its address, and answers every line with the processor time.
pub(super) fn serve(variant: &Variant) -> Result<(), Failed> {
    thread::spawn(|| {
        for _ in stdin().lines().map_while(Result::ok) {
            eprintln!("{}", cores::cpu_time().as_nanos());
        }
        process::exit(0);
    });
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(variant.serve(|address| eprintln!("{address}")))
}

#[cfg(test)]
mod tests {
    use super::peak;

    #[test]
    fn the_peak_is_found_among_the_rest() {
        let status = "Name:\tserver\nVmPeak:\t   90000 kB\nVmHWM:\t    7172 kB\nVmRSS:\t    7100 kB\n";
        assert_eq!(peak(status), Some(7172 * 1024));
    }

    #[test]
    fn a_system_that_does_not_tell_is_not_asked_twice() {
        assert_eq!(peak("Name:\tserver\n"), None);
        assert_eq!(peak("VmHWM:\tplenty\n"), None);
    }
}
