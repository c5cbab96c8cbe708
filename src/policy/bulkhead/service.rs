use std::mem;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tower_service::Service;

use super::error::BulkheadFull;
use super::future::{Held, ResponseFuture};
use super::layer::Bulkhead;
use super::permit::{Entrance, Holder, Permit};
use super::wait::Wait;
use crate::base::deadline::is_too_late;
use crate::base::error::BoxError;
use crate::base::refusal::{Reason, Refusal};

/// The tower shell of a [`Bulkhead`]; made by its [layer](Bulkhead::layer).
///
/// It is ready when it has a place and the inner service is ready, and also, without asking that one, when it is going
/// to refuse. While it waits for a place it keeps its position in the queue; dropping it gives up either.
#[derive(Clone, Debug)]
pub struct BulkheadService<S> {
    inner: S,
    door: Door,
}

impl<S> BulkheadService<S> {
    pub(super) fn new(inner: S, bulkhead: Bulkhead) -> Self {
        let door = Door::new(bulkhead);
        Self { inner, door }
    }
}

impl<S, Req> Service<Req> for BulkheadService<S>
where
    S: Service<Req, Error: Into<BoxError>>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<Held<S::Future>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let inner = &mut self.inner;
        self.door.poll_ready(cx, |cx| inner.poll_ready(cx))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        ResponseFuture::new(Held::new(self.door.pass(), || self.inner.call(request)))
    }
}

/// Lets callers in one by one, and holds each one's place from `poll_ready` to `call`.
#[derive(Debug)]
pub(crate) struct Door {
    bulkhead: Bulkhead,
    caller: Caller,
}

/// Where the next caller stands.
enum Caller {
    Unknown,
    Waiting(Holder, Wait),
    Admitted(Permit),
    Refused(Reason),
}

impl Door {
    pub(crate) fn new(bulkhead: Bulkhead) -> Self {
        let caller = Caller::Unknown;
        Self { bulkhead, caller }
    }

    /// Is ready when the call will be refused, and otherwise when there is a place and the inner service is ready.
    #[inline]
    pub(crate) fn poll_ready<E: Into<BoxError>>(
        &mut self,
        cx: &mut Context<'_>,
        inner: impl FnOnce(&mut Context<'_>) -> Poll<Result<(), E>>,
    ) -> Poll<Result<(), BoxError>> {
        if let Caller::Unknown = self.caller {
            self.caller = self.enter();
        }
        if let Caller::Waiting(..) = self.caller {
            ready!(self.wait(cx));
        }
        if let Caller::Refused(_) = self.caller {
            return Poll::Ready(Ok(()));
        }
        inner(cx).map_err(|error| {
            if let Caller::Admitted(permit) = mem::replace(&mut self.caller, Caller::Unknown) {
                permit.end();
            }
            error.into()
        })
    }

    #[inline]
    fn enter(&self) -> Caller {
        let holder = self.bulkhead.holder();
        match holder.enter() {
            Entrance::Open => Caller::Admitted(Permit::new(holder)),
            Entrance::Waiting(wait) => Caller::Waiting(holder, wait),
            Entrance::Shut(reason) => Caller::Refused(reason),
        }
    }

    #[cold]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Caller::Waiting(holder, wait) = &mut self.caller {
            let end = ready!(wait.poll(cx));
            self.caller = match end {
                Ok(()) => Caller::Admitted(Permit::new(holder.clone())),
                Err(reason) => Caller::Refused(reason),
            };
        }
        Poll::Ready(())
    }

    /// Takes the permit for one call; counts the refusal if there is none.
    #[inline]
    pub(crate) fn pass(&mut self) -> Result<Permit, Refusal> {
        let mut caller = mem::replace(&mut self.caller, Caller::Unknown);
        if let Caller::Unknown = caller {
            caller = self.enter();
        }
        match caller {
            // Nobody may have come back before now.
            Caller::Admitted(permit) if is_too_late(None) => Err(permit.refuse(Reason::DeadlinePassed)),
            Caller::Admitted(permit) => Ok(permit.begin()),
            Caller::Refused(reason) => Err(self.bulkhead.refuse(reason)),
            Caller::Unknown | Caller::Waiting(..) => {
                let waited = Duration::ZERO;
                Err(self.bulkhead.refuse(BulkheadFull { waited }.into()))
            }
        }
    }
}

impl Clone for Door {
    /// The place, or the position in the queue, stays behind: it is for one call.
    fn clone(&self) -> Self {
        Self::new(self.bulkhead.clone())
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown",
            Self::Waiting(..) => "Waiting",
            Self::Admitted(_) => "Admitted",
            Self::Refused(_) => "Refused",
        })
    }
}
