//! `grpc.health.v1`, as a probe or a load balancer sees it.

mod support;

use futures_util::FutureExt;
use seaworthy::shutdown::Cause;
use support::{Served, within};
use tokio::sync::oneshot;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus::{self, NotServing, ServiceUnknown, Serving};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

const ORDERS: &str = "orders.v1.Orders";

async fn check(served: &Served, service: &str) -> Result<ServingStatus, Status> {
    let service = service.into();
    let mut client = HealthClient::new(served.channel());
    let checked = within(client.check(HealthCheckRequest { service })).await;
    checked.map(|response| response.into_inner().status())
}

async fn watch(served: &Served, service: &str) -> Streaming<HealthCheckResponse> {
    let service = service.into();
    let mut client = HealthClient::new(served.channel());
    let watched = within(client.watch(HealthCheckRequest { service })).await;
    watched.unwrap().into_inner()
}

async fn told(watched: &mut Streaming<HealthCheckResponse>) -> Option<ServingStatus> {
    let message = within(watched.message()).await.unwrap();
    message.map(|response| response.status())
}

/// Waits until the service is told to be `wanted`.
async fn becomes(watched: &mut Streaming<HealthCheckResponse>, wanted: ServingStatus) {
    while told(watched).await.expect("the stream is open") != wanted {}
}

#[tokio::test]
async fn the_whole_and_each_service_is_checked_and_no_other() {
    let served = Served::start();
    becomes(&mut watch(&served, "").await, Serving).await;
    assert_eq!(check(&served, "").await.unwrap(), Serving);
    assert_eq!(check(&served, ORDERS).await.unwrap(), Serving);
    let unknown = check(&served, "orders.v1.Order").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn a_watch_of_an_unknown_service_says_so_and_stays_open() {
    let served = Served::start();
    let mut watched = watch(&served, "orders.v1.Order").await;
    assert_eq!(told(&mut watched).await, Some(ServiceUnknown));
    check(&served, "").await.unwrap();
    assert!(watched.message().now_or_never().is_none(), "it is still open");
    let (ended, drained) = tokio::join!(told(&mut watched), served.end());
    assert_eq!(ended, None);
    assert!(drained.is_whole(), "{drained:?}");
}

#[tokio::test]
async fn a_watch_follows_the_service_from_its_startup_to_its_end() {
    let (warm, warmed) = oneshot::channel();
    let served = Served::changed(|app| {
        app.setting("shutdown.hold", "300ms")
            .startup_task("warm-up", async { warmed.await.map_err(|_| "never warm") })
    });
    let mut watched = watch(&served, ORDERS).await;
    assert_eq!(told(&mut watched).await, Some(NotServing));
    assert_eq!(check(&served, "").await.unwrap(), NotServing);
    warm.send(()).unwrap();
    assert_eq!(told(&mut watched).await, Some(Serving));

    served.shutdown.begin(Cause::Requested);
    assert_eq!(told(&mut watched).await, Some(NotServing));
    assert_eq!(check(&served, "").await.unwrap(), NotServing, "it still answers");
    let (rest, drained) = tokio::join!(
        async {
            let mut rest = Vec::new();
            while let Some(status) = told(&mut watched).await {
                rest.push(status);
            }
            rest
        },
        served.end()
    );
    assert_eq!(rest, [NotServing], "the last word");
    assert!(drained.is_whole(), "{drained:?}");
}

#[tokio::test]
async fn a_probe_is_answered_however_often_it_asks() {
    let served = Served::changed(|app| app.setting("clients.per_second", "1"));
    let mut client = HealthClient::new(served.channel());
    for _ in 0..50 {
        let asked = client.check(HealthCheckRequest::default());
        within(asked).await.unwrap();
    }
}
