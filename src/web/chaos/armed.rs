use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

use crate::base::error::BoxError;
use crate::policy::chaos::InjectedFault;
use crate::web::body::Body;

/// Lets a response's body break off with `fault` within its first piece; one that has no body does not come at all.
pub(super) fn cut(response: Response<Body>, is_head: bool, fault: InjectedFault) -> Result<Response<Body>, BoxError> {
    if is_head || has_no_body(&response) {
        return Err(fault.into_error());
    }
    Ok(response.map(|body| broken(body, fault)))
}

/// Whoever writes such a response, or reads it, does not look at the body.
fn has_no_body(response: &Response<Body>) -> bool {
    let (status, length) = (response.status(), response.headers().get(CONTENT_LENGTH));
    status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || length.is_some_and(|length| length == "0")
}

fn broken(body: Body, fault: InjectedFault) -> Body {
    // Whoever knows that a body is empty would not look whether it breaks.
    let size = match body.size_hint() {
        size if size.exact() == Some(0) => SizeHint::default(),
        size => size,
    };
    Body::stream(Broken {
        body: Some(body),
        size,
        fault: Some(fault),
        has_paused: false,
    })
}

/// Gives the first half of the first piece, and then the fault.
struct Broken {
    body: Option<Body>,
    size: SizeHint,
    fault: Option<InjectedFault>,
    has_paused: bool,
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(body) = &mut self.body {
            let frame = ready!(pin!(body).poll_frame(cx));
            self.body = None;
            if let Some(Ok(frame)) = frame
                && let Ok(mut data) = frame.into_data()
            {
                data.truncate(data.len() / 2);
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
        if !self.has_paused {
            // Whoever writes to a socket sends the head, and what came of the body, before it hears of the fault.
            self.has_paused = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.fault.take().map(|fault| Err(fault.into_error())))
    }

    fn is_end_stream(&self) -> bool {
        self.fault.is_none()
    }

    /// What the whole body would have, so that whoever gets less knows that it is not whole.
    fn size_hint(&self) -> SizeHint {
        self.size
    }
}
