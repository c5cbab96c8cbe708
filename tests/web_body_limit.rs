//! The limit on request bodies.

#![cfg(feature = "http")]

use std::convert::Infallible;

use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::BodyExt;
use seaworthy::web::{BodyLimitLayer, RequestLimits};
use seaworthy::{Body, BoxError, Reason, Refusal};
use tower::{Layer, Service, ServiceExt, service_fn};

mod web_support;
use web_support::{PanicsInCall, Step, Unready, dropped_at_every_poll, one_at_a_time, script, text};

const LIMIT: u64 = 8;

fn layer() -> BodyLimitLayer {
    BodyLimitLayer::new("inbound", LIMIT)
}

/// Reads the body and answers with as much as it got.
async fn read(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut body = request.into_body();
    let mut got = 0;
    while let Some(Ok(frame)) = body.frame().await {
        got += frame.data_ref().map_or(0, bytes::Bytes::len);
    }
    Ok(Response::new(Body::from(got.to_string())))
}

async fn send(request: Request<Body>) -> Result<String, BoxError> {
    Ok(text(layer().layer(service_fn(read)).oneshot(request).await?).await)
}

fn refused(error: &BoxError, most: u64) -> bool {
    let refusal = Refusal::find(error.as_ref()).expect("a refusal");
    assert_eq!((refusal.policy(), refusal.name()), ("body_limit", "inbound"));
    refusal.reason() == Reason::BodyTooLarge { limit: most }
}

fn chunked(pieces: &[&'static str]) -> Request<Body> {
    let steps: Vec<_> = pieces.iter().map(|piece| Step::Data(piece)).collect();
    Request::new(Body::new(script(steps)))
}

#[tokio::test]
async fn a_declared_length_at_the_limit_passes_and_one_over_it_never_reaches_the_service() {
    for body in [
        Body::from("12345678"),
        Body::new(script([Step::Data("12345678")]).of_known_length()),
    ] {
        assert_eq!(send(Request::new(body)).await.unwrap(), "8");
    }
    for body in [
        Body::from("123456789"),
        Body::new(script([Step::Data("123456789")]).of_known_length()),
    ] {
        let error = layer()
            .layer(PanicsInCall)
            .oneshot(Request::new(body))
            .await
            .unwrap_err();
        assert!(refused(&error, LIMIT));
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_counted_piece_by_piece() {
    assert_eq!(send(chunked(&["1234", "5678"])).await.unwrap(), "8");
    assert_eq!(send(chunked(&["1234", "5678", ""])).await.unwrap(), "8");
    for pieces in [&["1234", "5678", "9"][..], &["1234", "56789"], &["123456789"]] {
        assert!(refused(&send(chunked(pieces)).await.unwrap_err(), LIMIT), "{pieces:?}");
    }
}

#[tokio::test]
async fn no_byte_over_the_limit_reaches_the_service() {
    let inner = service_fn(async |request: Request<Body>| {
        let mut body = request.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "1234");
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(refused(&error, LIMIT), "the service is told why");
        assert!(body.frame().await.is_none());
        Err::<Response<Body>, _>(error)
    });
    let error = layer()
        .layer(inner)
        .oneshot(chunked(&["1234", "56789"]))
        .await
        .unwrap_err();
    assert!(refused(&error, LIMIT));
}

#[tokio::test]
async fn a_requests_own_limit_overrides_the_layers() {
    for (own, body, passes) in [(2, "123", false), (20, "1234567890", true)] {
        let mut limits = RequestLimits::default();
        limits.body_bytes = Some(own);
        let bodies = [Body::from(body), Body::new(script([Step::Data(body)]))];
        for body in bodies {
            let mut request = Request::new(body);
            request.extensions_mut().insert(limits.clone());
            let result = send(request).await;
            assert_eq!(result.is_ok(), passes);
            assert!(passes || refused(&result.unwrap_err(), own));
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_read_is_no_reason_to_refuse() {
    let inner = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::from("unread"))) });
    let response = layer().layer(inner).oneshot(chunked(&["123456789"])).await.unwrap();
    assert_eq!(text(response).await, "unread");
}

#[tokio::test]
async fn a_body_that_breaks_by_itself_is_not_blamed_on_the_limit() {
    let inner = service_fn(async |request: Request<Body>| {
        let error = request.into_body().collect().await.unwrap_err();
        Err::<Response<Body>, _>(error)
    });
    let body = Body::new(script([Step::Data("1234"), Step::Fail]));
    let error = layer().layer(inner).oneshot(Request::new(body)).await.unwrap_err();
    assert!(Refusal::find(error.as_ref()).is_none());
}

#[tokio::test]
async fn a_refused_request_holds_no_place_in_the_service() {
    let (places, inner) = one_at_a_time();
    let mut service = layer().layer(inner);
    ServiceExt::<Request<Body>>::ready(&mut service).await.unwrap();
    let call = service.call(Request::new(Body::from("123456789")));
    assert!(refused(&call.await.unwrap_err(), LIMIT));
    assert_eq!(places.available_permits(), 1);
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_the_service() {
    let (places, inner) = one_at_a_time();
    let _place = places.acquire().await.unwrap();
    let call = layer().layer(inner).oneshot(Request::new(Body::from("123456789")));
    let error = call.now_or_never().expect("at once").unwrap_err();
    assert!(refused(&error, LIMIT));
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_waited_for_and_its_error_passes() {
    let (places, inner) = one_at_a_time();
    let service = layer().layer(inner);
    let place = places.clone().acquire_owned().await.unwrap();
    let waits = tokio::spawn(service.clone().oneshot(Request::new(Body::from("1"))));
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    drop(place);
    assert_eq!(text(waits.await.unwrap().unwrap()).await, "answer");
    layer()
        .layer(Unready::Fails)
        .oneshot(Request::new(Body::empty()))
        .await
        .unwrap_err();
}

#[tokio::test]
async fn a_readied_clone_that_is_dropped_holds_no_place() {
    let (places, inner) = one_at_a_time();
    let mut service = layer().layer(inner);
    ServiceExt::<Request<Body>>::ready(&mut service).await.unwrap();
    let mut clone = service.clone();
    ServiceExt::<Request<Body>>::ready(&mut clone).await.unwrap();
    assert_eq!(places.available_permits(), 1);
}

#[tokio::test]
async fn a_dropped_call_gives_its_place_back() {
    let (places, inner) = one_at_a_time();
    let service = layer().layer(inner);
    let start = || service.clone().call(chunked(&["1234"]));
    dropped_at_every_poll(start, |polls| {
        assert_eq!(places.available_permits(), 1, "after {polls} polls")
    });
}

#[tokio::test]
async fn a_panic_inside_goes_through() {
    let inner = layer().layer(PanicsInCall);
    let ended = tokio::spawn(inner.oneshot(chunked(&["1234"]))).await;
    assert!(ended.unwrap_err().is_panic());
}
