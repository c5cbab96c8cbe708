mod hostile;
mod page;
mod schema;
mod wording;

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::base::finding::Finding;
use crate::review::evidence::Evidence;
use crate::review::item::{Area, Item};
use crate::review::level::Level;
use crate::review::verdict::{Review, Reviewed};

/// 2026-11-23T12:00:00Z.
const NOON: Duration = Duration::from_secs(1_795_435_200);

fn item(id: &str, level: Level, area: Area, title: &str) -> Item {
    Item {
        area,
        docs: format!("https://docs.example/checklist#{id}"),
        ..Item::new(id, level, title)
            .why(format!("Why {id} matters."))
            .how(format!("How `{id}` is mended."))
    }
}

fn reviewed(item: Item, evidence: Vec<Evidence>) -> Reviewed {
    let kind = evidence.iter().map(|part| part.kind).min().unwrap();
    Reviewed { item, kind, evidence }
}

fn said(evidence: Evidence, link: &str) -> Evidence {
    Evidence {
        by: Some("ann".into()),
        on: Some("2026-10-01".into()),
        until: Some("2027-04-01".into()),
        link: Some(link.into()),
        ..evidence
    }
}

/// A review with one item of each kind, and one that only a later level needs.
fn sample() -> Review {
    let never = Item {
        is_never: true,
        ..item(
            "rollback-plan",
            Level::Mvp,
            Area::Deployment,
            "A way back in less than five minutes",
        )
    };
    let attested = said(
        Evidence::new(crate::review::Kind::Attested, "", "three minutes, tried on 2026-09-30"),
        "https://wiki.example/rollback",
    );
    let waived = Evidence {
        by: Some("bea".into()),
        ..Evidence::waived(
            "",
            "nothing is stored (nothing that runs can show it)",
            Some("2027-01-01".into()),
        )
    };
    let expired = said(
        Evidence::missing("", "its attestation has expired on 2026-11-01"),
        "docs/alerts.md",
    );
    let broken = vec![
        Evidence::proven(
            "dependency stock",
            "failure_rate 0.5, minimum_calls 20, window 10s, open 5s",
        ),
        Evidence::missing(
            "dependency payments",
            "the breaker can never open, since `minimum_calls` is 1000 and no more than 600 calls fit into its window \
             of 10s at the 60 calls a second that its rate limit lets through",
        ),
    ];
    let measured = Evidence::measured("newest", "last done at 2026-11-23T09:00:00Z, 3h ago", NOON);
    let limits = "A number that was right in spring is wrong in autumn";
    let (resilience, observability) = (Area::Resilience, Area::Observability);
    let items = vec![
        reviewed(
            item(
                "circuit-breakers",
                Level::Resilient,
                resilience,
                "A circuit breaker on every dependency",
            ),
            broken,
        ),
        reviewed(
            item("adaptive-limits", Level::Optimized, resilience, limits),
            vec![Evidence::missing("endpoint /orders", "fixed")],
        ),
        reviewed(
            item("backups", Level::Stable, Area::Data, "Backups within the objective"),
            vec![measured],
        ),
        reviewed(
            item(
                "data-retention",
                Level::Resilient,
                Area::Data,
                "Data is deleted in time",
            ),
            vec![waived],
        ),
        reviewed(
            item("alerting", Level::Resilient, observability, "Alerts with severities"),
            vec![expired],
        ),
        reviewed(never, vec![attested]),
        reviewed(
            Item::new("replicas", Level::Stable, "Two replicas"),
            vec![Evidence::proven("", "2 replicas")],
        ),
    ];
    let advice = "raise `shutdown.drain` to 40s";
    Review {
        service: "orders".into(),
        owner: "team-orders".into(),
        at: NOON,
        target: Level::Resilient,
        items,
        findings: vec![Finding::new(
            "endpoint /export",
            "its deadline of 35s is longer than the drain of 30s",
            advice,
        )],
    }
}

/// A service that has nothing, and nobody.
fn bare() -> Review {
    let never = Item {
        is_never: true,
        ..item("runbooks", Level::Mvp, Area::Operations, "A runbook for every failure")
    };
    Review {
        owner: String::new(),
        items: vec![reviewed(
            never,
            vec![Evidence::unknown("", "no runbook says what to do")],
        )],
        findings: Vec::new(),
        ..sample()
    }
}

/// Compares with a file; `GOLDEN=write` writes it instead, to be read before it is committed.
#[track_caller]
fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/review/render/golden")
        .join(name);
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (number, (actual, expected)) in (1..).zip(actual.lines().zip(expected.lines())) {
        assert_eq!(actual, expected, "line {number} of {name}");
    }
    assert_eq!(actual.len(), expected.len(), "{name}");
}

#[test]
fn a_review_is_shown_for_a_terminal() {
    assert_golden("review.txt", &sample().text(false));
}

#[test]
fn a_review_is_shown_as_markdown() {
    assert_golden("review.md", &sample().markdown());
}

#[test]
fn a_review_is_shown_as_html() {
    assert_golden("review.html", &sample().html());
}

#[test]
fn a_review_is_shown_as_json() {
    assert_golden("review.json", &sample().json());
}

#[test]
fn a_failed_requirement_is_a_list_of_what_to_do() {
    let not_ready = sample().require(Level::Resilient).unwrap_err();
    assert_golden("to-do.txt", &not_ready.to_string());
}

#[test]
fn a_service_without_anything_has_reached_no_level_and_has_no_owner() {
    for page in [bare().text(false), bare().markdown(), bare().html()] {
        for told in [
            "NO-GO",
            "no level",
            "runbooks (1 of 1 items) is in the way of L1 mvp",
            "nobody has said who",
            "; it cannot be waived",
        ] {
            assert!(page.contains(told), "{told}: {page}");
        }
        assert!(page.contains("Nothing is waived.") && page.contains("None."), "{page}");
    }
}

#[test]
fn a_go_says_that_nothing_is_in_the_way_and_still_what_is_next() {
    let review = sample().toward(Level::Stable);
    for page in [review.text(false), review.markdown(), review.html()] {
        assert!(!page.contains("NO-GO") && page.contains("GO"), "{page}");
        assert!(
            page.contains("L2 stable needs is there, or waived. Next is L3 resilient: 2 items."),
            "{page}"
        );
        assert!(page.contains("not in the way of L2 stable"), "{page}");
    }
}

#[test]
fn colours_add_nothing_but_colours() {
    let review = sample();
    let mut text = review.text(true);
    for colour in ["1", "31", "32", "33", "0"] {
        let sequence = format!("\u{1b}[{colour}m");
        assert!(text.contains(&sequence), "{colour}");
        text = text.replace(&sequence, "");
    }
    assert_eq!(text, review.text(false));
}

#[test]
fn long_texts_are_wrapped_below_their_own_beginning() {
    let mut review = sample();
    review.items[0].evidence[1].found = "word ".repeat(60);
    let text = review.text(false);
    let wide = |line: &&str| line.chars().count() > 100 && !line.contains("://");
    assert_eq!(text.lines().find(wide), None);
    let wrapped: Vec<_> = text.lines().filter(|line| line.ends_with("word word")).collect();
    let begins = |line: &&str| line.find("dependency").or_else(|| line.find("word"));
    let [first, second, ..] = &*wrapped else {
        panic!("not wrapped: {text}")
    };
    assert_eq!(begins(first), begins(second), "{text}");
}
