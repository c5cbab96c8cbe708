//! Errors of construction: settings that cannot be accepted.

use std::error::Error;
use std::fmt;

/// Any error, boxed; what the tower layers of this crate return, as tower's own do.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Says which setting cannot be accepted, what it is, and what would be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidSetting {
    /// The setting's full name, such as `timeout.payments.limit`.
    pub key: String,
    /// What was found: a number's value, or the kind of what was given; never a text's content, which may be secret.
    pub found: String,
    /// What is allowed, with the unit.
    pub allowed: String,
}

impl InvalidSetting {
    /// Says what is wrong with a setting.
    pub fn new(key: impl Into<String>, found: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            found: found.into(),
            allowed: allowed.into(),
        }
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}; it must be {}", self.key, self.found, self.allowed)
    }
}

impl Error for InvalidSetting {}

/// Lists every setting that cannot be accepted, so that all are mended in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSettings(Vec<InvalidSetting>);

impl InvalidSettings {
    pub(crate) fn of(wrong: Vec<InvalidSetting>) -> Self {
        Self(wrong)
    }

    /// Returns `Ok` if nothing is wrong.
    pub(crate) fn check(wrong: Vec<InvalidSetting>) -> Result<(), Self> {
        if wrong.is_empty() { Ok(()) } else { Err(Self::of(wrong)) }
    }

    /// Lists what is wrong, in the order in which it was found; never empty.
    pub fn as_slice(&self) -> &[InvalidSetting] {
        &self.0
    }
}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, wrong) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{wrong}")?;
        }
        Ok(())
    }
}

impl Error for InvalidSettings {}
