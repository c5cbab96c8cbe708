//! The HTTP face of [`Hedge`].

use super::by_status::ByStatus;
use super::retry::HttpReplay;
use crate::policy::hedge::{Hedge, HedgeLayer};

impl Hedge {
    /// Makes the layer for HTTP services.
    ///
    /// A request gets a second attempt if its method or an `Idempotency-Key` proves that it may ([`HttpReplay`]), and its
    /// body is whole, or has been read to its end by the first attempt. A status of 5xx and an error lose against an
    /// attempt that is still under way ([`ByStatus`]). The attempt that wins is the first with a good head; what becomes
    /// of its body is not waited for.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use http::{Request, Response};
    /// use seaworthy::{Body, attempt::Attempt, hedge::Hedge};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let accounts = Hedge::builder("accounts").after(Duration::from_millis(5)).build().unwrap();
    /// let client = accounts.http_layer().layer(service_fn(async |request: Request<Body>| {
    ///     match request.headers().get("x-request-attempt") {
    ///         None => std::future::pending().await, // lost on its way
    ///         Some(_) => Ok::<_, std::io::Error>(Response::new(Body::from("42"))),
    ///     }
    /// }));
    /// let request = Request::get("/balance").body(Body::empty()).unwrap();
    /// assert_eq!(client.oneshot(request).await.unwrap().status(), 200);
    /// # }
    /// ```
    pub fn http_layer(&self) -> HedgeLayer<HttpReplay, ByStatus> {
        self.layer().replay(HttpReplay::default()).classify(ByStatus)
    }
}
