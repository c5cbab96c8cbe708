//! What is asked for on the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::policy::Policy;
use crate::script::{Phase, SCRIPT};

pub const USAGE: &str = "usage: gameday [--only PHASE]... [--without POLICY] [--result FILE] [--svg FILE]

  --only PHASE      play this phase alone: ordinary, slow, down, flapping, flood, overload or restart.
  --without POLICY  take a policy out of orders, to see its phases fail: retry, attempt-timeout, breaker,
                    rate-limit, bulkhead or drain.
  --result FILE     where to write what came of it. Default game-day-<date>.json.
  --svg FILE        where to draw it. Default game-day.svg.

Ends with 0 if every phase met what is expected of it, 1 if not, 2 if it was asked for what there is not.";

/// What to play, and where to tell of it.
#[derive(Debug)]
pub struct Arguments {
    pub only: Vec<&'static str>,
    pub without: Option<Policy>,
    pub result: Option<PathBuf>,
    pub svg: PathBuf,
}

impl Arguments {
    /// Reads the arguments; `None` if help is wanted.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        let mut parsed = Self {
            only: Vec::new(),
            without: None,
            result: None,
            svg: "game-day.svg".into(),
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let argument = argument.to_string_lossy();
            let mut value = || arguments.next().ok_or(format!("{argument} wants a value after it"));
            let mut word = || value().map(|word| word.to_string_lossy().into_owned());
            match &*argument {
                "--help" | "-h" => return Ok(None),
                "--only" => parsed.only.push(phase(&word()?)?),
                "--without" => parsed.without = Some(word()?.parse()?),
                "--result" => parsed.result = Some(value()?.into()),
                "--svg" => parsed.svg = value()?.into(),
                option if option.starts_with('-') => return Err(format!("there is no option {option}")),
                stray => return Err(format!("nothing is known of {stray:?}")),
            }
        }
        Ok(Some(parsed))
    }

    /// Returns whether the whole script is played, with every policy.
    pub fn is_whole(&self) -> bool {
        self.only.is_empty() && self.without.is_none()
    }

    /// Returns the phases to play, in the script's order.
    pub fn phases(&self) -> impl Iterator<Item = &'static Phase> {
        let is_wanted = |phase: &&Phase| self.only.is_empty() || self.only.contains(&phase.name);
        SCRIPT.iter().filter(is_wanted)
    }
}

fn phase(name: &str) -> Result<&'static str, String> {
    let mut names = SCRIPT.iter().map(|phase| phase.name);
    names.find(|known| *known == name).ok_or_else(|| {
        let names: Vec<_> = SCRIPT.iter().map(|phase| phase.name).collect();
        format!("there is no phase {name:?}, but {}", names.join(", "))
    })
}
