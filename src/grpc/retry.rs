use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};

use super::methods::IdempotentMethods;
use crate::base::attempt::Attempt;
use crate::base::deadline::Deadline;
use crate::base::error::BoxError;
use crate::base::replay::Replay;
use crate::policy::retry::{Appraisal, Appraise, Retry, RetryLayer};
use crate::web::Body;
use crate::web::grpc_code::{Code, GRPC_RETRY_PUSHBACK_MS};
use crate::web::retry::{HttpKept, HttpReplay, of_end, retry_after};

/// The header with the number of attempts before this one: decimal, from 1 on; the first attempt has none (gRFC A6).
pub const GRPC_PREVIOUS_RPC_ATTEMPTS: HeaderName = crate::web::retry::PREVIOUS_RPC_ATTEMPTS;

impl Retry {
    /// Makes the layer for a gRPC client's transport; `methods` may be sent again, all others are sent once.
    ///
    /// It follows [gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md): a call is sent again only
    /// if the head of the response ends it with a status that is worth it ([`RetryByGrpcStatus`]). As soon as a message has
    /// begun, the call is committed, whatever its trailers say. [`RetryLayer::replay`] and [`RetryLayer::appraise`] change
    /// bodies' limit and codes.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{Request, Response};
    /// use seaworthy::{Body, grpc::IdempotentMethods, retry::Retry};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let ledger = Retry::builder("ledger").build().unwrap();
    /// let methods = IdempotentMethods::new(["/bank.Ledger/GetBalance"]).unwrap();
    /// let transport = service_fn(async |request: Request<Body>| {
    ///     // UNAVAILABLE, then OK.
    ///     let again = request.headers().get("grpc-previous-rpc-attempts").is_some();
    ///     let status = if again { "0" } else { "14" };
    ///     Response::builder().header("grpc-status", status).body(Body::empty())
    /// });
    /// let client = ledger.grpc_layer(methods).layer(transport);
    /// let request = Request::post("/bank.Ledger/GetBalance").body(Body::empty()).unwrap();
    /// assert_eq!(client.oneshot(request).await.unwrap().headers()["grpc-status"], "0");
    /// # }
    /// ```
    pub fn grpc_layer(&self, methods: IdempotentMethods) -> RetryLayer<GrpcReplay, RetryByGrpcStatus> {
        self.layer()
            .replay(GrpcReplay::new(methods))
            .appraise(RetryByGrpcStatus::default())
    }
}

/// Sends a gRPC request again, as [`HttpReplay`] does, if its method is declared to be idempotent.
///
/// From the second attempt on, the request's headers hold [`GRPC_PREVIOUS_RPC_ATTEMPTS`]; a value that the request brings
/// along is removed.
#[derive(Clone, Debug)]
#[must_use]
pub struct GrpcReplay {
    methods: IdempotentMethods,
    http: HttpReplay,
}

impl GrpcReplay {
    /// Lets these methods be sent again, with [`HttpReplay`]'s limit of their bodies.
    pub fn new(methods: IdempotentMethods) -> Self {
        let http = HttpReplay::default();
        Self { methods, http }
    }

    /// The longest body that is sent again, trailers included; bytes. Default as [`HttpReplay::body_limit`].
    pub fn body_limit(mut self, bytes: u64) -> Self {
        self.http = self.http.body_limit(bytes);
        self
    }
}

impl<B> Replay<Request<B>> for GrpcReplay
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Sent = Request<Body>;
    type Kept = HttpKept;

    fn begin(&self, request: Request<B>) -> (Request<Body>, Option<HttpKept>) {
        let request = request.map(Body::new);
        let proven = self.methods.contains(request.uri().path());
        let (request, kept) = self.http.keep(request, proven);
        (numbered(request, Attempt::current()), kept)
    }

    fn again(&self, kept: &mut HttpKept, attempt: Attempt) -> Option<Request<Body>> {
        kept.again(attempt).map(|request| numbered(request, attempt))
    }

    fn concurrent(&self, kept: &mut HttpKept, attempt: Attempt) -> Option<Request<Body>> {
        kept.concurrent(attempt).map(|request| numbered(request, attempt))
    }

    fn deadline(&self, request: &Request<B>) -> Option<Deadline> {
        request.extensions().get().copied()
    }
}

fn numbered(mut request: Request<Body>, attempt: Attempt) -> Request<Body> {
    if attempt != Attempt::FIRST {
        let previous = attempt.number() - 1;
        let headers = request.headers_mut();
        headers.insert(GRPC_PREVIOUS_RPC_ATTEMPTS, previous.into());
    }
    request
}

/// Takes errors and the status `UNAVAILABLE` for worth a further attempt.
///
/// It is the code for what most likely passes; [`codes`](Self::codes) names others. A response whose head does not end
/// the call is final; one that does not speak gRPC at all has the code that [`Code::of_head`] gives it.
///
/// `grpc-retry-pushback-ms` with one of these codes decides when: after exactly so many milliseconds (0 to 2³¹ − 1),
/// without the backoff. A negative one, one that is no number, or more than one mean never (gRFC A6). Without it, a
/// `Retry-After` of somebody in between is waited for as over HTTP.
///
/// A [`Refusal`](crate::Refusal) says itself what it means, as an error or in a response's extensions.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct RetryByGrpcStatus {
    codes: u32,
}

impl Default for RetryByGrpcStatus {
    fn default() -> Self {
        Self { codes: 0 }.codes([Code::Unavailable])
    }
}

impl RetryByGrpcStatus {
    /// The codes that are worth a further attempt, and no others. Default [`Code::Unavailable`].
    pub fn codes(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.codes = codes.into_iter().fold(0, |codes, code| codes | bit(code));
        self
    }

    fn of_head<B>(self, response: &Response<B>) -> Appraisal {
        let headers = response.headers();
        match Code::of_head(response.status(), headers) {
            Some(code) if self.codes & bit(code) != 0 => pushback(headers)
                .unwrap_or_else(|| retry_after(headers).map_or(Appraisal::Again, Appraisal::AgainAfter)),
            _ => Appraisal::Final,
        }
    }
}

impl<B> Appraise<Response<B>, BoxError> for RetryByGrpcStatus {
    #[inline]
    fn appraise(&self, end: Result<&Response<B>, &BoxError>) -> Appraisal {
        of_end(end.map(Response::extensions), || {
            end.map_or(Appraisal::Final, |response| self.of_head(response))
        })
    }
}

fn bit(code: Code) -> u32 {
    1 << code as u32
}

/// Returns what the server says of a further attempt, if it says anything.
fn pushback(headers: &HeaderMap) -> Option<Appraisal> {
    let mut told = headers.get_all(GRPC_RETRY_PUSHBACK_MS).iter();
    let (first, second) = (told.next()?, told.next());
    let text = first
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let millis = text
        .and_then(|text| text.parse::<i32>().ok())
        .filter(|_| second.is_none());
    Some(millis.map_or(Appraisal::Final, |millis| {
        Appraisal::AgainIn(Duration::from_millis(millis.unsigned_abs().into()))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_pushback_is_waited_for_exactly_and_what_is_none_means_never() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.append(GRPC_RETRY_PUSHBACK_MS, value);
            }
            pushback(&headers)
        };
        for (text, millis) in [("0", 0), ("25", 25), ("0007", 7), ("2147483647", 2_147_483_647)] {
            assert_eq!(
                of(&[text]),
                Some(Appraisal::AgainIn(Duration::from_millis(millis))),
                "{text}"
            );
        }
        for never in [
            "-1",
            "-0",
            "+1",
            "",
            "soon",
            "1.5",
            "2147483648",
            "99999999999999999999",
            "é",
        ] {
            assert_eq!(of(&[never]), Some(Appraisal::Final), "{never:?}");
        }
        assert_eq!(of(&["1", "1"]), Some(Appraisal::Final));
        assert_eq!(of(&[]), None);
    }
}
