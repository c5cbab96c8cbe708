use std::error::Error;
use std::fmt;

use crate::base::error::BoxError;

/// An error that would come again: its job is not tried again, also if another error stands round it.
///
/// # Examples
///
/// ```
/// use seaworthy::{BoxError, worker::Permanent};
///
/// fn amount(payload: &str) -> Result<u64, BoxError> {
///     Ok(payload.parse::<u64>().map_err(Permanent::new)?)
/// }
///
/// assert!(amount("a hundred").unwrap_err().is::<Permanent>());
/// ```
#[derive(Debug)]
pub struct Permanent(BoxError);

impl Permanent {
    /// Says that an error is of this kind.
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(error.into())
    }
}

/// Returns whether an error, or one behind it, would come again.
pub(super) fn is_permanent(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(outer) = error {
        if outer.is::<Permanent>() {
            return true;
        }
        error = outer.source();
    }
    false
}

impl fmt::Display for Permanent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Permanent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
