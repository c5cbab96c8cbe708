use std::thread;

use metrics::{counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::*;

fn guard() -> (Guard<impl Recorder>, PrometheusHandle) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    (Guard::new(recorder), handle)
}

fn series<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let is_its = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    text.lines().filter(is_its).collect()
}

#[test]
fn series_beyond_the_cap_fold_into_one_and_are_counted() {
    let (guard, handle) = guard();
    with_local_recorder(&guard, || {
        for user in 0..MAX_SERIES + 500 {
            counter!("logins_total", "user" => user.to_string(), "kind" => "password").increment(1);
            gauge!("carts", "user" => user.to_string()).set(1.0);
            histogram!("waits", "user" => user.to_string()).record(1.0);
        }
        // One that was there before the cap was reached.
        counter!("logins_total", "user" => "7", "kind" => "password").increment(1);
    });
    let text = handle.render();
    for name in ["logins_total", "carts", "waits_count"] {
        assert_eq!(series(&text, name).len(), MAX_SERIES + 1, "{name}");
    }
    for line in [
        r#"logins_total{user="_other",kind="_other"} 500"#,
        r#"logins_total{user="7",kind="password"} 2"#,
        r#"carts{user="_other"} 1"#,
        r#"waits_count{user="_other"} 500"#,
        r#"seaworthy_folded_series_total{metric="logins_total"} 500"#,
        r#"seaworthy_folded_series_total{metric="carts"} 500"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn the_cap_holds_against_threads_that_add_series_at_once() {
    let (guard, handle) = guard();
    thread::scope(|scope| {
        for thread in 0..8 {
            let guard = &guard;
            scope.spawn(move || {
                with_local_recorder(guard, || {
                    for number in 0..400 {
                        counter!("hits_total", "who" => format!("{thread}-{number}")).increment(1);
                        counter!("shared_total", "who" => number.to_string()).increment(1);
                    }
                });
            });
        }
    });
    let text = handle.render();
    let values = |name| {
        series(&text, name)
            .iter()
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .collect::<Vec<_>>()
    };
    let hits = values("hits_total");
    assert_eq!((hits.len(), hits.iter().sum::<u64>()), (MAX_SERIES + 1, 3_200));
    let shared = values("shared_total");
    assert_eq!((shared.len(), shared.iter().sum::<u64>()), (400, 3_200));
    assert!(
        text.contains(r#"seaworthy_folded_series_total{metric="hits_total"} 2200"#),
        "{text}"
    );
}

#[test]
fn a_series_that_another_thread_added_last_is_found_when_the_metric_is_full() {
    let (guard, handle) = guard();
    with_local_recorder(&guard, || {
        for user in 0..=MAX_SERIES {
            counter!("logins_total", "user" => user.to_string()).increment(1);
        }
    });
    let key = Key::from_parts("logins_total", vec![Label::new("user", "7")]);
    let register = |_: &Key| -> Counter { unreachable!("it is there") };
    // As who looked for it before it was added.
    let found = guard.counters.find_new(&key, &guard.recorder, register);
    found.unwrap().increment(1);
    let text = handle.render();
    for line in [
        r#"logins_total{user="7"} 2"#,
        r#"seaworthy_folded_series_total{metric="logins_total"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn what_is_ours_has_the_larger_cap_under_opentelemetrys_names_too() {
    let (guard, handle) = guard();
    let ours = [
        names::REQUEST_DURATION,
        names::ATTEMPT_DURATION,
        names::ACTIVE_REQUESTS,
        names::STATE,
    ];
    with_local_recorder(&guard, || {
        for name in ours {
            (0..MAX_SERIES + 5).for_each(|n| gauge!(name, "http_route" => n.to_string()).set(1.0));
        }
    });
    let text = handle.render();
    for name in ours {
        assert_eq!(series(&text, name).len(), MAX_SERIES + 5, "{name}");
    }
}

#[test]
fn made_up_labels_and_made_up_metrics_end_somewhere_too() {
    let (guard, handle) = guard();
    with_local_recorder(&guard, || {
        for number in 0..MAX_SERIES + 500 {
            let labels = vec![Label::new(format!("label_{number}"), "value")];
            counter!("labels_total", labels).increment(1);
            counter!(format!("metric_{number}")).increment(1);
        }
    });
    let text = handle.render();
    let labelled = series(&text, "labels_total");
    assert_eq!(labelled.len(), MAX_SERIES + MAX_FOLDED + 1);
    assert!(labelled.contains(&"labels_total 490"), "{labelled:#?}");
    let metrics = text.lines().filter(|line| line.starts_with("metric_")).count();
    assert_eq!(metrics, MAX_METRICS - 1);
    assert!(
        text.contains(r#"seaworthy_folded_series_total{metric="_other"} 501"#),
        "{text}"
    );
}
