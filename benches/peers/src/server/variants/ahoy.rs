use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::Service;

use seaworthy_harness::allocations;

/// What the handler says.
pub(in crate::server) const ANSWER: &str = "ahoy";
/// Where it says what its thread has allocated, as numbers of allocations and of bytes, and counts from then on.
pub(in crate::server) const ALLOCATED: &str = "/allocated";

/// Says the same to everybody.
pub(super) struct Ahoy<B>(PhantomData<fn() -> B>);

impl<B> Ahoy<B> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<B> Clone for Ahoy<B> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<A, B: From<&'static str> + From<String>> Service<Request<A>> for Ahoy<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        ready(Ok(Response::new(if request.uri().path() == ALLOCATED {
            let allocated = allocations::so_far();
            B::from(format!("{} {}\n", allocated.count, allocated.bytes))
        } else {
            B::from(ANSWER)
        })))
    }
}
