use std::sync::{Arc, OnceLock};

use crate::base::refusal::Refusal;

/// Remembers that a request's body was refused while it was read, for the layer that answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault(Arc<OnceLock<Refusal>>);

impl Fault {
    pub(crate) fn of(refusal: Refusal) -> Self {
        Self(Arc::new(refusal.into()))
    }

    /// Notes the refusal, if it is the first, and gives it back.
    pub(crate) fn set(&self, refusal: Refusal) -> Refusal {
        self.0.get_or_init(|| refusal).clone()
    }

    pub(crate) fn get(&self) -> Option<Refusal> {
        self.0.get().cloned()
    }
}
