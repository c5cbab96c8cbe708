//! Drives services and futures by hand, everyone's in the same way.
//!
//! No runtime and no waker that does anything: what they cost is not what is compared.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tower::Service;

/// Polls a future until it is ready.
pub fn drive<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Waits until the service is ready, and calls it.
pub fn call<S: Service<Req>, Req>(service: &mut S, request: Req) -> Result<S::Response, S::Error> {
    drive(poll_fn(|context| service.poll_ready(context)))?;
    drive(service.call(request))
}
