use std::error::Error;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::base::error::BoxError;
use crate::base::sync::{Mutex, lock};
use crate::web::body::Body;

/// A body that streams, and what has been read of it; the bodies of all attempts at a request play from it.
///
/// One of them reads at a time: the newest that has been polled.
pub(super) struct Tape(Mutex<Recording>);

struct Recording {
    source: Body,
    /// What the source said of its size at the beginning; every attempt says the same.
    size: SizeHint,
    stage: Stage,
    /// Copied, not shared: a piece of a few bytes may keep a buffer of many alive.
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// How many bytes more may be recorded.
    room: u64,
    /// Whose turn it is to read.
    reader: u32,
    /// The attempt that was made last. While it has not been polled, the reader before it neither reads on nor breaks,
    /// as it may yet turn out to be the last one that is sent.
    newest: u32,
    /// Counts what has been made: `newest` falls back when one is not sent, and no two may have the same number.
    made: u32,
    /// A reader that waits for its turn, or for the source.
    waiting: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// All that has been read is recorded; there may be more.
    Open,
    /// All that there is has been recorded.
    Complete,
    /// Too long, or broken: nothing can be played again.
    Lost,
}

impl Tape {
    /// Records up to `limit` bytes of a body.
    pub(super) fn new(source: Body, limit: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Recording {
            size: http_body::Body::size_hint(&source),
            source,
            stage: Stage::Open,
            data: Vec::new(),
            trailers: None,
            room: limit,
            reader: 0,
            newest: 0,
            made: 0,
            waiting: None,
        })))
    }

    /// Makes the first attempt's body.
    pub(super) fn first(self: &Arc<Self>) -> Body {
        let recording = lock(&self.0);
        self.reel(&recording)
    }

    /// Makes a body that takes over from the one before as soon as it is polled; `None` if it would lack something.
    pub(super) fn again(self: &Arc<Self>) -> Option<Body> {
        let mut recording = lock(&self.0);
        if recording.stage == Stage::Lost {
            return None;
        }
        recording.made += 1;
        recording.newest = recording.made;
        Some(self.reel(&recording))
    }

    /// Makes a body that takes nothing from the others; `None` while not all is recorded.
    pub(super) fn concurrent(self: &Arc<Self>) -> Option<Body> {
        let recording = lock(&self.0);
        recording.is_complete().then(|| self.reel(&recording))
    }

    /// Records no more: there will be no further attempt, and a request may stream long after its response has begun.
    pub(super) fn stop(&self) {
        lock(&self.0).room = 0;
    }

    fn reel(self: &Arc<Self>, recording: &Recording) -> Body {
        Body::stream(Reel {
            tape: Arc::clone(self),
            attempt: recording.newest,
            size: recording.size,
            played: 0,
            has_played_trailers: false,
        })
    }
}

impl Recording {
    fn is_complete(&self) -> bool {
        match self.stage {
            Stage::Open => http_body::Body::is_end_stream(&self.source),
            Stage::Complete => true,
            Stage::Lost => false,
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // Until it turns out otherwise: the source may panic.
        let stage = mem::replace(&mut self.stage, Stage::Lost);
        let polled = http_body::Body::poll_frame(Pin::new(&mut self.source), cx);
        self.stage = match (&polled, stage) {
            (_, Stage::Lost) | (Poll::Ready(Some(Err(_))), _) => Stage::Lost,
            (Poll::Ready(None), _) => Stage::Complete,
            (Poll::Ready(Some(Ok(frame))), _) if !self.record(frame) => Stage::Lost,
            _ => stage,
        };
        if self.stage == Stage::Lost {
            self.data = Vec::new();
            self.trailers = None;
        }
        polled
    }

    /// Returns whether there was room for it, and it can be played in its place.
    fn record(&mut self, frame: &Frame<Bytes>) -> bool {
        let trailers = frame.trailers_ref();
        let size = match trailers {
            Some(trailers) => trailers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len())
                .sum(),
            None => frame.data_ref().map_or(0, Bytes::len),
        };
        let Some(room) = self.room.checked_sub(size as u64).filter(|_| self.trailers.is_none()) else {
            return false;
        };
        self.room = room;
        self.trailers = trailers.cloned();
        if let Some(data) = frame.data_ref() {
            self.data.extend_from_slice(data);
        }
        true
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").finish_non_exhaustive()
    }
}

/// The body of one attempt.
struct Reel {
    tape: Arc<Tape>,
    attempt: u32,
    /// What is still to come.
    size: SizeHint,
    played: usize,
    has_played_trailers: bool,
}

impl Reel {
    /// Returns what has been recorded and not been played.
    fn recorded(&self, recording: &Recording) -> Option<Frame<Bytes>> {
        if let Some(data) = recording.data.get(self.played..).filter(|data| !data.is_empty()) {
            return Some(Frame::data(Bytes::copy_from_slice(data)));
        }
        let trailers = recording.trailers.clone().filter(|_| !self.has_played_trailers);
        trailers.map(Frame::trailers)
    }

    fn note(&mut self, frame: &Frame<Bytes>) {
        self.has_played_trailers |= frame.is_trailers();
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        self.played += bytes;
        let mut rest = SizeHint::new();
        if let Some(upper) = self.size.upper() {
            rest.set_upper(upper.saturating_sub(bytes as u64));
        }
        rest.set_lower(self.size.lower().saturating_sub(bytes as u64));
        self.size = rest;
    }
}

impl http_body::Body for Reel {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let tape = Arc::clone(&self.tape);
        let mut recording = lock(&tape.0);
        let mut relieved = None;
        if self.attempt == recording.newest {
            if mem::replace(&mut recording.reader, self.attempt) != self.attempt {
                relieved = recording.waiting.take();
            }
        } else if self.attempt != recording.reader {
            return Poll::Ready(Some(Err(Superseded.into())));
        } else {
            recording.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let polled = match self.recorded(&recording) {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None if recording.stage == Stage::Complete => Poll::Ready(None),
            None => recording.read(cx),
        };
        if polled.is_pending() {
            recording.waiting = Some(cx.waker().clone());
        }
        drop(recording);
        wake(relieved);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.note(frame);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let recording = lock(&self.tape.0);
        // One that is to break has not ended.
        let may_read = self.attempt == recording.newest || self.attempt == recording.reader;
        let is_at_end = match recording.stage {
            Stage::Lost => http_body::Body::is_end_stream(&recording.source),
            _ => recording.is_complete() && self.recorded(&recording).is_none(),
        };
        may_read && is_at_end
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

impl Drop for Reel {
    fn drop(&mut self) {
        let mut recording = lock(&self.tape.0);
        // It was never sent: the one before goes on.
        if self.attempt == recording.newest && self.attempt != recording.reader {
            recording.newest = recording.reader;
            let waiting = recording.waiting.take();
            drop(recording);
            wake(waiting);
        }
    }
}

/// Wakes whoever waited; never under the lock, as that may drop a body that wants it.
fn wake(waiting: Option<Waker>) {
    if let Some(waker) = waiting {
        waker.wake();
    }
}

/// Somebody still reads the body of an attempt that another one has followed.
#[derive(Debug)]
struct Superseded;

impl fmt::Display for Superseded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a further attempt has taken this body over")
    }
}

impl Error for Superseded {}
