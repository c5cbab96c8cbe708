use std::time::Instant;

use super::super::config::ServerConfig;
use super::super::engine::{Cause, LINGER, Verdict};
use super::super::sniff::Protocol;
use super::PIECE;

/// What did happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    Spoke,
    Read,
    Began(usize),
    /// For the next piece, which is not there yet.
    Asked(usize),
    Gave {
        exchange: usize,
        piece: usize,
    },
    Took {
        piece: usize,
        bytes: usize,
    },
    Sent {
        piece: usize,
    },
    Ended(usize),
    Blocked,
    Unblocked,
    Closed,
}

/// Knows nothing but what has happened when, and the promises.
pub(super) struct Model {
    pub(super) opened: Instant,
    pub(super) protocol: Protocol,
    pub(super) limits: ServerConfig,
    pub(super) history: Vec<(Instant, Event)>,
}

impl Model {
    fn last(&self, wanted: impl Fn(&Event) -> bool) -> Option<Instant> {
        let found = self.history.iter().rev().find(|(_, event)| wanted(event));
        found.map(|(at, _)| *at)
    }

    pub(super) fn in_flight(history: &[(Instant, Event)]) -> usize {
        let count = |wanted: fn(&Event) -> bool| history.iter().filter(|(_, event)| wanted(event)).count();
        count(|event| matches!(event, Event::Began(_))) - count(|event| matches!(event, Event::Ended(_)))
    }

    pub(super) fn is_blocked(&self) -> bool {
        let turns = |event: &&(Instant, Event)| matches!(event.1, Event::Blocked | Event::Unblocked);
        self.history
            .iter()
            .rev()
            .find(turns)
            .is_some_and(|(_, event)| *event == Event::Blocked)
    }

    pub(super) fn closing_since(&self) -> Option<Instant> {
        self.last(|event| *event == Event::Closed)
    }

    /// Over HTTP/1 a head begins with the connection, and later with the first bytes after a response.
    fn head_since(&self) -> Option<Instant> {
        let began = self
            .history
            .iter()
            .rposition(|(_, event)| matches!(event, Event::Began(_)));
        let after = began.map_or(0, |index| index + 1);
        let begins = |index: &usize| {
            matches!(self.history[*index].1, Event::Spoke | Event::Read)
                && Self::in_flight(&self.history[..*index]) == 0
        };
        let begun = (after..self.history.len()).find(begins);
        begun
            .filter(|_| self.protocol == Protocol::Http1)
            .map(|index| self.history[index].0)
    }

    fn quiet_since(&self) -> Instant {
        let noise = |event: &Event| matches!(event, Event::Spoke | Event::Ended(_) | Event::Unblocked);
        self.last(noise).unwrap_or(self.opened)
    }

    /// A piece is with the peer until it has been sent and the body has been asked for more, or has ended.
    fn is_over(&self, exchange: usize, piece: usize) -> bool {
        let given = self
            .history
            .iter()
            .position(|(_, event)| *event == Event::Gave { exchange, piece });
        let later = &self.history[given.unwrap() + 1..];
        let went_on = |event: &Event| match event {
            Event::Gave { exchange: other, .. } | Event::Asked(other) | Event::Ended(other) => *other == exchange,
            _ => false,
        };
        later.iter().any(|(_, event)| *event == Event::Sent { piece }) && later.iter().any(|(_, event)| went_on(event))
    }

    fn progress(&self, wanted: usize) -> Instant {
        let moved = |event: &Event| match event {
            Event::Gave { piece, .. } | Event::Took { piece, .. } | Event::Sent { piece } => *piece == wanted,
            _ => false,
        };
        self.last(moved).unwrap()
    }

    fn pieces(&self) -> impl Iterator<Item = (usize, usize)> {
        self.history.iter().filter_map(|(_, event)| match event {
            Event::Gave { exchange, piece } => Some((*exchange, *piece)),
            _ => None,
        })
    }

    fn untaken_since(&self) -> Option<Instant> {
        let waiting = self
            .pieces()
            .filter(|(exchange, piece)| !self.is_over(*exchange, *piece));
        let oldest = waiting.map(|(_, piece)| self.progress(piece)).min();
        let unblocked = self.last(|event| *event == Event::Unblocked).unwrap_or(self.opened);
        oldest.filter(|_| !self.is_blocked()).map(|since| since.max(unblocked))
    }

    fn unsent(&self) -> usize {
        let left = |wanted: usize| {
            let taken = self.history.iter().map(|(_, event)| match event {
                Event::Took { piece, bytes } if *piece == wanted => *bytes,
                _ => 0,
            });
            let sent = self
                .history
                .iter()
                .any(|(_, event)| *event == Event::Sent { piece: wanted });
            if sent { 0 } else { PIECE - taken.sum::<usize>() }
        };
        self.pieces().map(|(_, piece)| left(piece)).sum()
    }

    /// Every deadline that runs, the harder consequence first among those that end together.
    fn ends(&self) -> Vec<(Instant, Verdict)> {
        let Self { limits, .. } = self;
        let in_flight = Self::in_flight(&self.history);
        let closing = self.closing_since();
        let mut ends = Vec::new();
        if let Some(since) = self.untaken_since() {
            // Beside a living response the connection only closes, and has as long again to end.
            ends.push(match (in_flight > 1, closing) {
                (true, None) => (since + limits.write_timeout, Verdict::Close(Cause::Write)),
                (true, Some(_)) => (since + 2 * limits.write_timeout, Verdict::Drop(Cause::Write)),
                (false, _) => (since + limits.write_timeout, Verdict::Drop(Cause::Write)),
            });
        }
        let quiet = self.quiet_since();
        match (in_flight, self.head_since(), closing) {
            (1.., ..) => {}
            (0, Some(head), _) => ends.push((head + limits.header_timeout, Verdict::Drop(Cause::Headers))),
            (0, None, None) if self.last(|event| matches!(event, Event::Began(_))).is_none() => {
                ends.push((quiet + limits.header_timeout, Verdict::Close(Cause::Headers)));
            }
            (0, None, None) => ends.push((quiet + limits.idle_timeout, Verdict::Close(Cause::Idle))),
            // The socket's own deadline runs.
            (0, None, Some(_)) if self.is_blocked() => {}
            (0, None, Some(closing)) if self.unsent() > 0 => {
                ends.push((quiet.max(closing) + limits.write_timeout, Verdict::Drop(Cause::Write)));
            }
            (0, None, Some(closing)) => ends.push((quiet.max(closing) + LINGER, Verdict::Drop(Cause::Linger))),
        }
        if closing.is_none() {
            ends.push((self.opened + limits.max_age, Verdict::Close(Cause::Age)));
        }
        ends.sort_by_key(|(_, verdict)| matches!(verdict, Verdict::Close(_)));
        ends
    }

    pub(super) fn verdict(&self, now: Instant) -> Verdict {
        let ends = self.ends();
        if let Some((_, verdict)) = ends.iter().find(|(end, _)| now >= *end) {
            return *verdict;
        }
        // Nobody says when the last request of HTTP/2 has ended, and one that closes may have no deadline of its own.
        let again = match (Self::in_flight(&self.history), self.closing_since()) {
            (1.., None) => Some(now + self.limits.idle_timeout.min(self.limits.write_timeout)),
            _ if ends.is_empty() => Some(now + LINGER),
            _ => None,
        };
        Verdict::Wait(ends.into_iter().map(|(end, _)| end).chain(again).min().unwrap())
    }
}
