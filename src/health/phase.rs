/// Where a service stands between its start and its end.
///
/// It goes `Starting → Ready ⇄ NotReady → Draining → Stopped`, may skip phases, and never goes back otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Its startup has not completed.
    Starting,
    /// It takes requests.
    Ready,
    /// A critical dependency is down or unknown.
    NotReady,
    /// It was told to end and finishes what it has begun.
    Draining,
    /// It has ended.
    Stopped,
}

impl Phase {
    /// Returns the phase as one word, for logs and the inventory.
    pub fn label(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::NotReady => "not_ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// What the phase follows from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) started: bool,
    pub(super) dependencies_allow: bool,
    pub(super) draining: bool,
    pub(super) stopped: bool,
}

impl From<Facts> for Phase {
    fn from(facts: Facts) -> Self {
        match facts {
            Facts { stopped: true, .. } => Self::Stopped,
            Facts { draining: true, .. } => Self::Draining,
            Facts { started: false, .. } => Self::Starting,
            Facts {
                dependencies_allow: true,
                ..
            } => Self::Ready,
            Facts { .. } => Self::NotReady,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_outweighs_the_start_and_the_start_outweighs_the_dependencies() {
        let phase = |[started, dependencies_allow, draining, stopped]: [bool; 4]| {
            Phase::from(Facts {
                started,
                dependencies_allow,
                draining,
                stopped,
            })
        };
        assert_eq!(phase([false, true, false, false]), Phase::Starting);
        assert_eq!(phase([true, true, false, false]), Phase::Ready);
        assert_eq!(phase([true, false, false, false]), Phase::NotReady);
        assert_eq!(phase([true, true, true, false]), Phase::Draining);
        assert_eq!(phase([false, true, true, false]), Phase::Draining);
        assert_eq!(phase([true, true, true, true]), Phase::Stopped);
    }
}
