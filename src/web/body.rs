//! The one body of all HTTP layers.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tracing::Span;

use crate::base::context::Origin;
use crate::base::criticality::Criticality;
use crate::base::deadline::Deadline;
use crate::base::error::BoxError;
use crate::base::refusal::Refusal;
use crate::shutdown::InFlight;

/// A request's or response's body; every HTTP layer of this crate takes it and gives it.
///
/// Layers do not wrap it in further bodies: they put riders on it, which see its pieces pass and how it ends. Empty and
/// whole bodies allocate nothing; any other body is boxed once, by [`Body::new`].
///
/// # Cancellation
///
/// Dropping a body tells its riders (permits, counters) that it was cut short, unless it was at its end.
pub struct Body {
    source: Source,
    riders: Vec<Box<dyn Rider>>,
    /// Beside the riders, as every response has one, and a rider is two allocations.
    in_flight: Option<InFlight>,
    span: Option<Span>,
    deadline: Option<Deadline>,
    criticality: Option<Criticality>,
    /// Boxed, as only what is waited for has one.
    origin: Option<Box<Origin>>,
    catches_panics: bool,
}

enum Source {
    Empty,
    Whole(Bytes),
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>),
}

/// Sees the pieces of a body pass; put there by a layer.
pub(crate) trait Rider: Send {
    /// A piece with so many bytes of data is about to pass.
    fn piece(&mut self, _bytes: usize) -> Result<(), Refusal> {
        Ok(())
    }

    /// There is nothing yet; may end the body, and must register a waker if it wants to be asked again.
    fn waiting(&mut self, _cx: &mut Context<'_>) -> Poll<Refusal> {
        Poll::Pending
    }

    /// The body has ended; called once.
    fn ended(&mut self, _end: End<'_>) {}
}

/// How a body ended.
#[derive(Clone, Copy)]
pub(crate) enum End<'a> {
    Complete,
    Failed(&'a BoxError),
    Dropped,
}

/// A body panicked while it was polled.
#[derive(Debug)]
pub(crate) struct BodyPanicked;

impl fmt::Display for BodyPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body panicked")
    }
}

impl Error for BodyPanicked {}

impl Body {
    /// Makes a body without content.
    pub const fn empty() -> Self {
        Self::from_source(Source::Empty)
    }

    /// Takes any body; one that is this type already stays as it is.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let mut body = Some(body);
        if let Some(body) = (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return body.take().unwrap_or_default();
        }
        match body {
            Some(body) if !body.is_end_stream() => Self::from_source(Source::Stream(Box::pin(Boxable { body }))),
            _ => Self::empty(),
        }
    }

    /// Takes a body that may have ended, and says of its size and its end what that one says.
    pub(crate) fn stream(body: impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static) -> Self {
        Self::from_source(Source::Stream(Box::pin(body)))
    }

    const fn from_source(source: Source) -> Self {
        Self {
            source,
            riders: Vec::new(),
            in_flight: None,
            span: None,
            deadline: None,
            criticality: None,
            origin: None,
            catches_panics: false,
        }
    }

    /// Returns another one with the same content, unless pieces have to be waited for or somebody rides on it.
    pub(crate) fn copy(&self) -> Option<Self> {
        let source = match &self.source {
            Source::Empty => Source::Empty,
            Source::Whole(bytes) => Source::Whole(bytes.clone()),
            Source::Stream(_) => return None,
        };
        let is_alone = self.riders.is_empty() && self.in_flight.is_none();
        is_alone.then(|| Self {
            source,
            riders: Vec::new(),
            in_flight: None,
            span: self.span.clone(),
            deadline: self.deadline,
            criticality: self.criticality,
            origin: self.origin.clone(),
            catches_panics: self.catches_panics,
        })
    }

    /// Returns whether pieces may still have to be waited for.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.source, Source::Stream(_))
    }

    pub(crate) fn add_rider(&mut self, rider: impl Rider + 'static) {
        self.riders.push(Box::new(rider));
    }

    /// Keeps a request in flight until the body has ended.
    pub(crate) fn keep_in_flight(&mut self, in_flight: InFlight) {
        if let Some(outer) = self.in_flight.replace(in_flight) {
            self.add_rider(Riding { _in_flight: outer });
        }
    }

    /// Enters `span` whenever the body is polled, unless an inner layer has set its own, which knows more.
    pub(crate) fn set_span(&mut self, span: Span) {
        if self.span.as_ref().is_none_or(Span::is_disabled) {
            self.span = Some(span);
        }
    }

    /// Makes `deadline` the task's whenever the body is polled, unless there is one that comes sooner.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.deadline = self.deadline.into_iter().chain(deadline).min();
    }

    /// Makes `class` the task's whenever the body is polled, unless an inner layer has set its own, which knows more.
    pub(crate) fn set_criticality(&mut self, class: Criticality) {
        self.criticality.get_or_insert(class);
    }

    /// Makes `origin` the task's whenever there are pieces to be waited for, unless an inner layer has set its own.
    pub(crate) fn set_origin(&mut self, origin: &Origin) {
        if self.is_stream() {
            self.origin.get_or_insert_with(|| Box::new(origin.clone()));
        }
    }

    /// Lets it be polled in the context of the task that sends it, as the connection which does so is another one.
    #[cfg(feature = "app")]
    pub(crate) fn go_with_task(&mut self) {
        if self.is_stream() {
            self.set_span(Span::current());
            self.set_deadline(Deadline::current());
            if let Some(class) = Criticality::told() {
                self.set_criticality(class);
            }
            Origin::with(|origin| self.set_origin(origin));
        }
    }

    /// Makes a panic in the source an error of this body, so that it ends this response alone.
    pub(crate) fn catch_panics(&mut self) {
        self.catches_panics = true;
    }

    /// Does what the body has to do in the context of its request.
    fn within<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let span = self.span.clone();
        let _entered = span.as_ref().map(Span::enter);
        let (class, deadline) = (self.criticality, self.deadline);
        let mut origin = self.origin.take();
        let work = || {
            let work = || work(self);
            match deadline {
                Some(deadline) => deadline.run(work),
                None => work(),
            }
        };
        let work = || match class {
            Some(class) => class.run(work),
            None => work(),
        };
        let done = match &mut origin {
            Some(origin) => origin.run(work),
            None => work(),
        };
        self.origin = origin;
        done
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.source {
            Source::Empty => Poll::Ready(None),
            Source::Whole(bytes) => {
                let bytes = mem::take(bytes);
                self.source = Source::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Source::Stream(stream) => {
                let polled = catch_unwind(AssertUnwindSafe(|| stream.as_mut().poll_frame(cx)));
                polled.unwrap_or_else(|panic| {
                    let error: BoxError = Box::new(BodyPanicked);
                    if !self.catches_panics {
                        // The riders must not take it for a body that was dropped.
                        self.end(End::Failed(&error));
                        resume_unwind(panic);
                    }
                    Poll::Ready(Some(Err(error)))
                })
            }
        }
    }

    fn poll_ridden(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.poll_source(cx);
        let refused = match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.riders.iter_mut().find_map(|rider| rider.piece(bytes).err())
            }
            Poll::Ready(_) => None,
            Poll::Pending => self.riders.iter_mut().find_map(|rider| match rider.waiting(cx) {
                Poll::Ready(refusal) => Some(refusal),
                Poll::Pending => None,
            }),
        };
        match refused {
            Some(refusal) => Poll::Ready(Some(Err(Box::new(refusal)))),
            None => polled,
        }
    }

    fn end(&mut self, end: End<'_>) {
        self.source = Source::Empty;
        mem::take(&mut self.riders)
            .iter_mut()
            .for_each(|rider| rider.ended(end));
        self.in_flight = None;
    }
}

/// Stays in flight until the body has ended.
struct Riding {
    _in_flight: InFlight,
}

impl Rider for Riding {}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.within(|body| {
            let polled = body.poll_ridden(cx);
            match &polled {
                Poll::Ready(None) => body.end(End::Complete),
                Poll::Ready(Some(Err(error))) => body.end(End::Failed(error)),
                _ => {}
            }
            polled
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Whole(_) => false,
            Source::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream(stream) => stream.size_hint(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.riders.is_empty() && !self.is_stream() {
            return;
        }
        self.within(|body| {
            // A server that has written all that was announced need not ask whether there is more.
            let complete = http_body::Body::is_end_stream(body) || http_body::Body::size_hint(body).exact() == Some(0);
            body.end(if complete { End::Complete } else { End::Dropped });
        });
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from_source(if bytes.is_empty() {
            Source::Empty
        } else {
            Source::Whole(bytes)
        })
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("size", &http_body::Body::size_hint(self))
            .finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// A foreign body with its error boxed.
    struct Boxable<B> {
        #[pin]
        body: B,
    }
}

impl<B: http_body::Body<Data = Bytes, Error: Into<BoxError>>> http_body::Body for Boxable<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project()
            .body
            .poll_frame(cx)
            .map(|polled| polled.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
