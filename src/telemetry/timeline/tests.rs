use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::entry::What;
use super::file::Output;
use super::recorder::FlightRecorder;
use super::ring::SLOTS;
use crate::base::events::{Change, Event, EventSink};
use crate::base::inventory::{Describe, Inventory};
use crate::base::outcome::Outcome;
use crate::base::request::RequestEnded;

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

/// A folder of the test's own.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("seaworthy-recorder-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.to_owned())))
        .collect()
}

/// Waits until the file's thread has seen everything, however slow the machine is.
fn flushed(recorder: &FlightRecorder) {
    while !recorder.flush() {}
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

#[test]
fn the_file_has_a_line_for_each_entry_after_one_that_says_whose_they_are() {
    let path = folder("lines").join("timeline.jsonl");
    for run in 0..2 {
        let recorder = recorder();
        recorder.write_to(Output::open(&path).unwrap()).unwrap();
        (0..100).for_each(|number| say(&recorder, &number.to_string()));
        flushed(&recorder);
        let lines = lines(&path);
        assert_eq!(lines.len(), (run + 1) * 101);
        let first = &lines[run * 101];
        assert_eq!(
            [&first["service"], &first["goes_on"]],
            [&Value::from("orders"), &Value::from(false)]
        );
        assert_eq!(first["pid"], std::process::id());
        let details = lines[run * 101 + 1..]
            .iter()
            .map(|line| line["detail"].as_str().unwrap());
        assert!(details.eq((0..100).map(|number| number.to_string())));
        assert_eq!(recorder.describe().state, "writing");
    }
}

#[test]
fn what_is_recorded_last_reaches_the_file_when_the_recorder_goes() {
    let path = folder("last").join("timeline.jsonl");
    let recorder = recorder();
    recorder.write_to(Output::open(&path).unwrap()).unwrap();
    say(&recorder, "last");
    drop(recorder);
    while lines(&path).last().is_none_or(|line| line["detail"] != "last") {
        std::thread::yield_now();
    }
}

#[test]
fn the_file_turns_at_a_mebibyte_and_the_older_one_is_the_only_other() {
    let folder = folder("turns");
    let path = folder.join("timeline.jsonl");
    let recorder = recorder();
    recorder.write_to(Output::open(&path).unwrap()).unwrap();
    for _ in 0..20 {
        (0..SLOTS / 4).for_each(|_| say(&recorder, &"\u{1}".repeat(192)));
        flushed(&recorder);
    }
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["timeline.jsonl", "timeline.jsonl.1"]);
    let older = folder.join("timeline.jsonl.1");
    for path in [&path, &older] {
        assert!(fs::metadata(path).unwrap().len() <= 1 << 20);
        assert_eq!(lines(path)[0]["goes_on"], true);
    }
    let numbers: Vec<_> = [older, path].iter().flat_map(|path| lines(path).split_off(1)).collect();
    let numbers: Vec<_> = numbers.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "none is missing at the turn"
    );
    assert_eq!(count(&recorder, "unwritten"), 0);
}

#[test]
fn what_cannot_be_written_is_counted_and_what_comes_later_is_written_again() {
    let folder = folder("gone");
    let path = folder.join("timeline.jsonl");
    let recorder = recorder();
    recorder.write_to(Output::open(&path).unwrap()).unwrap();
    say(&recorder, "before");
    flushed(&recorder);
    fs::remove_dir_all(&folder).unwrap();
    (0..3).for_each(|_| say(&recorder, "lost"));
    flushed(&recorder);
    let entry = recorder.describe();
    assert_eq!((entry.state, count(&recorder, "unwritten")), ("failing", 3));
    fs::create_dir_all(&folder).unwrap();
    say(&recorder, "after");
    flushed(&recorder);
    assert_eq!(recorder.describe().state, "writing");
    assert_eq!(lines(&path).last().unwrap()["detail"], "after");
    assert_eq!(count(&recorder, "unwritten"), 3);
}

#[test]
fn a_line_that_was_cut_short_does_not_swallow_the_next() {
    let path = folder("torn").join("timeline.jsonl");
    fs::write(&path, "{\"seq\":1,\"det").unwrap();
    let recorder = recorder();
    recorder.write_to(Output::open(&path).unwrap()).unwrap();
    say(&recorder, "whole");
    flushed(&recorder);
    let lines = lines(&path);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].is_string() && lines[1]["service"] == "orders" && lines[2]["detail"] == "whole");
}

#[test]
fn what_is_no_ordinary_file_is_not_opened() {
    let folder = folder("kinds");
    for path in [&folder, &folder.join("nowhere/timeline.jsonl"), Path::new("/dev/null")] {
        assert!(Output::open(path).is_err(), "{path:?}");
    }
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
