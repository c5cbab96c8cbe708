use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::entry::What;
use super::recorder::FlightRecorder;
use super::ring::SLOTS;
use crate::base::events::{Change, Event, EventSink};
use crate::base::inventory::{Describe, Inventory};
use crate::base::outcome::Outcome;
use crate::base::request::RequestEnded;

mod file;

fn recorder() -> FlightRecorder {
    FlightRecorder::new("orders".into())
}

fn say(recorder: &FlightRecorder, detail: &str) {
    recorder.record("test", "name", What::Word("said"), detail);
}

fn details(recorder: &FlightRecorder) -> Vec<String> {
    let all = recorder.json();
    let entries = all["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["detail"].as_str().unwrap().to_owned())
        .collect()
}

fn count(recorder: &FlightRecorder, name: &str) -> u64 {
    let counters = recorder.describe().counters;
    counters.into_iter().find(|(other, _)| *other == name).unwrap().1
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Returns the lines that are logged meanwhile.
fn logged(work: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone());
    tracing::subscriber::with_default(subscriber.finish(), work);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_last_of_many_entries_are_there_and_the_others_are_counted() {
    let recorder = recorder();
    let many = SLOTS + 300;
    (0..many).for_each(|number| say(&recorder, &number.to_string()));
    let expected: Vec<_> = (300..many).map(|number| number.to_string()).collect();
    assert_eq!(details(&recorder), expected);
    assert_eq!(
        (count(&recorder, "recorded"), count(&recorder, "overwritten")),
        (many as u64, 300)
    );
    let times = recorder.json()["entries"].as_array().unwrap().clone();
    assert!(times.is_sorted_by_key(|entry| entry["at_ms"].as_f64().unwrap()));
}

#[test]
fn entries_of_many_threads_are_whole_and_numbered_without_a_gap() {
    let recorder = recorder();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let recorder = &recorder;
            scope.spawn(move || (0..100).for_each(|_| say(recorder, &format!("{thread}").repeat(150))));
            scope.spawn(move || (0..20).for_each(|_| drop(recorder.json())));
        }
    });
    let all = recorder.json();
    for (number, entry) in all["entries"].as_array().unwrap().iter().enumerate() {
        let detail = entry["detail"].as_str().unwrap();
        assert_eq!(entry["seq"], number);
        assert_eq!(detail, detail[..1].repeat(150));
    }
    assert_eq!(count(&recorder, "recorded"), 800);
}

#[test]
fn an_event_is_recorded_with_its_cause_even_if_the_log_panics() {
    struct Panicking;
    impl std::io::Write for Panicking {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            panic!("the log")
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let telemetry = crate::telemetry::Telemetry::new("orders".into());
    let (from, to, detail) = ("closed", "open", "11 of 20 failed");
    let change = Change::State { from, to, detail };
    let (kind, name) = ("breaker", "payments");
    let subscriber = tracing_subscriber::fmt().with_writer(|| Panicking).finish();
    tracing::subscriber::with_default(subscriber, || {
        let caught = catch_unwind(AssertUnwindSafe(|| telemetry.event(&Event { kind, name, change })));
        assert!(caught.is_err(), "the log does panic");
    });
    let text = telemetry.recorder.text();
    assert!(
        text.ends_with("#0 breaker payments: closed -> open: 11 of 20 failed\n"),
        "{text}"
    );
}

#[test]
fn endless_panics_leave_room_for_everything_else() {
    let recorder = recorder();
    let request = RequestEnded {
        method: "GET",
        route: "/panics",
        scheme: "http",
        status: Some(500),
        outcome: Outcome::Failure,
        error: Some("panic"),
        refusal: None,
        took: Duration::from_millis(1),
    };
    for _ in 0..2 {
        (0..5000).for_each(|_| recorder.request(&request));
        recorder.request(&RequestEnded {
            error: Some("500"),
            ..request
        });
        recorder.look(&Inventory::default());
    }
    let text = recorder.text();
    assert_eq!(text.matches("request /panics: panic after").count(), 8, "{text}");
    assert_eq!(text.matches("panic: counted: 4996 more panics").count(), 2, "{text}");
    assert_eq!(count(&recorder, "recorded"), 10);
}

#[test]
fn an_inventory_that_panics_is_looked_at_again() {
    struct Panics(AtomicUsize);
    impl Describe for Panics {
        fn describe(&self) -> crate::base::inventory::Entry {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "the first time");
            crate::base::inventory::Entry::new("bulkhead", "in", "open").counter("refused", 3)
        }
    }
    let (recorder, inventory) = (recorder(), Inventory::default());
    inventory.add(Panics(AtomicUsize::new(0)));
    recorder.look(&inventory);
    assert_eq!(count(&recorder, "recorded"), 0);
    recorder.look(&inventory);
    assert!(
        details(&recorder)[0].starts_with("refused 3 more in "),
        "{:?}",
        details(&recorder)
    );
}

#[test]
fn a_dump_tells_what_no_dump_before_it_has_told_and_no_more_than_its_bound() {
    let recorder = recorder();
    (0..150).for_each(|number| say(&recorder, &format!("early {number}.")));
    let told = logged(|| recorder.dump("test", 7));
    assert_eq!(told.len(), 101, "{told:#?}");
    for part in [
        "what happened before",
        "service=\"orders\"",
        "why=\"test\"",
        "entries=100",
        "left_out=50",
        "panics_not_dumped=7",
    ] {
        assert!(told[0].contains(part), "{part} is not in {}", told[0]);
    }
    assert!(
        told[1].contains("early 50.") && told[100].contains("early 149."),
        "{told:#?}"
    );
    say(&recorder, "late");
    let told = logged(|| recorder.dump("test", 0));
    assert!(told.len() == 2 && told[1].contains("late"), "{told:#?}");
}

#[test]
fn an_end_that_is_clean_is_not_dumped() {
    let recorder = recorder();
    assert!(logged(|| recorder.ended(0, "exit code 0")).is_empty());
    assert_eq!(logged(|| recorder.ended(3, "exit code 3")).len(), 3);
}

/// Not a test: it measures. In a release build, alone: `cargo test --release --features full --lib -- --ignored --nocapture what_an_entry_costs`.
#[test]
#[ignore = "measures"]
fn what_an_entry_costs() {
    let recorder = recorder();
    let (from, to, detail) = ("closed", "open", "11 of 20 failed, the threshold is 50 %");
    for detail in [detail, &detail.repeat(10)] {
        let change = Change::State { from, to, detail };
        let (kind, name) = ("breaker", "payments");
        let event = Event { kind, name, change };
        let mut best = Duration::MAX;
        for _ in 0..20 {
            let clock = crate::base::clock::Clock::default();
            let start = clock.now();
            (0..100_000).for_each(|_| recorder.event(&event));
            best = best.min(clock.now() - start);
        }
        eprintln!("{} bytes of detail: {} ns", detail.len(), best.as_nanos() / 100_000);
    }
}
