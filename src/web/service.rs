use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use super::body::Body;
use crate::base::error::BoxError;

/// Any service that can be served over HTTP, such as an axum `Router`; implemented by all that fit.
pub trait HttpService
where
    Self: Service<
            Request<Body>,
            Response = Response<Self::ResponseBody>,
            Error: Into<BoxError> + Send,
            Future: Send + 'static,
        >,
    Self: Clone + Send + 'static,
{
    /// The body of its responses.
    type ResponseBody: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> HttpService for S
where
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError> + Send, Future: Send + 'static>,
    S: Clone + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type ResponseBody = B;
}
