use crate::base::refusal::{Refusal, TARGET};

/// Tells, as an event of the present span, what refused a call or ended it.
pub(crate) fn tell_refused(refusal: &Refusal) {
    let (policy, name, reason) = (refusal.policy(), refusal.name(), refusal.reason().label());
    tracing::debug!(target: TARGET, policy, name, reason, detail = %refusal, "refused");
}
