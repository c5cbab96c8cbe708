//! A server in a process of its own.

use std::error::Error;
use std::io::{BufRead, BufReader, Lines, Write, stdin};
use std::net::SocketAddr;
use std::process::{self, ChildStderr, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;

use super::variant::Variant;
use crate::cores;

type Failed = Box<dyn Error + Send + Sync>;

/// The other end: a process that serves one variant until this is dropped.
pub(super) struct Child {
    pub(super) variant: Variant,
    pub(super) address: SocketAddr,
    process: process::Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStderr>>,
}

impl Child {
    /// Starts it on one core, if there is more than one.
    pub(super) fn start(variant: Variant, core: Option<usize>) -> Result<Self, Failed> {
        // It inherits the core.
        let bound = core.map(cores::bind);
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--serve", variant.name()])
            .stdin(Stdio::piped())
            // What it logs is for nobody.
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(bound);
        let ask = process.stdin.take().ok_or("the server has no input")?;
        let out = process.stderr.take().ok_or("the server has no output")?;
        let mut answers = BufReader::new(out).lines();
        let address = answers.next().ok_or("the server ended at once")??.parse()?;
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
        let nanos = self.answers.next().ok_or("the server has ended")??;
        Ok(Duration::from_nanos(nanos.parse()?))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Nothing is left to be saved.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves a variant on this thread, prints its address, and answers every line with the processor time.
pub(super) fn serve(variant: Variant) -> Result<(), Failed> {
    thread::spawn(|| {
        for _ in stdin().lines().map_while(Result::ok) {
            eprintln!("{}", cores::cpu_time().as_nanos());
        }
        process::exit(0);
    });
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(variant.serve(|address| eprintln!("{address}")))
}
