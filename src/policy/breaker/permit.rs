use std::sync::Arc;

use super::circuit::Circuit;
use super::engine::Role;
use super::rules::Admission;
use crate::base::outcome::Outcome;
use crate::base::stripe::Lane;

/// A call that has been let in. Dropping it gives the place back and counts as cancelled.
pub(crate) struct Permit {
    circuit: Holder,
    admission: Admission,
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
    #[inline]
    pub(super) fn striped(circuit: Lane<Circuit>, admission: Admission) -> Self {
        Self {
            circuit: Holder::Striped(circuit),
            admission,
        }
    }

    pub(super) fn keyed(circuit: Arc<impl Exit + 'static>, admission: Admission) -> Self {
        Self {
            circuit: Holder::Keyed(circuit),
            admission,
        }
    }

    /// Says how the call ended; what is said later means nothing.
    #[inline]
    pub(crate) fn end(&mut self, outcome: Outcome) {
        let admission = self.admission;
        // Before anything of the user's runs: a panic in it must not make this end a second time.
        self.admission.ticket.role = Role::ENDED;
        match &self.circuit {
            Holder::Striped(circuit) => circuit.exit(circuit.index(), &admission, outcome),
            Holder::Keyed(circuit) => circuit.exit(&admission, outcome),
        }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.admission.ticket.role != Role::ENDED {
            let outcome = match &self.circuit {
                Holder::Striped(circuit) => circuit.rules.cancelled(),
                Holder::Keyed(circuit) => circuit.cancelled(),
            };
            self.end(outcome);
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
