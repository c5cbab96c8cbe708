use crate::base::refusal::{Refusal, TARGET};

/// Tells, as an event of the present span, what refused a call or ended it.
pub(super) fn refused(refusal: &Refusal) {
    let (policy, name, reason) = (refusal.policy(), refusal.name(), refusal.reason().label());
    tracing::debug!(target: TARGET, policy, name, reason, detail = %refusal, "refused");
}
