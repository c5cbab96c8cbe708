//! Each guard of a dependency's client does its part over real sockets: without its line in the stack, its test fails.

mod support;

use std::time::Duration;

use axum::Router;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use seaworthy::criticality::Criticality;
use seaworthy::retry::Backoff;
use seaworthy::web::{RequestLimits, problem, refused};
use seaworthy::{Body, BoxError, Control, DependencyBuilder, Endpoint, HttpClient, HttpClientFuture, Refusal};
use support::identity::Identity;
use support::upstream::{Act, Upstream};
use support::{Answer, Connection, Served, builder, eventually, send, within};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tower::Service;

const MS: Duration = Duration::from_millis(1);

/// A service over a socket that asks its dependency whatever it is asked.
struct Scene {
    upstream: Upstream,
    client: HttpClient,
    served: Served,
}

impl Scene {
    async fn start(change: impl FnOnce(DependencyBuilder<'_>) -> DependencyBuilder<'_>) -> Self {
        let upstream = Upstream::start().await;
        Self::of(upstream.clone(), &upstream.url(), &[], change)
    }

    fn of(
        upstream: Upstream,
        url: &str,
        settings: &[(&str, &str)],
        change: impl FnOnce(DependencyBuilder<'_>) -> DependencyBuilder<'_>,
    ) -> Self {
        let mut app = builder();
        for (key, value) in settings {
            app = app.setting(*key, *value);
        }
        let sheddable = Endpoint::default().criticality(Criticality::Sheddable);
        let mut app = app.endpoint(Method::GET, "/sheddable", sheddable);
        let eager = app
            .dependency("payments")
            .retry(|retry| retry.backoff(Backoff::constant(MS)));
        let client = change(eager).http(url);
        let served = Served::start(app.build().unwrap(), relay(client.clone()));
        Self {
            upstream,
            client,
            served,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[]).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        send(self.served.addr, method, path, headers, "").await
    }
}

/// Asks the dependency for the same path, or for what `x-target` says; a path with `stream` hands its body on as it comes.
fn relay(client: HttpClient) -> Router {
    Router::new().fallback(move |request: axum::extract::Request| relayed(client.clone(), request))
}

async fn relayed(client: HttpClient, request: axum::extract::Request) -> Response<Body> {
    let streams = request.uri().path().contains("stream");
    let asked = client.send(asked(&request));
    let answered = answer(asked, streams).await;
    answered.unwrap_or_else(|error| match Refusal::find(error.as_ref()) {
        Some(refusal) => refused(refusal.clone(), None),
        None => problem(StatusCode::BAD_GATEWAY, &error.to_string(), None),
    })
}

fn asked(request: &axum::extract::Request) -> Request<Body> {
    let header = |name| request.headers().get(name);
    let path = request.uri().to_string();
    let target = header("x-target").map_or(path, |target| target.to_str().unwrap().to_owned());
    let mut asked = Request::builder().method(request.method()).uri(target);
    if let Some(key) = header("idempotency-key") {
        asked = asked.header("idempotency-key", key);
    }
    asked.body(Body::empty()).unwrap()
}

async fn answer(response: HttpClientFuture, streams: bool) -> Result<Response<Body>, BoxError> {
    let (head, body) = response.await?.into_parts();
    let body = if streams {
        body
    } else {
        Body::from(body.collect().await?.to_bytes())
    };
    Ok(Response::from_parts(head, body))
}

#[tokio::test]
async fn a_hanging_dependency_is_given_up_at_the_total_deadline() {
    let scene = Scene::start(|payments| {
        let patient = payments.deadline(300 * MS).attempt_timeout(200 * MS);
        patient.retry(|retry| retry.attempts(5))
    })
    .await;
    scene.upstream.always(Act::Hang);
    let answer = scene.get("/").await;
    assert_eq!(answer.status, 504);
    assert!(answer.body.contains("300ms"), "{answer:?}");
    assert_eq!(scene.upstream.count(), 2, "attempts in the time of one and a half");
}

#[tokio::test]
async fn the_callers_own_deadline_counts_if_it_comes_first() {
    let scene = Scene::start(|payments| payments.attempt_timeout(2000 * MS)).await;
    scene.upstream.always(Act::Hang);
    let answer = scene.send("GET", "/", &["x-request-timeout-ms: 150"]).await;
    assert_eq!(answer.status, 504);
    let seen = scene.upstream.seen();
    assert_eq!(seen.len(), 1);
    let told: u64 = seen[0].header("x-request-timeout-ms").unwrap().parse().unwrap();
    assert!((1..=150).contains(&told), "{told}");
    let breaker = scene.client.dependency().breaker().snapshot();
    assert_eq!(breaker.failed, 0, "an impatient caller says nothing of the dependency");
}

#[tokio::test]
async fn what_failed_is_tried_again_if_that_is_proven_to_be_harmless() {
    let scene = Scene::start(|payments| payments).await;
    for (method, headers, attempts, status) in [
        ("GET", &[][..], 2, 200),
        ("POST", &[], 1, 503),
        ("POST", &["idempotency-key: 7"], 2, 200),
    ] {
        let before = scene.upstream.count();
        scene.upstream.then([Act::Status(503)]);
        let answer = scene.send(method, "/charges", headers).await;
        assert_eq!(answer.status, status, "{method} {headers:?}");
        assert_eq!(scene.upstream.count() - before, attempts, "{method} {headers:?}");
    }
    let again = scene.upstream.seen().remove(1);
    assert_eq!(again.header("x-request-attempt"), Some("2"));
}

fn nervous(payments: DependencyBuilder<'_>) -> DependencyBuilder<'_> {
    let once = payments.retry(|retry| retry.attempts(1));
    once.breaker(|breaker| breaker.minimum_calls(3))
}

/// The circuit is open, and says so without asking the dependency.
async fn is_refused_at_once(scene: &Scene) {
    let before = scene.upstream.count();
    let refused = scene.get("/").await;
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("circuit"), "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(scene.upstream.count(), before);
}

#[tokio::test]
async fn after_failures_the_circuit_opens_and_nothing_is_sent() {
    let scene = Scene::start(nervous).await;
    scene.upstream.always(Act::Status(500));
    for _ in 0..3 {
        assert_eq!(scene.get("/").await.status, 500);
    }
    is_refused_at_once(&scene).await;
}

#[tokio::test]
async fn a_body_that_breaks_after_a_good_head_is_a_failure() {
    let scene = Scene::start(nervous).await;
    scene.upstream.always(Act::BreakBody);
    for _ in 0..3 {
        assert_eq!(scene.get("/").await.status, 502);
    }
    is_refused_at_once(&scene).await;
}

#[tokio::test]
async fn an_attempt_that_hangs_is_ended_by_its_own_limit_and_is_a_failure() {
    let scene = Scene::start(|payments| nervous(payments).attempt_timeout(50 * MS).deadline(1000 * MS)).await;
    scene.upstream.then([Act::Hang, Act::Hang, Act::OpenBody]);
    for _ in 0..3 {
        let answer = scene.get("/").await;
        assert_eq!(answer.status, 504);
        assert!(answer.body.contains("50ms"), "{answer:?}");
    }
    is_refused_at_once(&scene).await;
}

#[tokio::test]
async fn a_hang_is_a_failure_also_where_nothing_limits_an_attempt() {
    let scene = Scene::start(|payments| {
        let slow = payments.without(Control::AttemptTimeout, "slow by nature");
        nervous(slow.deadline(100 * MS))
    })
    .await;
    scene.upstream.then([Act::Hang, Act::Hang, Act::OpenBody]);
    for _ in 0..3 {
        assert_eq!(scene.get("/").await.status, 504);
    }
    is_refused_at_once(&scene).await;
}

#[tokio::test]
async fn a_call_keeps_its_place_until_the_end_of_its_body_and_beyond_the_places_calls_are_refused() {
    let scene = Scene::start(|payments| {
        let patient = payments.attempt_timeout(20_000 * MS).deadline(21_000 * MS);
        patient.bulkhead(|bulkhead| bulkhead.concurrent(1).queue(0))
    })
    .await;
    scene.upstream.then([Act::OpenBody]);
    let mut reader = Connection::open(scene.served.addr).await;
    reader.write("GET /stream HTTP/1.1\r\nhost: test\r\n\r\n").await;
    reader.read_until("begun").await;
    let refused = scene.get("/").await;
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("reduced-capacity"), "{refused:?}");
    assert_eq!(scene.upstream.count(), 1);
    drop(reader);
    let bulkhead = scene.client.dependency().bulkhead();
    eventually("place given back", async || bulkhead.snapshot().in_flight == 0).await;
    assert_eq!(scene.get("/").await.status, 200);
}

#[tokio::test]
async fn the_dependency_is_told_how_long_we_will_wait() {
    let scene = Scene::start(|payments| payments.attempt_timeout(700 * MS)).await;
    assert_eq!(scene.get("/").await.status, 200);
    let seen = scene.upstream.seen().remove(0);
    let told: u64 = seen.header("x-request-timeout-ms").expect("told").parse().unwrap();
    assert!((1..=700).contains(&told), "{told}");
}

#[tokio::test]
async fn the_dependency_is_told_how_much_the_request_matters() {
    let scene = Scene::start(|payments| payments).await;
    for path in ["/sheddable", "/"] {
        assert_eq!(scene.get(path).await.status, 200);
    }
    let seen = scene.upstream.seen();
    assert_eq!(seen[0].header("x-criticality"), Some("sheddable"));
    assert_eq!(seen[1].header("x-criticality"), Some("critical"));
}

#[tokio::test]
async fn whom_nobody_answers_is_given_up_before_the_attempt_is_over() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let addr = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    // Until the backlog takes no more: then the handshakes of others are not answered.
    while let Ok(Ok(stream)) = tokio::time::timeout(200 * MS, TcpStream::connect(addr)).await {
        waiting.push(stream);
    }
    let upstream = Upstream::start().await;
    let scene = Scene::of(upstream, &format!("http://{addr}"), &[], |payments| {
        nervous(payments).attempt_timeout(5000 * MS).deadline(6000 * MS)
    });
    let answer = scene.get("/").await;
    assert_eq!(
        answer.status, 502,
        "it was the connection that was given up: {answer:?}"
    );
    assert_eq!(scene.client.dependency().breaker().snapshot().failed, 1);
}

#[tokio::test]
async fn a_tls_handshake_that_nobody_answers_is_given_up_before_the_attempt_is_over() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let identity = Identity::make("silent");
    let file = identity.certificate.to_str().unwrap();
    let settings = [("dependencies.payments.ca_certificate", file)];
    let scene = Scene::of(Upstream::start().await, &url, &settings, |payments| {
        nervous(payments).attempt_timeout(5000 * MS).deadline(6000 * MS)
    });
    let answer = scene.get("/").await;
    assert_eq!(
        answer.status, 502,
        "it was the connection that was given up: {answer:?}"
    );
    assert_eq!(scene.client.dependency().breaker().snapshot().failed, 1);
}

#[tokio::test]
async fn a_request_for_another_host_is_refused_and_nobody_hears_of_it() {
    let scene = Scene::start(nervous).await;
    let other = Upstream::start().await;
    let target = format!("x-target: {}/secret", other.url());
    for _ in 0..3 {
        let answer = scene.send("GET", "/", &[&target]).await;
        assert_eq!(answer.status, 502);
        assert!(answer.body.contains("the dependency's own URL"), "{answer:?}");
    }
    assert_eq!((other.connections(), scene.upstream.connections()), (0, 0));
    let breaker = scene.client.dependency().breaker().snapshot();
    assert_eq!((breaker.calls, breaker.failed), (0, 0), "the caller's own mistake");
    let own = format!("x-target: {}/charges", scene.upstream.url());
    assert_eq!(scene.send("GET", "/", &[&own]).await.status, 200);
}

#[tokio::test]
async fn requests_begin_with_the_path_of_the_base_url() {
    let upstream = Upstream::start().await;
    let url = format!("{}/v1/", upstream.url());
    let scene = Scene::of(upstream, &url, &[], |payments| payments);
    assert_eq!(scene.get("/charges?of=1").await.status, 200);
    assert_eq!(scene.upstream.seen()[0].path, "/v1/charges?of=1");
}

#[tokio::test]
async fn one_connection_is_used_again() {
    let scene = Scene::start(|payments| payments).await;
    for _ in 0..5 {
        assert_eq!(scene.get("/").await.status, 200);
    }
    assert_eq!(scene.upstream.count(), 5);
    assert_eq!(scene.upstream.connections(), 1);
}

#[tokio::test]
async fn http2_is_spoken_from_the_first_byte_if_so_declared() {
    let upstream = Upstream::http2().await;
    let url = upstream.url();
    let scene = Scene::of(upstream, &url, &[], |payments| payments.http2());
    for _ in 0..2 {
        assert_eq!(scene.get("/").await.status, 200);
    }
    assert!(
        scene
            .upstream
            .seen()
            .iter()
            .all(|seen| seen.version == http::Version::HTTP_2)
    );
    assert_eq!(scene.upstream.connections(), 1);
}

#[tokio::test]
async fn over_tls_a_private_authority_is_trusted_if_the_settings_name_it_and_http2_is_agreed_on() {
    let identity = Identity::make("dependency");
    let upstream = Upstream::tls(&identity).await;
    let url = format!("https://localhost:{}", upstream.addr.port());
    let file = identity.certificate.to_str().unwrap();
    let settings = [("dependencies.payments.ca_certificate", file)];
    let scene = Scene::of(upstream, &url, &settings, |payments| payments);
    let answer = scene.get("/").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(scene.upstream.seen()[0].version, http::Version::HTTP_2);
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_refused_before_anything_is_sent() {
    let (identity, stranger) = (Identity::make("untrusted"), Identity::make("stranger"));
    let upstream = Upstream::tls(&identity).await;
    let url = format!("https://localhost:{}", upstream.addr.port());
    let file = stranger.certificate.to_str().unwrap();
    let settings = [("dependencies.payments.ca_certificate", file)];
    let scene = Scene::of(upstream, &url, &settings, nervous);
    assert_eq!(scene.get("/").await.status, 502);
    assert!(scene.upstream.connections() > 0);
    assert_eq!(scene.upstream.count(), 0);
}

#[tokio::test]
async fn before_its_app_is_built_a_client_says_so() {
    let upstream = Upstream::start().await;
    let mut app = builder();
    let client = app.dependency("payments").http(upstream.url());
    let asked = || client.send(Request::get("/").body(Body::empty()).unwrap());
    let error = within(asked()).await.unwrap_err();
    assert!(
        error.to_string().contains("call it after `AppBuilder::build`"),
        "{error}"
    );
    assert_eq!(client.dependency().breaker().snapshot().calls, 0);
    let _app = app.build().unwrap();
    assert_eq!(within(asked()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_request_that_is_passed_on_does_not_speak_for_its_callers_connection() {
    let scene = Scene::start(|payments| payments).await;
    let request = Request::get("/")
        .header("host", "elsewhere.example")
        .header("connection", "keep-alive, x-of-one-hop")
        .header("x-of-one-hop", "1")
        .header("keep-alive", "timeout=1")
        .header("upgrade", "websocket")
        .header("x-of-all", "1")
        .body(Body::empty())
        .unwrap();
    assert_eq!(within(scene.client.send(request)).await.unwrap().status(), 200);
    let seen = scene.upstream.seen().remove(0);
    assert_eq!(seen.header("host"), Some(scene.upstream.addr.to_string().as_str()));
    let kept = ["x-of-one-hop", "keep-alive", "upgrade", "x-of-all"].map(|name| seen.header(name));
    assert_eq!(kept, [None, None, None, Some("1")]);
}

#[tokio::test]
async fn limits_of_the_request_that_came_are_not_those_of_the_call_that_it_causes() {
    let scene = Scene::start(|payments| nervous(payments).attempt_timeout(50 * MS)).await;
    scene.upstream.always(Act::Hang);
    let mut limits = RequestLimits::default();
    limits.deadline = Some(20_000 * MS);
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    request.extensions_mut().insert(limits);
    let error = within(scene.client.send(request)).await.unwrap_err();
    assert!(error.to_string().contains("50ms"), "{error}");
}

#[tokio::test]
async fn a_request_that_came_over_another_version_can_be_passed_on() {
    let scene = Scene::start(|payments| payments).await;
    for version in [http::Version::HTTP_10, http::Version::HTTP_2] {
        let request = Request::get("/").version(version).body(Body::empty()).unwrap();
        let response = within(scene.client.send(request)).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    assert!(
        scene
            .upstream
            .seen()
            .iter()
            .all(|seen| seen.version == http::Version::HTTP_11)
    );
}

/// Held in a struct, in an axum state, across threads.
#[derive(Clone, Debug)]
struct Payments {
    client: HttpClient,
    under_way: Option<std::sync::Arc<HttpClientFuture>>,
}

#[test]
fn a_client_is_a_service_that_can_be_named_cloned_and_shared() {
    fn is_service<S>()
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future = HttpClientFuture>,
        S: Clone + Send + Sync + 'static,
    {
    }
    fn is_send<T: Send + 'static>() {}
    is_service::<HttpClient>();
    is_send::<HttpClientFuture>();
    let mut app = builder();
    let client = app.dependency("payments").http("http://127.0.0.1:1");
    let payments = Payments {
        client,
        under_way: None,
    };
    let other = payments.clone();
    assert_eq!(other.client.dependency().name(), "payments");
    assert!(payments.under_way.is_none());
}
