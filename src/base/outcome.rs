//! What a call's end says about the dependency that it called.

use super::error::BoxError;
use super::refusal::Refusal;

/// Says what the end of a call tells about whoever was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It did what it should; a client's own mistake counts as this.
    Success,
    /// It failed.
    Failure,
    /// It tells nothing, as with a refusal of our own.
    Ignored,
}

/// Decides what the end of a call tells.
///
/// Any `Fn(Result<&T, &E>) -> Outcome` is one.
pub trait Classify<T, E> {
    /// Classifies the response or the error that a call ended with.
    fn classify(&self, end: Result<&T, &E>) -> Outcome;
}

impl<T, E, F: Fn(Result<&T, &E>) -> Outcome> Classify<T, E> for F {
    fn classify(&self, end: Result<&T, &E>) -> Outcome {
        self(end)
    }
}

/// Takes every response for a success, and every error for a failure unless it is a [`Refusal`] that says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorIsFailure;

impl<T> Classify<T, BoxError> for ErrorIsFailure {
    fn classify(&self, end: Result<&T, &BoxError>) -> Outcome {
        end.map_or_else(of_error, |_| Outcome::Success)
    }
}

/// Classifies a boxed error: what a [`Refusal`] in it says, otherwise a failure.
pub fn of_error(error: &BoxError) -> Outcome {
    Refusal::find(error.as_ref()).map_or(Outcome::Failure, Refusal::outcome)
}
