use std::time::{Duration, Instant};

use super::config::ServerConfig;
use crate::base::clock::later;

/// How long a connection that closes may still take to send what it has, or to say goodbye.
pub(super) const LINGER: Duration = Duration::from_millis(500);

/// What is known of a connection that speaks HTTP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) opened: Instant,
    pub(super) in_flight: usize,
    /// Whether there has been a request.
    pub(super) used: bool,
    /// Since when nothing was in flight and nothing kept the socket from taking what was to be sent.
    pub(super) quiet_since: Instant,
    /// Since when the head of a request has been on its way.
    pub(super) head_since: Option<Instant>,
    /// Whether the socket takes nothing now; then its own deadline runs.
    pub(super) blocked: bool,
    /// Since when the peer has not made room for the next piece of some response.
    pub(super) untaken_since: Option<Instant>,
    /// Whether something of a response is still here.
    pub(super) unsent: bool,
    /// Since when it has been closing.
    pub(super) closing_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Ask again then, or earlier.
    Wait(Instant),
    /// No further requests; those in flight may finish.
    Close(Cause),
    /// At once.
    Drop(Cause),
}

/// What is counted of connections: why they waited, and why we ended them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Counted when a connection had to wait for a place; it is served later.
    Total,
    PerAddress,
    /// Counted when the peer sent what is no HTTP; it gets a 4xx if it can.
    Malformed,
    FirstByte,
    TlsHandshake,
    Preface,
    Headers,
    Write,
    Idle,
    Age,
    /// It had been closing, and the peer did not play its part.
    Linger,
}

impl Cause {
    pub(super) const ALL: [Self; 11] = [
        Self::Total,
        Self::PerAddress,
        Self::Malformed,
        Self::FirstByte,
        Self::TlsHandshake,
        Self::Preface,
        Self::Headers,
        Self::Write,
        Self::Idle,
        Self::Age,
        Self::Linger,
    ];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Total => "waited_for_a_place",
            Self::PerAddress => "over_address_limit",
            Self::Malformed => "malformed",
            Self::FirstByte => "first_byte_timeouts",
            Self::TlsHandshake => "tls_handshake_timeouts",
            Self::Preface => "preface_timeouts",
            Self::Headers => "header_timeouts",
            Self::Write => "write_timeouts",
            Self::Idle => "idle_timeouts",
            Self::Age => "age_limits",
            Self::Linger => "linger_timeouts",
        }
    }
}

/// Decides what becomes of a connection now.
pub(super) fn decide(facts: &Facts, limits: &ServerConfig, now: Instant) -> Verdict {
    let due = |since: Instant, after: Duration, then: Verdict| {
        let end = later(since, after);
        if now >= end { then } else { Verdict::Wait(end) }
    };
    let verdicts = match facts.closing_since {
        None => [stalled(facts, limits, due), open(facts, limits, now, due), {
            Some(due(facts.opened, limits.max_age, Verdict::Close(Cause::Age)))
        }],
        Some(since) => [stalled(facts, limits, due), closing(facts, limits, since, due), None],
    };
    // What is due wins over what is to come, and a harder end over a softer one.
    let verdict = verdicts.into_iter().flatten().min_by_key(rank);
    verdict.unwrap_or(Verdict::Wait(later(now, LINGER)))
}

/// A peer that takes no more of a response may finish what else is in flight; then it has had its chance.
fn stalled(
    facts: &Facts,
    limits: &ServerConfig,
    due: impl Fn(Instant, Duration, Verdict) -> Verdict,
) -> Option<Verdict> {
    let since = facts.untaken_since?;
    Some(match (facts.closing_since, facts.in_flight) {
        (None, 2..) => due(since, limits.write_timeout, Verdict::Close(Cause::Write)),
        (Some(_), 2..) => due(since, limits.write_timeout * 2, Verdict::Drop(Cause::Write)),
        _ => due(since, limits.write_timeout, Verdict::Drop(Cause::Write)),
    })
}

fn open(
    facts: &Facts,
    limits: &ServerConfig,
    now: Instant,
    due: impl Fn(Instant, Duration, Verdict) -> Verdict,
) -> Option<Verdict> {
    Some(match (facts.in_flight, facts.head_since) {
        // Requests of HTTP/2 end in tasks of their own, so that nobody says when the last one has.
        (1.., _) => Verdict::Wait(later(now, limits.idle_timeout.min(limits.write_timeout))),
        (0, Some(since)) => due(since, limits.header_timeout, Verdict::Drop(Cause::Headers)),
        // A client that has connected early is told that nothing of it has been lost.
        (0, None) if !facts.used => due(facts.quiet_since, limits.header_timeout, Verdict::Close(Cause::Headers)),
        (0, None) => due(facts.quiet_since, limits.idle_timeout, Verdict::Close(Cause::Idle)),
    })
}

fn closing(
    facts: &Facts,
    limits: &ServerConfig,
    since: Instant,
    due: impl Fn(Instant, Duration, Verdict) -> Verdict,
) -> Option<Verdict> {
    let quiet = since.max(facts.quiet_since);
    match (facts.in_flight, facts.head_since) {
        (1.., _) => None,
        (0, Some(since)) => Some(due(since, limits.header_timeout, Verdict::Drop(Cause::Headers))),
        (0, None) if facts.blocked => None,
        // The last piece waits for room at the peer.
        (0, None) if facts.unsent => Some(due(quiet, limits.write_timeout, Verdict::Drop(Cause::Write))),
        (0, None) => Some(due(quiet, LINGER, Verdict::Drop(Cause::Linger))),
    }
}

fn rank(verdict: &Verdict) -> (u8, Option<Instant>) {
    match verdict {
        Verdict::Drop(_) => (0, None),
        Verdict::Close(_) => (1, None),
        Verdict::Wait(until) => (2, Some(*until)),
    }
}
