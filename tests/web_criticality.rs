//! Who says how much a request matters, and who hears of it.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use seaworthy::criticality::Criticality;
use seaworthy::load_shed::LoadShed;
use seaworthy::web::{CriticalityLayer, ErrorBoundaryLayer, SendCriticalityLayer, X_CRITICALITY};
use seaworthy::{Body, BoxError};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use Criticality::{Critical, CriticalPlus, Sheddable, SheddablePlus};

/// A request as it comes: what its header says, and what was declared for its endpoint.
fn request(header: Option<&[u8]>, declared: Option<Criticality>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    if let Some(value) = header {
        let value = HeaderValue::from_bytes(value).unwrap();
        request.headers_mut().insert(X_CRITICALITY, value);
    }
    if let Some(class) = declared {
        request.extensions_mut().insert(class);
    }
    request
}

/// Notes the task's class when it is called, when its future is polled again, and what is in the extensions.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Vec<Criticality>>>);

impl Service<Request<Body>> for Witness {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let seen = self.0.clone();
        let in_extensions = *request.extensions().get().expect("a class in the extensions");
        seen.lock().unwrap().extend([in_extensions, Criticality::current()]);
        Box::pin(async move {
            tokio::task::yield_now().await;
            seen.lock().unwrap().push(Criticality::current());
            Ok(Response::new(Body::empty()))
        })
    }
}

async fn seen(layer: CriticalityLayer, request: Request<Body>) -> Criticality {
    let witness = Witness::default();
    layer.layer(witness.clone()).oneshot(request).await.unwrap();
    assert_eq!(Criticality::current(), Critical, "it stays behind");
    let seen = witness.0.lock().unwrap();
    assert_eq!(*seen, [seen[0]; 3], "in the extensions, in the call and in the future");
    seen[0]
}

#[tokio::test]
async fn the_header_counts_from_trusted_callers_alone_and_before_what_is_declared() {
    let trusting = CriticalityLayer::default().trust_callers(true);
    for (header, declared, trusted, untrusted) in [
        (None, None, Critical, Critical),
        (None, Some(SheddablePlus), SheddablePlus, SheddablePlus),
        (Some("critical-plus"), None, CriticalPlus, Critical),
        (Some("critical-plus"), Some(Sheddable), CriticalPlus, Sheddable),
        (Some("sheddable"), Some(CriticalPlus), Sheddable, CriticalPlus),
        (Some(" SHEDDABLE-Plus\t"), None, SheddablePlus, Critical),
    ] {
        let request = || request(header.map(str::as_bytes), declared);
        assert_eq!(seen(trusting, request()).await, trusted, "{header:?}, {declared:?}");
        let distrusting = CriticalityLayer::default();
        assert_eq!(
            seen(distrusting, request()).await,
            untrusted,
            "{header:?}, {declared:?}"
        );
        let revoked = trusting.trust_callers(false);
        assert_eq!(seen(revoked, request()).await, untrusted, "{header:?}, {declared:?}");
    }
}

#[tokio::test]
async fn whatever_is_in_the_header_no_request_fails_because_of_it() {
    let trusting = CriticalityLayer::default().trust_callers(true);
    let long = vec![b'c'; 100_000];
    for value in [
        &b""[..],
        b" ",
        b"critical, sheddable",
        b"critical_plus",
        b"criticalplus",
        b"4",
        b"\xff\xfe",
        b"critical\xa0",
        "kritisch \u{fffd}".as_bytes(),
        &long,
    ] {
        let class = seen(trusting, request(Some(value), Some(SheddablePlus))).await;
        assert_eq!(class, SheddablePlus, "{value:?}");
    }
    let mut twice = request(Some(b"sheddable"), None);
    twice
        .headers_mut()
        .append(X_CRITICALITY, HeaderValue::from_static("critical-plus"));
    assert_eq!(seen(trusting, twice).await, Sheddable);
}

/// Says of each piece what class it was made in.
fn classes() -> Body {
    let piece = |_| {
        ready(Ok::<_, BoxError>(Frame::data(Bytes::from(
            Criticality::current().to_string() + " ",
        ))))
    };
    Body::new(StreamBody::new(futures_util::StreamExt::then(
        stream::iter(0..2),
        piece,
    )))
}

#[tokio::test]
async fn a_body_that_is_polled_later_is_of_its_requests_class() {
    let inner = || service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(classes()))));
    let layer = CriticalityLayer::default();
    let response = layer
        .layer(inner())
        .oneshot(request(None, Some(Sheddable)))
        .await
        .unwrap();
    let read = tokio::spawn(response.into_body().collect()).await.unwrap();
    assert_eq!(read.unwrap().to_bytes(), "sheddable sheddable ");
    let twice = ServiceBuilder::new()
        .layer(layer)
        .layer(Declares(CriticalPlus))
        .layer(layer)
        .service(inner());
    let response = twice.oneshot(request(None, Some(Sheddable))).await.unwrap();
    let read = response.into_body().collect().await.unwrap();
    assert_eq!(
        read.to_bytes(),
        "critical-plus critical-plus ",
        "the inner layer knows more"
    );
}

#[tokio::test]
async fn a_body_of_no_class_is_given_none() {
    let piece = |_| {
        let told = format!("{:?}", Criticality::told());
        ready(Ok::<_, BoxError>(Frame::data(Bytes::from(told))))
    };
    let pieces = futures_util::StreamExt::then(stream::iter(0..1), piece);
    let read = Body::new(StreamBody::new(pieces)).collect().await.unwrap();
    assert_eq!(read.to_bytes(), "None");
}

/// Knows an endpoint.
#[derive(Clone)]
struct Declares(Criticality);

impl<S> Layer<S> for Declares {
    type Service = Declared<S>;

    fn layer(&self, inner: S) -> Declared<S> {
        Declared(inner, self.0)
    }
}

struct Declared<S>(S, Criticality);

impl<S: Service<Request<Body>>> Service<Request<Body>> for Declared<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> S::Future {
        request.extensions_mut().insert(self.1);
        self.0.call(request)
    }
}

#[tokio::test]
async fn what_is_called_is_told_the_tasks_class_unless_the_request_has_one_of_its_own() {
    let sent: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let wire = sent.clone();
    let client = SendCriticalityLayer.layer(service_fn(move |request: Request<Body>| {
        wire.lock().unwrap().push(request.headers().clone());
        ready(Ok::<_, Infallible>(Response::new(Body::empty())))
    }));
    client.clone().oneshot(request(None, None)).await.unwrap();
    for class in Criticality::ALL {
        class.scope(client.clone().oneshot(request(None, None))).await.unwrap();
    }
    Sheddable
        .scope(client.clone().oneshot(request(Some(b"critical-plus"), None)))
        .await
        .unwrap();
    // From one service into the next.
    let inbound = service_fn(move |_: Request<Body>| client.clone().oneshot(request(None, None)));
    let inbound = CriticalityLayer::default().layer(inbound);
    inbound.oneshot(request(None, Some(SheddablePlus))).await.unwrap();
    let sent = sent.lock().unwrap();
    let told = sent.iter().map(|headers| {
        assert!(headers.get_all(X_CRITICALITY).iter().count() <= 1);
        headers
            .get(X_CRITICALITY)
            .map_or("nothing", |class| class.to_str().unwrap())
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "nothing",
            "sheddable",
            "sheddable-plus",
            "critical",
            "critical-plus",
            "critical-plus",
            "sheddable-plus"
        ]
    );
}

#[tokio::test]
async fn load_is_shed_by_the_class_in_the_extensions_and_otherwise_by_the_tasks() {
    let shed = LoadShed::builder("orders").signal("busy", || 0.75).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(ErrorBoundaryLayer::new())
        .layer(shed.http_layer())
        .service(service_fn(|_: Request<Body>| {
            ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        }));
    let status = async |request| service.clone().oneshot(request).await.unwrap().status().as_u16();
    assert_eq!(status(request(None, None)).await, 200);
    assert_eq!(status(request(None, Some(Sheddable))).await, 503);
    assert_eq!(Sheddable.scope(status(request(None, None))).await, 503);
    assert_eq!(Sheddable.scope(status(request(None, Some(Critical)))).await, 200);
    let response = service.clone().oneshot(request(None, Some(Sheddable))).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}
