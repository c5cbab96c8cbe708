use std::time::Duration;

/// What an adaptive limit knows at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// How many calls may be under way at once; lower for a moment while [`is_probing`](Self::is_probing).
    pub limit: usize,
    /// How many are; more than the limit while it has just been lowered.
    pub in_flight: usize,
    /// How long calls take when they wait for nothing; `None` before enough have ended.
    pub baseline: Option<Duration>,
    /// How long those of the last window took, in the median.
    pub latency: Option<Duration>,
    /// Whether few are let in for a moment, to see how long calls take then.
    pub is_probing: bool,
}
