//! Who is called, what happens if nobody answers, what they read then, and when that was tried.

mod review_support;

use std::fs;

use review_support::{Folder, URL, attested, kind, review, said, with_payments};
use seaworthy::review::{Kind, Review};

const ROTATION: &str = r#""ann", "bob""#;
const CHAIN: &str = r#""ann", "bob", "cora""#;
const SEVERITIES: [&str; 4] = [
    "SEV-1 = { respond = '15min', escalate_after = '30min' }",
    "SEV-2 = { respond = '30min', escalate_after = '1h' }",
    "SEV-3 = { respond = '4h', escalate_after = '1day' }",
    "SEV-4 = { respond = '14days' }",
];

fn on_call(days: (&str, &str), rotation: &str, chain: &str, severities: &[&str]) -> Review {
    let (on, expires) = days;
    let severities = severities.join("\n");
    let text = format!(
        "[on_call]\nby = 'ann'\non = {on}\nexpires = {expires}\nrotation = [{rotation}]\nchain = [{chain}]\n\
         [on_call.escalation]\n{severities}\n"
    );
    review(Folder::new().app(&text))
}

const DAYS: (&str, &str) = ("2026-11-01", "2027-02-01");

#[test]
fn two_people_are_the_least_of_a_rotation() {
    for (rotation, wanted) in [
        (ROTATION, Kind::Measured),
        (r#""ann", "bob", "ann""#, Kind::Measured),
        (r#""ann""#, Kind::Missing),
        (r#""ann", "Ann""#, Kind::Missing),
        ("", Kind::Missing),
    ] {
        let review = on_call(DAYS, rotation, CHAIN, &SEVERITIES);
        assert_eq!(
            kind(&review, "on-call"),
            wanted,
            "[{rotation}]: {}",
            said(&review, "on-call")
        );
        assert_eq!(kind(&review, "escalation"), Kind::Measured, "that is another item");
    }
}

#[test]
fn three_are_the_least_of_a_chain() {
    for (chain, wanted) in [
        (CHAIN, Kind::Measured),
        (r#""ann", "bob""#, Kind::Missing),
        (r#""ann", "bob", "BOB""#, Kind::Missing),
        ("", Kind::Missing),
    ] {
        let review = on_call(DAYS, ROTATION, chain, &SEVERITIES);
        assert_eq!(
            kind(&review, "escalation"),
            wanted,
            "[{chain}]: {}",
            said(&review, "escalation")
        );
        assert_eq!(kind(&review, "on-call"), Kind::Measured, "that is another item");
    }
}

#[test]
fn every_severity_has_its_times_and_what_is_worse_is_answered_sooner() {
    for (severity, instead, subject, says) in [
        (0, "", "SEV-1", "nobody has said how soon"),
        (2, "", "SEV-3", "nobody has said how soon"),
        (3, "", "SEV-4", "nobody has said how soon"),
        (
            1,
            "SEV-2 = { respond = '10min', escalate_after = '1h' }",
            "SEV-2",
            "sooner than what is worse (15m)",
        ),
        (
            2,
            "SEV-3 = { respond = '4h', escalate_after = '3h' }",
            "SEV-3",
            "is called before that, after 3h",
        ),
        (
            1,
            "SEV-2 = { respond = '30min' }",
            "SEV-2",
            "nobody is called if it is not",
        ),
        (
            3,
            "SEV-4 = { respond = '1h' }",
            "SEV-4",
            "sooner than what is worse (4h)",
        ),
    ] {
        let mut severities = SEVERITIES;
        severities[severity] = instead;
        let review = on_call(DAYS, ROTATION, CHAIN, &severities);
        let missing: Vec<_> = review
            .item("escalation")
            .unwrap()
            .evidence
            .iter()
            .filter(|part| part.kind == Kind::Missing)
            .collect();
        assert_eq!(missing.len(), 1, "{instead:?}: {missing:?}");
        assert_eq!(missing[0].subject, subject);
        assert!(missing[0].found.contains(says), "{}", missing[0].found);
    }
}

#[test]
fn what_is_answered_as_soon_as_what_is_worse_is_well() {
    let mut severities = SEVERITIES;
    severities[1] = "SEV-2 = { respond = '15min', escalate_after = '15min' }";
    assert_eq!(
        kind(&on_call(DAYS, ROTATION, CHAIN, &severities), "escalation"),
        Kind::Measured
    );
}

#[test]
fn who_is_called_is_said_for_a_time_alone() {
    for (on, expires, says) in [
        ("2026-08-01", "2026-11-23", "has expired on 2026-11-23"),
        ("2026-11-24", "2027-11-23", "is of 2026-11-24, which is still to come"),
    ] {
        let review = on_call((on, expires), ROTATION, CHAIN, &SEVERITIES);
        for id in ["on-call", "escalation"] {
            assert_eq!(kind(&review, id), Kind::Missing);
            assert!(said(&review, id).contains(says), "{}", said(&review, id));
        }
    }
    let review = on_call(DAYS, ROTATION, CHAIN, &SEVERITIES);
    let part = &review.item("on-call").unwrap().evidence[0];
    assert_eq!(
        (part.by.as_deref(), part.until.as_deref()),
        (Some("ann"), Some("2027-02-01"))
    );
}

#[test]
fn a_rotation_that_is_kept_elsewhere_is_attested_and_one_in_the_manifest_is_looked_at() {
    let folder = Folder::new();
    let word = attested("on-call");
    assert_eq!(kind(&review(folder.app(&word)), "on-call"), Kind::Attested);
    let alone = "[on_call]\nby = 'ann'\non = 2026-11-01\nexpires = 2027-02-01\nrotation = ['ann']\nchain = []\n";
    assert_eq!(kind(&review(folder.app(&(word + alone))), "on-call"), Kind::Missing);
}

const RESULT: &str = r#"{"format": "seaworthy-game-day-1", "service": "tested", "at": "2026-11-01T12:00:00Z",
    "phases": [{"name": "payments down", "passed": true}, {"name": "flood", "passed": true}]}"#;

fn game_day(result: &str, more: &str) -> Review {
    let folder = Folder::new();
    folder.file("result.json", result);
    review(folder.app(&format!("[game_day]\nresult = 'result.json'\n{more}\n")))
}

#[test]
fn a_game_day_shows_that_the_guards_of_this_service_held_not_long_ago() {
    let review = game_day(RESULT, "");
    let part = &review.item("chaos-testing").unwrap().evidence[0];
    assert_eq!(part.kind, Kind::Measured, "{}", part.found);
    assert_eq!(part.found, "all 2 phases of 2026-11-01T12:00:00Z were as expected");
    assert_eq!(part.at.unwrap().as_secs(), 1_793_534_400);
    assert_eq!(part.link.as_deref(), Some("result.json"));
}

#[test]
fn the_result_of_a_game_day_that_shows_nothing_is_missing() {
    let changed = |from: &str, to: &str| {
        assert!(RESULT.contains(from));
        RESULT.replace(from, to)
    };
    for (result, says) in [
        (
            changed("\"flood\", \"passed\": true", "\"flood\", \"passed\": false"),
            "of 2 phases these failed: flood",
        ),
        (changed("tested", "ledger"), "it is of the service `ledger`"),
        (
            changed("\"phases\"", "\"without\": \"breaker\", \"phases\""),
            "it was played with `without`",
        ),
        (
            changed("\"phases\"", "\"only\": \"flood\", \"phases\""),
            "it was played with `only`",
        ),
        (changed("2026-11-01", "2026-08-24"), "may be 2months 29days"),
        (changed("2026-11-01", "2026-11-24"), "still to come"),
        (changed("day-1", "day-2"), "its `format` is not"),
        (changed("2026-11-01T12:00:00Z", "yesterday"), "`at`"),
        (changed("2026-11-01", "1969-11-01"), "`at`"),
        (
            changed(
                "{\"name\": \"payments down\", \"passed\": true}, ",
                "{\"name\": \"payments down\"}, ",
            ),
            "each of `phases`",
        ),
        (changed("\"service\": \"tested\", ", ""), "there is no text `service`"),
        (RESULT[..60].to_owned(), "is no result"),
        ("{}".to_owned(), "there is no text `format`"),
        ("[]".to_owned(), "there is no text `format`"),
        ("[".repeat(100_000), "is no result"),
        (String::new(), "is no result"),
    ] {
        let review = game_day(&result, "");
        assert_eq!(kind(&review, "chaos-testing"), Kind::Missing, "{result:.300}");
        assert!(
            said(&review, "chaos-testing").contains(says),
            "{says}: {}",
            said(&review, "chaos-testing")
        );
    }
    let start = RESULT.find("\"phases\"").unwrap();
    let empty = format!("{}\"phases\": []}}", &RESULT[..start]);
    assert!(said(&game_day(&empty, ""), "chaos-testing").contains("it has no phases"));
}

#[test]
fn how_old_the_result_of_a_game_day_may_be_is_said_in_the_manifest() {
    assert_eq!(
        kind(&game_day(RESULT, "at_most = '22days'"), "chaos-testing"),
        Kind::Measured
    );
    assert_eq!(
        kind(&game_day(RESULT, "at_most = '21days'"), "chaos-testing"),
        Kind::Missing
    );
    let old = RESULT.replace("2026-11-01T12", "2026-08-25T00");
    assert_eq!(
        kind(&game_day(&old, ""), "chaos-testing"),
        Kind::Measured,
        "a quarter is 90 days"
    );
}

#[test]
fn a_game_day_whose_result_is_gone_is_missing_whoever_attests_it() {
    let folder = Folder::new();
    let text = attested("chaos-testing") + "[game_day]\nresult = 'gone.json'\n";
    let review = review(folder.app(&text));
    assert_eq!(kind(&review, "chaos-testing"), Kind::Missing);
    assert_eq!(
        review
            .findings
            .iter()
            .filter(|finding| finding.subject == "item chaos-testing")
            .count(),
        1
    );
}

const FAILURES: [&str; 5] = ["overload", "stall", "startup", "drain", "panic"];

fn runbooks(failures: &[&str], link: &str) -> String {
    let lines: String = failures
        .iter()
        .map(|failure| format!("{failure} = '{link}'\n"))
        .collect();
    format!("[runbooks]\n{lines}[runbooks.dependencies]\npayments = 'proof.md'\n")
}

#[test]
fn every_failure_of_the_wiring_has_its_runbook() {
    let folder = Folder::new();
    let app = || with_payments(folder.app(&runbooks(&FAILURES, "proof.md")));
    assert_eq!(kind(&review(app()), "runbooks"), Kind::Measured);
    for gone in 0..FAILURES.len() {
        let mut rest = FAILURES.to_vec();
        let gone = rest.remove(gone);
        let review = review(with_payments(folder.app(&runbooks(&rest, "proof.md"))));
        assert!(
            said(&review, "runbooks").contains(&format!("missing {gone}: no runbook")),
            "{gone}"
        );
    }
    let mut app = app();
    let _ = app.dependency("ledger").http(URL);
    let review = review(app);
    assert!(said(&review, "runbooks").contains("missing dependency ledger: no runbook"));
}

#[test]
fn a_runbook_is_a_file_that_can_be_read() {
    let folder = Folder::new();
    folder.file("empty.md", "\n");
    fs::write(folder.path().join("binary.md"), [0xff, 0xfe]).unwrap();
    for link in [
        "empty.md",
        "nowhere.md",
        ".",
        "binary.md",
        "https://wiki.example.invalid/overload",
    ] {
        let review = review(with_payments(folder.app(&runbooks(&FAILURES, link))));
        assert_eq!(kind(&review, "runbooks"), Kind::Missing, "{link}");
    }
}

#[test]
fn the_runbook_that_a_dependency_names_itself_counts_first() {
    let folder = Folder::new();
    let mut app =
        folder.app(&runbooks(&FAILURES, "proof.md").replace("payments = 'proof.md'", "payments = 'nowhere.md'"));
    let own = folder.file("payments.md", "call the bank");
    let _ = app.dependency("payments").runbook(&own).http(URL);
    let app = app.build().unwrap();
    assert_eq!(kind(&app.review_at(review_support::NOW), "runbooks"), Kind::Measured);
    fs::remove_file(own).unwrap();
    assert_eq!(
        kind(&app.review_at(review_support::NOW), "runbooks"),
        Kind::Missing,
        "it is looked at each time"
    );
}
