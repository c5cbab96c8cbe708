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
}

impl Finding {
    pub(super) fn new(subject: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            found: found.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.subject, self.found, self.advice)
    }
}
