use std::sync::Arc;

use super::circuit::Circuit;
use super::engine::Role;
use super::rules::{Admission, Count, Rules};
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
    fn rules(&self) -> &Rules;
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
        if outcome == Outcome::Ignored && self.is_observed() {
            self.rules().count(Count::Ignored);
        }
        self.exit(outcome);
    }

    /// Says that the call still goes well. A probe that has done so for half of its time has shown enough.
    #[cfg(feature = "http")]
    pub(crate) fn goes_on(&mut self) {
        let Admission { ticket, started } = self.admission;
        if ticket.role.probe().is_some() {
            let rules = self.rules();
            if rules.clock.ticks().since(started) >= rules.config().probe_deadline / 2 {
                self.end(Outcome::Success);
            }
        }
    }

    fn rules(&self) -> &Rules {
        match &self.circuit {
            Holder::Striped(circuit) => &circuit.rules,
            Holder::Keyed(circuit) => circuit.rules(),
        }
    }

    fn is_observed(&self) -> bool {
        !matches!(self.admission.ticket.role, Role::UNOBSERVED | Role::ENDED)
    }

    #[inline]
    fn exit(&mut self, outcome: Outcome) {
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
        if self.is_observed() {
            let outcome = self.rules().cancelled();
            self.exit(outcome);
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
