use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use http_body::Body as _;
use http_body_util::{BodyExt, Full, StreamBody};

use super::*;
use crate::base::refusal::Reason;

type Log = Arc<Mutex<Vec<&'static str>>>;

/// Notes how often it was told of what; refuses the piece after so many.
struct Notes {
    log: Log,
    pieces_left: usize,
}

impl Rider for Notes {
    fn piece(&mut self, _: usize) -> Result<(), Refusal> {
        self.pieces_left = self.pieces_left.checked_sub(1).ok_or_else(refusal)?;
        Ok(())
    }

    fn ended(&mut self, end: End<'_>) {
        self.log.lock().unwrap().push(match end {
            End::Complete => "complete",
            End::Failed(error) if error.is::<BodyPanicked>() => "panicked",
            End::Failed(error) if Refusal::find(error.as_ref()).is_some() => "refused",
            End::Failed(_) => "failed",
            End::Dropped => "dropped",
        });
    }
}

fn refusal() -> Refusal {
    Refusal::new("tested", "one".into(), Reason::BodyTooLarge { limit: 1 })
}

fn ridden(body: impl Into<Body>) -> (Body, Log) {
    refusing(body, usize::MAX)
}

fn refusing(body: impl Into<Body>, pieces_left: usize) -> (Body, Log) {
    let (mut body, log) = (body.into(), Log::default());
    body.add_rider(Notes {
        log: log.clone(),
        pieces_left,
    });
    (body, log)
}

type Frames = Vec<Result<Frame<Bytes>, BoxError>>;

/// A foreign body that never says that it is at its end.
fn stream(frames: Frames) -> Body {
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

fn pieces(count: usize) -> Frames {
    let data = || Ok(Frame::data(Bytes::from_static(b"piece")));
    (0..count).map(|_| data()).collect()
}

async fn read(body: &mut Body) -> Result<usize, BoxError> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, Bytes::len);
    }
    Ok(bytes)
}

#[tokio::test]
async fn riders_are_told_exactly_once_how_a_body_ended() {
    let (mut body, log) = ridden(stream(pieces(2)));
    assert_eq!(read(&mut body).await.unwrap(), 10);
    assert!(body.frame().await.is_none(), "polled past the end");
    drop(body);
    assert_eq!(*log.lock().unwrap(), ["complete"]);

    let mut frames = pieces(1);
    frames.push(Err("broken".into()));
    frames.extend(pieces(1));
    let (mut body, log) = ridden(stream(frames));
    assert_eq!(read(&mut body).await.unwrap_err().to_string(), "broken");
    assert!(body.frame().await.is_none(), "nothing comes after an error");
    drop(body);
    assert_eq!(*log.lock().unwrap(), ["failed"]);

    let (mut body, log) = ridden(stream(pieces(2)));
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(*log.lock().unwrap(), ["dropped"]);
}

#[tokio::test]
async fn a_body_that_is_dropped_at_its_end_is_complete() {
    let (body, log) = ridden(Body::empty());
    drop(body);
    assert_eq!(*log.lock().unwrap(), ["complete"]);

    for body in [
        Body::from("whole"),
        Body::new(Full::new(Bytes::from_static(b"foreign"))),
    ] {
        let (mut body, log) = ridden(body);
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(*log.lock().unwrap(), ["complete"]);
    }

    let (body, log) = ridden("whole, but nobody took it");
    drop(body);
    assert_eq!(*log.lock().unwrap(), ["dropped"]);
}

/// Knows its length but not its end, as `http_body` allows.
struct Sized(u64);

impl http_body::Body for Sized {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        Poll::Ready(left.map(|_| Ok(Frame::data(Bytes::from_static(b".")))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

#[tokio::test]
async fn a_body_of_known_length_whose_last_piece_was_taken_is_complete() {
    for (taken, end) in [(1, "dropped"), (2, "complete")] {
        let (mut body, log) = ridden(Body::new(Sized(2)));
        for _ in 0..taken {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        assert_eq!(*log.lock().unwrap(), [end]);
    }
}

#[tokio::test]
async fn a_rider_that_refuses_ends_the_body_for_all() {
    let (mut body, log) = ridden(stream(pieces(5)));
    body.add_rider(Notes {
        log: log.clone(),
        pieces_left: 2,
    });
    let error = read(&mut body).await.unwrap_err();
    assert_eq!(Refusal::find(error.as_ref()), Some(&refusal()));
    assert!(body.frame().await.is_none());
    assert_eq!(*log.lock().unwrap(), ["refused", "refused"]);
}

fn panicking() -> Body {
    let frames =
        futures_util::stream::poll_fn(|_| -> Poll<Option<Result<Frame<Bytes>, BoxError>>> { panic!("inside") });
    Body::new(StreamBody::new(frames))
}

#[tokio::test]
async fn a_panic_is_an_error_where_it_is_caught_and_riders_know_it_in_any_case() {
    let (mut body, log) = ridden(panicking());
    body.catch_panics();
    assert!(body.frame().await.unwrap().unwrap_err().is::<BodyPanicked>());
    assert!(body.frame().await.is_none(), "what panicked is not polled again");
    assert_eq!(*log.lock().unwrap(), ["panicked"]);

    let (mut body, log) = ridden(panicking());
    let polled = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| pin!(body.frame()).poll(cx).is_ready()));
        Poll::Ready(polled)
    });
    assert!(polled.await.is_err(), "nobody asked for it to be caught");
    drop(body);
    assert_eq!(*log.lock().unwrap(), ["panicked"]);
}

#[tokio::test]
async fn trailers_pass_and_riders_see_them_as_a_piece_without_data() {
    let trailers = HeaderMap::from_iter([(http::header::ETAG, "end".parse().unwrap())]);
    let mut frames = pieces(1);
    frames.push(Ok(Frame::trailers(trailers.clone())));
    let (body, log) = ridden(stream(frames));
    assert_eq!(body.collect().await.unwrap().trailers(), Some(&trailers));
    assert_eq!(*log.lock().unwrap(), ["complete"]);
}

#[tokio::test]
async fn a_size_hint_says_what_is_left() {
    for (mut body, size) in [(Body::empty(), 0), (Body::from("12345"), 5), (Body::new(Sized(3)), 3)] {
        assert_eq!(body.size_hint().exact(), Some(size));
        while body.frame().await.is_some() {}
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
    }
    assert_eq!(stream(pieces(1)).size_hint().upper(), None);
    assert!(Body::from("").is_end_stream() && Body::new(Full::<Bytes>::default()).is_end_stream());
}

#[tokio::test]
async fn a_body_is_not_put_into_another() {
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    let (mut body, log) = ridden(stream(pieces(1)));
    let span = tracing::info_span!("inner");
    body.set_span(span.clone());
    body.catch_panics();
    let Source::Stream(boxed) = &body.source else {
        panic!("a stream")
    };
    let address = std::ptr::from_ref(&**boxed).cast::<()>();

    let mut body = Body::new(body);
    body.set_span(tracing::info_span!("outer"));
    let Source::Stream(boxed) = &body.source else {
        panic!("a stream")
    };
    assert_eq!(std::ptr::from_ref(&**boxed).cast::<()>(), address);
    assert_eq!((body.riders.len(), body.catches_panics), (1, true));
    assert_eq!(body.span, Some(span), "the inner span knows more than the outer one");
    read(&mut body).await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["complete"]);
}

#[tokio::test(start_paused = true)]
async fn a_rider_that_waits_may_end_a_body_that_is_silent() {
    struct Impatient(Pin<Box<tokio::time::Sleep>>);
    impl Rider for Impatient {
        fn waiting(&mut self, cx: &mut Context<'_>) -> Poll<Refusal> {
            self.0.as_mut().poll(cx).map(|()| refusal())
        }
    }
    let silent = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BoxError>>());
    let mut body = Body::new(silent);
    body.add_rider(Impatient(Box::pin(crate::base::clock::sleep(Duration::from_secs(5)))));
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(Refusal::find(error.as_ref()), Some(&refusal()));
}

#[test]
fn a_request_is_in_flight_for_everybody_who_counts_it_until_its_body_is_gone() {
    let [inner, outer] = [(); 2].map(|()| crate::shutdown::Shutdown::builder().build().unwrap());
    let mut body = Body::from("ahoy");
    body.keep_in_flight(inner.enter());
    body.keep_in_flight(outer.enter());
    assert_eq!([inner.in_flight(), outer.in_flight()], [1, 1]);
    assert!(body.copy().is_none(), "a copy would be in flight for nobody");
    drop(body);
    assert_eq!([inner.in_flight(), outer.in_flight()], [0, 0]);
}
