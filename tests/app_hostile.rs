//! Broken and oversized requests get a clear answer, and nothing else suffers.

mod support;

use std::time::Duration;

use axum::Router;
use axum::routing::{get as on_get, post as on_post};
use support::{Connection, Served, builder, get, metric, send, send_raw};

fn router() -> Router {
    Router::new()
        .route("/", on_get(|| async { "ok" }))
        .route("/read", on_post(|body: String| async { body }))
}

#[tokio::test]
async fn broken_requests_get_a_4xx_and_the_service_goes_on() {
    let served = Served::start(builder().build().unwrap(), router());
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200));
    let long_header = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let long_path = format!("GET /{} HTTP/1.1\r\nhost: test\r\n\r\n", "a".repeat(100_000));
    let cases = [
        ("GET / HTTP/1.1\r\nbroken header\r\n\r\n".to_owned(), &[400][..]),
        ("nonsense\r\n\r\n".to_owned(), &[400]),
        ("POST /read HTTP/1.1\r\ncontent-length: ten\r\n\r\n".to_owned(), &[400]),
        (
            "POST /read HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned(),
            &[400],
        ),
        (many_headers, &[431]),
        (long_header, &[431]),
        (long_path, &[431]),
    ];
    for (request, expected) in cases {
        let start: String = request.chars().take(40).collect();
        let answer = send_raw(served.addr, &request)
            .await
            .unwrap_or_else(|| panic!("no answer to {start:?}"));
        assert!(expected.contains(&answer.status), "{start:?}: {}", answer.status);
    }
    assert_eq!(get(served.addr, "/").await.body, "ok");
}

#[tokio::test]
async fn a_body_over_the_default_limit_is_refused_before_it_is_sent() {
    let served = Served::start(builder().build().unwrap(), router());
    let head = "POST /read HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 1000000000\r\n\r\n";
    let answer = send_raw(served.addr, head).await.unwrap();
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("body larger than 2097152 bytes"), "{answer:?}");
}

#[tokio::test]
async fn headers_that_never_end_are_given_up_on() {
    let served = Served::start(
        builder().setting("server.header_timeout", "200ms").build().unwrap(),
        router(),
    );
    let mut slow = Connection::open(served.addr).await;
    slow.write("GET / HTTP/1.1\r\nx: ").await;
    slow.closed().await;
}

#[tokio::test]
async fn further_connections_wait_when_all_are_taken() {
    let served = Served::start(
        builder().setting("server.max_connections", "1").build().unwrap(),
        router(),
    );
    let mut first = Connection::open(served.addr).await;
    first.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    first.read_until("\r\n\r\nok").await;
    let mut second = Connection::open(served.addr).await;
    second
        .write("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
        .await;
    let answered = tokio::time::timeout(Duration::from_millis(200), second.read_until("200 OK"));
    answered.await.expect_err("waits for a place");
    drop(first);
    assert!(second.closed().await.ends_with("ok"));
}

#[tokio::test]
async fn the_admin_plane_answers_only_what_it_knows_and_only_reads() {
    let served = Served::start(builder().build().unwrap(), router());
    assert_eq!(get(served.admin, "/nowhere").await.status, 404);
    for path in ["/metrics", "/inventory", "/readyz"] {
        let answer = send(served.admin, "POST", path, &[], "").await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD")),
            "{path}"
        );
    }
}

/// Headers that somebody in the stack reads.
const READ: [&str; 9] = [
    "x-request-id",
    "x-criticality",
    "x-request-timeout-ms",
    "grpc-timeout",
    "x-forwarded-for",
    "forwarded",
    "idempotency-key",
    "traceparent",
    "x-request-attempt",
];

/// A value that is almost what is read there, or nothing like it.
fn hostile(random: &mut fastrand::Rng) -> String {
    let almost = [
        "critical-plus",
        "0",
        "-1",
        "99999999999999999999",
        "1n",
        "99999999H",
        "for=\"[2001:db8::1]:80\";for=",
        "::ffff:192.0.2.1, unknown, _x",
        "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-ff",
        "",
    ];
    let mut value = almost[random.usize(..almost.len())].to_owned();
    for _ in 0..random.usize(..40) {
        value.push(char::from(random.u8(0x20..0x7f)));
    }
    value
}

#[tokio::test]
async fn no_header_fails_a_request_or_adds_a_label_or_a_key_beyond_the_cap() {
    let settings = [
        ("clients.trusted_hops", "2"),
        ("clients.capacity", "64"),
        ("server.trust_request_id", "true"),
        ("server.trust_criticality", "true"),
    ];
    let app = settings
        .into_iter()
        .fold(builder(), |app, (key, value)| app.setting(key, value));
    let served = Served::start(app.build().unwrap(), router());
    get(served.addr, "/").await;
    let series = async || {
        let text = get(served.admin, "/metrics").await.body;
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    get(served.admin, "/metrics").await;
    let before = series().await;
    let mut random = fastrand::Rng::with_seed(8);
    let mut refused = 0;
    for number in 0..2_000 {
        // Many addresses, of which most are new.
        let mut headers = vec![format!(
            "x-forwarded-for: 10.{}.{}.1, 192.0.2.1",
            number / 256,
            number % 256
        )];
        headers.extend((0..3).map(|_| format!("{}: {}", READ[random.usize(..READ.len())], hostile(&mut random))));
        let lines: Vec<_> = headers.iter().map(String::as_str).collect();
        let answer = send(served.addr, "GET", "/", &lines, "").await;
        // A deadline of its own is a caller's right, and so is one that has passed.
        refused += u32::from(answer.status == 504);
        assert!([200, 504].contains(&answer.status), "{headers:?}: {answer:?}");
    }
    assert!(refused < 400, "{refused}");
    let after = series().await;
    // Those of the answers 504, each with its reason.
    assert!(after <= before + 40, "{before} series, and then {after}");
    let text = get(served.admin, "/metrics").await.body;
    let admitted = [r#"name="clients""#, r#"counter="admitted""#];
    assert!(
        metric(&text, "seaworthy_counts_total", &admitted) >= Some(1_000.0),
        "{text}"
    );
    let inventory: serde_json::Value = serde_json::from_str(&get(served.admin, "/inventory").await.body).unwrap();
    let entries = inventory["entries"].as_array().unwrap();
    let clients = entries.iter().find(|entry| entry["name"] == "clients").unwrap();
    let keys: usize = clients["settings"]["keys"].as_str().unwrap().parse().unwrap();
    assert!((1..=64).contains(&keys), "{clients}");
}
