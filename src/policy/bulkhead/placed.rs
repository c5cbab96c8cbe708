use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::future::{Acquire, Held};
use super::permit::{Entrance, Holder, Permit};
use crate::base::ready;
use crate::base::refusal::Refusal;

pin_project! {
    /// The wait for a place, for the inner service, and the call behind both.
    ///
    /// The inner service is asked when there is a place, so that nobody holds one of its places and waits for one of ours.
    #[project = PlacedProj]
    pub enum Placed<S, Req>
    where
        S: Service<Req>,
    {
        Waiting { acquire: Acquire, parts: Option<(S, Req)> },
        Held { #[pin] held: Held<ready::Call<S, Req>> },
    }
}

impl<S: Service<Req> + Clone, Req> Placed<S, Req> {
    /// Takes a place or waits for one; in that case the service moves in here, and a clone stays.
    #[inline]
    pub(super) fn new(holder: Holder, service: &mut S, request: Req) -> Self {
        let admitted = match holder.enter() {
            Entrance::Open => Ok(Permit::new(holder).begin()),
            Entrance::Shut(reason) => Err(holder.refuse(reason)),
            Entrance::Waiting(wait) => {
                let clone = service.clone();
                return Self::Waiting {
                    acquire: Acquire::waiting(holder, wait),
                    parts: Some((mem::replace(service, clone), request)),
                };
            }
        };
        Self::held(admitted, || ready::Call::new(service, request))
    }
}

impl<S: Service<Req>, Req> Placed<S, Req> {
    /// Refuses the call.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        let refusal = Some(refusal);
        Self::Held {
            held: Held::Refused { refusal },
        }
    }

    #[inline]
    fn held(admitted: Result<Permit, Refusal>, call: impl FnOnce() -> ready::Call<S, Req>) -> Self {
        let held = Held::new(admitted, call);
        Self::Held { held }
    }
}

impl<S: Service<Req>, Req> Future for Placed<S, Req> {
    type Output = <Held<ready::Call<S, Req>> as Future>::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                PlacedProj::Held { held } => return held.poll(cx),
                PlacedProj::Waiting { acquire, parts } => {
                    let admitted = ready!(acquire.poll_call(cx));
                    let Some((service, request)) = parts.take() else {
                        return Poll::Pending;
                    };
                    self.set(Self::held(admitted, || ready::Call::of(service, request)));
                }
            }
        }
    }
}
