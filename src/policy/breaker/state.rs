/// The state of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Calls go through, and their outcomes are looked at.
    Closed,
    /// Calls are refused until the open time is over.
    Open,
    /// A few calls go through as probes, and decide; the others are refused.
    HalfOpen,
    /// Calls are refused until somebody ends it.
    ForcedOpen,
    /// Calls go through and their outcomes are looked at, but nothing opens the circuit.
    ForcedClosed,
    /// Calls go through, and nobody looks at their outcomes.
    Disabled,
}

impl State {
    /// Returns the state as one word, for labels and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::Disabled => "disabled",
        }
    }
}
