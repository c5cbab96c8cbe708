//! The result of a game day, as its file says it.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::day::when;

/// What the file says it is.
const FORMAT: &str = "seaworthy-game-day-1";

/// What a game day has shown, and when.
pub(super) struct GameDayResult {
    service: String,
    pub(super) at: Duration,
    /// Each with whether it has met what was expected of it.
    phases: Vec<(String, bool)>,
    /// What it was played with that makes it a part of a game day, or one without a guard.
    partial: Option<&'static str>,
}

/// What a result has that is not of a whole game day.
const PARTIAL: [&str; 2] = ["only", "without"];

impl GameDayResult {
    /// Reads a result: `{"format": "seaworthy-game-day-1", "service": …, "at": …, "phases": [{"name": …, "passed": …}]}`;
    /// with `only` or `without` it is not of a whole game day.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let said = |key: &str| value[key].as_str().ok_or_else(|| format!("there is no text `{key}`"));
        if said("format")? != FORMAT {
            return Err(format!("its `format` is not `{FORMAT}`"));
        }
        let at = humantime::parse_rfc3339(said("at")?).map_err(|error| format!("`at`: {error}"))?;
        let phases = value["phases"].as_array().ok_or("there is no list `phases`")?;
        let phase = |phase: &Value| Some((phase["name"].as_str()?.to_owned(), phase["passed"].as_bool()?));
        let phases: Option<Vec<_>> = phases.iter().map(phase).collect();
        Ok(Self {
            service: said("service")?.to_owned(),
            at: at.duration_since(UNIX_EPOCH).map_err(|_| "`at` is before 1970")?,
            phases: phases.ok_or("each of `phases` must have a `name` and whether it has `passed`")?,
            partial: PARTIAL.into_iter().find(|key| !value[*key].is_null()),
        })
    }

    /// Says what it shows of a service.
    pub(super) fn judge(&self, service: &str, now: Duration, at_most: Duration) -> Result<String, String> {
        let Self { at, phases, .. } = self;
        if self.service != service {
            return Err(format!("it is of the service `{}`", self.service));
        }
        if let Some(partial) = self.partial {
            return Err(format!("it is of no whole game day: it was played with `{partial}`"));
        }
        if phases.is_empty() {
            return Err("it has no phases".into());
        }
        let failed: Vec<_> = phases
            .iter()
            .filter(|(_, passed)| !passed)
            .map(|(name, _)| name.as_str())
            .collect();
        if !failed.is_empty() {
            return Err(format!(
                "of {} phases these failed: {}",
                phases.len(),
                failed.join(", ")
            ));
        }
        if *at > now {
            return Err(format!("it is of {}, which is still to come", when(*at)));
        }
        if now - *at > at_most {
            let allowed = humantime::format_duration(at_most);
            return Err(format!("it is of {}, and may be {allowed} old at most", when(*at)));
        }
        Ok(format!("all {} phases of {} were as expected", phases.len(), when(*at)))
    }
}
