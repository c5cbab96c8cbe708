use reqwest::{Body, Request};

use super::{BODY_LIMIT, PREVIOUS_RPC_ATTEMPTS, RetryByStatus, X_REQUEST_ATTEMPT, is_idempotent};
use crate::base::attempt::Attempt;
use crate::base::replay::Replay;
use crate::policy::retry::{Retry, RetryLayer};

impl Retry {
    /// Makes the layer for a [`reqwest::Client`], as [`http_layer`](Self::http_layer) is for other HTTP services.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use reqwest::{Client, Method, Request};
    /// use seaworthy::retry::Retry;
    /// use tower::{Layer, ServiceExt};
    ///
    /// # async fn read() -> Result<(), seaworthy::BoxError> {
    /// let payments = Retry::builder("payments").build()?;
    /// let client = payments.reqwest_layer().layer(Client::new());
    /// let request = Request::new(Method::GET, "http://127.0.0.1:8081/balance".parse()?);
    /// let response = client.oneshot(request).await?;
    /// assert!(response.status().is_success());
    /// # Ok(()) }
    /// ```
    pub fn reqwest_layer(&self) -> RetryLayer<ReqwestReplay, RetryByStatus> {
        self.layer().replay(ReqwestReplay::default()).appraise(RetryByStatus)
    }
}

/// Sends a [`reqwest::Request`] again, which is not `Clone`, if that is proven to be harmless.
///
/// The proof is that of [`HttpReplay`](super::HttpReplay), and so is the header. A body that streams is sent once:
/// reqwest cannot copy it. The [`Attempt`] is in the task, not in the request: reqwest shows nobody its extensions.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ReqwestReplay {
    body_limit: u64,
}

impl Default for ReqwestReplay {
    fn default() -> Self {
        Self { body_limit: BODY_LIMIT }
    }
}

impl ReqwestReplay {
    /// The longest body that is sent again; bytes. Default 65,536, as with [`HttpReplay`](super::HttpReplay::body_limit).
    pub fn body_limit(mut self, bytes: u64) -> Self {
        self.body_limit = bytes;
        self
    }
}

/// What a [`ReqwestReplay`] keeps of a request that it may send again.
#[derive(Debug)]
pub struct ReqwestKept(Request);

impl Replay<Request> for ReqwestReplay {
    type Sent = Request;
    type Kept = ReqwestKept;

    fn begin(&self, mut request: Request) -> (Request, Option<ReqwestKept>) {
        request.headers_mut().remove(X_REQUEST_ATTEMPT);
        request.headers_mut().remove(PREVIOUS_RPC_ATTEMPTS);
        if Attempt::current() != Attempt::FIRST {
            let number = Attempt::current().number();
            request.headers_mut().insert(X_REQUEST_ATTEMPT, number.into());
        }
        let size = request.body().and_then(Body::as_bytes).map_or(0, <[u8]>::len);
        let may_be_repeated = is_idempotent(request.method(), request.headers()) && size as u64 <= self.body_limit;
        let kept = may_be_repeated.then(|| request.try_clone()).flatten();
        (request, kept.map(ReqwestKept))
    }

    fn again(&self, kept: &mut ReqwestKept, attempt: Attempt) -> Option<Request> {
        let mut request = kept.0.try_clone()?;
        request.headers_mut().insert(X_REQUEST_ATTEMPT, attempt.number().into());
        Some(request)
    }

    fn concurrent(&self, kept: &mut ReqwestKept, attempt: Attempt) -> Option<Request> {
        self.again(kept, attempt)
    }
}
