//! The deadline on the wire: how long the caller will still wait.
//!
//! What is left of the time travels, not a point in time: clocks of different machines differ.

use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Extensions, Request};
use tower_layer::Layer;
use tower_service::Service;

use super::limits::RequestLimits;
use crate::base::deadline::Deadline;

/// The header that says how many milliseconds the caller will still wait: 1 to 19 digits, not zero.
pub const X_REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// The header that says so for gRPC: 1 to 8 digits and a unit, `H`, `M`, `S`, `m`, `u` or `n`.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Returns how long the caller of a request will still wait, if its headers say so.
///
/// Of several, the shortest counts. Whatever is not a number of the right form, or zero, is as good as not there: no
/// header can make a request fail before its time.
pub fn caller_timeout(headers: &HeaderMap) -> Option<Duration> {
    let ours = headers.get_all(X_REQUEST_TIMEOUT_MS).iter().filter_map(of_millis);
    let grpc = headers.get_all(GRPC_TIMEOUT).iter().filter_map(of_grpc);
    ours.chain(grpc).min()
}

fn of_millis(value: &HeaderValue) -> Option<Duration> {
    digits(value.as_bytes(), 19).map(Duration::from_millis)
}

fn of_grpc(value: &HeaderValue) -> Option<Duration> {
    let (unit, number) = value.as_bytes().split_last()?;
    let number = digits(number, 8)?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

fn digits(text: &[u8], most: usize) -> Option<u64> {
    let is_number = (1..=most).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| is_number)?;
    number.parse().ok().filter(|number| *number > 0)
}

/// Returns the deadline that a request carries or its task has, whichever comes first.
pub(super) fn of(extensions: &Extensions) -> Option<Deadline> {
    let carried = extensions.get::<Deadline>().copied();
    carried.into_iter().chain(Deadline::current()).min()
}

/// Tells whoever is called how long we will still wait: puts what is left of the deadline into the request's headers.
///
/// For the outbound side, next to the client. The deadline is that of the request's extensions or of the task, whichever
/// comes first; without one the request stays as it is. A gRPC request (by its content type) gets `grpc-timeout`, any
/// other [`X_REQUEST_TIMEOUT_MS`]; whatever of both is there already is removed. It is rounded down, so that whoever is
/// called gives up first, and is never zero.
///
/// A gRPC request whose [`RequestLimits`] say that its response is a stream gets none, and keeps its own: `grpc-timeout` holds
/// to the end of the stream, and the deadline of such a request ends with the head.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use seaworthy::{deadline::Deadline, web::SendDeadlineLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let client = SendDeadlineLayer::new().layer(service_fn(async |request: http::Request<()>| {
///     Ok::<_, std::io::Error>(request.headers().get("x-request-timeout-ms").cloned())
/// }));
/// let sent = Deadline::after(Duration::from_secs(2)).scope(client.oneshot(http::Request::new(()))).await;
/// let millis: u64 = sent.unwrap().unwrap().to_str().unwrap().parse().unwrap();
/// assert!(millis > 1000 && millis <= 2000);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SendDeadlineLayer(());

impl SendDeadlineLayer {
    /// Makes the layer.
    pub fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for SendDeadlineLayer {
    type Service = SendDeadlineService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SendDeadlineService { inner }
    }
}

/// The tower shell of a [`SendDeadlineLayer`].
#[derive(Clone, Debug)]
pub struct SendDeadlineService<S> {
    inner: S,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for SendDeadlineService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(deadline) = of(request.extensions()) {
            let is_stream = request
                .extensions()
                .get()
                .is_some_and(|limits: &RequestLimits| limits.stream);
            write(request.headers_mut(), deadline.remaining(), is_stream);
        }
        self.inner.call(request)
    }
}

fn write(headers: &mut HeaderMap, remaining: Duration, is_stream: bool) {
    // What came with the request says what somebody else had left, some time ago.
    headers.remove(X_REQUEST_TIMEOUT_MS);
    if is_grpc(headers) {
        // To the end of a stream: only whoever asks for it knows how long that may take.
        if !is_stream {
            headers.insert(GRPC_TIMEOUT, to_grpc(remaining));
        }
    } else {
        headers.remove(GRPC_TIMEOUT);
        let millis = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
        headers.insert(X_REQUEST_TIMEOUT_MS, millis.max(1).into());
    }
}

/// Returns whether these are the headers of a gRPC message.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    content.is_some_and(|content| content.starts_with(b"application/grpc"))
}

/// Returns the time in the finest unit in which it has at most eight digits, and not less than a nanosecond.
fn to_grpc(remaining: Duration) -> HeaderValue {
    let nanos = remaining.as_nanos().max(1);
    let units = [("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000)];
    let fitting = units
        .into_iter()
        .map(|(unit, size)| (nanos / size, unit))
        .find(|(number, _)| *number < 100_000_000);
    // More than three years is as good as for ever.
    let (number, unit) = fitting.unwrap_or((99_999_999, "S"));
    let mut text = [0; 9];
    let length = {
        use std::io::Write as _;
        let mut rest = &mut text[..];
        let _ = write!(rest, "{number}{unit}");
        9 - rest.len()
    };
    HeaderValue::from_bytes(&text[..length]).unwrap_or_else(|_| HeaderValue::from_static("1n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn every_unit_of_grpc_is_read() {
        let cases = [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("4m", Duration::from_millis(4)),
            ("5u", Duration::from_micros(5)),
            ("6n", Duration::from_nanos(6)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
        ];
        for (text, expected) in cases {
            assert_eq!(
                caller_timeout(&headers(&[(GRPC_TIMEOUT, text)])),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_hostile_is_as_good_as_not_there() {
        for bad in [
            "",
            "H",
            "1",
            "1h",
            "0S",
            "123456789S",
            "-1S",
            "+1S",
            "1.5S",
            " 1S",
            "1 S",
            "１S",
            "1S,2S",
        ] {
            assert_eq!(caller_timeout(&headers(&[(GRPC_TIMEOUT, bad)])), None, "{bad:?}");
        }
        let long = "9".repeat(20);
        for bad in [
            "", "0", "000", "-1", "+1", "1.5", "1ms", " 1", "1,2", "0x10", &long, "é",
        ] {
            assert_eq!(
                caller_timeout(&headers(&[(X_REQUEST_TIMEOUT_MS, bad)])),
                None,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn the_shortest_of_several_counts_and_the_bad_ones_do_not() {
        let sent = headers(&[
            (X_REQUEST_TIMEOUT_MS, "900"),
            (X_REQUEST_TIMEOUT_MS, "0"),
            (X_REQUEST_TIMEOUT_MS, "700"),
            (GRPC_TIMEOUT, "1S"),
        ]);
        assert_eq!(caller_timeout(&sent), Some(Duration::from_millis(700)));
        let most = headers(&[(X_REQUEST_TIMEOUT_MS, &"9".repeat(19))]);
        assert_eq!(
            caller_timeout(&most),
            Some(Duration::from_millis(9_999_999_999_999_999_999))
        );
    }

    #[test]
    fn what_is_written_is_read_again_and_never_longer() {
        let mut nanos = 1u64;
        while let Some(next) = nanos.checked_mul(3) {
            let remaining = Duration::from_nanos(nanos + nanos / 7);
            for grpc in [false, true] {
                let mut sent = headers(if grpc {
                    &[(CONTENT_TYPE, "application/grpc+proto")]
                } else {
                    &[]
                });
                write(&mut sent, remaining, false);
                let read = caller_timeout(&sent).unwrap();
                let exact = if grpc {
                    remaining / 100_000
                } else {
                    Duration::from_millis(1)
                };
                let least = if grpc {
                    Duration::from_secs(99_999_999)
                } else {
                    Duration::MAX
                };
                assert!(
                    read <= remaining.max(Duration::from_millis(1)),
                    "{read:?} of {remaining:?}"
                );
                assert!(
                    read >= remaining.saturating_sub(exact).min(least),
                    "{read:?} of {remaining:?}"
                );
            }
            nanos = next;
        }
    }

    #[test]
    fn what_has_been_spent_is_never_written_as_zero() {
        let mut sent = headers(&[(X_REQUEST_TIMEOUT_MS, "5000")]);
        write(&mut sent, Duration::ZERO, false);
        assert_eq!(sent.get_all(X_REQUEST_TIMEOUT_MS).iter().collect::<Vec<_>>(), ["1"]);
        assert_eq!(to_grpc(Duration::ZERO), "1n");
    }
}
