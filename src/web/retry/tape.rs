use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::reel::Reel;
use crate::base::error::BoxError;
use crate::base::sync::{Mutex, MutexGuard, lock};
use crate::web::body::Body;

/// A body that streams, and what has been read of it; the bodies of all attempts at a request play from it.
///
/// One of them reads at a time: the newest that has been polled.
pub(super) struct Tape(Mutex<Recording>);

pub(super) struct Recording {
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

/// Whether an attempt may read.
pub(super) enum Turn {
    Reads,
    /// Not while a newer one may yet take over.
    Waits,
    /// Never again.
    IsOver,
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
        let recording = self.recording();
        self.reel(&recording)
    }

    /// Makes a body that takes over from the one before as soon as it is polled; `None` if it would lack something.
    pub(super) fn again(self: &Arc<Self>) -> Option<Body> {
        let mut recording = self.recording();
        if recording.stage == Stage::Lost {
            return None;
        }
        recording.made += 1;
        recording.newest = recording.made;
        Some(self.reel(&recording))
    }

    /// Makes a body that takes nothing from the others; `None` while not all is recorded.
    pub(super) fn concurrent(self: &Arc<Self>) -> Option<Body> {
        let recording = self.recording();
        recording.is_complete().then(|| self.reel(&recording))
    }

    /// Records no more: there will be no further attempt, and a request may stream long after its response has begun.
    pub(super) fn stop(&self) {
        self.recording().room = 0;
    }

    pub(super) fn recording(&self) -> MutexGuard<'_, Recording> {
        lock(&self.0)
    }

    fn reel(self: &Arc<Self>, recording: &Recording) -> Body {
        Body::stream(Reel::new(Arc::clone(self), recording.newest, recording.size))
    }
}

impl Recording {
    /// Says whether an attempt that is polled may read, with whoever has to be told that it may not any more.
    pub(super) fn turn(&mut self, attempt: u32) -> (Turn, Option<Waker>) {
        if attempt == self.newest {
            let takes_over = mem::replace(&mut self.reader, attempt) != attempt;
            let relieved = if takes_over { self.waiting.take() } else { None };
            return (Turn::Reads, relieved);
        }
        let turn = if self.is_over(attempt) {
            Turn::IsOver
        } else {
            Turn::Waits
        };
        (turn, None)
    }

    pub(super) fn is_over(&self, attempt: u32) -> bool {
        attempt != self.newest && attempt != self.reader
    }

    /// Remembers whom to wake, and returns whom it forgets.
    pub(super) fn wait(&mut self, waker: &Waker) -> Option<Waker> {
        self.waiting.replace(waker.clone())
    }

    /// Takes note that an attempt's body is dropped; if that was never read, the reader before it goes on.
    pub(super) fn dropped(&mut self, attempt: u32) -> Option<Waker> {
        if attempt != self.newest || attempt == self.reader {
            return None;
        }
        self.newest = self.reader;
        self.waiting.take()
    }

    /// Returns what is recorded and has not been played: the data from there on, then the trailers.
    pub(super) fn recorded(&self, played: usize, has_played_trailers: bool) -> Option<Frame<Bytes>> {
        if let Some(data) = self.data.get(played..).filter(|data| !data.is_empty()) {
            return Some(Frame::data(Bytes::copy_from_slice(data)));
        }
        let trailers = self.trailers.clone().filter(|_| !has_played_trailers);
        trailers.map(Frame::trailers)
    }

    /// Returns whether the source has nothing more to give.
    pub(super) fn is_at_end(&self) -> bool {
        self.stage == Stage::Complete || http_body::Body::is_end_stream(&self.source)
    }

    fn is_complete(&self) -> bool {
        self.stage != Stage::Lost && self.is_at_end()
    }

    /// Reads on from the source.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.stage == Stage::Complete {
            return Poll::Ready(None);
        }
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
