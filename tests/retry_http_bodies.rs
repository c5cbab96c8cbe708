//! Bodies that are sent more than once: who may read, how far, and what all of them see together.

mod web_support;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::Request;
use http_body::Body as _;
use proptest::prelude::*;
use seaworthy::attempt::Attempt;
use seaworthy::replay::Replay;
use seaworthy::web::{HttpKept, HttpReplay};
use seaworthy::{Body, BoxError};
use web_support::{Step, script};

/// The first attempt's body, and what further ones are made from.
fn begin(body: impl Into<Body>, limit: u64) -> (Body, Option<HttpKept>) {
    let request = Request::put("/").body(body.into()).unwrap();
    let (sent, kept) = HttpReplay::default().body_limit(limit).begin(request);
    (sent.into_body(), kept)
}

fn streamed(steps: &[Step]) -> Body {
    Body::new(script(steps.to_vec()))
}

fn again(kept: &mut Option<HttpKept>) -> Option<Body> {
    let sent = Replay::<Request<Body>>::again(&HttpReplay::default(), kept.as_mut()?, Attempt::FIRST);
    sent.map(Request::into_body)
}

fn concurrent(kept: &mut Option<HttpKept>) -> Option<Body> {
    let sent = Replay::<Request<Body>>::concurrent(&HttpReplay::default(), kept.as_mut()?, Attempt::FIRST);
    sent.map(Request::into_body)
}

fn poll_with(body: &mut Body, waker: &Waker) -> Poll<Option<Result<Bytes, BoxError>>> {
    let polled = Pin::new(body).poll_frame(&mut Context::from_waker(waker));
    polled.map(|end| end.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())))
}

fn poll(body: &mut Body) -> Poll<Option<Result<Bytes, BoxError>>> {
    poll_with(body, Waker::noop())
}

/// Reads at most so many bytes, and says whether it came to the end.
fn read(body: &mut Body, bytes: usize) -> (Vec<u8>, bool) {
    let mut data = Vec::new();
    while data.len() < bytes {
        match poll(body) {
            Poll::Ready(Some(frame)) => data.extend_from_slice(&frame.unwrap()),
            Poll::Ready(None) => return (data, true),
            Poll::Pending => {}
        }
    }
    (data, false)
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

const ABC: [Step; 3] = [Step::Data("a"), Step::Data("b"), Step::Data("c")];

#[test]
fn a_superseded_body_breaks_and_cannot_steal_a_piece() {
    let (mut first, mut kept) = begin(streamed(&ABC), 100);
    assert_eq!(read(&mut first, 1).0, b"a");
    let mut second = again(&mut kept).unwrap();
    assert_eq!(read(&mut second, 1).0, b"a");
    assert!(!first.is_end_stream());
    assert!(matches!(poll(&mut first), Poll::Ready(Some(Err(_)))));
    assert!(matches!(poll(&mut first), Poll::Ready(None)));
    assert_eq!(read(&mut second, 9), (b"bc".to_vec(), true));
}

#[test]
fn a_body_that_waits_is_woken_to_break_when_another_takes_over() {
    let (mut first, mut kept) = begin(streamed(&[Step::Data("a"), Step::Hang]), 100);
    let woken = Arc::<Woken>::default();
    let waker = woken.clone().into();
    assert!(poll_with(&mut first, &waker).is_ready());
    assert!(poll_with(&mut first, &waker).is_pending());
    let mut second = again(&mut kept).unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    assert_eq!(read(&mut second, 1).0, b"a");
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(matches!(poll_with(&mut first, &waker), Poll::Ready(Some(Err(_)))));
}

#[test]
fn a_body_waits_while_a_newer_one_is_made_and_goes_on_if_that_is_never_sent() {
    let (mut first, mut kept) = begin(streamed(&ABC), 100);
    assert_eq!(read(&mut first, 1).0, b"a");
    let second = again(&mut kept).unwrap();
    let woken = Arc::<Woken>::default();
    assert!(poll_with(&mut first, &woken.clone().into()).is_pending());
    drop(second);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(read(&mut first, 9), (b"bc".to_vec(), true));
}

#[test]
fn a_body_that_was_never_read_does_not_come_back_in_the_place_of_a_later_one() {
    let (mut first, mut kept) = begin(streamed(&ABC), 100);
    assert_eq!(read(&mut first, 1).0, b"a");
    let mut second = again(&mut kept).unwrap();
    drop(again(&mut kept).unwrap());
    let mut fourth = again(&mut kept).unwrap();
    assert!(matches!(poll(&mut second), Poll::Ready(Some(Err(_)))));
    assert_eq!(read(&mut fourth, 9), (b"abc".to_vec(), true));
}

#[test]
fn the_newer_body_is_woken_by_the_source() {
    // The channel's only waker is the last one that it was polled with.
    let (sender, source) = tokio::sync::oneshot::channel::<Bytes>();
    let source = Box::pin(async { source.await.map(http_body::Frame::data) });
    let source = http_body_util::StreamBody::new(futures_util::stream::once(source));
    let (mut first, mut kept) = begin(Body::new(source), 100);
    let (old, new) = (Arc::<Woken>::default(), Arc::<Woken>::default());
    assert!(poll_with(&mut first, &old.into()).is_pending());
    let mut second = again(&mut kept).unwrap();
    let waker = new.clone().into();
    assert!(poll_with(&mut second, &waker).is_pending());
    sender.send(Bytes::from_static(b"late")).unwrap();
    assert_eq!(new.0.load(Ordering::SeqCst), 1);
    assert_eq!(read(&mut second, 9), (b"late".to_vec(), true));
}

#[test]
fn what_is_announced_is_the_same_in_every_attempt() {
    for known in [false, true] {
        let source = script(ABC);
        let source = if known { source.of_known_length() } else { source };
        let (mut first, mut kept) = begin(Body::new(source), 100);
        let expected = |left: u64| known.then_some(left);
        assert_eq!(first.size_hint().exact(), expected(3));
        read(&mut first, 2);
        assert_eq!(first.size_hint().exact(), expected(1));
        let mut second = again(&mut kept).unwrap();
        assert_eq!(second.size_hint().exact(), expected(3));
        assert!(!second.is_end_stream());
        read(&mut second, 9);
        assert!(second.is_end_stream());
    }
}

#[test]
fn a_body_that_knows_its_end_is_at_its_end_after_the_last_piece() {
    let source = http_body_util::BodyExt::map_err(http_body_util::Full::new(Bytes::from("abc")), BoxError::from);
    let (mut first, mut kept) = begin(Body::new(source), 100);
    assert!(!first.is_end_stream());
    assert_eq!(read(&mut first, 3).0, b"abc");
    assert!(first.is_end_stream());
    let mut second = again(&mut kept).unwrap();
    assert!(!second.is_end_stream());
    assert_eq!(read(&mut second, 3).0, b"abc");
    assert!(second.is_end_stream());
}

#[test]
fn only_what_is_recorded_to_its_end_may_be_sent_at_the_same_time() {
    for whole in [Body::empty(), Body::from("abc")] {
        let (mut first, mut kept) = begin(whole, 100);
        let mut second = concurrent(&mut kept).unwrap();
        let expected = read(&mut first, 9);
        assert_eq!(read(&mut second, 9), expected);
    }
    let (mut first, mut kept) = begin(streamed(&ABC), 100);
    assert!(concurrent(&mut kept).is_none());
    read(&mut first, 3);
    assert!(concurrent(&mut kept).is_none(), "nobody knows yet that this is all");
    read(&mut first, 9);
    let mut bodies = [concurrent(&mut kept).unwrap(), concurrent(&mut kept).unwrap()];
    for _ in 0..2 {
        bodies.iter_mut().for_each(|body| drop(poll(body)));
    }
    assert!(poll(&mut first).is_ready());
    assert_eq!(read(&mut concurrent(&mut kept).unwrap(), 9), (b"abc".to_vec(), true));
}

#[test]
fn a_body_that_turns_out_to_be_too_long_flows_on_and_is_not_sent_again() {
    let (mut first, mut kept) = begin(streamed(&ABC), 2);
    assert_eq!(read(&mut first, 2).0, b"ab");
    let mut second = again(&mut kept).unwrap();
    assert_eq!(read(&mut second, 9), (b"abc".to_vec(), true));
    assert!(again(&mut kept).is_none());
    assert!(concurrent(&mut kept).is_none());
}

#[test]
fn trailers_count_towards_the_limit() {
    // "a", and a trailer whose name has four bytes and its value seven.
    for (limit, is_repeatable) in [(11, false), (12, true)] {
        let (mut first, mut kept) = begin(streamed(&[Step::Data("a"), Step::Trailers]), limit);
        read(&mut first, 9);
        assert_eq!(again(&mut kept).is_some(), is_repeatable, "{limit}");
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..=8usize).prop_map(|length| Step::Data(&"abcdefgh"[..length])),
        1 => Just(Step::Yield),
    ];
    let trailers = any::<bool>().prop_map(|has| has.then_some(Step::Trailers));
    (prop::collection::vec(step, 0..8), trailers).prop_map(|(mut steps, trailers)| {
        steps.extend(trailers);
        steps
    })
}

proptest! {
    #[test]
    fn whoever_reads_to_the_end_sees_the_whole_body(
        steps in steps(),
        known in any::<bool>(),
        limit in 0..40u64,
        stops in prop::collection::vec(0..40usize, 0..4),
    ) {
        let whole: String = steps.iter().filter_map(|step| match step {
            Step::Data(text) => Some(*text),
            _ => None,
        }).collect();
        let source = script(steps);
        let source = if known { source.of_known_length() } else { source };
        let (mut body, mut kept) = begin(Body::new(source), limit);
        for stop in stops {
            let (data, has_ended) = read(&mut body, stop);
            prop_assert!(whole.as_bytes().starts_with(&data));
            let Some(next) = again(&mut kept) else {
                // It is this attempt that must be whole, and none follows.
                prop_assert!(kept.is_none() || limit < whole.len() as u64 + 11);
                let (rest, _) = read(&mut body, usize::MAX);
                prop_assert_eq!([data, rest].concat(), whole.as_bytes());
                return Ok(());
            };
            let mut old = std::mem::replace(&mut body, next);
            let (peeked, _) = read(&mut body, 1);
            prop_assert!(whole.as_bytes().starts_with(&peeked));
            if !peeked.is_empty() {
                let polled = poll(&mut old);
                prop_assert!(has_ended || matches!(polled, Poll::Ready(Some(Err(_)))), "{:?}", polled);
            }
            // Read from its beginning again, with the next one.
            match again(&mut kept) {
                Some(next) => body = next,
                None => {
                    let (rest, _) = read(&mut body, usize::MAX);
                    prop_assert_eq!([peeked, rest].concat(), whole.as_bytes());
                    return Ok(());
                }
            }
        }
        let (data, ended) = read(&mut body, usize::MAX);
        prop_assert!(ended);
        prop_assert_eq!(data, whole.as_bytes());
    }
}
