use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

const SECONDS: u64 = 24 * 60 * 60;

/// A day of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(u64);

impl Day {
    /// Returns the day of a time since 1970.
    pub(crate) fn of(time: Duration) -> Self {
        Self(time.as_secs() / SECONDS)
    }
}

/// A text that is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoDay;

impl FromStr for Day {
    type Err = NoDay;

    /// Takes a day such as `2027-01-31`, from 1970 on.
    fn from_str(text: &str) -> Result<Self, NoDay> {
        if text.len() != "2027-01-31".len() {
            return Err(NoDay);
        }
        let midnight = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).map_err(|_| NoDay)?;
        midnight.duration_since(UNIX_EPOCH).map(Self::of).map_err(|_| NoDay)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = when(Duration::from_secs(self.0 * SECONDS));
        f.write_str(time.get(..10).unwrap_or(&time))
    }
}

/// Returns a time since 1970 as it is written in reports: `2027-01-31T12:00:00Z`.
pub(crate) fn when(time: Duration) -> String {
    // Later than the year 9999 there is no way to write it.
    let last = Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + time.min(last)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_taken_and_shown_as_it_is_written() {
        for text in ["1970-01-01", "2024-02-29", "2026-11-23", "9999-12-31"] {
            assert_eq!(text.parse::<Day>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "2026-2-3",
            "2026-02-30",
            "1969-12-31",
            "26-11-2300",
            "2026/11/23",
            "2026-11-23T",
        ] {
            assert_eq!(text.parse::<Day>(), Err(NoDay), "{text:?}");
        }
        assert_eq!(when(Duration::MAX), "9999-12-31T23:59:59Z");
    }
}
