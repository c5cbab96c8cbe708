//! One order's whole way, as a real export tells it: its attempts at payments, and the circuit that opens on them.
#![cfg(unix)]

mod otlp_support;
mod support;

use std::net::SocketAddr;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags};
use otlp_support::{Sink, attribute};
use support::process::{Process, command, orders};
use support::{eventually, get, send};

const ORDER: &str = r#"{"item":"anchor","quantity":2}"#;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn order(to: SocketAddr, headers: &[&str]) -> u16 {
    let headers = [&["content-type: application/json"], headers].concat();
    send(to, "POST", "/orders", &headers, ORDER).await.status
}

#[tokio::test]
async fn a_trace_shows_each_attempt_with_its_number_and_the_circuit_that_opens() {
    let sink = Sink::over_http();
    let mut command = command(orders(), &[]);
    command.env("SEAWORTHY_TRACES__ENDPOINT", sink.url());
    let process = Process::start(command).await;
    let inventory: serde_json::Value = serde_json::from_str(&get(process.admin, "/inventory").await.body).unwrap();
    let entries = inventory["entries"].as_array().unwrap();
    let payments = entries.iter().find(|entry| entry["kind"] == "dependency").unwrap();
    let url = payments["settings"]["url"].as_str().unwrap();
    let payments: SocketAddr = url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();

    // The circuit opens with the tenth call, which is the third attempt of the third order that fails.
    assert_eq!(order(process.addr, &[]).await, 201);
    let json = ["content-type: application/json"];
    assert_eq!(
        send(payments, "PUT", "/control", &json, r#"{"mode":"failing"}"#)
            .await
            .status,
        204
    );
    for _ in 0..2 {
        assert_eq!(order(process.addr, &[]).await, 502);
    }
    let caller = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01");
    assert_eq!(order(process.addr, &[&caller]).await, 502);
    let refused = caller.replace("0e0e4736", "0e0e4737");
    assert_eq!(order(process.addr, &[&refused]).await, 503);
    let of = |id: &str| {
        let spans = sink.spans().into_iter();
        spans.filter(|span| hex(&span.trace_id) == id).collect::<Vec<_>>()
    };
    eventually("both orders are exported", || async {
        of(TRACE).len() >= 7 && !of(&TRACE.replace("4736", "4737")).is_empty()
    })
    .await;

    let shown =
        tree(&of(TRACE), "00f067aa0ba902b7", 0) + &tree(&of(&TRACE.replace("4736", "4737")), "00f067aa0ba902b7", 0);
    let shown = shown.replace(&payments.port().to_string(), "8081");
    let docs = include_str!("../src/docs/traces.md");
    assert!(
        docs.contains(&format!("```text\n{shown}```")),
        "src/docs/traces.md does not show:\n{shown}"
    );
    process.signal("INT").await;
    assert_eq!(process.exit_code().await, Some(0));
}

/// Writes down the spans below one, the first first.
fn tree(spans: &[Span], parent: &str, depth: usize) -> String {
    let mut below: Vec<_> = spans
        .iter()
        .filter(|span| hex(&span.parent_span_id) == parent)
        .collect();
    below.sort_by_key(|span| span.start_time_unix_nano);
    let each = |span: &&Span| line(span, depth) + &tree(spans, &hex(&span.span_id), depth + 1);
    below.iter().map(each).collect()
}

fn line(span: &Span, depth: usize) -> String {
    let indent = "    ".repeat(depth);
    let kind = match span.kind() {
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        other => panic!("{other:?}"),
    };
    let is_remote = span.flags & SpanFlags::ContextIsRemoteMask as u32 != 0;
    let parent = if is_remote { ", its parent elsewhere" } else { "" };
    let failed = span
        .status
        .as_ref()
        .is_some_and(|status| status.code() == StatusCode::Error);
    let failed = if failed { ", an error" } else { "" };
    let keys = [
        "url.full",
        "http.request.resend_count",
        "http.response.status_code",
        "error.type",
    ];
    let fields = keys
        .into_iter()
        .filter_map(|key| Some(format!(" {key}={}", told(attribute(&span.attributes, key)?))));
    let fields: String = fields.collect();
    let events: String = span
        .events
        .iter()
        .map(|event| format!("{indent}    * {}\n", event_line(event)))
        .collect();
    format!("{indent}{} ({kind}{parent}{failed}){fields}\n{events}", span.name)
}

fn event_line(event: &Event) -> String {
    let keys = ["kind", "name", "policy", "from", "to", "reason"];
    let fields = keys
        .into_iter()
        .filter_map(|key| Some(format!(" {key}={}", told(attribute(&event.attributes, key)?))));
    event.name.clone() + &fields.collect::<String>()
}

fn told(value: Value) -> String {
    match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
