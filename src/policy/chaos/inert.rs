//! Stands where faults would be injected, without the feature `chaos`: it has nothing to inject them with.

use std::future::Future;
use std::iter::{Empty, empty};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use smol_str::SmolStr;

use super::config::ChaosConfig;
use super::error::InjectedFault;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::live::Live;

/// Injects nothing, whatever the settings say.
#[derive(Debug)]
pub(crate) struct Injector;

/// What is done to a call: nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan;

impl Injector {
    pub(super) fn new(_: Option<u64>, _: Clock, _: &ChaosConfig) -> Self {
        Self
    }

    pub(super) fn set(&self, _: &ChaosConfig) {}

    pub(super) fn state(&self) -> &'static str {
        "not compiled in"
    }

    #[inline]
    pub(super) fn draw(&self, _: &Live<ChaosConfig>) -> Plan {
        Plan
    }

    #[inline]
    pub(super) fn confirm(&self, plan: Plan, _: &Live<ChaosConfig>) -> Plan {
        plan
    }

    pub(super) fn counters(&self) -> Empty<(&'static str, u64)> {
        empty()
    }
}

impl Plan {
    #[inline]
    pub(super) fn asks(self, _has_head: bool) -> bool {
        true
    }

    pub(crate) fn cut(self, _: &SmolStr) -> Option<InjectedFault> {
        None
    }
}

pin_project! {
    /// A future as it is.
    pub(crate) struct Injected<F> {
        #[pin]
        inside: F,
    }
}

impl<F: Future> Injected<F> {
    #[inline]
    pub(super) fn start(
        _: &Injector,
        _: &SmolStr,
        _: Plan,
        _has_head: bool,
        _: Option<Deadline>,
        inside: impl FnOnce() -> F,
    ) -> Self {
        Self { inside: inside() }
    }
}

impl<F: Future> Future for Injected<F> {
    type Output = Result<F::Output, InjectedFault>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inside.poll(cx).map(Ok)
    }
}
