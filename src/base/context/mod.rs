//! What travels with a request, through every task that works for it.
//!
//! The deadline, the [criticality](crate::criticality), the request's id, its trace, its baggage and its idempotency key
//! are those of the task ([`RequestId::current`] and so on) wherever the layers of this crate poll: the service, the body
//! of its response, and the calls it makes. Whatever is spawned is other work; [`spawn`] takes all of it along.
//!
//! # Examples
//!
//! ```
//! use seaworthy::context;
//! use seaworthy::deadline::Deadline;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let deadline = Deadline::after(std::time::Duration::from_secs(1));
//! let work = async { context::spawn(async { Deadline::current() }).await.unwrap() };
//! assert_eq!(deadline.scope(work).await, Some(deadline));
//! # }
//! ```

use std::future::Future;
use std::pin::Pin;
use std::task;

use pin_project_lite::pin_project;
use tokio::task::JoinHandle;
use tracing::Span;

use super::criticality::Criticality;
use super::deadline::Deadline;

mod baggage;
mod origin;
mod request_id;
mod state;
mod trace;

pub use baggage::{Baggage, IdempotencyKey, InvalidBaggage, InvalidIdempotencyKey};
pub(crate) use origin::Origin;
pub use request_id::{InvalidRequestId, RequestId};
pub use trace::{InvalidSampleRatio, InvalidTraceContext, SampleRatio, SpanId, TraceContext, TraceId};

/// All that the present work has of its request, to be given to other work.
#[derive(Clone, Debug)]
pub struct Context {
    deadline: Option<Deadline>,
    criticality: Option<Criticality>,
    origin: Origin,
    span: Span,
}

impl Context {
    /// Returns that of the task's present work, and the `tracing` span it is in.
    pub fn current() -> Self {
        Self {
            deadline: Deadline::current(),
            criticality: Criticality::told(),
            origin: Origin::with(Origin::clone),
            span: Span::current(),
        }
    }

    /// Gives it to a future, whenever that is polled.
    ///
    /// The deadline ends nothing by itself; see [`Deadline::scope`].
    pub fn scope<F: Future>(self, future: F) -> Scope<F> {
        Scope {
            future: Some(future),
            context: self,
        }
    }

    /// Makes this its request id, such as that of a message which no request has brought.
    #[must_use]
    pub fn request_id(mut self, id: RequestId) -> Self {
        self.origin.request_id = Some(id);
        self
    }

    /// Makes this its span, such as a trace that [begins](TraceContext::begin) with a job.
    #[must_use]
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.origin.trace = Some(trace);
        self
    }

    /// Makes this its baggage.
    #[must_use]
    pub fn baggage(mut self, baggage: Baggage) -> Self {
        self.origin.baggage = Some(baggage);
        self
    }

    /// Keeps the ids and the baggage alone, for work that outlives its request: neither its deadline nor its span.
    #[must_use]
    pub fn detached(self) -> Self {
        Self {
            deadline: None,
            span: Span::none(),
            ..self
        }
    }

    /// Returns its request id.
    pub(crate) fn id(&self) -> Option<&RequestId> {
        self.origin.request_id.as_ref()
    }

    fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let Self {
            deadline,
            criticality,
            origin,
            span,
        } = self;
        let _entered = span.enter();
        let work = || origin.run(work);
        let work = || match deadline {
            Some(deadline) => deadline.run(work),
            None => work(),
        };
        match criticality {
            Some(class) => class.run(work),
            None => work(),
        }
    }
}

/// Spawns a task that goes on in the context of the present work: its deadline, class, ids, baggage and span.
///
/// # Panics
///
/// Outside of a tokio runtime, as [`tokio::spawn`] does.
///
/// # Cancellation
///
/// The task goes on when the handle is dropped, also beyond the deadline: that bounds what the task asks of others.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(Context::current().scope(future))
}

pin_project! {
    /// A future with a [`Context`]; made by [`Context::scope`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Scope<F> {
        // `None` once it has been dropped, within the context as everything else.
        #[pin]
        future: Option<F>,
        context: Context,
    }

    impl<F> PinnedDrop for Scope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.context.run(|| this.future.set(None));
        }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<F::Output> {
        let this = self.project();
        match this.future.as_pin_mut() {
            Some(future) => this.context.run(|| future.poll(cx)),
            None => task::Poll::Pending,
        }
    }
}
