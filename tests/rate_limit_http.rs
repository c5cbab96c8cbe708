//! The rate limit round HTTP services: what refused and admitted callers are told, and what throttled calls do.

mod policy_harness;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::BodyExt;
use policy_harness::{Inner, Made, Rig};
use seaworthy::breaker::CircuitBreaker;
use seaworthy::deadline::Deadline;
use seaworthy::inventory::Describe;
use seaworthy::rate_limit::{Adaptive, AtCapacity, PerService, Quota, RateLimit, RateLimitBuilder};
use seaworthy::web::{ClientIp, ErrorBoundaryLayer, HeaderKey, HttpRateLimitService, PeerAddr, RateLimitHeaders};
use seaworthy::{Body, BoxError};
use tokio::time::{Instant, advance};
use tower::util::{MapRequest, MapResponse, ServiceFn};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

type Answer = Ready<Result<Response<Body>, Infallible>>;

fn ok(_: Request<Body>) -> Answer {
    ready(Ok(Response::new(Body::empty())))
}

/// Puts `layer` round a service that says yes, and makes its refusals responses.
fn served<L>(
    layer: L,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static
where
    L: Layer<ServiceFn<fn(Request<Body>) -> Answer>>,
    L::Service:
        Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send> + Clone + Send + 'static,
{
    let inner = layer.layer(service_fn(ok as fn(_) -> _));
    ServiceBuilder::new().layer(ErrorBoundaryLayer::new()).service(inner)
}

async fn ask<S>(service: &S, request: Request<Body>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    service.clone().oneshot(request).await.unwrap()
}

async fn status<S>(service: &S, request: Request<Body>) -> u16
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    ask(service, request).await.status().as_u16()
}

fn request() -> Request<Body> {
    Request::default()
}

fn with(name: impl TryInto<HeaderName>, value: impl ToString) -> Request<Body> {
    let mut request = request();
    let name = name.try_into().ok().unwrap();
    request.headers_mut().insert(name, value.to_string().parse().unwrap());
    request
}

fn orders(quota: Quota) -> RateLimitBuilder {
    RateLimit::builder("orders").quota(quota)
}

/// Returns the lines of a rate limit, those of a name in their order.
fn told(headers: &HeaderMap) -> Vec<String> {
    let told = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("ratelimit"));
    let mut told: Vec<_> = told
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    told.sort_by_key(|line| line.split(": ").next().map(str::to_owned));
    told
}

fn counter(limit: &impl Describe, name: &str) -> u64 {
    let entry = limit.describe();
    entry.counters.iter().find(|(key, _)| *key == name).unwrap().1
}

async fn whole(response: Response<Body>) -> String {
    let (head, body) = response.into_parts();
    let mut lines: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect();
    lines.sort();
    let body = body.collect().await.unwrap().to_bytes();
    format!(
        "{}\n{}\n{}",
        head.status,
        lines.concat(),
        String::from_utf8_lossy(&body)
    )
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_429_in_the_words_of_each_draft() {
    for (how, lines) in [
        (RateLimitHeaders::Off, ""),
        (
            RateLimitHeaders::Draft6,
            "ratelimit-limit: 2\nratelimit-policy: 2;w=60\nratelimit-remaining: 0\nratelimit-reset: 30\n",
        ),
        (
            RateLimitHeaders::Draft7,
            "ratelimit-policy: 2;w=60\nratelimit: limit=2, remaining=0, reset=30\n",
        ),
        (
            RateLimitHeaders::Draft11,
            "ratelimit-policy: \"orders\";q=2;w=60\nratelimit: \"orders\";r=0;t=30\n",
        ),
    ] {
        let limit = orders(Quota::per_minute(2)).build().unwrap();
        let service = served(limit.http_layer().headers(how));
        for _ in 0..2 {
            assert_eq!(status(&service, request()).await, 200);
        }
        advance(Duration::from_millis(500)).await;
        let expected = [
            "429 Too Many Requests\ncache-control: no-store\ncontent-type: application/problem+json\n",
            lines,
            "retry-after: 30\n\n",
            r#"{"detail":"more than 2 requests in 60s","status":429,"#,
            r#""title":"Request cannot be satisfied as assigned quota has been exceeded","#,
            r#""type":"https://iana.org/assignments/http-problem-types#quota-exceeded","#,
            r#""violated-policies":["orders"]}"#,
        ];
        assert_eq!(
            whole(ask(&service, request()).await).await,
            expected.concat(),
            "{how:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_after_exactly_retry_after_is_served_and_a_second_earlier_is_not() {
    let ms = Duration::from_millis;
    for (quota, late) in [
        (Quota::per_second(1), ms(0)),
        (Quota::per_second(3), ms(1)),
        (Quota::per_second(10), ms(99)),
        (Quota::per(7, 60 * SECOND), ms(1)),
        (Quota::per(2, ms(2001)), ms(0)),
        (Quota::per(1, ms(1001)), ms(1)),
        (Quota::per_hour(1), ms(1)),
    ] {
        let limit = orders(quota).build().unwrap();
        let service = served(limit.http_layer());
        while limit.snapshot().remaining > 0 {
            assert_eq!(status(&service, request()).await, 200);
        }
        advance(late).await;
        let refused = ask(&service, request()).await;
        assert_eq!(refused.status(), 429, "{quota}");
        let seconds: u64 = refused.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!(seconds > 0, "{quota}");
        advance((seconds as u32 - 1) * SECOND).await;
        assert_eq!(status(&service, request()).await, 429, "{quota}: a second earlier");
        advance(SECOND).await;
        assert_eq!(status(&service, request()).await, 200, "{quota}: after {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_counts_down_and_comes_back() {
    let limit = orders(Quota::per_minute(3)).build().unwrap();
    let service = served(limit.http_layer());
    for (later, left) in [
        (0, "r=2;t=20"),
        (0, "r=1;t=40"),
        (0, "r=0;t=60"),
        (20, "r=0;t=60"),
        (40, "r=1;t=40"),
    ] {
        advance(later * SECOND).await;
        let response = ask(&service, request()).await;
        assert_eq!(response.status(), 200);
        let expected = [
            format!("ratelimit: \"orders\";{left}"),
            "ratelimit-policy: \"orders\";q=3;w=60".to_owned(),
        ];
        assert_eq!(told(response.headers()), expected);
    }
    limit.reconfigure(|config| config.quota = Quota::per_minute(6)).unwrap();
    advance(120 * SECOND).await;
    let expected = [
        "ratelimit: \"orders\";r=5;t=10",
        "ratelimit-policy: \"orders\";q=6;w=60",
    ];
    for _ in 0..2 {
        assert_eq!(told(ask(&service, request()).await.headers()), expected, "as changed");
        advance(10 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_draft_says_what_is_left_and_off_says_nothing() {
    for (how, expected) in [
        (RateLimitHeaders::Off, &[][..]),
        (
            RateLimitHeaders::Draft6,
            &[
                "ratelimit-limit: 100",
                "ratelimit-policy: 100;w=60",
                "ratelimit-remaining: 99",
                "ratelimit-reset: 1",
            ],
        ),
        (
            RateLimitHeaders::Draft7,
            &[
                "ratelimit: limit=100, remaining=99, reset=1",
                "ratelimit-policy: 100;w=60",
            ],
        ),
        (
            RateLimitHeaders::Draft11,
            &[
                "ratelimit: \"orders\";r=99;t=1",
                "ratelimit-policy: \"orders\";q=100;w=60",
            ],
        ),
    ] {
        let limit = orders(Quota::per_minute(100)).build().unwrap();
        let response = ask(&served(limit.http_layer().headers(how)), request()).await;
        assert_eq!(told(response.headers()), expected, "{how:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_limits_are_told_in_one_response_and_the_one_that_refuses_in_a_refusal() {
    let day = RateLimit::builder("day")
        .quota(Quota::per(1000, 86_400 * SECOND))
        .build()
        .unwrap();
    let burst = RateLimit::builder("burst").quota(Quota::per_second(1)).build().unwrap();
    let both = ServiceBuilder::new().layer(day.http_layer()).layer(burst.http_layer());
    let service = served(both.into_inner());
    let response = ask(&service, request()).await;
    assert_eq!(
        told(response.headers()),
        [
            "ratelimit: \"burst\";r=0;t=1",
            "ratelimit: \"day\";r=999;t=87",
            "ratelimit-policy: \"burst\";q=1;w=1",
            "ratelimit-policy: \"day\";q=1000;w=86400",
        ]
    );
    let refused = ask(&service, request()).await;
    assert_eq!(refused.status(), 429);
    let expected = ["ratelimit: \"burst\";r=0;t=1", "ratelimit-policy: \"burst\";q=1;w=1"];
    assert_eq!(told(refused.headers()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_request_counts_for_what_it_weighs() {
    let weight = |request: &Request<Body>| {
        let rows = request
            .headers()
            .get("x-rows")
            .and_then(|rows| rows.to_str().ok()?.parse().ok());
        rows.unwrap_or(1)
    };
    let limit = orders(Quota::per_minute(10)).build().unwrap();
    let service = served(limit.http_layer().weight(weight));
    let clients = orders(Quota::per_minute(10))
        .build_keyed(10, AtCapacity::Forget)
        .unwrap();
    let keyed = served(clients.http_layer(HeaderKey::new(X_API_KEY)).weight(weight));
    let rows = |rows: u32| with("x-rows", rows);
    let never = ask(&service, rows(11)).await;
    assert_eq!(never.status(), 429);
    assert_eq!(never.headers().get(RETRY_AFTER), None, "it cannot ever be served");
    for (rows, status, left) in [
        (7, 200, "r=3;t=42"),
        (4, 429, "r=0;t=6"),
        (0, 200, "r=3;t=42"),
        (3, 200, "r=0;t=60"),
    ] {
        for response in [
            ask(&service, with("x-rows", rows)).await,
            ask(&keyed, with("x-rows", rows)).await,
        ] {
            assert_eq!(response.status(), status, "{rows}");
            assert_eq!(response.headers()["ratelimit"], format!("\"orders\";{left}"), "{rows}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_header_has_its_own_allowance() {
    let limit = orders(Quota::per_minute(1))
        .build_keyed(10, AtCapacity::Forget)
        .unwrap();
    let service = served(limit.http_layer(HeaderKey::new(X_API_KEY)));
    for (key, expected) in [("a", 200), ("a", 429), ("b", 200), ("b", 429)] {
        assert_eq!(status(&service, with(X_API_KEY, key)).await, expected, "{key}");
    }
    assert_eq!(status(&service, request()).await, 200, "those without share one");
    assert_eq!(status(&service, request()).await, 429, "those without share one");
}

#[tokio::test(start_paused = true)]
async fn each_client_has_its_own_allowance_whatever_it_writes_into_headers() {
    let limit = orders(Quota::per_minute(2))
        .build_keyed(100, AtCapacity::Forget)
        .unwrap();
    let service = served(limit.http_layer(ClientIp::x_forwarded_for(1)));
    let from = |told: String| {
        let mut request = with("x-forwarded-for", told);
        let proxy = SocketAddr::from(([10, 0, 0, 9], 4711));
        request.extensions_mut().insert(PeerAddr(proxy));
        request
    };
    for n in 0..20 {
        let expected = if n < 2 { 200 } else { 429 };
        assert_eq!(status(&service, from(format!("6.6.6.{n}, 192.0.2.1"))).await, expected);
        assert_eq!(status(&service, from(format!("2001:db8:0:1::{n}"))).await, expected);
    }
    assert_eq!(status(&service, from("6.6.6.6, 192.0.2.2".to_owned())).await, 200);
    assert_eq!(status(&service, from("2001:db8:0:2::1".to_owned())).await, 200);
    assert_eq!(limit.keys(), 4);
}

#[tokio::test(start_paused = true)]
async fn without_room_for_its_key_a_request_is_a_503() {
    let limit = orders(Quota::per_minute(1)).build_keyed(1, AtCapacity::Refuse).unwrap();
    let service = served(limit.http_layer(HeaderKey::new(X_API_KEY)));
    assert_eq!(status(&service, with(X_API_KEY, "a")).await, 200);
    let refused = whole(ask(&service, with(X_API_KEY, "b")).await).await;
    assert!(refused.starts_with("503 "), "{refused}");
    assert!(refused.contains("#temporary-reduced-capacity"), "{refused}");
    assert!(!refused.contains("ratelimit"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn requests_wait_in_order_and_one_whose_turn_comes_after_its_deadline_is_a_429_at_once() {
    let limit = orders(Quota::per_second(1)).wait(10 * SECOND).build().unwrap();
    let service = served(limit.http_layer());
    let start = Instant::now();
    let waiting = (0..4).map(|_| async {
        let response = ask(&service, request()).await;
        (
            response.status().as_u16(),
            start.elapsed(),
            told(response.headers())[0].clone(),
        )
    });
    let hasty = async {
        tokio::task::yield_now().await;
        let refused = Deadline::after(3900 * SECOND / 1000)
            .scope(ask(&service, request()))
            .await;
        assert_eq!((refused.status().as_u16(), start.elapsed()), (429, Duration::ZERO));
        assert_eq!(refused.headers()[RETRY_AFTER], "4");
        let served = Deadline::after(4100 * SECOND / 1000)
            .scope(ask(&service, request()))
            .await;
        (served.status().as_u16(), start.elapsed())
    };
    let (waited, patient) = tokio::join!(join_all(waiting), hasty);
    let left = || "ratelimit: \"orders\";r=0;t=1".to_owned();
    let expected: Vec<_> = (0..4).map(|n| (200, n * SECOND, left())).collect();
    assert_eq!(waited, expected);
    assert_eq!(patient, (200, 4 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_gives_its_turn_to_those_behind() {
    let limit = orders(Quota::per_second(1)).wait(10 * SECOND).build().unwrap();
    let service = served(limit.http_layer());
    assert_eq!(status(&service, request()).await, 200);
    let start = Instant::now();
    let gone = tokio::spawn(service.clone().oneshot(request()));
    tokio::task::yield_now().await;
    let behind = tokio::spawn(service.clone().oneshot(request()));
    tokio::task::yield_now().await;
    assert_eq!(limit.snapshot().waiting, 2);
    gone.abort();
    assert_eq!(behind.await.unwrap().unwrap().status(), 200);
    assert_eq!((start.elapsed(), limit.snapshot().waiting), (SECOND, 0));
    assert_eq!(counter(&limit, "cancelled"), 1);
}

#[tokio::test(start_paused = true)]
async fn in_shadow_mode_all_pass_and_are_told_that_nothing_is_left() {
    let limit = orders(Quota::per_minute(1)).shadow(true).build().unwrap();
    let service = served(limit.http_layer());
    for _ in 0..5 {
        let response = ask(&service, request()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["ratelimit"], "\"orders\";r=0;t=60");
    }
    assert_eq!(counter(&limit, "would_refuse"), 4);
}

/// A supplier that answers what it is told to.
fn supplier(
    limit: &RateLimit,
    answer: impl Fn() -> Response<Body> + Clone + Send + 'static,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = BoxError> + Clone {
    let inner = service_fn(move |_: Request<Body>| ready(Ok::<_, Infallible>(answer())));
    limit.http_layer().headers(RateLimitHeaders::Off).layer(inner)
}

fn answer(status: u16, headers: &'static [(&str, &str)]) -> impl Fn() -> Response<Body> + Clone + Send + 'static {
    move || {
        let builder = Response::builder().status(status);
        let builder = headers
            .iter()
            .fold(builder, |builder, (name, value)| builder.header(*name, *value));
        builder.body(Body::empty()).unwrap()
    }
}

/// Returns how many of many requests are let through in ten seconds.
async fn in_ten_seconds(limit: &RateLimit) -> u64 {
    let service = supplier(limit, answer(200, &[]));
    let before = counter(limit, "admitted");
    for _ in 0..1000 {
        let _ = service.clone().oneshot(request()).await;
        advance(Duration::from_millis(10)).await;
    }
    counter(limit, "admitted") - before
}

fn adaptive() -> RateLimit {
    let mut adaptive = Adaptive::default();
    // Too slow to matter in ten seconds.
    adaptive.increase = 1;
    let quota = Quota::per_second(10).burst(1);
    orders(quota).adaptive(adaptive).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_supplier_that_throttles_halves_the_rate_which_comes_back() {
    let limit = adaptive();
    let full = in_ten_seconds(&limit).await;
    assert!((99..=101).contains(&full), "{full}");
    let throttled = supplier(&limit, answer(429, &[])).oneshot(request()).await.unwrap();
    assert_eq!(throttled.status(), 429, "the supplier's own answer");
    let halved = in_ten_seconds(&limit).await;
    assert!((50..=56).contains(&halved), "{halved}");
    advance(50 * SECOND).await;
    let back = in_ten_seconds(&limit).await;
    assert!((99..=101).contains(&back), "{back}");
}

#[tokio::test(start_paused = true)]
async fn only_what_says_that_there_are_too_many_counts_as_throttled() {
    for (status, headers, throttles) in [
        (429, &[][..], true),
        (429, &[("retry-after", "1")], true),
        (503, &[("retry-after", "1")], true),
        (200, &[("grpc-status", "8")], true),
        (200, &[], false),
        (200, &[("retry-after", "1")], false),
        (200, &[("grpc-status", "14")], false),
        (503, &[], false),
        (500, &[("retry-after", "1")], false),
    ] {
        let limit = adaptive();
        supplier(&limit, answer(status, headers))
            .oneshot(request())
            .await
            .unwrap();
        let found = (limit.describe().state == "lowered", counter(&limit, "throttled"));
        assert_eq!(found, (throttles, throttles.into()), "{status} {headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_of_our_own_say_nothing_about_the_supplier() {
    let breaker = CircuitBreaker::builder("inner").build().unwrap();
    breaker.force_open();
    let inner = orders(Quota::per_hour(1)).build().unwrap();
    let limit = adaptive();
    let with_boundary = ServiceBuilder::new()
        .layer(limit.http_layer())
        .layer(ErrorBoundaryLayer::new())
        .layer(inner.http_layer())
        .service_fn(ok);
    let with_circuit = ServiceBuilder::new()
        .layer(limit.http_layer())
        .layer(breaker.http_layer())
        .service_fn(ok);
    for expected in [200, 429] {
        let response = with_boundary.clone().oneshot(request()).await.unwrap();
        assert_eq!(response.status(), expected);
        advance(SECOND).await;
    }
    with_circuit.oneshot(request()).await.unwrap_err();
    advance(SECOND).await;
    let refused = supplier(&limit, answer(200, &[]));
    refused.clone().oneshot(request()).await.unwrap();
    refused.oneshot(request()).await.unwrap_err();
    assert_eq!((limit.describe().state, counter(&limit, "throttled")), ("full", 0));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_is_waited_for_in_the_future() {
    let limit = orders(Quota::per_minute(5)).build().unwrap();
    let called = Arc::new(AtomicU64::new(0));
    let inner = tower::limit::ConcurrencyLimit::new(
        service_fn(|_: Request<Body>| {
            called.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::time::sleep(SECOND).await;
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        }),
        1,
    );
    let service = limit.http_layer().layer(inner);
    let start = Instant::now();
    let (one, other) = tokio::join!(service.clone().oneshot(request()), service.clone().oneshot(request()));
    assert_eq!([one.unwrap().status(), other.unwrap().status()], [200; 2]);
    assert_eq!((start.elapsed(), called.load(Ordering::Relaxed)), (2 * SECOND, 2));
}

type Adapted = MapResponse<MapRequest<Inner, fn(Request<()>)>, fn(()) -> Response<()>>;

struct RateRig(RateLimit);

impl Rig for RateRig {
    type Service = MapRequest<HttpRateLimitService<Adapted, PerService>, fn(()) -> Request<()>>;

    fn service(&self, inner: Inner) -> Self::Service {
        let inner = MapRequest::new(inner, (|_| ()) as fn(Request<()>));
        let inner = MapResponse::new(inner, Response::new as fn(()) -> Response<()>);
        MapRequest::new(self.0.http_layer().layer(inner), Request::new as fn(()) -> Request<()>)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        let left = self.0.snapshot();
        assert_eq!(u64::from(left.remaining), 100 - made.called, "{what}");
        assert_eq!((left.waiting, counter(&self.0, "admitted")), (0, made.called), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_anywhere_has_spent_and_holds_nothing() {
    policy_harness::interrupt(|| RateRig(orders(Quota::per_hour(100)).build().unwrap()));
}
