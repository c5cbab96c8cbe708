//! Ends a call of gRPC before a message has begun: a head that is its trailers, and nothing after it.

use std::fmt::Write;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::body::Body;
use super::context::{X_REQUEST_ID, to_header};
use super::grpc_code::{Code, GRPC_RETRY_PUSHBACK_MS, GRPC_STATUS};
use crate::base::context::RequestId;
use crate::base::refusal::Refusal;

const GRPC: &str = "application/grpc";
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Returns whether these are a gRPC request's headers; gRPC-Web is another protocol.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else {
        return false;
    };
    let Some((kind, rest)) = kind.split_at_checked(GRPC.len()) else {
        return false;
    };
    let ends = matches!(rest.trim_ascii_start().first(), None | Some(b';')) || rest.starts_with(b"+");
    ends && kind.eq_ignore_ascii_case(GRPC.as_bytes())
}

/// Makes the response that ends a gRPC call with a refusal, before any message.
///
/// It has the code of [`Code::of_refusal`], and in `grpc-retry-pushback-ms` when to come back, rounded up to whole
/// milliseconds. The refusal stays in the response's extensions, for telemetry.
///
/// # Examples
///
/// A handler of tonic, which ends calls with a `Status`, makes one of the headers:
///
/// ```
/// use seaworthy::{Guarded, Refusal, grpc};
/// use tonic::Status;
///
/// fn status(refusal: Refusal) -> Status {
///     let response = grpc::refused(refusal, None);
///     Status::from_header_map(response.headers()).unwrap_or_else(|| Status::unavailable("refused"))
/// }
///
/// let ledger = seaworthy::bulkhead::Bulkhead::builder("ledger").concurrent(1).queue(0).build().unwrap();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let refused = ledger.call(|| ledger.call(|| async { Ok::<_, std::io::Error>(()) })).await;
/// let Err(Guarded::Inner(Guarded::Refused(refusal))) = refused else { panic!() };
/// assert_eq!(status(refusal).code(), tonic::Code::Unavailable);
/// # });
/// ```
pub fn refused(refusal: Refusal, id: Option<&RequestId>) -> Response<Body> {
    let mut response = ended(Code::of_refusal(&refusal), &refusal.reason().to_string(), id);
    if let Some(wait) = refusal.retry_after() {
        let wait = whole_millis(wait).into();
        response.headers_mut().insert(GRPC_RETRY_PUSHBACK_MS, wait);
    }
    response.extensions_mut().insert(refusal);
    response
}

/// Answers with a code and a message, which is for the caller and must not tell about the inside.
pub(super) fn ended(code: Code, message: &str, id: Option<&RequestId>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    headers.insert(GRPC_STATUS, u16::from(code as u8).into());
    if let Ok(message) = percent_encoded(message).try_into() {
        headers.insert(GRPC_MESSAGE, message);
    }
    if let Some(id) = id.and_then(to_header) {
        headers.insert(X_REQUEST_ID, id);
    }
    response
}

/// Returns a wait rounded up, or the longest that the header can say.
fn whole_millis(wait: Duration) -> i32 {
    wait.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(i32::MAX)
}

/// Writes what is no printable ASCII, and `%`, as the protocol's `Percent-Encoded` does.
fn percent_encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            encoded.push(byte.into());
        } else {
            // Nothing is ever wrong with writing to a string.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_ascii_whatever_is_in_it() {
        for (message, encoded) in [
            ("more than 100 requests in 60s", "more than 100 requests in 60s"),
            ("no response within 5\u{b5}s", "no response within 5%C2%B5s"),
            ("100%", "100%25"),
            ("a\r\nb\tc\u{7f}~", "a%0D%0Ab%09c%7F~"),
            ("", ""),
        ] {
            assert_eq!(percent_encoded(message), encoded);
            let response = ended(Code::Internal, message, None);
            assert_eq!(response.headers()["grpc-message"], encoded);
        }
    }

    #[test]
    fn a_wait_is_rounded_up_to_milliseconds_and_fits_the_header() {
        for (wait, millis) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(250), 250),
            (Duration::from_micros(250_001), 251),
            (Duration::from_millis(2_147_483_647), i32::MAX),
            (Duration::MAX, i32::MAX),
        ] {
            assert_eq!(whole_millis(wait), millis, "{wait:?}");
        }
    }
}
