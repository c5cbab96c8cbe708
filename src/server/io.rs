use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::activity::Activity;
use super::admission::Place;
use super::engine::Cause;
use crate::base::clock::sleep;

/// A socket that can be cut, that gives up on a peer who takes nothing, and that keeps its place until it is dropped.
///
/// It does so for whoever holds it: after an upgrade that is the user.
pub(super) struct Guarded<S> {
    stream: S,
    /// What was read to find out the protocol.
    prefix: Prefix,
    activity: Arc<Activity>,
    place: Place,
    write_timeout: Duration,
    /// Runs while the peer takes nothing.
    stall: Option<Pin<Box<Sleep>>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whether the cut has been logged.
    told: bool,
}

/// Bytes that were read before and are to be read again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prefix {
    pub(super) bytes: [u8; 24],
    pub(super) length: usize,
    pub(super) taken: usize,
}

impl<S> Guarded<S> {
    pub(super) fn new(
        stream: S,
        prefix: Prefix,
        activity: Arc<Activity>,
        place: Place,
        write_timeout: Duration,
        cut: CancellationToken,
    ) -> Self {
        let cut = Box::pin(cut.cancelled_owned());
        Self {
            stream,
            prefix,
            activity,
            place,
            write_timeout,
            stall: None,
            cut,
            told: false,
        }
    }

    fn check_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => {
                // Whoever drives the connection is dropped before; only a user who has taken it over comes here.
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(kind = "upgraded", "connection cut at the drain's deadline");
                }
                Err(io::Error::new(
                    ErrorKind::ConnectionAborted,
                    "cut at the drain's deadline",
                ))
            }
            Poll::Pending => Ok(()),
        }
    }

    /// Notes whether what waited has gone; that nothing waited says nothing of the peer.
    fn flushed(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        if polled.is_ready() && self.stall.is_none() {
            polled
        } else {
            self.wrote(cx, polled)
        }
    }

    /// Notes whether a write got on, and fails one that has waited too long.
    fn wrote<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall = None;
            self.activity.writes();
            return polled;
        }
        self.activity.blocks();
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(self.write_timeout)));
        if stall.as_mut().poll(cx).is_ready() {
            self.place.counters().count(Cause::Write);
            return Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the peer takes nothing")));
        }
        self.check_cut(cx)?;
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Prefix { bytes, length, taken } = &mut this.prefix;
        if taken < length {
            let count = buffer.remaining().min(*length - *taken);
            buffer.put_slice(&bytes[*taken..*taken + count]);
            *taken += count;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.activity.reads();
        }
        if polled.is_pending() {
            this.check_cut(cx)?;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, buffer);
        this.wrote(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, buffers);
        this.wrote(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        this.flushed(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.flushed(cx, polled)
    }
}

impl<S> fmt::Debug for Guarded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("activity", &self.activity)
            .finish_non_exhaustive()
    }
}
