use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::tape::{Tape, Turn};
use crate::base::error::BoxError;

/// The body of one attempt, played from what all attempts share.
pub(super) struct Reel {
    tape: Arc<Tape>,
    attempt: u32,
    /// What is still to come.
    size: SizeHint,
    played: usize,
    has_played_trailers: bool,
}

impl Reel {
    pub(super) fn new(tape: Arc<Tape>, attempt: u32, size: SizeHint) -> Self {
        Self {
            tape,
            attempt,
            size,
            played: 0,
            has_played_trailers: false,
        }
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut recording = self.tape.recording();
        let (turn, relieved) = recording.turn(self.attempt);
        let polled = match turn {
            Turn::Reads => match recording.recorded(self.played, self.has_played_trailers) {
                Some(frame) => Poll::Ready(Some(Ok(frame))),
                None => recording.read(cx),
            },
            Turn::Waits => Poll::Pending,
            Turn::IsOver => Poll::Ready(Some(Err(Superseded.into()))),
        };
        let forgotten = if polled.is_pending() {
            recording.wait(cx.waker())
        } else {
            None
        };
        // To wake somebody, or to forget him, may drop a body that wants the lock.
        drop(recording);
        drop(forgotten);
        wake(relieved);
        polled
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
        let polled = self.poll_next(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.note(frame);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let recording = self.tape.recording();
        // One that is to break has not ended.
        let may_read = !recording.is_over(self.attempt);
        may_read && recording.is_at_end() && recording.recorded(self.played, self.has_played_trailers).is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

impl Drop for Reel {
    fn drop(&mut self) {
        let waiting = self.tape.recording().dropped(self.attempt);
        wake(waiting);
    }
}

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
