use std::time::Duration;

use super::config::On;
use super::engine::{Cause, End};
use crate::base::outcome::Outcome;
use crate::base::refusal::{Part, Reason, Refusal};

const LIMIT: Duration = Duration::from_secs(1);

fn cause(reason: Option<Reason>, outcome: Outcome, on: On) -> Option<Cause> {
    let refusal = reason.map(|reason| Refusal::new("tested", "one".into(), reason));
    let refusal = refusal.as_ref();
    End { refusal, outcome }.cause(on)
}

#[test]
fn every_refusal_leads_to_the_fallback_but_the_callers_own_doing() {
    let elapsed = |part| Reason::Elapsed { limit: LIMIT, part };
    let table = [
        (Reason::CircuitOpen, true),
        (Reason::TooManyKeys, true),
        (Reason::RateLimited { quota: 1, per: LIMIT }, true),
        (Reason::BulkheadFull { waited: LIMIT }, true),
        (elapsed(Part::Response), true),
        (elapsed(Part::Body), true),
        (elapsed(Part::Idle), true),
        (elapsed(Part::RequestBody), false),
        (elapsed(Part::RequestIdle), false),
        (Reason::BodyTooLarge { limit: 1 }, false),
        (Reason::DeadlinePassed, false),
    ];
    for (reason, is_used) in table {
        for on in [On::Refusals, On::RefusalsAndFailures] {
            for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
                let expected = is_used.then_some(Cause::Refusal);
                assert_eq!(cause(Some(reason), outcome, on), expected, "{reason:?} {on:?}");
            }
        }
    }
}

#[test]
fn of_other_ends_only_a_failure_does_and_only_if_the_settings_say_so() {
    let both = On::RefusalsAndFailures;
    assert_eq!(cause(None, Outcome::Failure, both), Some(Cause::Failure));
    assert_eq!(cause(None, Outcome::Failure, On::Refusals), None);
    assert_eq!(cause(None, Outcome::Success, both), None);
    assert_eq!(cause(None, Outcome::Ignored, both), None);
}
