//! What a limit has left for a client, and how the client is told.

use std::time::Duration;

/// What a limit says about one client at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// How many requests there may be ...
    pub(crate) quota: u32,
    /// ... in so much time.
    pub(crate) window: Duration,
    /// How many of them are left.
    pub(crate) remaining: u32,
    /// How long what is left must last.
    pub(crate) reset: Duration,
}

/// How callers are told what a rate limit has left for them.
///
/// The headers are an Internet draft ([draft-ietf-httpapi-ratelimit-headers]) whose syntax has changed and may change
/// again: choose what your clients read. Seconds are whole, rounded up and at least 1. A response can pass several
/// limits. Draft 11 has room for all of them, in a list; the older ones for one, the one that has fewest left.
///
/// [draft-ietf-httpapi-ratelimit-headers]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
#[cfg_attr(not(feature = "http"), allow(unreachable_pub, reason = "`web` exports it"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateLimitHeaders {
    /// Not at all; a refusal still says `Retry-After`.
    Off,
    /// `ratelimit-limit: 100`, `ratelimit-remaining: 50`, `ratelimit-reset: 30`, and `ratelimit-policy: 100;w=60`.
    Draft6,
    /// `ratelimit: limit=100, remaining=50, reset=30` and `ratelimit-policy: 100;w=60`.
    Draft7,
    /// `ratelimit: "orders";r=50;t=30` and `ratelimit-policy: "orders";q=100;w=60`.
    ///
    /// The name is that of the limit. Characters that are not printable ASCII are sent as `?`.
    #[default]
    Draft11,
}
