//! Gives every request an id and every response the same.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::base::clock::Clock;

/// The header that carries a [`RequestId`].
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names one request in logs, errors and responses; found in the request's extensions.
///
/// At most 128 letters, digits, `-`, `_`, `.`; a new one is a UUID of version 7, which sorts by time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

/// What was offered as a request id is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidRequestId;

impl fmt::Display for InvalidRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request id is 1 to 128 letters, digits, `-`, `_` or `.`")
    }
}

impl std::error::Error for InvalidRequestId {}

impl RequestId {
    /// Makes a new id. It is unique, but can be guessed: it is no secret.
    pub fn generate() -> Self {
        let millis = u64::try_from(Clock::default().unix_time().as_millis()).unwrap_or(u64::MAX);
        let mut random = [0; 10];
        fastrand::fill(&mut random);
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        Self(Arc::from(&*uuid.hyphenated().encode_lower(&mut text)))
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of_header(value: &HeaderValue) -> Option<Self> {
        value.to_str().ok()?.parse().ok()
    }

    pub(super) fn to_header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if (1..=128).contains(&text.len()) && text.bytes().all(valid) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidRequestId)
        }
    }
}

/// Gives every request a [`RequestId`] in its extensions, and its response the header `x-request-id`.
///
/// The caller's own id is taken only if callers are [trusted](Self::trust_callers) and it is valid.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestIdLayer {
    trust_callers: bool,
}

impl RequestIdLayer {
    /// Takes valid ids from callers too; only for services that nobody outside can reach. Off by default.
    #[must_use]
    pub fn trust_callers(mut self, trust: bool) -> Self {
        self.trust_callers = trust;
        self
    }
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = RequestIdService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestIdService { inner, layer: *self }
    }
}

/// The tower shell of a [`RequestIdLayer`].
#[derive(Clone, Debug)]
pub struct RequestIdService<S> {
    inner: S,
    layer: RequestIdLayer,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RequestIdService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RequestIdFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let sent = request.headers().get(X_REQUEST_ID).filter(|_| self.layer.trust_callers);
        let id = sent.and_then(RequestId::of_header).unwrap_or_else(RequestId::generate);
        request.extensions_mut().insert(id.clone());
        RequestIdFuture {
            response: self.inner.call(request),
            id,
        }
    }
}

pin_project! {
    /// The response with its request's id.
    #[derive(Debug)]
    pub struct RequestIdFuture<F> {
        #[pin]
        response: F,
        id: RequestId,
    }
}

impl<F: Future<Output = Result<Response<B>, E>>, B, E> Future for RequestIdFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.response.poll(cx))?;
        if let Some(id) = this.id.to_header() {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_is_a_version_7_uuid_and_ids_differ() {
        let (one, two) = (RequestId::generate(), RequestId::generate());
        assert_eq!(uuid::Uuid::parse_str(one.as_str()).unwrap().get_version_num(), 7);
        assert_ne!(one, two);
    }

    #[test]
    fn an_id_that_could_break_a_log_line_is_not_taken() {
        for bad in ["", "a b", "a\nb", "é", "\"", &"a".repeat(129)] {
            assert_eq!(bad.parse::<RequestId>(), Err(InvalidRequestId), "{bad:?}");
        }
        assert_eq!("ok-1_2.3".parse::<RequestId>().unwrap().as_str(), "ok-1_2.3");
    }
}
