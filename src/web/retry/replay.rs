use std::sync::Arc;

use bytes::Bytes;
use http::{Request, request};

use super::tape::Tape;
use super::{BODY_LIMIT, PREVIOUS_RPC_ATTEMPTS, X_REQUEST_ATTEMPT, is_idempotent};
use crate::base::attempt::Attempt;
use crate::base::deadline::Deadline;
use crate::base::error::BoxError;
use crate::base::replay::Replay;
use crate::web::body::Body;

/// Sends an HTTP request again, body included, if that is proven to be harmless.
///
/// The proof is the method (`GET`, `HEAD`, `OPTIONS`, `TRACE`, `PUT`, `DELETE`: RFC 9110, 9.2.2; and `QUERY`) or a header
/// `Idempotency-Key` that is not empty. Every other request is sent once.
///
/// A body that is whole or empty is shared, not copied. One that streams is recorded while it is first sent. If an
/// attempt ends before it has read all of it, the next one is given what has been read, and goes on with the rest; and
/// whoever still holds the body of the earlier attempt finds it broken as soon as the next one reads. A body that turns
/// out to be longer than the [limit](Self::body_limit) flows on unchanged, and so does one that breaks; the request is
/// not sent again then.
///
/// From the second attempt on, the request's extensions hold the [`Attempt`], and its headers [`X_REQUEST_ATTEMPT`]. A
/// [`Deadline`] in the extensions of a request bounds all its attempts.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct HttpReplay {
    body_limit: u64,
}

impl Default for HttpReplay {
    fn default() -> Self {
        Self { body_limit: BODY_LIMIT }
    }
}

impl HttpReplay {
    /// The longest body that is sent again, trailers included; bytes. Default 65,536, what one request may hold in memory
    /// while it is under way.
    pub fn body_limit(mut self, bytes: u64) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Takes a request apart, if it is proven that it may be sent again.
    pub(crate) fn keep(self, mut request: Request<Body>, proven: bool) -> (Request<Body>, Option<HttpKept>) {
        unnumber(&mut request);
        let attempt = Attempt::current();
        if attempt != Attempt::FIRST {
            request.extensions_mut().insert(attempt);
        }
        let least = http_body::Body::size_hint(request.body()).lower();
        if !proven || least > self.body_limit {
            return (request, None);
        }
        let (parts, body) = request.into_parts();
        let (body, kept) = match body.copy() {
            Some(copy) => (body, KeptBody::Whole(copy)),
            None => {
                let tape = Tape::new(body, self.body_limit);
                (tape.first(), KeptBody::Recorded(tape))
            }
        };
        let kept = HttpKept {
            parts: parts.clone(),
            body: kept,
        };
        (Request::from_parts(parts, body), Some(kept))
    }
}

impl<B> Replay<Request<B>> for HttpReplay
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Sent = Request<Body>;
    type Kept = HttpKept;

    #[inline]
    fn begin(&self, request: Request<B>) -> (Request<Body>, Option<HttpKept>) {
        let request = request.map(Body::new);
        let proven = is_idempotent(request.method(), request.headers());
        let (request, kept) = self.keep(request, proven);
        (numbered(request, Attempt::current()), kept)
    }

    fn again(&self, kept: &mut HttpKept, attempt: Attempt) -> Option<Request<Body>> {
        kept.again(attempt).map(|request| numbered(request, attempt))
    }

    fn concurrent(&self, kept: &mut HttpKept, attempt: Attempt) -> Option<Request<Body>> {
        kept.concurrent(attempt).map(|request| numbered(request, attempt))
    }

    #[inline]
    fn deadline(&self, request: &Request<B>) -> Option<Deadline> {
        request.extensions().get().copied()
    }
}

fn numbered(mut request: Request<Body>, attempt: Attempt) -> Request<Body> {
    if attempt != Attempt::FIRST {
        let headers = request.headers_mut();
        headers.insert(X_REQUEST_ATTEMPT, attempt.number().into());
    }
    request
}

/// Forgets what somebody else says about attempts.
fn unnumber(request: &mut Request<Body>) {
    request.extensions_mut().remove::<Attempt>();
    request.headers_mut().remove(X_REQUEST_ATTEMPT);
    request.headers_mut().remove(PREVIOUS_RPC_ATTEMPTS);
}

/// What an [`HttpReplay`] keeps of a request that it may send again.
#[derive(Debug)]
pub struct HttpKept {
    parts: request::Parts,
    body: KeptBody,
}

#[derive(Debug)]
enum KeptBody {
    Whole(Body),
    Recorded(Arc<Tape>),
}

impl HttpKept {
    /// Makes the request of a further attempt, which takes the body over from the one before.
    pub(crate) fn again(&self, attempt: Attempt) -> Option<Request<Body>> {
        let body = match &self.body {
            KeptBody::Whole(body) => body.copy(),
            KeptBody::Recorded(tape) => tape.again(),
        };
        Some(self.request(attempt, body?))
    }

    /// Makes a request that takes nothing from another.
    pub(crate) fn concurrent(&self, attempt: Attempt) -> Option<Request<Body>> {
        let body = match &self.body {
            KeptBody::Whole(body) => body.copy(),
            KeptBody::Recorded(tape) => tape.concurrent(),
        };
        Some(self.request(attempt, body?))
    }

    fn request(&self, attempt: Attempt, body: Body) -> Request<Body> {
        let mut request = Request::from_parts(self.parts.clone(), body);
        request.extensions_mut().insert(attempt);
        request
    }
}

impl Drop for HttpKept {
    fn drop(&mut self) {
        if let KeptBody::Recorded(tape) = &self.body {
            tape.stop();
        }
    }
}
