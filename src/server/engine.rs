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
    /// Since when nothing was in flight and nothing was sent.
    pub(super) quiet_since: Instant,
    /// Since when the head of a request has been on its way.
    pub(super) head_since: Option<Instant>,
    /// Since when the peer has taken nothing of all that is in flight.
    pub(super) stalled_since: Option<Instant>,
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

/// Why a connection was ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    PerAddress,
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
    pub(super) const ALL: [Self; 9] = [
        Self::PerAddress,
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
            Self::PerAddress => "over_address_limit",
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
    let stall = facts
        .stalled_since
        .map(|since| due(since, limits.write_timeout, Verdict::Drop(Cause::Write)));
    let own = match (facts.closing_since, facts.in_flight, facts.head_since) {
        (_, 1.., _) => None,
        (_, 0, Some(since)) => Some(due(since, limits.header_timeout, Verdict::Drop(Cause::Headers))),
        (Some(since), 0, None) => Some(due(since.max(facts.quiet_since), LINGER, Verdict::Drop(Cause::Linger))),
        (None, 0, None) if !facts.used => Some(due(facts.opened, limits.header_timeout, Verdict::Drop(Cause::Headers))),
        (None, 0, None) => Some(due(facts.quiet_since, limits.idle_timeout, Verdict::Close(Cause::Idle))),
    };
    let age = match facts.closing_since {
        None => Some(due(facts.opened, limits.max_age, Verdict::Close(Cause::Age))),
        Some(_) => None,
    };
    let verdicts = [stall, own, age].into_iter().flatten();
    // What is due wins over what is to come, and a harder end over a softer one.
    verdicts.min_by_key(rank).unwrap_or(Verdict::Wait(later(now, LINGER)))
}

fn rank(verdict: &Verdict) -> (u8, Option<Instant>) {
    match verdict {
        Verdict::Drop(_) => (0, None),
        Verdict::Close(_) => (1, None),
        Verdict::Wait(until) => (2, Some(*until)),
    }
}
