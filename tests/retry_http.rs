//! The retry's HTTP face: which requests are sent again, when, and what is sent then.

mod breaker_support;
mod web_support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use seaworthy::attempt::Attempt;
use seaworthy::breaker::CircuitBreaker;
use seaworthy::budget::Budget;
use seaworthy::deadline::Deadline;
use seaworthy::retry::Retry;
use seaworthy::web::HttpReplay;
use seaworthy::{Body, BoxError, Reason, Refusal};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};
use web_support::retry::{answering, eager, recovers, status};
use web_support::{Step, dropped_at_every_poll, one_at_a_time, script, text};

fn get() -> Request<Body> {
    Request::default()
}

fn put(body: impl Into<Body>) -> Request<Body> {
    Request::put("/orders/7").body(body.into()).unwrap()
}

/// Sends a request through a retry, once.
async fn send<S>(retry: &Retry, service: S, request: Request<Body>) -> Result<Response<Body>, BoxError>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = BoxError> + Clone,
{
    retry.http_layer().layer(service).oneshot(request).await
}

#[tokio::test]
async fn methods_that_are_not_idempotent_are_not_retried_by_default() {
    let retry = eager().build().unwrap();
    for (method, attempts) in [
        ("GET", 2),
        ("HEAD", 2),
        ("OPTIONS", 2),
        ("TRACE", 2),
        ("PUT", 2),
        ("DELETE", 2),
        ("POST", 1),
        ("PATCH", 1),
        ("CONNECT", 1),
        ("PURGE", 1),
        ("get", 1),
    ] {
        let (seen, service) = answering(recovers);
        let mut request = get();
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        let response = send(&retry, service, request).await.unwrap();
        assert_eq!(seen.attempts(), attempts, "{method}");
        assert_eq!(response.status().is_success(), attempts == 2, "{method}");
    }
}

#[tokio::test]
async fn an_idempotency_key_proves_it_unless_it_is_empty() {
    let retry = eager().build().unwrap();
    for (key, attempts) in [("\"8e03978e\"", 2), ("", 1)] {
        let (seen, service) = answering(recovers);
        let request = Request::post("/").header("Idempotency-Key", key);
        send(&retry, service, request.body("an order".into()).unwrap())
            .await
            .unwrap();
        assert_eq!(seen.bodies(), vec!["an order"; attempts], "{key:?}");
        assert_eq!(
            seen.headers("idempotency-key"),
            vec![Some(key.to_owned()); attempts],
            "a further attempt must bear the same key"
        );
    }
}

#[tokio::test]
async fn only_what_may_pass_is_worth_a_further_attempt() {
    let retry = eager().build().unwrap();
    for code in 200..600 {
        let (seen, service) = answering(move |_| code);
        let response = send(&retry, service, get()).await.unwrap();
        assert_eq!(response.status().as_u16(), code);
        let expected = match code {
            408 | 429 | 500 | 502 | 503 | 504 => 3,
            _ => 1,
        };
        assert_eq!(seen.attempts(), expected, "{code}");
    }
    let (seen, service) = answering(|_| Err::<Response<Body>, BoxError>("connection refused".into()));
    let error = send(&retry, service, get()).await.unwrap_err();
    assert_eq!((seen.attempts(), error.to_string().as_str()), (3, "connection refused"));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_in_seconds_and_as_a_date() {
    let retry = eager().build().unwrap();
    for (headers, seconds) in [
        (&[("retry-after", "3")][..], 3),
        (
            &[
                ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT"),
            ],
            2,
        ),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT")], 0),
        (&[("retry-after", "soon")], 0),
    ] {
        for code in [408, 429, 500, 502, 503, 504] {
            let (seen, service) = answering(move |attempt| {
                let mut response = status(if attempt == 1 { code } else { 200 });
                for (name, value) in headers {
                    response.headers_mut().insert(*name, value.parse().unwrap());
                }
                response
            });
            let start = Instant::now();
            assert!(send(&retry, service, get()).await.unwrap().status().is_success());
            assert_eq!(seen.attempts(), 2);
            let (least, waited) = (Duration::from_secs(seconds), start.elapsed());
            assert!(
                waited >= least && waited < least + Duration::from_millis(100),
                "{waited:?} for {headers:?} on {code}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_beyond_the_deadline_ends_at_once_with_that_response() {
    let retry = eager().build().unwrap();
    let unlimited = eager().total(None).build().unwrap();
    let soon = Duration::from_secs(2);
    for (retry, told, carried) in [
        (&retry, "5", None),
        (&retry, "99999999999999999999999", None),
        (&retry, "Fri, 31 Dec 9999 23:59:59 GMT", None),
        (&retry, "3", Some(soon)),
        (&unlimited, "3", Some(soon)),
    ] {
        let (seen, service) = answering(move |_| {
            let response = Response::builder().status(503).header("retry-after", told);
            response.body(Body::from("later")).unwrap()
        });
        let mut request = get();
        if let Some(limit) = carried {
            request.extensions_mut().insert(Deadline::after(limit));
        }
        let start = Instant::now();
        let response = send(retry, service, request).await.unwrap();
        assert_eq!((seen.attempts(), start.elapsed()), (1, Duration::ZERO), "{told}");
        assert_eq!(response.headers()["retry-after"], told);
        assert_eq!(text(response).await, "later");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_a_request_carries_bounds_its_attempts() {
    let retry = eager().total(None).build().unwrap();
    let hangs = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, BoxError>>());
    let mut request = get();
    request.extensions_mut().insert(Deadline::after(Duration::from_secs(2)));
    let start = Instant::now();
    let error = send(&retry, hangs, request).await.unwrap_err();
    let refusal = Refusal::find(error.as_ref()).unwrap();
    assert_eq!(refusal.reason(), Reason::DeadlinePassed);
    assert_eq!(start.elapsed().as_secs(), 2);
}

/// The steps of a body of `length` bytes in pieces of up to ten.
fn pieces(length: usize) -> Vec<Step> {
    let pieces = (0..length).step_by(10).map(|at| &"0123456789"[..10.min(length - at)]);
    pieces.map(Step::Data).collect()
}

#[tokio::test]
async fn a_body_over_the_limit_is_sent_once_and_unchanged() {
    let retry = eager().build().unwrap();
    for (length, attempts) in [(100, 3), (101, 1), (1000, 1)] {
        let expected = "0123456789".repeat(100)[..length].to_owned();
        let bodies = [
            Body::from(expected.clone()),
            Body::new(script(pieces(length))),
            Body::new(script(pieces(length)).of_known_length()),
        ];
        for body in bodies {
            let size = http_body::Body::size_hint(&body).exact();
            let (seen, service) = answering(|_| 503);
            let layer = retry.http_layer().replay(HttpReplay::default().body_limit(100));
            let response = layer.layer(service).oneshot(put(body)).await.unwrap();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(seen.bodies(), vec![expected.clone(); attempts], "{size:?}");
            assert_eq!(seen.each(|sent| sent.size.exact()), vec![size; attempts]);
        }
    }
}

#[tokio::test]
async fn the_limit_is_64_kib_unless_another_is_given() {
    for (length, attempts) in [(65_536, 3), (65_537, 1)] {
        let (seen, service) = answering(|_| 503);
        send(&eager().build().unwrap(), service, put(vec![7; length]))
            .await
            .unwrap();
        assert_eq!(seen.bodies(), vec![vec![7; length]; attempts]);
    }
}

#[tokio::test]
async fn a_body_that_breaks_is_not_sent_again() {
    let retry = eager().build().unwrap();
    let (seen, service) = answering(|_| 503);
    let body = Body::new(script([Step::Data("half"), Step::Fail]));
    let error = send(&retry, service, put(body)).await.unwrap_err();
    assert_eq!((seen.attempts(), error.to_string().as_str()), (0, "the secret inside"));
    assert_eq!(breaker_support::counter(&retry, "unrepeatable"), 1);
}

#[tokio::test]
async fn a_body_that_panics_is_not_sent_again() {
    let retry = eager().build().unwrap();
    let calls = Arc::new(Mutex::new(0));
    let service = {
        let calls = Arc::clone(&calls);
        service_fn(move |request: Request<Body>| {
            *calls.lock().unwrap() += 1;
            async move {
                let panic = tokio::spawn(http_body_util::BodyExt::collect(request.into_body())).await;
                assert!(
                    panic.is_err(),
                    "the second would be sent a part of the body for the whole"
                );
                Ok(status(503))
            }
        })
    };
    let body = Body::new(script([Step::Data("half"), Step::Panic]));
    let response = send(&retry, service, put(body)).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(*calls.lock().unwrap(), 1);
}

/// Reads as many pieces of a body as there are, up to so many.
async fn read(body: &mut Body, pieces: usize) -> Vec<Bytes> {
    let mut read = Vec::new();
    while read.len() < pieces {
        match http_body_util::BodyExt::frame(body).await {
            Some(frame) => read.push(frame.unwrap().into_data().unwrap()),
            None => break,
        }
    }
    read
}

#[tokio::test]
async fn a_body_that_was_read_in_part_or_not_at_all_is_whole_in_the_next_attempt() {
    for taken in 0..=4 {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bodies);
        let service = service_fn(move |request: Request<Body>| {
            let kept = Arc::clone(&kept);
            async move {
                let mut body = request.into_body();
                let is_last = Attempt::current().number() == 3;
                let pieces = read(&mut body, if is_last { 100 } else { taken }).await;
                kept.lock().unwrap().push(pieces.concat());
                if is_last {
                    Ok(status(200))
                } else {
                    Err::<_, BoxError>("connection lost".into())
                }
            }
        });
        let steps = [Step::Data("a"), Step::Yield, Step::Data("b"), Step::Data("c")];
        let response = send(&eager().build().unwrap(), service, put(Body::new(script(steps)))).await;
        assert!(response.unwrap().status().is_success());
        assert_eq!(bodies.lock().unwrap()[2], b"abc", "after {taken} pieces");
    }
}

#[tokio::test]
async fn trailers_are_sent_again() {
    let (seen, service) = answering(recovers);
    let body = Body::new(script([Step::Data("a"), Step::Trailers]));
    send(&eager().build().unwrap(), service, put(body)).await.unwrap();
    let trailer = |sent: &web_support::retry::Sent| sent.trailers.as_ref().unwrap()["etag"].clone();
    assert_eq!(seen.each(trailer), ["trailer", "trailer"]);
    assert_eq!(seen.bodies(), ["a", "a"]);
}

#[tokio::test]
async fn the_attempts_number_is_in_header_extensions_and_task_and_nobody_else_writes_it() {
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&attempts);
    let service = service_fn(move |request: Request<Body>| {
        let header = request.headers().get("x-request-attempt").cloned();
        let extension = request.extensions().get().copied().map(Attempt::number);
        kept.lock()
            .unwrap()
            .push((header, extension, Attempt::current().number()));
        std::future::ready(Ok::<_, BoxError>(status(503)))
    });
    let retry = eager().build().unwrap();
    let spoofed = || {
        Request::get("/")
            .header("x-request-attempt", "9")
            .body(Body::empty())
            .unwrap()
    };
    send(&retry, service.clone(), spoofed()).await.unwrap();
    let numbered = |number: u32| (Some(number.into()), Some(number), number);
    assert_eq!(*attempts.lock().unwrap(), [(None, None, 1), numbered(2), numbered(3)]);

    attempts.lock().unwrap().clear();
    let mut once = spoofed();
    *once.method_mut() = Method::POST;
    send(&retry, service, once).await.unwrap();
    assert_eq!(*attempts.lock().unwrap(), [(None, None, 1)]);
}

#[tokio::test]
async fn the_rest_of_the_request_is_the_same_in_every_attempt() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mark(u32);

    let (seen, service) = answering(|_| 503);
    let request = Request::delete("http://example.com/orders?id=7")
        .version(http::Version::HTTP_2)
        .header("x-tenant", "a")
        .header("x-tenant", "b")
        .extension(Mark(7));
    send(&eager().build().unwrap(), service, request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let rest = seen.each(|sent| {
        let head = &sent.head;
        let tenants: Vec<_> = head.headers.get_all("x-tenant").iter().cloned().collect();
        let mark = head.extensions.get::<Mark>().cloned();
        (head.method.clone(), head.uri.clone(), head.version, tenants, mark)
    });
    assert_eq!(rest.len(), 3);
    assert!(rest.iter().all(|one| *one == rest[0]), "{rest:?}");
    assert_eq!(rest[0].4, Some(Mark(7)));
}

struct Flagged(Arc<AtomicBool>);

impl Drop for Flagged {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl http_body::Body for Flagged {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_response_is_dropped_before_the_wait() {
    let is_dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_dropped);
    let (_, service) = answering(move |attempt| {
        let body = Body::new(Flagged(Arc::clone(&flag)));
        let answer = Response::builder().status(recovers(attempt)).header("retry-after", "2");
        answer.body(body).unwrap()
    });
    let retry = eager().build().unwrap();
    let sent = tokio::spawn(async move { send(&retry, service, get()).await.map(drop) });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(is_dropped.load(Ordering::SeqCst));
    assert!(!sent.is_finished());
    sent.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refusal_of_an_open_circuit_is_not_tried_again() {
    let breaker = CircuitBreaker::builder("payments").build().unwrap();
    breaker.force_open();
    let (seen, service) = answering(|_| 200);
    let retry = eager().build().unwrap();
    let error = send(&retry, breaker.http_layer().layer(service), get())
        .await
        .unwrap_err();
    assert_eq!(Refusal::find(error.as_ref()).unwrap().reason(), Reason::CircuitOpen);
    assert_eq!(seen.attempts(), 0);
    assert_eq!(
        ["retried", "exhausted"].map(|name| breaker_support::counter(&retry, name)),
        [0, 0]
    );

    let refusal = Refusal::find(error.as_ref()).unwrap().clone();
    let (seen, service) = answering(move |_| {
        let mut response = status(503);
        response.extensions_mut().insert(refusal.clone());
        response
    });
    send(&retry, service, get()).await.unwrap();
    assert_eq!(seen.attempts(), 1, "as a response's extension it is one, too");
}

#[tokio::test]
async fn a_response_that_is_handed_on_may_go_on_reading_the_request() {
    let none = Budget::builder("none").share(0).floor(0).reserve(0).build().unwrap();
    let retry = Retry::builder("payments").budget(none).build().unwrap();
    let request_body = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&request_body);
    let service = service_fn(move |request: Request<Body>| {
        let kept = Arc::clone(&kept);
        async move {
            let mut body = request.into_body();
            read(&mut body, 1).await;
            *kept.lock().unwrap() = Some(body);
            Ok::<_, BoxError>(status(503))
        }
    });
    let body = Body::new(script([Step::Data("a"), Step::Data("b"), Step::Data("c")]));
    send(&retry, service, put(body)).await.unwrap();
    assert_eq!(breaker_support::counter(&retry, "out_of_budget"), 1);
    let mut body = request_body.lock().unwrap().take().unwrap();
    assert_eq!(read(&mut body, 100).await.concat(), b"bc");
}

#[tokio::test]
async fn a_call_that_is_dropped_gives_back_what_it_held_at_every_poll() {
    let (places, service) = one_at_a_time();
    let retry = eager().build().unwrap();
    let layer = retry.http_layer();
    let start = || {
        let body = Body::new(script([Step::Data("a"), Step::Yield, Step::Data("b")]));
        layer.layer(service.clone()).oneshot(put(body))
    };
    dropped_at_every_poll(start, |polls| assert_eq!(places.available_permits(), 1, "{polls}"));
}
