use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::engine::Facts;
use super::sniff::Protocol;
use crate::base::clock::Clock;

/// What happens on one connection, noted by those who see it: the socket, the requests, the bodies.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    http_1: AtomicBool,
    in_flight: AtomicUsize,
    used: AtomicBool,
    /// Times are in nanoseconds since `opened`; 0 is never.
    quiet_since: AtomicU64,
    head_since: AtomicU64,
    closing_since: AtomicU64,
    /// Whether the system takes no more bytes for the peer, and when it last took some after that.
    blocked: AtomicBool,
    unblocked_at: AtomicU64,
    /// Bytes of bodies that were given out, and bytes of any kind that the system has taken.
    given: AtomicU64,
    written: AtomicU64,
    /// Bodies that have given a piece which nobody has come back from yet, the longest wait first.
    with_the_peer: Mutex<VecDeque<(u64, Instant)>>,
    next_body: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            opened: Clock::default().now(),
            http_1: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            used: AtomicBool::new(false),
            quiet_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            closing_since: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            unblocked_at: AtomicU64::new(0),
            given: AtomicU64::new(0),
            written: AtomicU64::new(0),
            with_the_peer: Mutex::default(),
            next_body: AtomicU64::new(0),
        }
    }

    pub(super) fn facts(&self) -> Facts {
        let at = |nanos: &AtomicU64| self.opened + Duration::from_nanos(nanos.load(Ordering::Relaxed));
        let some = |nanos: &AtomicU64| (nanos.load(Ordering::Relaxed) > 0).then(|| at(nanos));
        let blocked = self.blocked.load(Ordering::Relaxed);
        let unblocked_at = at(&self.unblocked_at);
        Facts {
            opened: self.opened,
            in_flight: self.in_flight.load(Ordering::Acquire),
            used: self.used.load(Ordering::Relaxed),
            quiet_since: at(&self.quiet_since).max(unblocked_at),
            head_since: some(&self.head_since),
            blocked,
            // While the system takes nothing the socket's own deadline runs, and no body can be asked for more.
            untaken_since: self
                .untaken_since()
                .filter(|_| !blocked)
                .map(|since| since.max(unblocked_at)),
            unsent: blocked || self.written.load(Ordering::Relaxed) < self.given.load(Ordering::Relaxed),
            closing_since: some(&self.closing_since),
        }
    }

    fn untaken_since(&self) -> Option<Instant> {
        let waiting = self.with_the_peer.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.front().map(|(_, since)| *since)
    }

    /// The protocol is known, and the first request is waited for.
    pub(super) fn speaks(&self, protocol: Protocol) {
        self.note(&self.quiet_since);
        if protocol == Protocol::Http1 {
            self.http_1.store(true, Ordering::Relaxed);
            self.note(&self.head_since);
        }
    }

    pub(super) fn closes(&self) {
        self.note(&self.closing_since);
    }

    pub(super) fn reads(&self) {
        // Over HTTP/2 bytes between requests need not begin one.
        let begins = self.http_1.load(Ordering::Relaxed)
            && self.in_flight.load(Ordering::Relaxed) == 0
            && self.head_since.load(Ordering::Relaxed) == 0;
        if begins {
            self.note(&self.head_since);
        }
    }

    pub(super) fn writes(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.blocked.swap(false, Ordering::Relaxed) {
            self.note(&self.unblocked_at);
        }
    }

    pub(super) fn blocks(&self) {
        self.blocked.store(true, Ordering::Relaxed);
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

/// The largest piece that is given out at once, so that asking for the next one tells of the peer's progress.
const PIECE: usize = 64 * 1024;

pin_project! {
    /// A response's body that keeps its request in flight, and notes whose turn it is.
    #[derive(Debug)]
    pub(super) struct Noted<B> {
        #[pin]
        body: B,
        rest: Bytes,
        turn: Turn,
    }
}

#[derive(Debug)]
struct Turn {
    in_flight: InFlight,
    body: u64,
    with_the_peer: bool,
}

impl Turn {
    fn give(&mut self, bytes: usize) {
        let Activity {
            given, with_the_peer, ..
        } = &*self.in_flight.0;
        given.fetch_add(bytes as u64, Ordering::Relaxed);
        let mut waiting = with_the_peer.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back((self.body, Clock::default().now()));
        self.with_the_peer = true;
    }

    fn take_back(&mut self) {
        if std::mem::take(&mut self.with_the_peer) {
            let mut waiting = self
                .in_flight
                .0
                .with_the_peer
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            waiting.retain(|(body, _)| *body != self.body);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.take_back();
    }
}

impl<B> Noted<B> {
    pub(super) fn new(body: B, in_flight: InFlight) -> Self {
        let number = in_flight.0.next_body.fetch_add(1, Ordering::Relaxed);
        Self {
            body,
            rest: Bytes::new(),
            turn: Turn {
                in_flight,
                body: number,
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
        this.turn.take_back();
        if this.rest.is_empty() {
            match this.body.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => *this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return other,
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        this.turn.give(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
