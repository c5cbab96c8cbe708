//! What is proven, measured, attested, waived and missing is never mixed up.

mod review_support;

use std::time::{Duration, UNIX_EPOCH};

use review_support::{DAY, Folder, NOW, URL, attested, builder, kind, review, said, waived, with_payments, wrong};
use seaworthy::inventory::{Describe, Entry};
use seaworthy::review::{Criterion, Evidence, Freshness, Item, Kind, Level, Review, Scene, Verdict};
use seaworthy::{AppBuilder, Control};

const ID: &str = "rollback-plan";

fn attestation(on: &str, expires: &str, link: &str) -> Review {
    let folder = Folder::new();
    let text = format!("[attested.{ID}]\nby = \"ann\"\non = {on}\nexpires = {expires}\nlink = \"{link}\"\n");
    review(folder.app(&text))
}

fn findings(review: &Review, subject: &str) -> Vec<String> {
    let of = review.findings.iter().filter(|finding| finding.subject == subject);
    of.map(|finding| finding.found.clone()).collect()
}

#[test]
fn an_attestation_holds_from_its_day_until_the_beginning_of_its_last() {
    for (on, expires, holds) in [
        ("2026-11-23", "2026-11-24", true),
        ("2026-10-01", "2026-11-24", true),
        ("2026-10-01", "2026-11-23", false),
        ("2026-11-24", "2026-12-24", false),
    ] {
        let review = attestation(on, expires, "proof.md");
        let wanted = if holds { Kind::Attested } else { Kind::Missing };
        assert_eq!(
            kind(&review, ID),
            wanted,
            "from {on} to {expires}: {}",
            said(&review, ID)
        );
    }
}

#[test]
fn an_attestation_that_does_not_hold_says_why() {
    for (on, expires, link, why) in [
        (
            "2026-10-01",
            "2026-11-01",
            "proof.md",
            "its attestation has expired on 2026-11-01",
        ),
        (
            "2026-12-01",
            "2027-11-01",
            "proof.md",
            "is of 2026-12-01, which is still to come",
        ),
        (
            "2026-10-01",
            "2027-11-01",
            "nowhere.md",
            "the evidence of its attestation is not there",
        ),
    ] {
        let review = attestation(on, expires, link);
        assert_eq!(kind(&review, ID), Kind::Missing);
        assert!(said(&review, ID).contains(why), "{}", said(&review, ID));
        assert_eq!(
            findings(&review, &format!("item {ID}")),
            [""; 0],
            "nothing disproves it"
        );
    }
}

#[test]
fn an_attestation_tells_who_says_so_and_an_address_is_not_looked_at() {
    let review = attestation("2026-10-01", "2027-11-01", "https://wiki.example.invalid/rollback");
    let reviewed = review.item(ID).unwrap();
    let [part] = &reviewed.evidence[..] else {
        panic!("{reviewed:?}");
    };
    assert_eq!((part.kind, reviewed.kind), (Kind::Attested, Kind::Attested));
    assert_eq!(part.by.as_deref(), Some("ann"));
    assert_eq!(part.on.as_deref(), Some("2026-10-01"));
    assert_eq!(part.until.as_deref(), Some("2027-11-01"));
    assert_eq!(part.link.as_deref(), Some("https://wiki.example.invalid/rollback"));
}

#[test]
fn an_empty_file_and_a_folder_are_no_evidence() {
    let folder = Folder::new();
    folder.file("empty.md", "");
    for link in ["empty.md", "."] {
        let text = attested(ID).replace("proof.md", link);
        let review = review(folder.app(&text));
        assert_eq!(kind(&review, ID), Kind::Missing, "{link}: {}", said(&review, ID));
    }
}

#[test]
fn what_the_wiring_disproves_is_missing_and_a_finding_whoever_attests_it() {
    let folder = Folder::new();
    let mut app = folder.app(&attested("circuit-breakers"));
    drop(app.dependency("payments"));
    let review = review(app);
    assert_eq!(kind(&review, "circuit-breakers"), Kind::Missing);
    let found = findings(&review, "item circuit-breakers");
    assert_eq!(found.len(), 1, "{:?}", review.findings);
    assert!(
        found[0].contains("ann attests it since 2026-11-23, and dependency payments:"),
        "{found:?}"
    );
}

#[tokio::test]
async fn what_a_measurement_disproves_is_missing_and_a_finding_whoever_attests_it() {
    let stale = |age: Duration| {
        let last = UNIX_EPOCH + NOW - age;
        Freshness::new("nightly", DAY, move || async move { Ok::<_, std::io::Error>(last) })
    };
    for (age, wanted, found) in [(DAY, Kind::Attested, 0), (2 * DAY, Kind::Missing, 1)] {
        let folder = Folder::new();
        let app = folder.app(&attested("backups")).freshness(stale(age)).build().unwrap();
        app.measure().await;
        let review = app.review_at(NOW);
        assert_eq!(kind(&review, "backups"), wanted, "{}", said(&review, "backups"));
        assert_eq!(findings(&review, "item backups").len(), found, "{:?}", review.findings);
    }
}

#[test]
fn what_has_not_been_measured_yet_is_missing() {
    let folder = Folder::new();
    let fresh = Freshness::new("nightly", DAY, || async { Ok::<_, std::io::Error>(UNIX_EPOCH + NOW) });
    let review = review(folder.app(&attested("backups")).freshness(fresh));
    assert_eq!(kind(&review, "backups"), Kind::Missing);
    assert!(said(&review, "backups").contains("it has not been measured yet"));
}

fn without_breaker(until: Option<&str>) -> AppBuilder {
    let mut app = builder();
    let payments = app.dependency("payments");
    let reason = "the bank has its own";
    let payments = match until {
        None => payments.without(Control::Breaker, reason),
        Some(day) => payments.without_until(Control::Breaker, reason, day),
    };
    let _ = payments.http(URL);
    app
}

#[test]
fn a_guard_left_out_in_code_is_waived_with_its_reason_and_its_day() {
    let review = review(without_breaker(Some("2999-01-01")));
    let reviewed = review.item("circuit-breakers").unwrap();
    assert_eq!(reviewed.kind, Kind::Waived);
    assert_eq!(reviewed.evidence[0].found, "breaker is left out: the bank has its own");
    assert_eq!(reviewed.evidence[0].until.as_deref(), Some("2999-01-01"));
    assert_eq!(kind(&review, "timeouts"), Kind::Proven, "no other guard is left out");
    let forever = without_breaker(None).build().unwrap().review_at(400_000 * DAY);
    assert_eq!(kind(&forever, "circuit-breakers"), Kind::Waived);
}

#[test]
fn a_waiver_in_code_is_worth_nothing_from_its_day_on() {
    let app = without_breaker(Some("2999-01-01")).build().unwrap();
    let day = Duration::from_secs(32_472_144_000);
    assert_eq!(kind(&app.review_at(day - DAY), "circuit-breakers"), Kind::Waived);
    let ended = app.review_at(day);
    assert_eq!(kind(&ended, "circuit-breakers"), Kind::Missing);
    let text = said(&ended, "circuit-breakers");
    assert!(text.contains("the waiver of that has ended on 2999-01-01"), "{text}");
}

#[test]
fn a_guard_is_back_if_the_day_of_its_waiver_had_come_before_the_start() {
    let review = review(without_breaker(Some("2020-01-01")));
    assert_eq!(kind(&review, "circuit-breakers"), Kind::Proven);
}

#[test]
fn a_manifest_waives_until_its_day_and_says_who_and_why() {
    let folder = Folder::new();
    let waiver = |until| review(folder.app(&waived("canary", until)));
    let held = waiver("2026-11-24");
    let part = &held.item("canary").unwrap().evidence[0];
    assert_eq!((part.kind, kind(&held, "canary")), (Kind::Waived, Kind::Waived));
    assert_eq!(
        (part.by.as_deref(), part.until.as_deref()),
        (Some("ann"), Some("2026-11-24"))
    );
    assert_eq!(part.found, "nobody needs it");
    let ended = waiver("2026-11-23");
    assert_eq!(kind(&ended, "canary"), Kind::Missing);
    assert!(said(&ended, "canary").contains("its waiver has ended on 2026-11-23"));
}

#[test]
fn a_waiver_hides_nothing_that_is_there() {
    let folder = Folder::new();
    let text = waived("circuit-breakers", "2026-12-01") + &waived("readiness", "2020-01-01");
    let review = review(with_payments(folder.app(&text)));
    assert_eq!(kind(&review, "circuit-breakers"), Kind::Proven);
    assert_eq!(kind(&review, "readiness"), Kind::Proven);
}

#[test]
fn a_waiver_in_a_manifest_takes_what_is_missing_of_an_item_and_leaves_the_rest() {
    let folder = Folder::new();
    let review = review(folder.app(&waived("input-validation", "2026-12-01")));
    let kinds: Vec<_> = review
        .item("input-validation")
        .unwrap()
        .evidence
        .iter()
        .map(|part| part.kind)
        .collect();
    assert_eq!(kinds, [Kind::Proven, Kind::Waived]);
}

#[test]
fn what_no_service_is_ready_without_cannot_be_waived() {
    let never: Vec<_> = {
        let review = review(builder());
        let never = review.items.iter().filter(|reviewed| reviewed.item.is_never);
        never.map(|reviewed| reviewed.item.id.clone()).collect()
    };
    assert_eq!(never.len(), 6);
    let folder = Folder::new();
    for id in never {
        let refused = wrong(folder.app(&waived(&id, "2026-12-01")));
        assert!(refused.contains(&format!("`readiness.waived.{id}`")), "{refused}");
        assert!(refused.contains("it cannot be waived"), "{refused}");
    }
}

/// Says that it is what it is not.
struct Pretends(&'static str);

impl Describe for Pretends {
    fn describe(&self) -> Entry {
        Entry::new(self.0, "payments", "on")
    }

    fn describe_all(&self) -> Vec<Entry> {
        let kinds = [
            "retry", "breaker", "timeout", "deadline", "bulkhead", "otlp", "recorder",
        ];
        let parts = kinds.map(|kind| Entry::new(kind, "payments", "on").setting("file", "/timeline"));
        let waiver = Entry::new("waiver", "payments: breaker", "on").setting("reason", "pretended");
        [self.describe(), waiver].into_iter().chain(parts).collect()
    }
}

#[test]
fn a_name_in_the_inventory_proves_nothing_and_waives_nothing() {
    let mut app = builder();
    drop(app.dependency("payments"));
    let app = app.build().unwrap();
    let before = app.review_at(NOW);
    for kind in ["dependency", "breaker", "otlp", "recorder", "endpoint", "inbound"] {
        app.inventory().add(Pretends(kind));
    }
    assert_eq!(app.review_at(NOW), before);
    assert_eq!(kind(&before, "circuit-breakers"), Kind::Missing);
}

/// An item of a service's own.
struct Own(fn(&Scene<'_>) -> Vec<Evidence>);

impl Criterion for Own {
    fn item(&self) -> Item {
        Item::new("replicas", Level::Mvp, "Two replicas")
    }

    fn examine(&self, scene: &Scene<'_>) -> Vec<Evidence> {
        (self.0)(scene)
    }
}

#[test]
fn an_item_of_ones_own_is_as_good_as_its_worst_part() {
    let parts = |examine| kind(&review(builder().criterion(Own(examine))), "replicas");
    assert_eq!(parts(|_| vec![Evidence::proven("", "2")]), Kind::Proven);
    assert_eq!(
        parts(|scene| vec![Evidence::measured("", "2", scene.at())]),
        Kind::Measured
    );
    assert_eq!(
        parts(|_| vec![Evidence::proven("a", "2"), Evidence::missing("b", "1")]),
        Kind::Missing
    );
    assert_eq!(
        parts(|_| vec![Evidence::proven("a", "2"), Evidence::waived("b", "1", None)]),
        Kind::Waived
    );
    assert_eq!(parts(|_| Vec::new()), Kind::Missing);
    assert_eq!(parts(|_| panic!("on purpose")), Kind::Missing);
}

#[test]
fn somebodys_word_counts_for_an_item_of_ones_own_where_nobody_looked() {
    let folder = Folder::new();
    for (examine, wanted) in [
        ((|_| Vec::new()) as fn(&Scene<'_>) -> _, Kind::Attested),
        (|_| vec![Evidence::unknown("", "?")], Kind::Attested),
        (|_| vec![Evidence::missing("", "1")], Kind::Missing),
        (|_| vec![Evidence::proven("", "2")], Kind::Proven),
        (|_| panic!("on purpose"), Kind::Missing),
    ] {
        let review = review(folder.app(&attested("replicas")).criterion(Own(examine)));
        assert_eq!(kind(&review, "replicas"), wanted, "{}", said(&review, "replicas"));
    }
}

#[test]
fn an_item_of_ones_own_has_an_id_that_is_no_other_items() {
    struct Named(&'static str);
    impl Criterion for Named {
        fn item(&self) -> Item {
            Item::new(self.0, Level::Mvp, "Own")
        }

        fn examine(&self, _: &Scene<'_>) -> Vec<Evidence> {
            Vec::new()
        }
    }
    let refused = wrong(builder().criterion(Named("readiness")).criterion(Named("Two Words")));
    assert!(
        refused.contains("`review.criterion.readiness` is there twice"),
        "{refused}"
    );
    assert!(
        refused.contains("`review.criterion` is a text of 9 characters"),
        "{refused}"
    );
}

#[test]
fn the_verdict_follows_from_the_items() {
    let folder = Folder::new();
    let review = review(folder.app(&attested(ID)));
    for level in Level::ALL {
        let toward = review.clone().toward(level);
        let needed = toward.items.iter().filter(|reviewed| reviewed.item.level <= level);
        let wanted = if needed.clone().all(|reviewed| reviewed.is_met()) {
            Verdict::Go
        } else {
            Verdict::NoGo
        };
        assert_eq!(toward.verdict(), wanted);
        assert_eq!(toward.require(level).is_ok(), wanted == Verdict::Go);
        assert_eq!(toward.reached() >= Some(level), wanted == Verdict::Go, "{level}");
    }
    assert_eq!(review.reached(), None);
}
