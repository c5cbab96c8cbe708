use serde_json::{Value, json};

use crate::base::finding::Finding;
use crate::review::day::when;
use crate::review::evidence::Evidence;
use crate::review::item::Area;
use crate::review::verdict::{Review, Reviewed};

/// What the text says it is; another shape gets another number.
const SCHEMA: &str = "seaworthy-review-1";

/// Renders a review by [`JSON_SCHEMA`](super::JSON_SCHEMA).
pub(in crate::review) fn json(review: &Review) -> String {
    let page = json!({
        "schema": SCHEMA,
        "service": review.service,
        "owner": review.owner,
        "at": when(review.at),
        "target": review.target.label(),
        "verdict": review.verdict().label(),
        "reached": review.reached().map(|level| level.label()),
        "in_the_way": ids(review.in_the_way()),
        "next": ids(review.next()),
        "waived": ids(review.waived()),
        "findings": review.findings.iter().map(finding).collect::<Vec<_>>(),
        "items": review.items.iter().map(item).collect::<Vec<_>>(),
    });
    format!("{page:#}\n")
}

fn ids<'a>(items: impl IntoIterator<Item = &'a Reviewed>) -> Value {
    items.into_iter().map(|reviewed| reviewed.item.id.as_str()).collect()
}

fn finding(finding: &Finding) -> Value {
    json!({ "subject": finding.subject, "found": finding.found, "advice": finding.advice })
}

fn item(reviewed: &Reviewed) -> Value {
    let item = &reviewed.item;
    json!({
        "id": item.id,
        "title": item.title,
        "area": area(item.area),
        "level": item.level.label(),
        "never": item.is_never,
        "kind": reviewed.kind.label(),
        "why": item.why,
        "how": item.how,
        "docs": item.docs,
        "evidence": reviewed.evidence.iter().map(evidence).collect::<Vec<_>>(),
    })
}

fn evidence(part: &Evidence) -> Value {
    let mut object = json!({ "kind": part.kind.label(), "subject": part.subject, "found": part.found });
    let told = [
        ("at", &part.at.map(when)),
        ("by", &part.by),
        ("on", &part.on),
        ("until", &part.until),
        ("link", &part.link),
    ];
    for (key, text) in told {
        if let Some(text) = text {
            object[key] = text.as_str().into();
        }
    }
    object
}

/// Returns the word for an area, which stays when its heading changes.
fn area(area: Area) -> &'static str {
    match area {
        Area::Health => "health",
        Area::Resilience => "resilience",
        Area::Errors => "errors",
        Area::Configuration => "configuration",
        Area::Data => "data",
        Area::Observability => "observability",
        Area::Objectives => "objectives",
        Area::Operations => "operations",
        Area::Performance => "performance",
        Area::Security => "security",
        Area::Deployment => "deployment",
        Area::Testing => "testing",
        Area::Documentation => "documentation",
        Area::Own => "own",
    }
}
