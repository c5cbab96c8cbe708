use std::time::Duration;

/// How it is known whether an item is met; a later one is better than an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// It is not met, or nobody knows.
    Missing,
    /// It is not met, and somebody has said why that is accepted.
    Waived,
    /// Somebody says so in the manifest, with evidence that expires.
    Attested,
    /// Somebody looked, and it was so.
    Measured,
    /// It is read from what is wired.
    Proven,
}

impl Kind {
    /// Returns the word that stands in reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Waived => "waived",
            Self::Attested => "attested",
            Self::Measured => "measured",
            Self::Proven => "proven",
        }
    }
}

/// What is known of one part of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// How it is known.
    pub kind: Kind,
    /// What it is about, such as `dependency payments`; empty if it is the whole service.
    pub subject: String,
    /// What was found, in words.
    pub found: String,
    /// When it was measured, since 1970.
    pub at: Option<Duration>,
    /// Who says so.
    pub by: Option<String>,
    /// The day on which it was said.
    pub on: Option<String>,
    /// The day on whose beginning (UTC) it ends.
    pub until: Option<String>,
    /// Where there is more of it.
    pub link: Option<String>,
    /// Whether nobody looked, so that somebody's word counts.
    pub(super) is_open: bool,
}

impl Evidence {
    pub(super) fn new(kind: Kind, subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            kind,
            subject: subject.into(),
            found: found.into(),
            at: None,
            by: None,
            on: None,
            until: None,
            link: None,
            is_open: false,
        }
    }

    /// It is so, as read from a live handle.
    pub fn proven(subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Kind::Proven, subject, found)
    }

    /// It was so when somebody looked, at this time since 1970.
    pub fn measured(subject: impl Into<String>, found: impl Into<String>, at: Duration) -> Self {
        let at = Some(at);
        Self {
            at,
            ..Self::new(Kind::Measured, subject, found)
        }
    }

    /// It is left out for a reason, until the beginning of a day (UTC) or for good.
    pub fn waived(subject: impl Into<String>, reason: impl Into<String>, until: Option<String>) -> Self {
        Self {
            until,
            ..Self::new(Kind::Waived, subject, reason)
        }
    }

    /// It is not so: nobody's word counts against that.
    pub fn missing(subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Kind::Missing, subject, found)
    }

    /// Nobody looked, or can look: it is missing unless the manifest attests it.
    pub fn unknown(subject: impl Into<String>, found: impl Into<String>) -> Self {
        let is_open = true;
        Self {
            is_open,
            ..Self::new(Kind::Missing, subject, found)
        }
    }
}
