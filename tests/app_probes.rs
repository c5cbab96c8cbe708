//! Probes and dependency checks of a service, over real sockets.

mod support;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use seaworthy::health::Check;
use seaworthy::{App, AppBuilder, Body};
use support::{Connection, Served, builder, eventually, get};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, service_fn};

const MS: Duration = Duration::from_millis(1);

fn served(builder: AppBuilder) -> Served {
    let app: App = builder.build().unwrap();
    Served::start(
        app,
        service_fn(|_: http::Request<Body>| async { Ok::<_, Infallible>(http::Response::new(Body::empty())) }),
    )
}

#[tokio::test]
async fn two_hundred_probes_at_once_run_each_check_no_more_often_than_its_schedule() {
    const INTERVAL: Duration = Duration::from_millis(500);
    const LASTS: Duration = Duration::from_secs(10);
    let runs = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let check = |index: usize, name: &str| {
        let runs = runs.clone();
        let run = move || {
            runs[index].fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, io::Error>(()) }
        };
        Check::new(name, run).interval(INTERVAL).timeout(INTERVAL)
    };
    let served = served(
        builder()
            .check(check(0, "critical").critical())
            .check(check(1, "optional").optional()),
    );
    let start = Instant::now();
    let paths = [
        "/readyz",
        "/readyz?verbose",
        "/readyz/critical",
        "/healthz",
        "/livez",
        "/startupz",
    ];
    let probes = (0..200).map(|n| {
        // The admin plane keeps places for other addresses.
        let addr = if n % 8 == 0 { served.admin } else { served.addr };
        tokio::spawn(async move {
            let mut answered = 0;
            let mut connection = Connection::open(addr).await;
            while start.elapsed() < LASTS {
                let path = paths[(n + answered) % paths.len()];
                connection
                    .write(&format!("GET {path} HTTP/1.1\r\nhost: probe\r\n\r\n"))
                    .await;
                connection.read_response().await;
                answered += 1;
            }
            answered
        })
    });
    let answered: usize = futures_util::future::join_all(probes)
        .await
        .into_iter()
        .map(|probe| probe.unwrap())
        .sum();
    assert!(answered > 2_000, "only {answered} probes were answered");
    // The first run is at once; jitter only makes an interval longer.
    let most = 1 + (start.elapsed().as_secs_f64() / INTERVAL.as_secs_f64()) as usize;
    for runs in runs.iter().map(|runs| runs.load(Ordering::SeqCst)) {
        assert!(
            (2..=most).contains(&runs),
            "{runs} runs, at most {most}, in {answered} probes"
        );
    }
}

#[tokio::test]
async fn hung_and_panicking_checks_are_503_within_one_deadline() {
    let hung = |n: usize| {
        let check = Check::new(format!("hung-{n}"), pending::<Result<(), io::Error>>);
        check.critical().interval(1_000 * MS).timeout(500 * MS)
    };
    let panics = Check::new("panics", || async {
        panic!("the secret inside") as Result<(), io::Error>
    })
    .critical();
    let up = Check::new("up", || async { Ok::<_, io::Error>(()) }).critical();
    let start = Instant::now();
    let served = served((0..20).map(hung).chain([panics, up]).fold(builder(), AppBuilder::check));
    eventually("the panic shows", || async {
        get(served.admin, "/readyz/panics").await.status == 503
    })
    .await;
    eventually("the other is up", || async {
        get(served.admin, "/readyz/up").await.status == 200
    })
    .await;
    eventually("all hung ones were given up on", || async {
        let text = get(served.admin, "/metrics").await.body;
        (0..20).all(|n| {
            let labels = [
                r#"kind="check""#,
                &format!(r#"name="hung-{n}""#),
                r#"counter="timeouts""#,
            ];
            support::metric(&text, "seaworthy_counts_total", &labels).is_some_and(|count| count >= 1.0)
        })
    })
    .await;
    assert!(
        start.elapsed() < 2_000 * MS,
        "20 hung checks cost {:?}",
        start.elapsed()
    );
    let answer = get(served.admin, "/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("[-]hung-0 failed: reason withheld"), "{answer:?}");
    assert!(!answer.body.contains("secret"), "{answer:?}");
    assert_eq!(get(served.addr, "/readyz").await.status, 503);
    assert_eq!(
        get(served.addr, "/livez").await.status,
        200,
        "a dependency is no reason to restart"
    );
}

#[tokio::test]
async fn a_dependency_that_is_down_beside_one_that_is_unknown_is_503() {
    let down = Check::new("down", || async { Err(io::Error::other("no")) }).critical();
    let unknown = Check::new("unknown", pending::<Result<(), io::Error>>)
        .critical()
        .fail_open();
    let served = served(builder().check(down).check(unknown));
    eventually("known to be down", || async {
        get(served.admin, "/readyz/down").await.status == 503
    })
    .await;
    for addr in [served.addr, served.admin] {
        assert_eq!(get(addr, "/readyz").await.status, 503);
        assert_eq!(get(addr, "/healthz").await.status, 503);
    }
}

#[tokio::test]
async fn an_optional_dependency_that_is_down_shows_in_healthz_and_leaves_readiness_alone() {
    let down = Check::new("down", || async { Err(io::Error::other("the secret inside")) }).optional();
    let served = served(builder().check(down));
    eventually("known to be down", || async {
        get(served.admin, "/healthz").await.body.contains("\"warn\"")
    })
    .await;
    let answer = get(served.admin, "/healthz").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/health+json"))
    );
    assert!(!answer.body.contains("secret"), "{answer:?}");
    assert_eq!(get(served.addr, "/readyz").await.status, 200);
}

#[tokio::test]
async fn probes_are_answered_while_everything_behind_is_saturated() {
    let hang = service_fn(|_: http::Request<Body>| pending::<Result<http::Response<Body>, Infallible>>());
    let service = ConcurrencyLimitLayer::new(1).layer(hang);
    let served = Served::start(builder().build().unwrap(), service);
    let mut stuck = Vec::new();
    for _ in 0..3 {
        let mut connection = Connection::open(served.addr).await;
        connection.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        stuck.push(connection);
    }
    let shutdown = served.shutdown.clone();
    eventually("all are in flight", || async { shutdown.in_flight() == 3 }).await;
    for path in ["/livez", "/readyz", "/startupz", "/healthz"] {
        assert_eq!(get(served.addr, path).await.status, 200, "{path}");
    }
}
