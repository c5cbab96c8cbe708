//! A tonic client behind all guards of a dependency: deadline, retry, breaker, timeout, bulkhead.

use std::time::Duration;

use http::{Request, Response};
use seaworthy::grpc::{ByGrpcStatus, Code, GrpcReplay, IdempotentMethods, RetryByGrpcStatus};
use seaworthy::web::RequestLimits;
use seaworthy::{AppBuilder, Body, BoxError, Dependency, Guarded, Refusal};
use tonic::Status;
use tonic::transport::Endpoint;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use crate::proto::WatchRequest;
use crate::proto::orders_client::OrdersClient;

/// What a generated client stands on instead of tonic's own channel.
pub type GuardedChannel = BoxCloneSyncService<Request<tonic::body::Body>, Response<Body>, BoxError>;

/// Declares the dependency `orders`, at an address such as `http://127.0.0.1:8080`, and makes its client.
pub fn orders(app: &mut AppBuilder, url: String) -> Result<(OrdersClient<GuardedChannel>, Dependency), BoxError> {
    // Connects with the first call, and again whenever the connection is lost.
    let channel = Endpoint::from_shared(url)?
        .connect_timeout(Duration::from_secs(1))
        .connect_lazy();
    let guards = app
        .dependency("orders")
        .deadline(Duration::from_secs(5))
        .attempt_timeout(Duration::from_millis(1500))
        .layer()
        .http()
        // gRPC has no method that is idempotent by its name: what may be sent again is said here.
        .replay(GrpcReplay::new(IdempotentMethods::new(["/orders.v1.Orders/Place"])?))
        // Who is over a quota is told when to come back, by `grpc-retry-pushback-ms`.
        .appraise(RetryByGrpcStatus::default().codes([Code::Unavailable, Code::ResourceExhausted]))
        .classify(ByGrpcStatus);
    let dependency = guards.dependency().clone();
    let channel = ServiceBuilder::new()
        .layer(BoxCloneSyncService::layer())
        .layer(guards)
        .map_request(|request: Request<Body>| request.map(tonic::body::Body::new))
        .service(channel);
    Ok((OrdersClient::new(channel), dependency))
}

/// Makes the request for a stream of orders: its deadline ends when it begins, and not while it is followed.
pub fn watch_request() -> tonic::Request<WatchRequest> {
    let mut limits = RequestLimits::default();
    limits.stream = true;
    let mut request = tonic::Request::new(WatchRequest {});
    request.extensions_mut().insert(limits);
    request
}

/// Tells what our own guards refused, such as by an open circuit, from what the service answered.
pub fn guarded(status: Status) -> Guarded<Status> {
    match Refusal::find(&status) {
        Some(refusal) => Guarded::Refused(refusal.clone()),
        None => Guarded::Inner(status),
    }
}
