//! The HTTP face of [`Retry`]: which requests may be sent again and how, and which responses make it worth it.

mod reel;
mod replay;
#[cfg(feature = "reqwest")]
mod reqwest;
mod status;
mod tape;

pub use replay::{HttpKept, HttpReplay};
#[cfg(feature = "reqwest")]
pub use reqwest::{ReqwestKept, ReqwestReplay};
pub use status::RetryByStatus;

pub(crate) use status::{of_end, retry_after};

use http::Method;
use http::header::{HeaderMap, HeaderName};

use super::context::IDEMPOTENCY_KEY;
use crate::policy::retry::{Retry, RetryLayer};

/// The header with an attempt's number: decimal, from 2 on; the first attempt has none.
///
/// It counts the attempts of whoever wrote it. A [`HttpReplay`] replaces what a request brings along by the number of
/// [`Attempt::current`](crate::attempt::Attempt::current), so that nobody outside speaks for it: an inner retry begins
/// anew, as Envoy does with `x-envoy-attempt-count`, and a hedge inside a retry counts on.
pub const X_REQUEST_ATTEMPT: HeaderName = HeaderName::from_static("x-request-attempt");

/// The header with which gRPC says how many attempts there have been before (gRFC A6).
pub(crate) const PREVIOUS_RPC_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// How many bytes of a body are kept if nobody says otherwise.
const BODY_LIMIT: u64 = 64 * 1024;

impl Retry {
    /// Makes the layer for HTTP services.
    ///
    /// A request is sent again if its method or an `Idempotency-Key` proves that it may be, and its body is small enough
    /// ([`HttpReplay`]); and if the answer makes it worth it ([`RetryByStatus`]). [`RetryLayer::replay`] and
    /// [`RetryLayer::appraise`] change that. The last attempt's response is handed on as it is. A body that breaks after
    /// the head of the response is not tried again, as the caller may have seen some of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{Request, Response, StatusCode};
    /// use seaworthy::{Body, attempt::Attempt, retry::Retry};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let payments = Retry::builder("payments").build().unwrap();
    /// let client = payments.http_layer().layer(service_fn(async |_: Request<Body>| {
    ///     let mut response = Response::new(Body::empty());
    ///     if Attempt::current() == Attempt::FIRST {
    ///         *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    ///     }
    ///     Ok::<_, std::io::Error>(response)
    /// }));
    /// let request = Request::get("/balance").body(Body::empty()).unwrap();
    /// assert_eq!(client.oneshot(request).await.unwrap().status(), StatusCode::OK);
    /// # }
    /// ```
    pub fn http_layer(&self) -> RetryLayer<HttpReplay, RetryByStatus> {
        self.layer().replay(HttpReplay::default()).appraise(RetryByStatus)
    }
}

/// Returns whether a request has the same effect however often it arrives: by its method (RFC 9110, 9.2.2, and `QUERY`),
/// or because a key lets the server recognise it.
fn is_idempotent(method: &Method, headers: &HeaderMap) -> bool {
    let has_key = || headers.get(IDEMPOTENCY_KEY).is_some_and(|key| !key.is_empty());
    method.is_idempotent() || has_key()
}
