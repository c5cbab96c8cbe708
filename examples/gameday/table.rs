//! The tables, as Markdown.

use crate::expectation::Bound;
use crate::verdict::{Finding, Verdict};

const PHASES: &str = "\
| phase | what goes wrong | sent | answered | refused, and by whom | failed | lost | p50 | p99 | well again | |
|---|---|---:|---:|---|---:|---:|---:|---:|---:|---|";

const EXPECTATIONS: &str = "\
| phase | guarded by | expected | | measured | | because |
|---|---|---|---:|---:|---|---|";

/// Writes what became of the requests, and then what was expected.
pub fn tables(verdicts: &[Verdict]) -> String {
    let phases = verdicts.iter().map(row);
    let findings = verdicts
        .iter()
        .flat_map(|verdict| verdict.findings.iter().map(|finding| expectation(verdict, finding)));
    format!(
        "{PHASES}\n{}\n\n{EXPECTATIONS}\n{}",
        phases.collect::<Vec<_>>().join("\n"),
        findings.collect::<Vec<_>>().join("\n")
    )
}

fn row(verdict: &Verdict) -> String {
    let figures = &verdict.figures;
    let by = figures.refused.iter().map(|(by, count)| format!("{count} {by}"));
    let by = by.collect::<Vec<_>>().join(", ");
    let ms = |ms: Option<f64>| ms.map_or("none".into(), |ms| format!("{ms:.0} ms"));
    let recovery = figures.recovery;
    let recovery = recovery.map_or("never".into(), |time| format!("{:.1} s", time.as_secs_f64()));
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {recovery} | {} |",
        verdict.phase.name,
        verdict.phase.about,
        figures.sent,
        figures.answered,
        if by.is_empty() { "none" } else { &by },
        figures.failed,
        figures.lost,
        ms(figures.p50),
        ms(figures.p99),
        if verdict.passed() { "passed" } else { "FAILED" },
    )
}

fn expectation(verdict: &Verdict, finding: &Finding) -> String {
    let (what, unit) = finding.expected.measure.label();
    let number = |number: f64| match number {
        whole if whole.fract() == 0.0 => format!("{whole:.0}{unit}"),
        small if small.abs() < 10.0 => format!("{small:.2}{unit}"),
        large => format!("{large:.1}{unit}"),
    };
    let bound = match finding.expected.bound {
        Bound::AtMost(most) => format!("at most {}", number(most)),
        Bound::AtLeast(least) => format!("at least {}", number(least)),
    };
    format!(
        "| {} | {} | {what} | {bound} | {} | {} | {} |",
        verdict.phase.name,
        verdict.phase.policy,
        number(finding.measured),
        if finding.is_met() { "met" } else { "NOT MET" },
        finding.expected.why,
    )
}
