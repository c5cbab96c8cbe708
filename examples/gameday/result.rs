//! The result, as the review of `orders` reads it, and people after it.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::expectation::Bound;
use crate::policy::Policy;
use crate::script::SERVICE;
use crate::verdict::{Finding, Verdict};

/// Writes the result of a game day.
///
/// One that was played in part, or without a policy, says so: the review takes it for no evidence.
pub fn result(at: SystemTime, only: &[&str], without: Option<Policy>, verdicts: &[Verdict]) -> Value {
    let mut result = json!({
        "format": "seaworthy-game-day-1",
        "service": SERVICE,
        "at": humantime::format_rfc3339_seconds(at).to_string(),
        "phases": verdicts.iter().map(phase).collect::<Vec<_>>(),
    });
    if !only.is_empty() {
        result["only"] = only.into();
    }
    if let Some(policy) = without {
        result["without"] = policy.label().into();
    }
    result
}

/// Returns the name of the file that it goes to if nobody says another.
///
/// One that was played in part does not replace that of a whole day.
pub fn file_name(at: SystemTime, is_whole: bool) -> String {
    let at = humantime::format_rfc3339_seconds(at).to_string();
    let day = at.split('T').next().unwrap_or_default();
    let part = if is_whole { "" } else { "-part" };
    format!("game-day-{day}{part}.json")
}

fn phase(verdict: &Verdict) -> Value {
    let figures = &verdict.figures;
    json!({
        "name": verdict.phase.name,
        "about": verdict.phase.about,
        "guarded_by": verdict.phase.policy.label(),
        "passed": verdict.passed(),
        "sent": figures.sent,
        "answered": figures.answered,
        "refused": figures.refused,
        "failed": figures.failed,
        "lost": figures.lost,
        "p50_ms": figures.p50,
        "p99_ms": figures.p99,
        "well_again_after_s": figures.recovery.map(|time| time.as_secs_f64()),
        "expected": verdict.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    let (what, unit) = finding.expected.measure.label();
    let (how, bound) = match finding.expected.bound {
        Bound::AtMost(most) => ("at_most", most),
        Bound::AtLeast(least) => ("at_least", least),
    };
    json!({
        "what": what,
        "unit": unit.trim_start(),
        how: bound,
        // What could not be measured is null.
        "measured": finding.measured,
        "met": finding.is_met(),
        "because": finding.expected.why,
    })
}
