//! The parts of the example `gameday` that measure and judge. `ci/examples/gameday` plays it.

#![allow(dead_code, reason = "what plays the script is not here")]

#[path = "../examples/gameday/arguments.rs"]
mod arguments;
#[path = "../examples/gameday/expectation.rs"]
mod expectation;
#[path = "../examples/gameday/expected.rs"]
mod expected;
#[path = "../examples/gameday/figures.rs"]
mod figures;
#[path = "../examples/gameday/policy.rs"]
mod policy;
#[path = "../examples/gameday/record.rs"]
mod record;
#[path = "../examples/gameday/result.rs"]
mod result;
#[path = "../examples/gameday/script.rs"]
mod script;
#[path = "../examples/gameday/table.rs"]
mod table;
#[path = "../examples/gameday/trouble.rs"]
mod trouble;
#[path = "../examples/gameday/verdict.rs"]
mod verdict;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::{Duration, UNIX_EPOCH};

use arguments::Arguments;
use expectation::Bound::{AtLeast, AtMost};
use expectation::Measure;
use figures::{Restart, Seen};
use policy::Policy;
use record::{Ended, Sample, Who, percentile, recovery, refused_by};
use script::{Phase, SCRIPT};
use seaworthy::criticality::Criticality;
use seaworthy::{Part, Reason};
use trouble::{Fate, Mood};
use verdict::Verdict;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn order(due: u64, took: u64, ended: Ended) -> Sample {
    Sample {
        due: ms(due),
        took: ms(took),
        who: Who::Client,
        ended,
    }
}

/// A phase that lasts from the first to the second second; two further seconds follow.
fn seen(samples: Vec<Sample>) -> Seen {
    Seen {
        samples,
        trouble: ms(1000)..ms(2000),
        end: ms(4000),
        calls: 30,
        capacity: Some(4.0),
        restart: None,
    }
}

fn phase(name: &str) -> &'static Phase {
    SCRIPT.iter().find(|phase| phase.name == name).unwrap()
}

fn parse(arguments: &[&str]) -> Result<Option<Arguments>, String> {
    Arguments::parse(arguments.iter().map(OsString::from))
}

#[test]
fn a_percentile_is_what_so_great_a_share_took_at_the_most() {
    let samples: Vec<_> = (1..=150).rev().map(|took| order(0, took, Ended::Answered)).collect();
    let of = |share| percentile(&samples, share, |_| true);
    assert_eq!(
        [of(0.0), of(0.5), of(0.99), of(1.0)],
        [Some(1.0), Some(75.0), Some(149.0), Some(150.0)]
    );
    assert_eq!(percentile(&samples, 0.5, |sample| sample.took > ms(148)), Some(149.0));
    assert_eq!(percentile(&samples, 0.5, |sample| sample.ended == Ended::Lost), None);
}

#[test]
fn a_service_is_well_again_when_it_has_answered_for_half_a_second() {
    // It is healed after one second, and answers from 1.6 s on, but for one request at 1.3 s and one at 3 s.
    let samples = (0..400_u64).map(|number| {
        let due = number * 10;
        let is_bad = (900..1600).contains(&due) && due != 1300;
        order(
            due,
            1,
            if is_bad || due == 3000 {
                Ended::Refused("breaker")
            } else {
                Ended::Answered
            },
        )
    });
    let samples: Vec<_> = samples.collect();
    // Of the fifty within half a second two may fail.
    assert_eq!(recovery(&samples, ms(1000), ms(4000)), Some(ms(600)));
    assert_eq!(recovery(&samples, ms(2800), ms(4000)), Some(ms(0)));
    assert_eq!(
        recovery(&samples, ms(1000), ms(2000)),
        None,
        "there is no half second of it"
    );
    assert_eq!(recovery(&[], ms(1000), ms(2000)), None, "nobody has asked");
}

#[test]
fn others_than_clients_do_not_count_for_who_is_well() {
    let answered = |who| {
        (0..100).map(move |n| Sample {
            who,
            ..order(n * 10, 1, Ended::Answered)
        })
    };
    assert_eq!(
        recovery(&answered(Who::Flooder).collect::<Vec<_>>(), ms(0), ms(1000)),
        None
    );
    assert_eq!(
        recovery(&answered(Who::Client).collect::<Vec<_>>(), ms(0), ms(1000)),
        Some(ms(0))
    );
}

#[test]
fn who_refused_is_read_from_what_it_says() {
    let limit = Duration::from_millis(500);
    let (part, per) = (Part::Response, Duration::from_secs(1));
    for (reason, by) in [
        (Reason::CircuitOpen, Some("breaker")),
        (Reason::BulkheadFull { waited: Duration::ZERO }, Some("bulkhead")),
        (Reason::BulkheadFull { waited: limit }, Some("bulkhead")),
        (Reason::RateLimited { quota: 20, per }, Some("rate limit")),
        (Reason::Overloaded { limit: 7 }, Some("adaptive limit")),
        (
            Reason::Shed {
                criticality: Criticality::Sheddable,
            },
            Some("load shed"),
        ),
        (Reason::Elapsed { limit, part }, Some("timeout")),
        (Reason::DeadlinePassed, Some("timeout")),
        (Reason::BodyTooLarge { limit: 1 }, None),
    ] {
        assert_eq!(refused_by(&reason.to_string()), by, "{reason}");
    }
    assert_eq!(refused_by("payments did not agree"), None);
}

#[test]
fn a_bound_holds_on_its_side_and_never_for_what_could_not_be_measured() {
    for (bound, holds) in [(AtMost(2.0), [true, true, false]), (AtLeast(2.0), [false, true, true])] {
        assert_eq!(
            [1.0, 2.0, 3.0].map(|measured| bound.holds(measured)),
            holds,
            "{bound:?}"
        );
        assert!(!bound.holds(f64::NAN), "{bound:?}");
    }
    assert!(!AtMost(2.0).holds(f64::INFINITY));
}

#[test]
fn each_measure_is_of_whom_it_names_and_of_the_time_of_the_trouble() {
    let late = order(2500, 9000, Ended::Lost);
    let flood = |ended| Sample {
        who: Who::Flooder,
        ..order(1500, 1, ended)
    };
    let mut seen = seen(vec![
        late,
        order(1000, 10, Ended::Answered),
        order(1100, 30, Ended::Answered),
        order(1200, 20, Ended::Refused("bulkhead")),
        order(1300, 40, Ended::Failed),
        flood(Ended::Answered),
        flood(Ended::Refused("rate limit")),
        Sample {
            who: Who::Slow,
            ..order(1999, 1, Ended::Answered)
        },
    ]);
    let (start, stop) = (ms(100), ms(1500));
    for (measure, value) in [
        (Measure::Answered, 50.0),
        (Measure::RefusedBy("bulkhead"), 25.0),
        (Measure::RefusedBy("breaker"), 0.0),
        (Measure::FloodAnswered, 1.0),
        (Measure::FloodRefusedBy("rate limit"), 50.0),
        (Measure::SlowAnswered, 100.0),
        (Measure::Goodput, 50.0),
        (Measure::CallsPerOrder, 7.5),
        (Measure::P50, 20.0),
        (Measure::P99, 30.0),
        (Measure::RefusalP99, 20.0),
        (Measure::Lost, 0.0),
        (Measure::Recovery, f64::INFINITY),
    ] {
        assert_eq!(measure.of(&seen), value, "{measure:?}");
    }
    let unmeasured = [Measure::Start, Measure::Stop, Measure::ExitCode];
    assert!(unmeasured.iter().all(|measure| measure.of(&seen).is_nan()));
    seen.restart = Some(Restart {
        start,
        stop,
        exit_code: 3,
    });
    assert_eq!(unmeasured.map(|measure| measure.of(&seen)), [0.1, 1.5, 3.0]);
}

#[test]
fn each_policy_is_proven_by_a_phase_that_says_why_it_expects_what() {
    let names: BTreeSet<_> = SCRIPT.iter().map(|phase| phase.name).collect();
    assert_eq!(names.len(), SCRIPT.len());
    for policy in Policy::ALL {
        let proofs = SCRIPT.iter().filter(|phase| phase.policy == policy).count();
        assert!(proofs > 0, "{policy}");
    }
    for phase in &SCRIPT {
        assert!(!phase.expected.is_empty(), "{}", phase.name);
        assert!(
            phase.expected.iter().all(|expected| !expected.why.is_empty()),
            "{}",
            phase.name
        );
        let usage = arguments::USAGE;
        assert!(
            usage.contains(phase.name) && usage.contains(phase.policy.label()),
            "{}",
            phase.name
        );
    }
}

#[test]
fn one_expectation_that_is_not_met_fails_its_phase_and_shows_in_every_report() {
    let good: Vec<_> = (0..200).map(|n| order(n * 20, 60, Ended::Answered)).collect();
    let mut with_retries = seen(good);
    with_retries.calls = 51;
    let without = |calls, samples: &[Sample]| Seen {
        calls,
        ..seen(samples.to_vec())
    };
    let wasteful = without(100, &with_retries.samples);
    let verdicts = [&with_retries, &wasteful].map(|seen| Verdict::of(phase("ordinary"), seen));
    assert_eq!(verdicts.each_ref().map(Verdict::passed), [true, false]);

    let table = table::tables(&verdicts);
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ordinary |")).collect();
    assert!(
        rows[0].ends_with("| 50 | 50 | none | 0 | 0 | 60 ms | 60 ms | 0.0 s | passed |"),
        "{table}"
    );
    assert!(rows[1].ends_with("| FAILED |"), "{table}");
    let unmet: Vec<_> = rows.iter().filter(|row| row.contains("| NOT MET |")).collect();
    assert!(unmet.len() == 1 && unmet[0].contains("| 2 |"), "{table}");

    let at = UNIX_EPOCH + Duration::from_secs(1_795_435_200);
    let result = result::result(at, &["slow"], Some(Policy::AttemptTimeout), &verdicts);
    assert_eq!(result["format"], "seaworthy-game-day-1");
    assert_eq!(
        (&result["service"], &result["at"]),
        (&"orders".into(), &"2026-11-23T12:00:00Z".into())
    );
    assert_eq!(result["without"], "attempt-timeout");
    let passed: Vec<_> = result["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| &phase["passed"])
        .collect();
    assert_eq!(passed, [true, false]);
    assert_eq!(result["phases"][1]["expected"][1]["measured"], 2.0);
    assert_eq!(result::file_name(at, true), "game-day-2026-11-23.json");
    assert_eq!(result::file_name(at, false), "game-day-2026-11-23-part.json");
}

#[test]
fn who_is_never_well_again_is_never_and_not_soon() {
    let verdict = Verdict::of(phase("down"), &seen(vec![order(1500, 1, Ended::Failed)]));
    assert!(!verdict.passed());
    assert!(table::tables(&[verdict]).contains("| never | FAILED |"));
}

#[test]
fn troubles_come_by_the_number_of_the_call_or_by_time() {
    let fates = |mood: Mood| [1, 19, 20, 21, 40].map(|call| mood.fate(call, ms(0)));
    let (ok, failed, hung) = (Fate::Agreed, Fate::Failed, Fate::Hung);
    assert_eq!(fates(Mood::Well), [ok; 5]);
    assert_eq!(fates(Mood::FailsOneIn(20)), [ok, ok, failed, ok, failed]);
    assert_eq!(fates(Mood::HangsOneIn(20)), [ok, ok, hung, ok, hung]);
    assert_eq!(fates(Mood::FailsOneIn(1)), [failed; 5]);
    let flaps = [0, 499, 500, 1999, 2000, 3600].map(|since| Mood::Flaps.fate(7, ms(since)));
    assert_eq!(flaps, [ok, ok, failed, failed, ok, failed]);
}

#[test]
fn phases_are_played_in_the_order_of_the_script_however_they_are_named() {
    let names = |arguments: &[&str]| {
        let arguments = parse(arguments).unwrap().unwrap();
        arguments.phases().map(|phase| phase.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), SCRIPT.each_ref().map(|phase| phase.name));
    assert_eq!(names(&["--only", "flood", "--only", "slow"]), ["slow", "flood"]);
    let arguments = parse(&["--without", "breaker", "--result", "r.json"]).unwrap().unwrap();
    assert_eq!(arguments.without, Some(Policy::Breaker));
    assert_eq!(
        (arguments.result, arguments.svg),
        (Some("r.json".into()), "game-day.svg".into())
    );
    assert!(parse(&["--only", "slow", "-h"]).unwrap().is_none());
}

#[test]
fn what_there_is_not_is_named_and_what_there_is_told() {
    for (arguments, said) in [
        (&["--only"][..], "--only wants a value after it"),
        (&["--only", "fire"], "there is no phase \"fire\", but ordinary, slow,"),
        (
            &["--without", "luck"],
            "there is no policy \"luck\", but retry, attempt-timeout,",
        ),
        (&["--fast"], "there is no option --fast"),
        (&["slow"], "nothing is known of \"slow\""),
    ] {
        let wrong = parse(arguments).unwrap_err();
        assert!(wrong.starts_with(said), "{arguments:?}: {wrong}");
    }
}
