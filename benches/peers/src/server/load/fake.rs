//! A server in virtual time that does one thing after the other.

use std::io;
use std::time::Duration;

use super::Lines;

/// What passes while nobody has anything to do.
const TICK: Duration = Duration::from_micros(5);

pub(super) struct Fake {
    takes: Duration,
    stall: Option<(Duration, Duration)>,
    now: Duration,
    is_free_at: Duration,
    /// When each line's answer is there.
    answers: Vec<Duration>,
}

impl Fake {
    pub(super) fn answering_in(takes: Duration) -> Self {
        Self {
            takes,
            stall: None,
            now: Duration::ZERO,
            is_free_at: Duration::ZERO,
            answers: Vec::new(),
        }
    }

    /// Does nothing at all from then on for so long.
    pub(super) fn stalling(mut self, from: Duration, length: Duration) -> Self {
        self.stall = Some((from, length));
        self
    }

    pub(super) fn lines(mut self, count: usize) -> Self {
        self.answers = vec![Duration::MAX; count];
        self
    }
}

impl Lines for Fake {
    fn count(&self) -> usize {
        self.answers.len()
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn ask(&mut self, line: usize) -> io::Result<()> {
        let mut begins = self.now.max(self.is_free_at);
        if let Some((from, length)) = self.stall
            && (from..from + length).contains(&begins)
        {
            begins = from + length;
        }
        self.is_free_at = begins.saturating_add(self.takes);
        self.answers[line] = self.is_free_at;
        Ok(())
    }

    fn is_answered(&mut self, line: usize) -> io::Result<bool> {
        Ok(self.answers[line] <= self.now)
    }

    fn pause(&mut self) {
        self.now += TICK;
    }
}
