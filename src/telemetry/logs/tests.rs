use std::io;
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};
use tracing::{Span, debug, info, info_span};
use tracing_subscriber::fmt;

use super::*;
use crate::base::context::{Origin, SampleRatio, TraceContext};

/// Takes what is written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn writer(&self) -> BoxMakeWriter {
        let written = self.clone();
        BoxMakeWriter::new(move || written.clone())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// An object as it is written: names in their order, none lost.
#[derive(Debug)]
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn logged(filter: &LogFilter, look: Look, work: impl FnOnce()) -> String {
    let written = Written::default();
    let subscriber = tracing_subscriber::registry().with(filter.clone());
    tracing::subscriber::with_default(subscriber.with(super::lines(look, written.writer())), work);
    written.text()
}

/// Returns the JSON lines, of which none has a name twice.
fn lines(work: impl FnOnce()) -> Vec<Value> {
    let text = logged(&LogFilter::parse("trace").unwrap(), Look::Json, work);
    text.lines()
        .map(|line| {
            let Members(members) = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let count = members.len();
            let object: serde_json::Map<_, _> = members.into_iter().collect();
            assert_eq!(object.len(), count, "a name twice: {line}");
            Value::Object(object)
        })
        .collect()
}

fn line(work: impl FnOnce()) -> Value {
    let [line] = <[_; 1]>::try_from(lines(work)).unwrap();
    line
}

fn origin() -> Origin {
    Origin {
        request_id: "r-1".parse().ok(),
        trace: Some(TraceContext::begin(SampleRatio::ALL)),
        ..Origin::NONE
    }
}

fn own_span() -> Span {
    info_span!(target: "seaworthy::web::observe::span", "request", request_id = "r-2",
        trace_id = %"4bf9", span_id = %"00f0", parent_span_id = "x", http.route = "/orders/{id}", otel.kind = "server")
}

#[test]
fn a_line_says_when_how_bad_and_what_with_the_fields_beside_it() {
    let text = logged(&LogFilter::parse("info").unwrap(), Look::Json, || {
        info!(target: "orders", count = -1, part = 0.5, none = f64::NAN, yes = true, text = "a\n\"b\"", "said {}", 7);
    });
    let (start, rest) = text.split_once("\",").unwrap();
    let (date, _) = start
        .strip_prefix("{\"timestamp\":\"")
        .unwrap()
        .split_once('T')
        .unwrap();
    assert!(
        date.len() == 10 && start.ends_with('Z') && start.contains('.'),
        "{start}"
    );
    let expected = r#""level":"INFO","message":"said 7","count":-1,"part":0.5,"none":null,"yes":true,"text":"a\n\"b\"","target":"orders"}"#;
    assert_eq!(rest, format!("{expected}\n"));
}

#[test]
fn a_line_has_the_ids_of_the_work_it_is_written_in() {
    let (mut origin, trace) = (origin(), |origin: &Origin| origin.trace.clone().unwrap());
    let expected = trace(&origin);
    // The span is another request's, and does not count.
    let line = line(|| own_span().in_scope(|| origin.run(|| info!("said"))));
    let (trace_id, span_id) = (expected.trace_id().to_string(), expected.span_id().to_string());
    assert_eq!(line["request_id"], "r-1", "{line}");
    assert_eq!([&line["trace_id"], &line["span_id"]], [&trace_id, &span_id], "{line}");
    assert_eq!(line.get("spans"), None, "{line}");
}

#[test]
fn without_any_it_has_those_of_the_nearest_span_that_this_crate_has_made() {
    let line = line(|| own_span().in_scope(|| info_span!("mine").in_scope(|| info!("said"))));
    let ids = json!([line["request_id"], line["trace_id"], line["span_id"]]);
    assert_eq!(ids, json!(["r-2", "4bf9", "00f0"]), "{line}");
    assert_eq!(line["spans"], json!([{"name": "mine"}]));
}

#[test]
fn each_id_is_that_of_the_nearest_span_that_has_it() {
    let line = line(|| {
        let _in_request = own_span().entered();
        let attempt =
            info_span!(target: "seaworthy::web::observe_attempt::span", "attempt", trace_id = "4bf9", span_id = "ffff");
        attempt.in_scope(|| info!("said"));
    });
    let ids = json!([line["request_id"], line["trace_id"], line["span_id"]]);
    assert_eq!(ids, json!(["r-2", "4bf9", "ffff"]), "{line}");
}

#[test]
fn outside_of_requests_a_line_has_no_ids() {
    let line = line(|| info_span!("mine", request_id = "own").in_scope(|| info!("said")));
    let ids = ["request_id", "trace_id", "span_id"].map(|id| line.get(id));
    assert_eq!(ids, [None; 3], "{line}");
}

#[test]
fn the_users_spans_are_on_the_line_from_root_to_leaf_and_the_crates_own_are_not() {
    let text = logged(&LogFilter::parse("info").unwrap(), Look::Json, || {
        let root = info_span!("root", n = 1, late = tracing::field::Empty);
        let _in_root = root.enter();
        let _in_own = own_span().entered();
        let _in_leaf = info_span!("leaf", name = "taken", who = "\"x\"", r#type = 3).entered();
        root.record("n", 2);
        root.record("late", "so, \"it\" is");
        root.record("late", "no,");
        info!("said");
    });
    let spans =
        r#""spans":[{"name":"root","n":2,"late":"no,"},{"name":"leaf","fields.name":"taken","who":"\"x\"","type":3}]}"#;
    assert!(text.trim_end().ends_with(spans), "{text}");
    assert!(
        !text.contains("http.route") && !text.contains("parent_span_id"),
        "{text}"
    );
}

#[test]
fn a_field_that_is_called_as_a_part_of_the_line_is_renamed() {
    let mut origin = origin();
    let line = line(|| {
        origin.run(|| {
            info!(
                target: "orders",
                request_id = "forged",
                "fields.request_id" = "too",
                level = 7,
                timestamp = 0,
                target = "x",
                trace_id = 1,
                span_id = 2,
                spans = 3,
                "said"
            );
        });
    });
    assert_eq!(line["request_id"], "r-1");
    let renamed = json!([
        line["fields.request_id"],
        line["fields.fields.request_id"],
        line["fields.level"],
        line["fields.spans"]
    ]);
    assert_eq!(renamed, json!(["forged", "too", 7, 3]), "{line}");
    assert_eq!(line["level"], "INFO");
}

#[test]
fn what_this_crate_says_of_a_request_is_not_said_twice() {
    let mut origin = origin();
    let line = line(|| origin.run(|| info!(target: "seaworthy::web", request_id = "r-1", "said")));
    assert_eq!(
        (line["request_id"].as_str(), line.get("fields.request_id")),
        (Some("r-1"), None)
    );
}

#[test]
fn hostile_values_do_not_break_the_line_and_are_cut() {
    let line = line(|| {
        let long = "\u{1b}[2J\n{\"level\":\"".repeat(4096);
        let _in = info_span!("mine", long = %long).entered();
        info!(evil = "\"},{\"\n\u{85}", long, "\r\n{}", "x".repeat(100_000));
    });
    assert_eq!(line["evil"], "\"},{\"\n\u{85}");
    for value in [&line["message"], &line["long"], &line["spans"][0]["long"]] {
        let value = value.as_str().unwrap();
        assert!(value.ends_with("…[cut]") && value.len() < 4200, "{}", value.len());
    }
}

#[test]
fn what_comes_through_the_crate_log_has_its_own_target() {
    let line = line(|| info!(target: "log", { log.target = "hyper", log.line = 3 }, "said"));
    assert_eq!(
        (&line["target"], line.get("log.line")),
        (&json!("hyper"), None),
        "{line}"
    );
}

#[test]
fn a_line_for_people_has_the_ids_at_its_end_and_none_of_what_is_for_traces() {
    let mut origin = origin();
    let trace = origin.trace.clone().unwrap();
    let text = logged(
        &LogFilter::parse("info").unwrap(),
        Look::Pretty { is_coloured: false },
        || origin.run(|| own_span().in_scope(|| info!(target: "orders", n = 1, "said"))),
    );
    let (_, said) = text.split_once("Z ").unwrap();
    let ids = format!(
        "request_id=r-1 trace_id={} span_id={}",
        trace.trace_id(),
        trace.span_id()
    );
    assert_eq!(said, format!(" INFO request: orders: said n=1 {ids}\n"));
}

#[test]
fn a_filter_is_changed_while_it_is_in_use_and_back() {
    let filter = LogFilter::parse("info").unwrap();
    let text = logged(&filter, Look::Json, || {
        let say = |n: u32| {
            let _in = info_span!("work", n).entered();
            debug!("said {n}");
        };
        for (n, changed) in [
            "debug",
            "warn",
            "info,[work{n=2}]=debug",
            "info",
            "off",
            "seaworthy=debug",
        ]
        .iter()
        .enumerate()
        {
            filter.change(changed).unwrap();
            say(n as u32);
        }
        assert!(filter.change("info,seaworthy=loud").is_err());
        say(6);
    });
    assert_eq!(filter.text(), "seaworthy=debug");
    let said: Vec<_> = text
        .lines()
        .map(|line| line.split("said ").nth(1).unwrap().split('"').next().unwrap())
        .collect();
    assert_eq!(said, ["0", "2", "5", "6"], "{text}");
}

#[test]
fn the_value_of_a_field_is_no_regular_expression() {
    let filter = LogFilter::parse("off,[work{of=a.c}]=debug").unwrap();
    let text = logged(&filter, Look::Json, || {
        for of in ["abc", "a.c"] {
            let _in = info_span!("work", %of).entered();
            debug!("said {of}");
        }
    });
    assert!(!text.contains("said abc") && text.contains("said a.c"), "{text}");
}

#[test]
fn a_filter_of_the_log_alone_is_changed_too_and_leaves_others_what_they_see() {
    for (first, second) in [("info", "debug"), ("info,[work{n=1}]=trace", "info,[work{n=2}]=debug")] {
        let (filter, written, all) = (LogFilter::parse(first).unwrap(), Written::default(), Written::default());
        let subscriber = tracing_subscriber::registry()
            .with(fmt::layer().with_writer(all.writer()))
            .with(super::lines(Look::Json, written.writer()).with_filter(filter.clone()));
        tracing::subscriber::with_default(subscriber, || {
            for n in [1, 2] {
                let _in = info_span!("work", n).entered();
                debug!("said {n}");
                filter.change(second).unwrap();
            }
        });
        assert_eq!(all.text().matches("said ").count(), 2);
        let is_first = first != "info";
        assert_eq!(
            written.text().contains("said 1"),
            is_first,
            "{first}: {}",
            written.text()
        );
        assert!(written.text().contains("said 2"), "{first}: {}", written.text());
    }
}

#[test]
fn a_filter_reads_as_it_was_understood() {
    for (text, expected) in [
        ("info", "info"),
        ("", "off"),
        ("inof", "inof=trace"),
        ("INFO,a=DEBUG", "a=debug,info"),
    ] {
        assert_eq!(LogFilter::parse(text).unwrap().text(), expected, "{text}");
    }
    for text in ["info,orders=loud", "a=b=c", "[", "\u{fffd}"] {
        assert!(
            LogFilter::parse(text).is_err(),
            "{text}: {}",
            LogFilter::parse(text).unwrap().text()
        );
    }
}
