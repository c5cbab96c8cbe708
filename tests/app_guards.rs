//! The limits that every service has without saying so, over real sockets.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use futures_util::stream;
use http::Method;
use seaworthy::criticality::Criticality;
use seaworthy::{App, AppBuilder, Control, Endpoint};
use support::{Answer, Connection, Served, builder, eventually, get, send};
use tokio::task::JoinHandle;

/// A service whose handlers hang for as long as a test runs, and tells how many do.
struct Harbour {
    served: Served,
    hanging: Arc<AtomicUsize>,
}

impl Harbour {
    fn of(builder: AppBuilder) -> Self {
        let of = |class| Endpoint::default().criticality(class);
        let app = builder
            .endpoint(Method::GET, "/reports", of(Criticality::Sheddable))
            .endpoint(Method::GET, "/reports/hang", of(Criticality::Sheddable))
            .endpoint(Method::GET, "/orders", of(Criticality::CriticalPlus))
            .endpoint(Method::GET, "/orders/hang", of(Criticality::CriticalPlus))
            .endpoint(Method::GET, "/events", Endpoint::default().stream())
            .endpoint(Method::GET, "/events/hang", Endpoint::default().stream());
        let hanging = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&hanging);
        let hang = move || {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<&str>()
        };
        let router = Router::new()
            .route("/reports", on_get(|| async { "report" }))
            .route("/orders", on_get(|| async { "order" }))
            .route("/reports/hang", on_get(hang.clone()))
            .route("/orders/hang", on_get(hang.clone()))
            .route("/events/hang", on_get(hang))
            .route(
                "/events",
                on_get(|| async { Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>("tick\n"))) }),
            )
            .fallback(|| async { "undeclared" });
        let served = Served::start(app.build().unwrap(), router);
        Self { served, hanging }
    }

    /// Lets so many requests hang.
    async fn hang(&self, path: &'static str, requests: usize) -> Vec<JoinHandle<Answer>> {
        let before = self.hanging.load(Ordering::SeqCst);
        let addr = self.served.addr;
        let hung = (0..requests).map(|_| tokio::spawn(async move { get(addr, path).await }));
        let hung = hung.collect();
        eventually("all hang", async || {
            self.hanging.load(Ordering::SeqCst) == before + requests
        })
        .await;
        hung
    }

    async fn get(&self, path: &str) -> Answer {
        get(self.served.addr, path).await
    }

    async fn of_client(&self, client: &str, path: &str) -> u16 {
        let header = format!("x-forwarded-for: {client}");
        send(self.served.addr, "GET", path, &[&header], "").await.status
    }

    async fn inventory(&self) -> String {
        get(self.served.admin, "/inventory").await.body
    }
}

fn refused_by(answer: &Answer, words: &str) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains(words), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}

fn places(critical: &str, other: &str) -> AppBuilder {
    builder()
        .setting("server.critical_places", critical)
        .setting("server.other_places", other)
}

#[tokio::test]
async fn what_matters_least_is_refused_while_there_is_room_for_what_matters_more() {
    let harbour = Harbour::of(places("8", "2"));
    assert_eq!(harbour.get("/reports").await.status, 200);
    let _hung = harbour.hang("/orders/hang", 7).await;
    refused_by(
        &harbour.get("/reports").await,
        "too much to do for a request that is sheddable",
    );
    assert_eq!(harbour.get("/orders").await.status, 200);
}

#[tokio::test]
async fn more_than_the_adaptive_limit_is_refused() {
    let app = places("8", "2").without(Control::LoadShed, "to see the limit behind it");
    let harbour = Harbour::of(app);
    // Streams have places of their own, and are under way as long as their head is awaited.
    let _hung = harbour.hang("/events/hang", 10).await;
    refused_by(&harbour.get("/orders").await, "10 calls are as many as it can take now");
}

#[tokio::test]
async fn critical_and_other_requests_have_their_own_places() {
    let app = places("2", "2").without(Control::AdaptiveLimit, "to see the places behind it");
    let app = app.without(Control::LoadShed, "to see the places behind it");
    let harbour = Harbour::of(app);
    let _hung = harbour.hang("/reports/hang", 2).await;
    refused_by(&harbour.get("/reports").await, "no place came free within");
    assert_eq!(harbour.get("/orders").await.status, 200);

    let _hung = harbour.hang("/orders/hang", 2).await;
    refused_by(&harbour.get("/orders").await, "no place came free within");
}

#[tokio::test]
async fn without_an_adaptive_limit_load_is_shed_by_the_places_of_critical_requests() {
    let app = places("10", "10").without(Control::AdaptiveLimit, "its latencies differ too much");
    let harbour = Harbour::of(app);
    let _hung = harbour.hang("/orders/hang", 8).await;
    refused_by(
        &harbour.get("/reports").await,
        "too much to do for a request that is sheddable",
    );
    assert_eq!(harbour.get("/orders").await.status, 200);
}

#[tokio::test]
async fn a_stream_takes_nobody_elses_place() {
    let app = places("2", "2").without(Control::AdaptiveLimit, "to see the places behind it");
    let harbour = Harbour::of(app);
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = Connection::open(harbour.served.addr).await;
        stream.write("GET /events HTTP/1.1\r\nhost: test\r\n\r\n").await;
        stream.read_until("tick").await;
        streams.push(stream);
    }
    assert_eq!(harbour.get("/orders").await.status, 200);
    assert_eq!(harbour.get("/reports").await.status, 200);
}

/// Behind one proxy.
fn few(setting: &str) -> AppBuilder {
    builder()
        .setting("clients.trusted_hops", "1")
        .setting(format!("{setting}.per_second"), "1")
        .setting(format!("{setting}.burst"), "2")
}

#[tokio::test]
async fn a_client_has_one_allowance_for_all_that_does_not_say_its_own() {
    let harbour = Harbour::of(few("clients"));
    for (client, path, expected) in [
        ("192.0.2.1", "/orders", 200),
        ("192.0.2.1", "/reports", 200),
        ("192.0.2.1", "/orders", 429),
        ("192.0.2.1", "/undeclared", 429),
        ("192.0.2.2", "/undeclared", 200),
    ] {
        assert_eq!(harbour.of_client(client, path).await, expected, "{client} {path}");
    }
    assert_eq!(harbour.of_client("192.0.2.1", "/readyz").await, 200);
}

#[tokio::test]
async fn an_endpoint_has_an_allowance_of_its_own_and_what_is_undeclared_is_one_endpoint() {
    let harbour = Harbour::of(few("endpoints"));
    for (n, (path, expected)) in [
        ("/orders", 200),
        ("/orders", 200),
        ("/orders", 429),
        ("/reports", 200),
        ("/undeclared", 200),
        ("/elsewhere", 200),
        ("/anywhere", 429),
    ]
    .into_iter()
    .enumerate()
    {
        let client = format!("192.0.2.{n}");
        assert_eq!(harbour.of_client(&client, path).await, expected, "{path}");
    }
}

#[tokio::test]
async fn a_service_of_defaults_takes_two_hundred_requests_of_a_client_at_once() {
    let app = App::builder("tested")
        .signals(false)
        .setting("server.listen", "127.0.0.1:0")
        .setting("admin.listen", "127.0.0.1:0")
        .setting("shutdown.hold", "0s");
    let harbour = Harbour::of(app);
    let mut connection = Connection::open(harbour.served.addr).await;
    let mut answered = 0;
    while answered < 1_000 {
        connection.write("GET /orders HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let head = connection.read_until("\r\n\r\n").await;
        if head.starts_with("HTTP/1.1 429") {
            break;
        }
        connection.read_response().await;
        answered += 1;
    }
    assert!((200..1_000).contains(&answered), "{answered}");
}

#[tokio::test]
async fn what_nobody_declared_is_told_with_a_refusal_alone() {
    let harbour = Harbour::of(few("endpoints"));
    let first = harbour.get("/orders").await;
    assert_eq!((first.status, first.header("ratelimit")), (200, None));
    harbour.get("/orders").await;
    let refused = harbour.get("/orders").await;
    assert_eq!(refused.header("ratelimit"), Some("\"GET /orders\";r=0;t=1"));
    assert_eq!(refused.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_limit_that_is_left_out_lets_everything_through_and_says_so() {
    let whole = |control| {
        few("clients")
            .setting("endpoints.burst", "2")
            .without(control, "on trial")
    };
    let whole = whole(Control::ClientRateLimit).setting("endpoints.per_second", "1");
    let harbour = Harbour::of(whole.without(Control::RateLimit, "on trial"));
    for _ in 0..5 {
        assert_eq!(harbour.of_client("192.0.2.1", "/orders").await, 200);
    }
    let inventory = harbour.inventory().await;
    assert!(inventory.contains(r#""name":"app: client_rate_limit""#), "{inventory}");
    assert!(!inventory.contains(r#""name":"clients""#), "{inventory}");

    let free = Endpoint::default().without(Control::ClientRateLimit, "polled by a monitor");
    let app = few("clients").endpoint(Method::GET, "/free", free);
    let harbour = Harbour::of(app);
    for _ in 0..5 {
        assert_eq!(harbour.of_client("192.0.2.1", "/free").await, 200);
    }
    assert_eq!(harbour.of_client("192.0.2.1", "/orders").await, 200);
    let inventory = harbour.inventory().await;
    assert!(
        inventory.contains(r#""name":"endpoint GET /free: client_rate_limit""#),
        "{inventory}"
    );
}

#[tokio::test]
async fn guards_that_are_left_out_refuse_nobody_and_are_not_in_the_inventory() {
    let controls = [Control::LoadShed, Control::AdaptiveLimit, Control::Bulkhead];
    let app = controls
        .into_iter()
        .fold(places("1", "1"), |app, control| app.without(control, "on trial"));
    let harbour = Harbour::of(app);
    let _hung = harbour.hang("/reports/hang", 30).await;
    assert_eq!(harbour.get("/reports").await.status, 200);
    let inventory = harbour.inventory().await;
    let whole = Harbour::of(builder()).inventory().await;
    for (kind, control) in [
        ("load_shed", "load_shed"),
        ("adaptive", "adaptive_limit"),
        ("bulkhead", "bulkhead"),
    ] {
        let entry = format!(r#""kind":"{kind}","name":"inbound""#);
        assert!(whole.contains(&entry), "{kind}: {whole}");
        assert!(!inventory.contains(&entry), "{kind}");
        assert!(
            inventory.contains(&format!(r#""name":"app: {control}""#)),
            "{inventory}"
        );
    }
}

#[test]
fn every_mistake_in_a_waiver_is_named() {
    let endpoint = Endpoint::default().without(Control::Breaker, "none is here");
    let app = App::builder("orders")
        .without(Control::LoadShed, "")
        .without(Control::Retry, "none is here")
        .without_until(Control::Bulkhead, "on trial", "tomorrow")
        .endpoint(Method::GET, "/", endpoint);
    let wrong = app.build().unwrap_err().to_string();
    for line in [
        "`app.without.load_shed` is without a reason; it must be a reason that a reader of the report understands",
        "`app.without.retry` is not there; it must be one of the guards that are there: `rate_limit`, ",
        "`app.without.bulkhead.until` is no day; it must be a day such as `2027-01-31`, ",
        "`endpoint GET /.without.breaker` is not there; it must be one of the guards that are there: `rate_limit`, \
         `client_rate_limit`",
    ] {
        assert!(wrong.contains(line), "{line}\n{wrong}");
    }
}
