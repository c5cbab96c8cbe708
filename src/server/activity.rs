use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
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
    /// Bytes of bodies that were given out and are still here.
    unsent: AtomicU64,
    /// Pieces of bodies that are with the peer, the longest without progress first.
    with_the_peer: Mutex<VecDeque<(u64, Instant)>>,
    pieces: AtomicU64,
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
            unsent: AtomicU64::new(0),
            with_the_peer: Mutex::default(),
            pieces: AtomicU64::new(0),
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
            unsent: blocked || self.unsent.load(Ordering::Relaxed) > 0,
            closing_since: some(&self.closing_since),
        }
    }

    fn untaken_since(&self) -> Option<Instant> {
        self.waiting().front().map(|(_, since)| *since)
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

    pub(super) fn writes(&self) {
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

pin_project! {
    /// A response's body that keeps its request in flight, and notes whose turn it is.
    #[derive(Debug)]
    pub(super) struct Noted<B> {
        #[pin]
        body: B,
        turn: Turn,
    }
}

/// A body is with the peer from when it has given a piece until that has gone and the body is asked for more.
#[derive(Debug)]
struct Turn {
    in_flight: InFlight,
    given: Option<Arc<Given>>,
}

/// A piece that was given out, as long as it or the wish for the next one is outstanding.
#[derive(Debug)]
struct Given {
    number: u64,
    activity: Arc<Activity>,
}

impl Given {
    fn new(activity: &Arc<Activity>) -> Self {
        let number = activity.pieces.fetch_add(1, Ordering::Relaxed);
        activity.waiting().push_back((number, Clock::default().now()));
        Self {
            number,
            activity: Arc::clone(activity),
        }
    }

    /// Some bytes have gone, to the system or to nowhere.
    fn gone(&self, bytes: usize) {
        self.activity.unsent.fetch_sub(bytes as u64, Ordering::Relaxed);
        let mut waiting = self.activity.waiting();
        waiting.retain(|(number, _)| *number != self.number);
        waiting.push_back((self.number, Clock::default().now()));
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.activity.waiting().retain(|(number, _)| *number != self.number);
    }
}

impl Activity {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<(u64, Instant)>> {
        self.with_the_peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    fn give(&mut self, bytes: Bytes) -> Piece {
        let activity = &self.in_flight.0;
        activity.unsent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let given = Arc::new(Given::new(activity));
        self.given = Some(Arc::clone(&given));
        Piece { bytes, given }
    }
}

/// A piece of a body that notes how much of it has gone.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    given: Arc<Given>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.given.gone(count);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.given.gone(self.bytes.len());
    }
}

impl<B> Noted<B> {
    pub(super) fn new(body: B, in_flight: InFlight) -> Self {
        Self {
            body,
            turn: Turn { in_flight, given: None },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for Noted<B> {
    type Data = Piece;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, B::Error>>> {
        let this = self.project();
        this.turn.given = None;
        this.body
            .poll_frame(cx)
            .map(|polled| polled.map(|frame| Ok(frame?.map_data(|bytes| this.turn.give(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
