//! What works and should be looked at.

use std::fmt;

/// Something that works, and that somebody should look at before it does not.
///
/// What cannot work is no finding but an error of [`AppBuilder::build`](crate::AppBuilder::build).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is about, such as `dependency payments`.
    pub subject: String,
    /// What was found, with its arithmetic.
    pub found: String,
    /// What to do.
    pub advice: String,
    /// The guard that does not do what it is there for.
    pub(crate) guard: Option<&'static str>,
}

impl Finding {
    pub(crate) fn new(subject: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            found: found.into(),
            advice: advice.into(),
            guard: None,
        }
    }

    /// Says which guard does not do what it is there for; a review takes it for missing.
    ///
    /// Only for what leaving out another guard would not mend: otherwise that would make a review better.
    pub(crate) fn disproving(mut self, guard: &'static str) -> Self {
        self.guard = Some(guard);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.subject, self.found, self.advice)
    }
}
