//! A dependency's guards round clients of one's own, and round what is no service.

mod support;

use std::cell::Cell;
use std::fmt;
use std::future::{Future, pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::Request;
use http::uri::PathAndQuery;
use seaworthy::attempt::Attempt;
use seaworthy::breaker::{State, Window};
use seaworthy::grpc::{ByGrpcStatus, GrpcReplay, IdempotentMethods, RetryByGrpcStatus};
use seaworthy::replay::Idempotent;
use seaworthy::retry::Backoff;
use seaworthy::web::{ByStatus, ReqwestReplay, RetryByStatus};
use seaworthy::{App, AppBuilder, Body, BoxError, Dependency, DependencyBuilder, Guard, Guarded, Reason, Refusal};
use support::upstream::{Act, Upstream};
use support::{builder, within};
use tokio::time::Instant;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

/// Declares a dependency that is tried again at once, and whose circuit opens with the third failure in a row.
fn declare(app: &mut AppBuilder) -> DependencyBuilder<'_> {
    let eager = app
        .dependency("payments")
        .retry(|retry| retry.backoff(Backoff::constant(MS)));
    eager.breaker(|breaker| breaker.window(Window::Consecutive(3)))
}

fn guard(change: impl FnOnce(DependencyBuilder<'_>) -> DependencyBuilder<'_>) -> Guard {
    change(declare(&mut App::builder("tested"))).guard()
}

fn reason<E>(error: &Guarded<E>) -> Reason {
    match error {
        Guarded::Refused(refusal) => refusal.reason(),
        Guarded::Inner(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn a_reqwest_client_is_tried_again_and_its_statuses_open_the_circuit() {
    let upstream = Upstream::start().await;
    let mut app = builder();
    let layer = declare(&mut app).layer();
    let layer = layer
        .replay(ReqwestReplay::default())
        .appraise(RetryByStatus)
        .classify(ByStatus);
    let mut client = ServiceBuilder::new().layer(layer).service(reqwest::Client::new());
    let mut ask = |method: reqwest::Method| {
        let url = format!("{}/charges", upstream.url()).parse().unwrap();
        within(client.call(reqwest::Request::new(method, url)))
    };
    upstream.then([Act::Status(503)]);
    assert_eq!(ask(reqwest::Method::GET).await.unwrap().status(), 200);
    assert_eq!(upstream.count(), 2);

    upstream.always(Act::Status(500));
    for _ in 0..3 {
        assert_eq!(ask(reqwest::Method::POST).await.unwrap().status(), 500);
    }
    let error = ask(reqwest::Method::POST).await.unwrap_err();
    assert_eq!(Refusal::find(error.as_ref()).unwrap().reason(), Reason::CircuitOpen);
    assert_eq!(upstream.count(), 5);
}

/// Messages without content, as no protobuf is needed for that.
#[derive(Clone, Copy)]
struct Empty;

impl Codec for Empty {
    type Encode = ();
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Empty {
    type Item = ();
    type Error = Status;

    fn encode(&mut self, (): (), buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(b"");
        Ok(())
    }
}

impl Decoder for Empty {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        assert!(!buffer.has_remaining());
        Ok(Some(()))
    }
}

/// Calls a method of a gRPC server, as generated clients do, through a channel behind the guards.
async fn call(dependency: &Dependency, upstream: &Upstream, method: &'static str) -> Result<(), Status> {
    let methods = IdempotentMethods::new(["/bank.Ledger/GetBalance"]).unwrap();
    let layer = dependency.layer().http();
    let layer = layer
        .replay(GrpcReplay::new(methods))
        .appraise(RetryByGrpcStatus::default())
        .classify(ByGrpcStatus);
    let channel = ServiceBuilder::new()
        .layer(layer)
        .map_request(|request: Request<Body>| request.map(tonic::body::Body::new))
        .service(Endpoint::from_shared(upstream.url()).unwrap().connect_lazy());
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static(method);
    within(client.unary(tonic::Request::new(()), path, Empty)).await?;
    Ok(())
}

#[tokio::test]
async fn a_grpc_client_stands_on_a_guarded_channel() {
    let upstream = Upstream::http2().await;
    upstream.always(Act::Message);
    let mut app = builder();
    let dependency = declare(&mut app).layer().dependency().clone();

    upstream.then([Act::Code(14)]);
    call(&dependency, &upstream, "/bank.Ledger/GetBalance").await.unwrap();
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].header("grpc-previous-rpc-attempts"), Some("1"));
    assert!(seen[0].header("grpc-timeout").is_some(), "{:?}", seen[0]);

    upstream.then([Act::Code(14)]);
    let error = call(&dependency, &upstream, "/bank.Ledger/Append").await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(upstream.count(), 3, "nothing proves that it may be sent again");
}

#[tokio::test]
async fn a_grpc_status_that_blames_the_server_opens_its_circuit() {
    let upstream = Upstream::http2().await;
    let mut app = builder();
    let dependency = declare(&mut app).layer().dependency().clone();
    for (code, state) in [(5, State::Closed), (13, State::Open)] {
        upstream.always(Act::Code(code));
        for _ in 0..3 {
            call(&dependency, &upstream, "/bank.Ledger/Append").await.unwrap_err();
        }
        assert_eq!(dependency.breaker().snapshot().state, state);
    }
    let error = call(&dependency, &upstream, "/bank.Ledger/Append").await.unwrap_err();
    assert_eq!(Refusal::find(&error).unwrap().reason(), Reason::CircuitOpen);
    assert_eq!(upstream.count(), 6);
}

#[derive(Clone)]
struct Read;

impl Idempotent for Read {}

#[tokio::test(start_paused = true)]
async fn any_service_is_guarded_and_what_is_idempotent_is_tried_again() {
    let mut app = App::builder("tested");
    let layer = declare(&mut app).layer();
    let client = ServiceBuilder::new().layer(layer).service(service_fn(|_: Read| {
        ready(match Attempt::current().number() {
            1 => Err(std::io::Error::other("lost")),
            number => Ok(number),
        })
    }));
    assert_eq!(client.oneshot(Read).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_hangs_is_given_up_by_the_layer() {
    let mut app = App::builder("tested");
    let layer = declare(&mut app).layer();
    let hung = service_fn(|_: Read| pending::<Result<(), BoxError>>());
    let error = ServiceBuilder::new().layer(layer).service(hung).oneshot(Read);
    let start = Instant::now();
    let error = error.await.unwrap_err();
    assert!(Refusal::find(error.as_ref()).is_some(), "{error}");
    assert!(start.elapsed() <= Duration::from_secs(5), "{:?}", start.elapsed());
}

/// An error that keeps its type on the way.
#[derive(Debug, PartialEq)]
struct Lost(u32);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lost {}", self.0)
    }
}

impl std::error::Error for Lost {}

#[tokio::test(start_paused = true)]
async fn a_call_runs_once_and_an_idempotent_one_until_it_succeeds() {
    let guard = guard(|payments| payments);
    let runs = Cell::new(0);
    let run = || {
        runs.set(runs.get() + 1);
        ready(if runs.get() % 2 == 1 {
            Err(Lost(runs.get()))
        } else {
            Ok(runs.get())
        })
    };
    let once = guard.call(run).await;
    assert!(matches!(once, Err(Guarded::Inner(Lost(1)))), "{once:?}");
    runs.set(0);
    assert_eq!(guard.call_idempotent(run).await.unwrap(), 2);
    runs.set(0);
    let worn_out = guard.call_idempotent(|| {
        runs.set(runs.get() + 1);
        ready(Err::<(), _>(Lost(runs.get())))
    });
    let worn_out = worn_out.await;
    assert!(matches!(worn_out, Err(Guarded::Inner(Lost(3)))), "{worn_out:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_begun() {
    let guard = guard(|payments| payments);
    guard.dependency().breaker().force_open();
    let begun = Cell::new(0);
    let begin = || {
        begun.set(begun.get() + 1);
        ready(Ok::<_, Lost>(()))
    };
    assert_eq!(reason(&guard.call(begin).await.unwrap_err()), Reason::CircuitOpen);
    let refused = guard.call_idempotent(begin).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::CircuitOpen);
    assert_eq!(begun.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_hangs_is_ended_and_is_a_failure() {
    let guard = guard(|payments| payments);
    let start = Instant::now();
    let refused = guard.call(pending::<Result<(), Lost>>).await.unwrap_err();
    assert!(matches!(reason(&refused), Reason::Elapsed { .. }), "{refused:?}");
    assert_eq!(start.elapsed(), 1500 * MS);
    assert_eq!(guard.dependency().breaker().snapshot().failed, 1);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_single_call_too() {
    let guard = guard(|payments| payments.deadline(1000 * MS));
    for _ in 0..2 {
        let start = Instant::now();
        let refused = guard.call(pending::<Result<(), Lost>>).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::DeadlinePassed);
        assert_eq!(start.elapsed(), 1000 * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_gives_its_place_back() {
    let guard = guard(|payments| payments.bulkhead(|bulkhead| bulkhead.concurrent(1).queue(0)));
    let bulkhead = guard.dependency().bulkhead().clone();
    {
        let mut held = pin!(guard.call(pending::<Result<(), Lost>>));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(held.as_mut().poll(&mut cx).is_pending());
        assert_eq!(bulkhead.snapshot().in_flight, 1);
        let refused = guard.call(|| ready(Ok::<_, Lost>(()))).await.unwrap_err();
        assert!(matches!(reason(&refused), Reason::BulkheadFull { .. }), "{refused:?}");
    }
    assert_eq!(bulkhead.snapshot().in_flight, 0);
    let breaker = guard.dependency().breaker().snapshot();
    assert_eq!(breaker.failed, 0, "neither says anything of the dependency");
    guard.call(|| ready(Ok::<_, Lost>(()))).await.unwrap();
}

#[tokio::test]
async fn all_that_is_made_of_one_dependency_shares_its_guards() {
    let upstream = Upstream::start().await;
    let mut app = builder();
    let client = declare(&mut app).http(upstream.url());
    let guard = client.dependency().guard();
    let layered = ServiceBuilder::new()
        .layer(client.dependency().layer())
        .service(service_fn(|_: Read| ready(Ok::<_, BoxError>(()))));
    app.build().unwrap();
    let asked = || within(client.send(Request::get("/").body(Body::empty()).unwrap()));
    assert_eq!(asked().await.unwrap().status(), 200);
    for _ in 0..3 {
        guard.call(|| ready(Err::<(), _>(Lost(0)))).await.unwrap_err();
    }
    let of_client = asked().await.unwrap_err();
    let of_layer = layered.oneshot(Read).await.unwrap_err();
    for error in [of_client, of_layer] {
        assert_eq!(Refusal::find(error.as_ref()).unwrap().reason(), Reason::CircuitOpen);
    }
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_guard_goes_into_tasks() {
    let guard = guard(|payments| payments);
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let task = tokio::spawn(async move {
        guard
            .call_idempotent(|| {
                counted.fetch_add(1, Ordering::Relaxed);
                ready(Ok::<_, Lost>(Bytes::new()))
            })
            .await
    });
    assert!(task.await.unwrap().unwrap().is_empty());
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}
