use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::super::file::TimelineFile;
use super::super::recorder::FlightRecorder;
use super::super::ring::SLOTS;
use super::{count, recorder, say};
use crate::base::clock::Clock;
use crate::base::inventory::Describe;

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

#[test]
fn the_file_has_a_line_for_each_entry_after_one_that_says_whose_they_are() {
    let path = folder("lines").join("timeline.jsonl");
    for run in 0..2 {
        let recorder = recorder();
        recorder.write_to(TimelineFile::open(&path).unwrap()).unwrap();
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
    recorder.write_to(TimelineFile::open(&path).unwrap()).unwrap();
    say(&recorder, "last");
    drop(recorder);
    let begin = Clock::default().now();
    while lines(&path).last().is_none_or(|line| line["detail"] != "last") {
        assert!(
            Clock::default().now() - begin < Duration::from_secs(10),
            "it never came"
        );
        std::thread::yield_now();
    }
}

#[test]
fn the_end_waits_for_the_file() {
    let path = folder("end").join("timeline.jsonl");
    let recorder = recorder();
    recorder.write_to(TimelineFile::open(&path).unwrap()).unwrap();
    for number in 0..5 {
        recorder.ended(0, &number.to_string());
        assert_eq!(lines(&path).last().unwrap()["detail"], number.to_string());
    }
}

#[test]
fn the_file_turns_at_a_mebibyte_and_the_older_one_is_the_only_other() {
    let folder = folder("turns");
    let path = folder.join("timeline.jsonl");
    let recorder = recorder();
    recorder.write_to(TimelineFile::open(&path).unwrap()).unwrap();
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
    recorder.write_to(TimelineFile::open(&path).unwrap()).unwrap();
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
    recorder.write_to(TimelineFile::open(&path).unwrap()).unwrap();
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
        assert!(TimelineFile::open(path).is_err(), "{path:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_is_moved_and_made_anew_is_left_to_whoever_moved_it() {
    let path = folder("moved").join("timeline.jsonl");
    let moved = path.with_extension("moved");
    let recorder = recorder();
    recorder.write_to(TimelineFile::open(&path).unwrap()).unwrap();
    say(&recorder, "before");
    flushed(&recorder);
    fs::rename(&path, &moved).unwrap();
    fs::write(&path, "").unwrap();
    say(&recorder, "after");
    flushed(&recorder);
    assert_eq!(lines(&moved).last().unwrap()["detail"], "before");
    let lines = lines(&path);
    assert_eq!(
        (&lines[0]["goes_on"], &lines[1]["detail"]),
        (&true.into(), &"after".into())
    );
}

#[cfg(unix)]
#[test]
fn two_do_not_write_to_one_file() {
    let path = folder("two").join("timeline.jsonl");
    let first = TimelineFile::open(&path).unwrap();
    let second = TimelineFile::open(&path).unwrap_err();
    assert_eq!(second.to_string(), "another service writes there");
    drop(first);
    assert!(TimelineFile::open(&path).is_ok());
}
