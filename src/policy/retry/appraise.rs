use std::time::Duration;

use crate::base::error::BoxError;
use crate::base::outcome::{Classify, Outcome};
use crate::base::refusal::Refusal;

/// Says whether the end of an attempt is worth a further one.
///
/// Any `Fn(Result<&T, &E>) -> Appraisal` says so; [`ByOutcome`] makes one of a [`Classify`].
pub trait Appraise<T, E> {
    /// Appraises the response or the error that an attempt ended with.
    fn appraise(&self, end: Result<&T, &E>) -> Appraisal;
}

/// Whether the end of an attempt is worth a further one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Appraisal {
    /// It is not: it went well, or would end the same again, or nothing may be sent.
    Final,
    /// It is.
    Again,
    /// It is, but not before so much time; the backoff is added, so that not all who were told the same come at once.
    AgainAfter(Duration),
    /// It is, after exactly so much time, whatever the backoff says.
    AgainIn(Duration),
}

impl<T, E, F: Fn(Result<&T, &E>) -> Appraisal> Appraise<T, E> for F {
    fn appraise(&self, end: Result<&T, &E>) -> Appraisal {
        self(end)
    }
}

/// Takes a failure for worth a further attempt, and nothing else.
///
/// A [`Refusal`] that says when to come back is waited for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByOutcome<C>(pub C);

impl<T, C: Classify<T, BoxError>> Appraise<T, BoxError> for ByOutcome<C> {
    #[inline]
    fn appraise(&self, end: Result<&T, &BoxError>) -> Appraisal {
        match (self.0.classify(end), end) {
            (Outcome::Failure, Err(error)) => Refusal::find(error.as_ref()).map_or(Appraisal::Again, hint),
            (Outcome::Failure, Ok(_)) => Appraisal::Again,
            _ => Appraisal::Final,
        }
    }
}

/// Appraises a refusal of ours: one that says nothing about the dependency is final.
pub(crate) fn of_refusal(refusal: &Refusal) -> Appraisal {
    match refusal.outcome() {
        Outcome::Failure => hint(refusal),
        _ => Appraisal::Final,
    }
}

fn hint(refusal: &Refusal) -> Appraisal {
    refusal.retry_after().map_or(Appraisal::Again, Appraisal::AgainAfter)
}
