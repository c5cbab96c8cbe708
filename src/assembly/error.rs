use std::error::Error;
use std::fmt;
use std::io;

use crate::base::error::InvalidSettings;
use crate::review::NotReady;
use crate::server::ListenError;

/// A service cannot start.
#[derive(Debug)]
#[non_exhaustive]
pub enum AppError {
    /// Settings or declarations cannot be accepted; all that is wrong is listed. Exit code 78.
    Settings(InvalidSettings),
    /// The review is below the level that the setting `review.require` says; the error lists what to do. Exit code 78.
    NotReady(NotReady),
    /// An address cannot be listened on. Exit code 1.
    Listen(ListenError),
    /// The system refused a thread, a runtime or a socket. Exit code 1.
    System(io::Error),
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(wrong) => write!(f, "settings refused:\n{wrong}"),
            Self::NotReady(error) => write!(
                f,
                "not started, as the setting `review.require` asks for {} or more\n{error}\nnot started: mend the above, or set `review.require` to what is reached",
                error.review().target
            ),
            Self::Listen(error) => error.fmt(f),
            Self::System(error) => write!(f, "the system refused what a service needs to run: {error}"),
        }
    }
}

impl Error for AppError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Settings(wrong) => Some(wrong),
            Self::NotReady(error) => Some(error),
            Self::Listen(error) => Some(error),
            Self::System(error) => Some(error),
        }
    }
}

impl From<InvalidSettings> for AppError {
    fn from(wrong: InvalidSettings) -> Self {
        Self::Settings(wrong)
    }
}

impl From<ListenError> for AppError {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}

impl From<io::Error> for AppError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
