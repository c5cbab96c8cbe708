//! What HTTP adds to the policies, to health and to shutdown: tower layers over one [`Body`].

mod body;
mod body_limit;
mod error_boundary;
mod fault;
mod limits;
mod observe;
mod peer;
mod problem;
mod request_id;
mod service;
mod shutdown_layer;
#[cfg(feature = "timeout")]
mod timeout;

pub use body::Body;
pub use body_limit::{BodyLimitFuture, BodyLimitLayer, BodyLimitService};
pub use error_boundary::{ErrorBoundaryFuture, ErrorBoundaryLayer, ErrorBoundaryService};
pub use limits::RequestLimits;
pub use observe::{ObserveFuture, ObserveLayer, ObserveService, RouteTemplate};
pub use peer::PeerAddr;
pub use problem::status_of;
pub use request_id::{InvalidRequestId, RequestId, RequestIdFuture, RequestIdLayer, RequestIdService, X_REQUEST_ID};
pub use service::HttpService;
pub use shutdown_layer::{ShutdownFuture, ShutdownLayer, ShutdownService};
#[cfg(feature = "timeout")]
pub use timeout::{HttpTimeoutFuture, HttpTimeoutLayer, HttpTimeoutService};
