//! The machine, the compiler and the day that figures are of.

use std::fmt;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::SystemTime;

use serde::Serialize;

/// What a reader must know of them.
#[derive(Clone, Serialize)]
pub struct Machine {
    /// The model, as the system names it.
    pub processor: String,
    /// How many of them a process has.
    pub cores: usize,
    /// What `rustc` says first.
    pub compiler: String,
    /// What it compiles for by default.
    pub host: String,
    /// The day, in the words of HTTP.
    pub date: String,
}

impl Machine {
    /// Asks the system, and the compiler that is found first.
    pub fn this() -> Self {
        let said = Command::new("rustc").arg("-vV").output().map(|output| output.stdout);
        let said = String::from_utf8(said.unwrap_or_default()).unwrap_or_default();
        let host = said.lines().find_map(|line| line.strip_prefix("host: "));
        Self {
            processor: processor(),
            cores: available_parallelism().map_or(1, usize::from),
            compiler: said.lines().next().unwrap_or("unknown").to_owned(),
            host: host.unwrap_or("unknown").to_owned(),
            date: today(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            compiler,
            date,
            ..
        } = self;
        write!(f, "{processor}, {cores} cores, {compiler}; {date}")
    }
}

fn today() -> String {
    let now = httpdate::fmt_http_date(SystemTime::now());
    // `Sun, 06 Nov 1994 08:49:37 GMT`.
    now.get(..16).unwrap_or(&now).to_owned()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    model.map_or_else(
        || format!("a processor of the kind {}", std::env::consts::ARCH),
        |model| model.trim_start_matches([' ', '\t', ':']).to_owned(),
    )
}
