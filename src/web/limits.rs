use std::time::Duration;

use http::Request;

/// Limits of one request that override those of the layers; put into its extensions, as by the endpoint table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestLimits {
    /// From the call to the response's end; `None` leaves the layer's.
    pub deadline: Option<Duration>,
    /// The most bytes of the request's body; `None` leaves the layer's.
    pub body_bytes: Option<u64>,
    /// The response is a stream: the deadline ends with its head.
    pub stream: bool,
}

impl RequestLimits {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        request.extensions().get().cloned().unwrap_or_default()
    }
}
