//! The stacks of others, set up as their documentation begins; nobody is refused.

pub(super) mod resilience;
pub(super) mod seatbelt;
pub(super) mod tower;
pub(super) mod whole;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};

/// Whose they are.
pub(in crate::server) const PACKAGES: [&str; 11] = [
    "seaworthy",
    "hyper",
    "tower",
    "tower-http",
    "governor",
    "recloser",
    "tower-resilience-ratelimiter",
    "tower-resilience-retry",
    "tower-resilience-circuitbreaker",
    "tower-resilience-timelimiter",
    "seatbelt",
];

/// A limit that nobody reaches.
const LIMIT: Duration = Duration::from_secs(10);
/// How many places there are in a bulkhead.
const PLACES: usize = 64;

/// What can be sent twice: hyper's requests cannot be cloned, and these have no body that would have to be kept.
type Bodiless = Request<Empty<Bytes>>;
type Answer = Response<Full<Bytes>>;

fn without_body<B>(request: Request<B>) -> Bodiless {
    request.map(|_| Empty::new())
}
