//! The one shape in which a policy says no.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use smol_str::SmolStr;

use super::allowance::RateLimitHeaders;
use super::criticality::Criticality;
use super::outcome::Outcome;

/// The target under which a refusal is told within the span of its call.
pub(crate) const TARGET: &str = "seaworthy::refused";

/// Says which policy refused or ended a call, why, and when to come back.
///
/// It is the error (boxed) of every tower layer of this crate; [`Refusal::find`] gets it back out of whatever wraps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    policy: &'static str,
    // Short names, which most are, are copied: a refusal must not touch a count that all threads share.
    name: SmolStr,
    reason: Reason,
    retry_after: Option<Duration>,
    // Known to the layer that refuses; needed where the response is made.
    announced: RateLimitHeaders,
}

/// Why a call was refused or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It took longer than the limit.
    Elapsed {
        /// The limit that passed.
        limit: Duration,
        /// What the limit was for.
        part: Part,
    },
    /// The caller's deadline has passed, whether or not the work had begun.
    DeadlinePassed,
    /// The circuit to whoever was called is open, or half-open with all its probes under way.
    CircuitOpen,
    /// More was asked for than the rate limit allows.
    RateLimited {
        /// How many requests it allows ...
        quota: u32,
        /// ... in so much time.
        per: Duration,
    },
    /// As many calls are under way as may be at once, and nobody else may wait for their end, or waited long enough.
    BulkheadFull {
        /// How long this one waited; zero if it was refused at once.
        waited: Duration,
    },
    /// There is no room to keep account of another key.
    TooManyKeys,
    /// As many calls are under way as the service can answer without making all of them late.
    Overloaded {
        /// How many that are now.
        limit: u32,
    },
    /// There is too much to do for a request that matters no more than this one.
    Shed {
        /// Its class.
        criticality: Criticality,
    },
    /// The body is larger than the limit in bytes.
    BodyTooLarge {
        /// The most bytes that are accepted.
        limit: u64,
    },
}

/// The part of an exchange that a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// From the call, waiting for readiness included, to the response (over HTTP: its head).
    Response,
    /// The caller's request body, which did not arrive in time.
    RequestBody,
    /// From the call to the end of the response's body.
    Body,
    /// The silence between two pieces of a body.
    Idle,
    /// The silence between two pieces of the caller's request body.
    RequestIdle,
}

impl Refusal {
    pub(crate) fn new(policy: &'static str, name: SmolStr, reason: Reason) -> Self {
        Self {
            policy,
            name,
            reason,
            retry_after: None,
            announced: RateLimitHeaders::Off,
        }
    }

    /// Adds how long the caller should wait, if that is known.
    pub(crate) fn retry_in(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Adds how the caller is told what the rate limit that refuses has left.
    pub(crate) fn announce(mut self, headers: RateLimitHeaders) -> Self {
        self.announced = headers;
        self
    }

    /// Returns how the caller is told what the rate limit has left.
    pub(crate) fn announced(&self) -> RateLimitHeaders {
        self.announced
    }

    /// Finds the refusal in an error or in what caused it.
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refusal) = error.downcast_ref() {
                return Some(refusal);
            }
            // An I/O error passes for the error in it and gives that one's source as its own.
            let inside = error.downcast_ref().and_then(io::Error::get_ref);
            next = inside.map_or_else(|| error.source(), |inside| Some(inside));
        }
        None
    }

    /// Returns the kind of policy that refused, such as `timeout`.
    pub fn policy(&self) -> &'static str {
        self.policy
    }

    /// Returns the name of the handle that refused.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns how long the caller should wait before it tries again, if that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns what this says about whoever was called: too slow is a failure, all else says nothing.
    ///
    /// A caller's deadline says nothing either: otherwise callers without patience could open everybody's circuit.
    pub fn outcome(&self) -> Outcome {
        match self.reason {
            Reason::Elapsed {
                part: Part::RequestBody | Part::RequestIdle,
                ..
            }
            | Reason::BodyTooLarge { .. }
            | Reason::DeadlinePassed
            | Reason::CircuitOpen
            | Reason::RateLimited { .. }
            | Reason::BulkheadFull { .. }
            | Reason::TooManyKeys
            | Reason::Overloaded { .. }
            | Reason::Shed { .. } => Outcome::Ignored,
            Reason::Elapsed { .. } => Outcome::Failure,
        }
    }
}

impl Reason {
    /// Returns the reason as one word, for labels and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Elapsed {
                part: Part::Response, ..
            } => "elapsed",
            Self::Elapsed {
                part: Part::RequestBody,
                ..
            } => "request_body_elapsed",
            Self::Elapsed { part: Part::Body, .. } => "body_elapsed",
            Self::Elapsed { part: Part::Idle, .. } => "body_idle",
            Self::Elapsed {
                part: Part::RequestIdle,
                ..
            } => "request_body_idle",
            Self::DeadlinePassed => "deadline_passed",
            Self::CircuitOpen => "circuit_open",
            Self::RateLimited { .. } => "rate_limited",
            Self::BulkheadFull { .. } => "bulkhead_full",
            Self::TooManyKeys => "too_many_keys",
            Self::Overloaded { .. } => "overloaded",
            Self::Shed { .. } => "shed",
            Self::BodyTooLarge { .. } => "body_too_large",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elapsed {
                limit,
                part: Part::Response,
            } => write!(f, "no response within {limit:?}"),
            Self::Elapsed {
                limit,
                part: Part::RequestBody,
            } => write!(f, "request body not complete within {limit:?}"),
            Self::Elapsed {
                limit,
                part: Part::Body,
            } => write!(f, "body not complete within {limit:?}"),
            Self::Elapsed {
                limit,
                part: Part::Idle,
            } => write!(f, "body silent for {limit:?}"),
            Self::Elapsed {
                limit,
                part: Part::RequestIdle,
            } => write!(f, "request body silent for {limit:?}"),
            Self::DeadlinePassed => f.write_str("the caller's deadline has passed"),
            Self::CircuitOpen => f.write_str("circuit is open"),
            Self::RateLimited { quota, per } => write!(f, "more than {quota} requests in {per:?}"),
            Self::BulkheadFull { waited } if waited.is_zero() => f.write_str("no place is free"),
            Self::BulkheadFull { waited } => write!(f, "no place came free within {waited:?}"),
            Self::TooManyKeys => f.write_str("no room for another key"),
            Self::Overloaded { limit } => write!(f, "{limit} calls are as many as it can take now"),
            Self::Shed { criticality } => write!(f, "too much to do for a request that is {criticality}"),
            Self::BodyTooLarge { limit } => write!(f, "body larger than {limit} bytes"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`: {}", self.policy, self.name, self.reason)
    }
}

impl Error for Refusal {}

/// What a guarded call of a user's own future ended with: a refusal of ours, or the user's error as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guarded<E> {
    /// A policy refused or ended the call.
    Refused(Refusal),
    /// The call itself failed.
    Inner(E),
}

impl<E: fmt::Display> fmt::Display for Guarded<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for Guarded<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Inner(error) => error.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_found_however_deep_it_is_wrapped() {
        let reason = Reason::BodyTooLarge { limit: 3 };
        let refusal = Refusal::new("limit", "in".into(), reason);
        let wrapped = io::Error::other(Guarded::<io::Error>::Refused(refusal.clone()));
        let wrapped: Box<dyn Error> = Box::new(Guarded::Inner(wrapped));
        assert_eq!(Refusal::find(wrapped.as_ref()), Some(&refusal));
        assert_eq!(
            Refusal::find(&io::Error::other(io::Error::other(refusal.clone()))),
            Some(&refusal)
        );
        assert_eq!(Refusal::find(&io::Error::other("other")), None);
    }
}
