//! Interrupts a policy's service in every way in which callers do, and looks each time whether it holds anything back.
//!
//! For every policy: a rig puts it round an inner service that holds a permit of its own while it is ready or called,
//! waits at both points, and ends well, badly or in a panic.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

/// A policy with a service inside, freshly made for one interruption.
pub trait Rig {
    type Service: Service<(), Future: Future> + Clone;

    /// Puts the policy round `inner`.
    fn service(&self, inner: Inner) -> Self::Service;

    /// Panics if the policy still holds something for a call that is over, or has counted one twice.
    fn holds_nothing(&self, made: Made, what: &str);
}

/// What has been made of the services of a rig.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made {
    /// Callers who asked whether they may call; some of them did.
    pub asked: u64,
    /// Calls.
    pub called: u64,
    /// Calls that came to their end, and that the inside answered well.
    pub answered: u64,
}

impl std::ops::Add for Made {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            called: self.called + other.called,
            answered: self.answered + other.answered,
        }
    }
}

/// Waits for readiness, takes a permit, waits for the answer, gives the permit back.
#[derive(Debug)]
pub struct Inner {
    permits: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    unready: u32,
    script: Script,
}

#[derive(Clone, Copy, Debug)]
struct Script {
    unready: u32,
    pending: u32,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Success,
    Error,
    Panic,
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self {
            permits: self.permits.clone(),
            permit: None,
            unready: self.script.unready,
            script: self.script,
        }
    }
}

impl Service<()> for Inner {
    type Response = ();
    type Error = io::Error;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        if self.unready > 0 {
            self.unready -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.permit.is_none() {
            let permit = self.permits.clone().try_acquire_owned();
            self.permit = Some(permit.expect("an earlier call has not given its permit back"));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Answer {
        self.unready = self.script.unready;
        Answer {
            _permit: self.permit.take().expect("called without being ready"),
            pending: self.script.pending,
            end: self.script.end,
        }
    }
}

pub struct Answer {
    _permit: OwnedSemaphorePermit,
    pending: u32,
    end: End,
}

impl Future for Answer {
    type Output = Result<(), io::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.pending > 0 {
            self.pending -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(match self.end {
            End::Success => Ok(()),
            End::Error => Err(io::Error::other("the inner error")),
            End::Panic => panic!("the inner panic"),
        })
    }
}

/// Interrupts the services of new rigs everywhere.
pub fn interrupt<R: Rig>(new_rig: impl Fn() -> R) {
    for (unready, pending) in [(0, 0), (0, 2), (2, 0), (2, 2)] {
        for end in [End::Success, End::Error, End::Panic] {
            let script = Script { unready, pending, end };
            drop_after_every_poll(&new_rig, script);
            drop_a_readied_clone(&new_rig, script);
        }
    }
}

fn inner(script: Script) -> (Inner, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(1));
    let inner = Inner {
        permits: permits.clone(),
        permit: None,
        unready: script.unready,
        script,
    };
    (inner, permits)
}

/// Drops the exchange after k polls of readiness and call together, for every k until it ends by itself.
fn drop_after_every_poll<R: Rig>(new_rig: impl Fn() -> R, script: Script) {
    for most in 0.. {
        let what = format!("{script:?} dropped after {most} polls");
        let rig = new_rig();
        let (inner, permits) = inner(script);
        let service = rig.service(inner);
        let (ended, made) = poll_at_most(service, most, script);
        assert_eq!(permits.available_permits(), 1, "{what}: the inner permit is held");
        rig.holds_nothing(made, &what);
        if ended {
            return;
        }
        assert!(most < 20, "{what}: it never ends");
    }
}

/// Returns whether it ended, and what was made of it.
fn poll_at_most<S: Service<(), Future: Future>>(mut service: S, mut most: u32, script: Script) -> (bool, Made) {
    let mut made = Made {
        asked: (most > 0).into(),
        ..Made::default()
    };
    let mut cx = Context::from_waker(Waker::noop());
    let mut spend = || most.checked_sub(1).map(|left| most = left).is_some();
    loop {
        if !spend() {
            return (false, made);
        }
        if service.poll_ready(&mut cx).is_ready() {
            break;
        }
    }
    made.called = 1;
    let mut call = pin!(service.call(()));
    while spend() {
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut cx).is_ready()));
        if polled.unwrap_or(true) {
            made.answered = matches!(script.end, End::Success).into();
            return (true, made);
        }
    }
    (false, made)
}

/// Readies a clone and never calls it; the original is called after it.
fn drop_a_readied_clone<R: Rig>(new_rig: impl Fn() -> R, script: Script) {
    let what = format!("{script:?} with a readied clone that is never called");
    let rig = new_rig();
    let (inner, permits) = inner(script);
    let service = rig.service(inner);
    let mut clone = service.clone();
    let mut cx = Context::from_waker(Waker::noop());
    while clone.poll_ready(&mut cx).is_pending() {}
    drop(clone);
    assert_eq!(permits.available_permits(), 1, "{what}: the inner permit is held");
    let (ended, made) = poll_at_most(service, 20, script);
    assert!(ended, "{what}: the original does not go on");
    assert_eq!(permits.available_permits(), 1, "{what}: the inner permit is held");
    let asked = Made {
        asked: 1,
        ..Made::default()
    };
    rig.holds_nothing(made + asked, &what);
}
