use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http::Response;
use http_body::Body as _;

use crate::base::error::BoxError;
use crate::web::Body;

/// The most bytes that are read of one response.
const MOST: usize = 2 << 20;

/// Reads a response's body to its end, at most 2 MiB.
///
/// # Errors
///
/// What the body ends with, if it breaks; a body that is longer.
///
/// # Cancellation
///
/// Dropping the future drops the body, as a peer who goes away does.
pub async fn bytes(response: Response<Body>) -> Result<Bytes, BoxError> {
    let mut body = response.into_body();
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(piece) = frame?.into_data() {
            if read.len() + piece.len() > MOST {
                return Err(format!("the body is longer than the {MOST} bytes that are read of it").into());
            }
            read.extend_from_slice(&piece);
        }
    }
    Ok(read.into())
}

/// Reads a response's body to its end, as [`bytes()`] does, and takes it for a text.
///
/// # Errors
///
/// As [`bytes()`]; a body that is no UTF-8.
///
/// # Cancellation
///
/// As [`bytes()`].
pub async fn text(response: Response<Body>) -> Result<String, BoxError> {
    Ok(String::from_utf8(bytes(response).await?.into())?)
}
