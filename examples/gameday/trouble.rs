//! The troubles that `payments` can have.

use std::time::Duration;

/// How `payments` is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mood {
    Well,
    FailsOneIn(u64),
    HangsOneIn(u64),
    /// Is well for the first half second in every two, and fails for the rest.
    Flaps,
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Agreed,
    Failed,
    Hung,
}

const FLAP: Duration = Duration::from_secs(2);
const WELL_OF_FLAP: Duration = Duration::from_millis(500);

impl Mood {
    /// Decides on a call by its number and by how long `payments` has been so.
    pub fn fate(self, call: u64, since: Duration) -> Fate {
        let in_flap = Duration::from_nanos((since.as_nanos() % FLAP.as_nanos()) as u64);
        match self {
            Self::FailsOneIn(n) if call.is_multiple_of(n) => Fate::Failed,
            Self::HangsOneIn(n) if call.is_multiple_of(n) => Fate::Hung,
            Self::Flaps if in_flap >= WELL_OF_FLAP => Fate::Failed,
            _ => Fate::Agreed,
        }
    }
}
