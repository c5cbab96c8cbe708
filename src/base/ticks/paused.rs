//! Time that follows tokio's, so that a test which pauses it pauses decisions too.

use crate::base::clock::{Clock, origin};
use crate::base::ticks::nanos_of;

pub(in crate::base) fn nanos() -> u64 {
    nanos_of(Clock::default().now().saturating_duration_since(origin()))
}
