use std::fmt;
use std::str::FromStr;

/// How mature a service is; each level has all that the ones before it have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// L1: it can be run, and says whether it works.
    Mvp,
    /// L2: it can be operated by whoever did not write it.
    Stable,
    /// L3: it survives what it depends on.
    Resilient,
    /// L4: it adapts, and those who run it learn.
    Optimized,
}

impl Level {
    /// All levels, the lowest first.
    pub const ALL: [Self; 4] = [Self::Mvp, Self::Stable, Self::Resilient, Self::Optimized];

    /// Returns its name, such as `resilient`, as it is in settings.
    pub fn label(self) -> &'static str {
        match self {
            Self::Mvp => "mvp",
            Self::Stable => "stable",
            Self::Resilient => "resilient",
            Self::Optimized => "optimized",
        }
    }

    /// Returns its number, such as `L3`.
    pub fn number(self) -> &'static str {
        match self {
            Self::Mvp => "L1",
            Self::Stable => "L2",
            Self::Resilient => "L3",
            Self::Optimized => "L4",
        }
    }
}

/// Its number and its name, such as `L3 resilient`.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.label())
    }
}

/// A text that is no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoLevel(());

impl fmt::Display for NoLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALLOWED)
    }
}

impl NoLevel {
    pub(crate) const ALLOWED: &str = "one of `mvp`, `stable`, `resilient`, `optimized`, or `L1` to `L4`";
}

impl std::error::Error for NoLevel {}

impl FromStr for Level {
    type Err = NoLevel;

    /// Takes the name or the number of a level, in any case of its letters.
    fn from_str(text: &str) -> Result<Self, NoLevel> {
        let is = |level: &Level| {
            [level.label(), level.number()]
                .iter()
                .any(|name| text.eq_ignore_ascii_case(name))
        };
        Self::ALL.into_iter().find(is).ok_or(NoLevel(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_taken_by_its_name_and_by_its_number() {
        for level in Level::ALL {
            assert_eq!(level.label().parse(), Ok(level));
            assert_eq!(level.number().to_lowercase().parse(), Ok(level));
        }
        for text in ["", "L0", "L5", "3", "resilient "] {
            assert_eq!(text.parse::<Level>(), Err(NoLevel(())), "{text:?}");
        }
    }
}
