//! What is asked for on the command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::sim::SEED;

pub const USAGE: &str = "usage: storm [--seed NUMBER] [PATH]

  --seed NUMBER  from 0 to 18446744073709551615; what all chance comes from. Default 3.
  PATH           where to draw the SVG. Default storm.svg, in target/ if that is there.";

/// What to run, and where to draw it.
#[derive(Debug)]
pub struct Arguments {
    pub seed: u64,
    pub path: PathBuf,
}

impl Arguments {
    /// Reads the arguments; `None` if help is wanted.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        let (mut seed, mut path) = (SEED, None);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--help" | "-h") => return Ok(None),
                Some("--seed") => {
                    let number = arguments.next().ok_or("--seed wants a number after it")?;
                    seed = parse_seed(&number)?;
                }
                Some(option) if option.starts_with('-') => return Err(format!("there is no option {option}")),
                _ if path.is_some() => return Err(format!("more than one path: {}", argument.display())),
                _ => path = Some(PathBuf::from(argument)),
            }
        }
        let path = path.unwrap_or_else(default_path);
        Ok(Some(Self { seed, path }))
    }
}

fn parse_seed(number: &OsString) -> Result<u64, String> {
    let parsed = number.to_str().and_then(|number| number.parse().ok());
    parsed.ok_or_else(|| {
        format!(
            "--seed wants a whole number from 0 to {}, not {}",
            u64::MAX,
            number.display()
        )
    })
}

fn default_path() -> PathBuf {
    let target = Path::new("target");
    if target.is_dir() {
        target.join("storm.svg")
    } else {
        PathBuf::from("storm.svg")
    }
}
