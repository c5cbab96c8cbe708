//! The service as a stranger's client sees it.

mod support;

use std::time::{Duration, Instant};

use example_grpc::proto::orders_client::OrdersClient;
use example_grpc::proto::{Order, WatchRequest};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use seaworthy::Body;
use support::{Served, order, within};
use tonic::{Code, Status};

/// Sends a message as it is on the wire, and returns how the head ends the call: a client would give up by itself.
async fn placed(served: &Served, grpc_timeout: &str, order: Order) -> Option<Status> {
    let message = order.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let request = http::Request::post(format!("{}/orders.v1.Orders/Place", served.url))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", grpc_timeout)
        .body(Body::from([&[0], &length[..], &message].concat()));
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let response = within(client.request(request.unwrap())).await.unwrap();
    assert_eq!(response.status(), 200);
    Status::from_header_map(response.headers())
}

#[tokio::test]
async fn an_order_is_taken_once_however_often_it_is_placed_and_watchers_are_told() {
    let served = Served::start();
    let mut orders = OrdersClient::new(served.channel());
    let mut taken = within(orders.watch(WatchRequest {})).await.unwrap().into_inner();
    for (key, number) in [("one", 1), ("one", 1), ("two", 2)] {
        let placed = within(orders.place(order(key))).await.unwrap().into_inner();
        assert_eq!(placed.number, number);
    }
    for (key, number) in [("one", 1), ("two", 2)] {
        let told = within(taken.message()).await.unwrap().unwrap();
        assert_eq!((told.number, told.order), (number, Some(order(key))));
    }
    let nothing = Order::default();
    let refused = within(orders.place(nothing)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    drop(taken);
    assert!(served.end().await.is_whole());
}

#[tokio::test]
async fn the_callers_grpc_timeout_is_the_deadline_of_all_that_is_done_for_it() {
    let served = Served::start();
    let locked = served.ledger.lock().await;
    let start = Instant::now();
    let late = placed(&served, "900m", order("late")).await.unwrap();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert_eq!(late.message(), "the caller's deadline has passed");
    // By themselves, the guard and the endpoint would have waited for two seconds.
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(locked.is_empty());
}

#[tokio::test]
async fn a_handler_sees_how_much_time_is_left_and_does_not_begin_what_it_cannot_finish() {
    let served = Served::start();
    let hurried = placed(&served, "390m", order("hurried")).await.unwrap();
    assert_eq!(hurried.code(), Code::DeadlineExceeded);
    assert_eq!(hurried.message(), "too little time is left to enter an order");
    assert!(served.ledger.lock().await.is_empty());

    let patient = placed(&served, "5S", order("patient")).await;
    assert!(patient.is_none(), "{patient:?}");
    assert!(served.ledger.lock().await.contains_key("patient"));
}

#[tokio::test]
async fn what_a_guard_of_the_handler_refuses_is_a_status_with_its_code() {
    let served = Served::start();
    served.guard.dependency().breaker().force_open();
    let mut orders = OrdersClient::new(served.channel());
    let refused = within(orders.place(order("one"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("circuit is open"), "{refused}");
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_in_milliseconds_when_to_come_back() {
    let served = Served::start();
    let mut orders = OrdersClient::new(served.channel());
    let refused = loop {
        if let Err(status) = within(orders.place(order("again"))).await {
            break status;
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let pushback = refused.metadata().get("grpc-retry-pushback-ms").unwrap();
    let millis: u64 = pushback.to_str().unwrap().parse().unwrap();
    assert!((1..=50).contains(&millis), "20 in a second: {millis}");
}

#[tokio::test]
async fn a_stream_that_is_open_ends_by_itself_when_the_service_drains() {
    let served = Served::start();
    let mut orders = OrdersClient::new(served.channel());
    let mut taken = within(orders.watch(WatchRequest {})).await.unwrap().into_inner();
    let end = tokio::spawn(async move { taken.message().await });
    let drained = served.end().await;
    assert!(drained.is_whole(), "{drained:?}");
    assert_eq!(within(end).await.unwrap().unwrap(), None);
}

#[tokio::test]
async fn a_stream_is_followed_for_longer_than_the_deadline_of_a_request() {
    let served = Served::changed(|app| app.setting("server.deadline", "100ms"));
    let mut orders = OrdersClient::new(served.channel());
    let mut taken = within(orders.watch(WatchRequest {})).await.unwrap().into_inner();
    tokio::time::sleep(Duration::from_millis(300)).await;
    within(orders.place(order("late"))).await.unwrap();
    let told = within(taken.message()).await.unwrap().unwrap();
    assert_eq!(told.number, 1);
}
