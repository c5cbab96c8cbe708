//! What a connection's activity leads to, against a model that looks at all that has happened for every question.

mod model;

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use proptest::prelude::*;
use tokio::time::advance;

use self::model::{Event, Model};
use super::activity::{Activity, InFlight, Noted, Piece};
use super::config::ServerConfig;
use super::engine::{LINGER, Verdict, decide};
use super::sniff::Protocol;
use crate::base::clock::Clock;

const PIECE: usize = 10;

/// Gives the piece that has been put into it.
#[derive(Default)]
struct Source(Rc<Cell<Option<Bytes>>>);

impl Body for Source {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None => Poll::Pending,
        }
    }
}

/// What may happen on a connection; a number chooses among the exchanges that it fits.
#[derive(Clone, Copy, Debug)]
enum Step {
    Read,
    Begin,
    Ask(usize),
    Give(usize),
    Take(usize, usize),
    Send(usize),
    End(usize),
    Block,
    Unblock,
    Close,
}

/// A request with its response, and the pieces of it that hyper still holds.
struct Exchange {
    number: usize,
    source: Rc<Cell<Option<Bytes>>>,
    body: Option<Noted<Source>>,
    pieces: VecDeque<(usize, Piece)>,
}

/// A connection to which things happen, and the record of them.
struct Tried {
    activity: Arc<Activity>,
    exchanges: Vec<Exchange>,
    given: usize,
    model: Model,
}

impl Tried {
    fn new(protocol: Protocol, limits: ServerConfig) -> Self {
        let activity = Arc::new(Activity::new());
        let model = Model {
            opened: activity.facts().opened,
            protocol,
            limits,
            history: Vec::new(),
        };
        Self {
            activity,
            exchanges: Vec::new(),
            given: 0,
            model,
        }
    }

    fn speak(&mut self) {
        self.activity.speaks(self.model.protocol);
        self.record(Event::Spoke);
    }

    fn record(&mut self, event: Event) {
        self.model.history.push((Clock::default().now(), event));
    }

    fn step(&mut self, step: Step) {
        let open = |exchange: &Exchange| exchange.body.is_some();
        let holds = |exchange: &Exchange| !exchange.pieces.is_empty();
        let event = match step {
            Step::Read => {
                self.activity.reads();
                Some(Event::Read)
            }
            Step::Begin => Some(self.begin()),
            Step::Ask(which) => self.choose(which, open).map(Exchange::ask),
            Step::Give(which) => {
                let piece = self.given;
                self.given += 1;
                self.choose(which, open).map(|exchange| exchange.give(piece))
            }
            Step::Take(which, bytes) => self.choose(which, holds).and_then(|exchange| exchange.take(bytes)),
            Step::Send(which) => self.choose(which, holds).and_then(Exchange::send),
            Step::End(which) => self.choose(which, open).map(|exchange| {
                exchange.body = None;
                Event::Ended(exchange.number)
            }),
            Step::Block => {
                self.activity.blocks();
                Some(Event::Blocked)
            }
            Step::Unblock => {
                self.activity.writes();
                self.model.is_blocked().then_some(Event::Unblocked)
            }
            Step::Close if self.model.closing_since().is_none() => {
                self.activity.closes();
                Some(Event::Closed)
            }
            Step::Close => None,
        };
        if let Some(event) = event {
            self.record(event);
        }
    }

    fn begin(&mut self) -> Event {
        let number = self.exchanges.len();
        let source = Source::default();
        self.exchanges.push(Exchange {
            number,
            source: Rc::clone(&source.0),
            body: Some(Noted::new(source, InFlight::begin(&self.activity))),
            pieces: VecDeque::new(),
        });
        Event::Began(number)
    }

    fn choose(&mut self, which: usize, fits: impl Fn(&Exchange) -> bool) -> Option<&mut Exchange> {
        let mut fitting: Vec<_> = self.exchanges.iter_mut().filter(|exchange| fits(exchange)).collect();
        let count = fitting.len().max(1);
        (!fitting.is_empty()).then(|| fitting.swap_remove(which % count))
    }

    fn verdict(&self) -> Verdict {
        decide(&self.activity.facts(), &self.model.limits, Clock::default().now())
    }
}

impl Exchange {
    fn poll(&mut self) -> Poll<Piece> {
        let body = Pin::new(self.body.as_mut().unwrap());
        let polled = body.poll_frame(&mut Context::from_waker(Waker::noop()));
        polled.map(|frame| frame.unwrap().unwrap().into_data().unwrap())
    }

    fn ask(&mut self) -> Event {
        assert!(self.poll().is_pending());
        Event::Asked(self.number)
    }

    fn give(&mut self, piece: usize) -> Event {
        self.source.set(Some(Bytes::from_static(&[b'.'; PIECE])));
        let Poll::Ready(given) = self.poll() else {
            unreachable!("it is there");
        };
        self.pieces.push_back((piece, given));
        Event::Gave {
            exchange: self.number,
            piece,
        }
    }

    fn take(&mut self, bytes: usize) -> Option<Event> {
        let (piece, buffer) = self.pieces.front_mut()?;
        let bytes = bytes.min(buffer.remaining());
        buffer.advance(bytes);
        Some(Event::Took { piece: *piece, bytes })
    }

    fn send(&mut self) -> Option<Event> {
        let (piece, _) = self.pieces.pop_front()?;
        Some(Event::Sent { piece })
    }
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        2 => Just(Step::Read),
        3 => Just(Step::Begin),
        1 => (0..8usize).prop_map(Step::Ask),
        4 => (0..8usize).prop_map(Step::Give),
        2 => (0..8usize, 1..=PIECE).prop_map(|(which, bytes)| Step::Take(which, bytes)),
        3 => (0..8usize).prop_map(Step::Send),
        3 => (0..8usize).prop_map(Step::End),
        1 => Just(Step::Block),
        2 => Just(Step::Unblock),
        1 => Just(Step::Close),
    ];
    prop::collection::vec((0..120u64, step), 0..40)
}

fn limits() -> impl Strategy<Value = ServerConfig> {
    let ms = |most: u64| (1..most).prop_map(Duration::from_millis);
    (ms(300), ms(300), ms(300), ms(3_000)).prop_map(|(header_timeout, write_timeout, idle_timeout, max_age)| {
        ServerConfig {
            header_timeout,
            write_timeout,
            idle_timeout,
            max_age,
            ..ServerConfig::default()
        }
    })
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Http1), Just(Protocol::Http2)]
}

/// Runs in time that stands still unless it is told to go on.
fn in_paused_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(future)
}

proptest! {
    #[test]
    fn the_engine_agrees_with_a_model_that_reads_the_whole_history(
        protocol in protocol(),
        limits in limits(),
        steps in steps(),
    ) {
        in_paused_time(async {
            let mut tried = Tried::new(protocol, limits);
            advance(Duration::from_millis(1)).await;
            tried.speak();
            for (pause, step) in steps {
                advance(Duration::from_millis(pause)).await;
                prop_assert_eq!(tried.verdict(), tried.model.verdict(Clock::default().now()), "before {:?}", step);
                tried.step(step);
                let now = Clock::default().now();
                let verdict = tried.verdict();
                prop_assert_eq!(verdict, tried.model.verdict(now), "after {:?}", step);
                if let Verdict::Wait(until) = verdict {
                    prop_assert!(until > now, "it would be asked for ever");
                    let before = tried.model.verdict(until - Duration::from_millis(1));
                    prop_assert!(matches!(before, Verdict::Wait(_)), "it would be asked too late: {:?}", before);
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_connection_on_which_nothing_more_happens_ends_soon_and_is_seldom_asked(
        protocol in protocol(),
        limits in limits(),
        steps in steps(),
    ) {
        in_paused_time(async {
            let longest = limits.header_timeout.max(limits.write_timeout * 2).max(limits.idle_timeout);
            let mut tried = Tried::new(protocol, limits);
            advance(Duration::from_millis(1)).await;
            tried.speak();
            for (pause, step) in steps {
                advance(Duration::from_millis(pause)).await;
                tried.step(step);
            }
            // A request has a deadline of its own, and so has a socket that takes nothing.
            tried.step(Step::Unblock);
            while Model::in_flight(&tried.model.history) > 0 {
                tried.step(Step::End(0));
            }
            let start = Clock::default().now();
            let mut asked = 0;
            loop {
                asked += 1;
                prop_assert!(asked < 10, "asked too often");
                match tried.verdict() {
                    Verdict::Wait(until) => advance(until - Clock::default().now()).await,
                    Verdict::Close(_) => {
                        prop_assert!(tried.model.closing_since().is_none(), "it closes once");
                        tried.step(Step::Close);
                    }
                    Verdict::Drop(_) => break,
                }
            }
            let took = Clock::default().now() - start;
            prop_assert!(took <= 2 * longest + LINGER, "it took {:?}", took);
            Ok(())
        })?;
    }
}
