use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use smol_str::SmolStr;
use tokio::time::Sleep;

use super::engine::Fault;
use super::{Injector, Plan};
use crate::base::clock::sleep;
use crate::base::deadline::{Deadline, is_over};
use crate::policy::chaos::error::InjectedFault;

pin_project! {
    /// A future with what is done to it, at most until a given deadline.
    pub(crate) struct Injected<F: Future> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<F: Future> {
        Running { #[pin] inside: F, latency: Option<Duration>, given: Option<Deadline> },
        // Boxed, so that only who is made to wait has room for a timer.
        Holding { output: Option<F::Output>, timer: Pin<Box<Sleep>> },
        Failed { fault: Option<InjectedFault> },
        Hanging,
    }
}

impl<F: Future> Injected<F> {
    #[inline]
    pub(in crate::policy::chaos) fn start(
        injector: &Injector,
        name: &SmolStr,
        plan: Plan,
        has_head: bool,
        given: Option<Deadline>,
        inside: impl FnOnce() -> F,
    ) -> Self {
        injector.count(plan);
        let failed = |is_disconnect| {
            let name = name.clone();
            let fault = Some(InjectedFault { name, is_disconnect });
            Stage::Failed { fault }
        };
        let running = |latency| Stage::Running {
            inside: inside(),
            latency,
            given,
        };
        let stage = match plan {
            Plan::On(Some(Fault::Error)) => failed(false),
            Plan::On(Some(Fault::Hang)) => Stage::Hanging,
            Plan::On(Some(Fault::Disconnect)) if !has_head => failed(true),
            Plan::On(Some(Fault::Latency(latency))) => running(Some(latency)),
            _ => running(None),
        };
        Self { stage }
    }
}

impl<F: Future> Future for Injected<F> {
    type Output = Result<F::Output, InjectedFault>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        if let StageProj::Running { inside, latency, given } = stage.as_mut().project() {
            let output = ready!(inside.poll(cx));
            let Some(latency) = latency.take() else {
                return Poll::Ready(Ok(output));
            };
            let timer = Box::pin(sleep(within_deadline(latency, *given)));
            let output = Some(output);
            stage.set(Stage::Holding { output, timer });
        }
        match stage.project() {
            StageProj::Holding { output, timer } => {
                ready!(timer.as_mut().poll(cx));
                // An answer at the very deadline would come before whoever ends the call by it.
                if is_over() {
                    return Poll::Pending;
                }
                output.take().map_or(Poll::Pending, |output| Poll::Ready(Ok(output)))
            }
            StageProj::Failed { fault } => fault.take().map_or(Poll::Pending, |fault| Poll::Ready(Err(fault))),
            StageProj::Running { .. } | StageProj::Hanging => Poll::Pending,
        }
    }
}

/// Nobody is made to wait longer than the deadline, the task's or a given one, whether or not somebody keeps that.
fn within_deadline(latency: Duration, given: Option<Deadline>) -> Duration {
    let deadline = given.into_iter().chain(Deadline::current()).min();
    deadline.map_or(latency, |deadline| latency.min(deadline.remaining()))
}
