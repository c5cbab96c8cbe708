use std::sync::Arc;

use super::circuit::Circuit;
use super::rules::Admission;
use crate::base::outcome::Outcome;
use crate::base::stripe::Lane;

/// A call that has been let in. Dropping it gives the place back and counts as cancelled.
pub(crate) struct Permit {
    circuit: Holder,
    /// `None` once the outcome is known.
    admission: Option<Admission>,
}

enum Holder {
    Striped(Lane<Circuit>),
    Keyed(Arc<dyn Exit>),
}

/// A circuit that takes the end of a call.
pub(super) trait Exit: Send + Sync {
    fn exit(&self, admission: &Admission, outcome: Outcome);
    /// Counts a call that was dropped, and returns what it is to count as.
    fn cancelled(&self) -> Outcome;
}

impl Permit {
    pub(super) fn striped(circuit: Lane<Circuit>, admission: Admission) -> Self {
        Self {
            circuit: Holder::Striped(circuit),
            admission: Some(admission),
        }
    }

    pub(super) fn keyed(circuit: Arc<impl Exit + 'static>, admission: Admission) -> Self {
        Self {
            circuit: Holder::Keyed(circuit),
            admission: Some(admission),
        }
    }

    /// Says how the call ended.
    #[inline]
    pub(crate) fn end(mut self, outcome: Outcome) {
        if let Some(admission) = self.admission.take() {
            self.exit(&admission, outcome);
        }
    }

    #[inline]
    fn exit(&self, admission: &Admission, outcome: Outcome) {
        match &self.circuit {
            Holder::Striped(circuit) => circuit.exit(circuit.index(), admission, outcome),
            Holder::Keyed(circuit) => circuit.exit(admission, outcome),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            let outcome = match &self.circuit {
                Holder::Striped(circuit) => circuit.rules.cancelled(),
                Holder::Keyed(circuit) => circuit.cancelled(),
            };
            self.exit(&admission, outcome);
        }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit")
            .field("admission", &self.admission)
            .finish_non_exhaustive()
    }
}
