//! Time that follows tokio's, so that a test which pauses it pauses decisions too.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::base::clock::Clock;
use crate::base::ticks::nanos_of;

/// Earlier than the beginning of any paused clock of this process, wherever that stands by now.
#[expect(
    clippy::disallowed_methods,
    reason = "tokio's time may have been moved forward already"
)]
static ORIGIN: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(3600)).unwrap_or(now)
});

pub(in crate::base) fn nanos() -> u64 {
    nanos_of(Clock::default().now().saturating_duration_since(*ORIGIN))
}
