use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::engine::Facts;
use crate::base::clock::Clock;

/// What happens on one connection, noted by those who see it: the socket, the requests, the bodies.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    in_flight: AtomicUsize,
    used: AtomicBool,
    /// Times are in nanoseconds since `opened`; 0 is never.
    quiet_since: AtomicU64,
    head_since: AtomicU64,
    /// How many bodies have given a piece that nobody has come back from yet.
    with_the_peer: AtomicUsize,
    last_piece: AtomicU64,
    /// Whether bytes between requests begin a request; over HTTP/2 they need not.
    bytes_begin_a_head: AtomicBool,
    closing_since: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            opened: Clock::default().now(),
            in_flight: AtomicUsize::new(0),
            used: AtomicBool::new(false),
            quiet_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            with_the_peer: AtomicUsize::new(0),
            last_piece: AtomicU64::new(0),
            bytes_begin_a_head: AtomicBool::new(false),
            closing_since: AtomicU64::new(0),
        }
    }

    pub(super) fn facts(&self) -> Facts {
        let at = |nanos: &AtomicU64| self.opened + Duration::from_nanos(nanos.load(Ordering::Relaxed));
        let some = |nanos: &AtomicU64| (nanos.load(Ordering::Relaxed) > 0).then(|| at(nanos));
        let in_flight = self.in_flight.load(Ordering::Acquire);
        let stalled = in_flight > 0 && self.with_the_peer.load(Ordering::Relaxed) >= in_flight;
        Facts {
            opened: self.opened,
            in_flight,
            used: self.used.load(Ordering::Relaxed),
            quiet_since: at(&self.quiet_since),
            head_since: some(&self.head_since),
            stalled_since: stalled.then(|| at(&self.last_piece)),
            closing_since: some(&self.closing_since),
        }
    }

    pub(super) fn speaks_http_1(&self) {
        self.bytes_begin_a_head.store(true, Ordering::Relaxed);
        self.note(&self.head_since);
    }

    pub(super) fn closes(&self) {
        self.note(&self.closing_since);
    }

    pub(super) fn reads(&self) {
        let begins = self.bytes_begin_a_head.load(Ordering::Relaxed)
            && self.in_flight.load(Ordering::Relaxed) == 0
            && self.head_since.load(Ordering::Relaxed) == 0;
        if begins {
            self.note(&self.head_since);
        }
    }

    pub(super) fn writes(&self) {
        if self.in_flight.load(Ordering::Relaxed) == 0 {
            self.note(&self.quiet_since);
        }
    }

    fn note(&self, time: &AtomicU64) {
        let nanos = (Clock::default().now() - self.opened).as_nanos();
        time.store(u64::try_from(nanos).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }
}

/// A request in flight, from its head to the end of its response's body.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl InFlight {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        activity.used.store(true, Ordering::Relaxed);
        activity.head_since.store(0, Ordering::Relaxed);
        activity.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(activity))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.note(&self.0.quiet_since);
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

pin_project! {
    /// A response's body that keeps its request in flight, and notes whose turn it is.
    #[derive(Debug)]
    pub(super) struct Noted<B> {
        #[pin]
        body: B,
        turn: Turn,
    }
}

#[derive(Debug)]
struct Turn {
    in_flight: InFlight,
    with_the_peer: bool,
}

impl Turn {
    fn pass(&mut self, to_the_peer: bool) {
        let Activity {
            with_the_peer,
            last_piece,
            ..
        } = &*self.in_flight.0;
        match (std::mem::replace(&mut self.with_the_peer, to_the_peer), to_the_peer) {
            (false, true) => drop(with_the_peer.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(with_the_peer.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        if to_the_peer {
            self.in_flight.0.note(last_piece);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pass(false);
    }
}

impl<B> Noted<B> {
    pub(super) fn new(body: B, in_flight: InFlight) -> Self {
        Self {
            body,
            turn: Turn {
                in_flight,
                with_the_peer: false,
            },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for Noted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(cx);
        this.turn.pass(matches!(polled, Poll::Ready(Some(Ok(_)))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
