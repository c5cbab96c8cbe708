//! The guarded client, against a service that does as it is told.

mod support;

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use example_grpc::client::{GuardedChannel, guarded, orders, watch_request};
use example_grpc::proto::orders_client::OrdersClient;
use example_grpc::proto::{Order, Placed, Taken, WatchRequest, orders_server};
use futures_util::{Stream, stream};
use seaworthy::{App, Dependency, Guarded, Reason};
use support::{Served, order, quiet, serve, within};
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

/// A service that refuses every first attempt, and keeps the headers of all.
#[derive(Clone, Default)]
struct Reluctant {
    seen: Arc<Mutex<Vec<MetadataMap>>>,
    pushback: Option<&'static str>,
}

impl Reluctant {
    fn start(pushback: Option<&'static str>) -> (Self, String) {
        let reluctant = Self {
            pushback,
            ..Self::default()
        };
        let routes = Routes::new(orders_server::OrdersServer::new(reluctant.clone()));
        let app = quiet(App::builder("reluctant")).build().unwrap();
        let (url, _) = serve(app, routes);
        (reluctant, url)
    }

    fn answer<T>(&self, metadata: &MetadataMap, answer: T) -> Result<Response<T>, Status> {
        self.seen.lock().unwrap().push(metadata.clone());
        if metadata.contains_key("grpc-previous-rpc-attempts") {
            return Ok(Response::new(answer));
        }
        let mut status = Status::resource_exhausted("not at once");
        if let Some(pushback) = self.pushback {
            status
                .metadata_mut()
                .insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
        }
        Err(status)
    }

    fn header(&self, name: &str) -> Vec<Option<String>> {
        let seen = self.seen.lock().unwrap();
        let text = |metadata: &MetadataMap| Some(metadata.get(name)?.to_str().unwrap().to_owned());
        seen.iter().map(text).collect()
    }
}

#[tonic::async_trait]
impl orders_server::Orders for Reluctant {
    async fn place(&self, request: Request<Order>) -> Result<Response<Placed>, Status> {
        self.answer(request.metadata(), Placed { number: 7 })
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<Taken, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.answer(request.metadata(), Box::pin(stream::empty()))
    }
}

fn client(url: &str) -> (OrdersClient<GuardedChannel>, Dependency) {
    let mut app = App::builder("tested");
    let client = orders(&mut app, url.into()).unwrap();
    app.build().unwrap();
    client
}

#[tokio::test]
async fn what_is_idempotent_is_asked_again_when_the_service_says_and_nothing_else_is() {
    let (reluctant, url) = Reluctant::start(Some("400"));
    let (mut orders, _) = client(&url);
    let start = Instant::now();
    let placed = within(orders.place(order("one"))).await.unwrap().into_inner();
    assert_eq!(placed.number, 7);
    // Its own backoff would have been over long before.
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    assert_eq!(
        reluctant.header("grpc-previous-rpc-attempts"),
        [None, Some("1".to_owned())]
    );

    let refused = within(orders.watch(watch_request())).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(reluctant.seen.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_service_that_says_never_is_not_asked_again() {
    let (reluctant, url) = Reluctant::start(Some("-1"));
    let (mut orders, _) = client(&url);
    let refused = within(orders.place(order("one"))).await.unwrap_err();
    assert!(matches!(guarded(refused), Guarded::Inner(status) if status.message() == "not at once"));
    assert_eq!(reluctant.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_service_is_told_how_long_a_call_is_waited_for_and_nothing_of_a_stream() {
    let (reluctant, url) = Reluctant::start(None);
    let (mut orders, _) = client(&url);
    within(orders.place(order("one"))).await.unwrap();
    within(orders.watch(watch_request())).await.unwrap_err();
    let told = reluctant.header("grpc-timeout");
    assert_eq!(told.len(), 3);
    assert!(told[0].is_some() && told[1].is_some(), "{told:?}");
    assert_eq!(told[2], None);
}

#[tokio::test]
async fn what_its_own_guards_refuse_is_told_from_what_the_service_answers() {
    let served = Served::start();
    let (mut orders, dependency) = client(&served.url);
    let wrong = within(orders.place(Order::default())).await.unwrap_err();
    assert!(matches!(guarded(wrong), Guarded::Inner(status) if status.code() == Code::InvalidArgument));

    dependency.breaker().force_open();
    let refused = within(orders.place(order("one"))).await.unwrap_err();
    let Guarded::Refused(refusal) = guarded(refused) else {
        panic!("not refused");
    };
    assert_eq!(refusal.reason(), Reason::CircuitOpen);
    assert!(served.ledger.lock().await.is_empty());
}

#[tokio::test]
async fn a_status_that_blames_the_service_counts_against_it_and_no_other() {
    let served = Served::start();
    served.guard.dependency().breaker().force_open();
    let (mut orders, dependency) = client(&served.url);
    within(orders.place(order("one"))).await.unwrap_err();
    let failed = dependency.breaker().snapshot().failed;
    assert!(failed > 0);
    within(orders.place(Order::default())).await.unwrap_err();
    assert_eq!(
        dependency.breaker().snapshot().failed,
        failed,
        "that was the caller's fault"
    );
}
