//! Who may change something.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::base::clock::Clock;

/// The secret of those who may; shown nowhere.
#[derive(Clone)]
pub(crate) struct Token(Arc<str>);

/// A text is no token.
#[derive(Debug)]
pub(crate) struct InvalidToken;

impl Token {
    pub(crate) const ALLOWED: &str = "16 to 256 visible ASCII characters";

    /// Compares every byte, so that the time it takes does not tell how much of a guess is right.
    fn is(&self, guess: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differing = own
            .iter()
            .zip(guess)
            .fold(0, |differing, (a, b)| black_box(differing | (a ^ b)));
        differing == 0 && own.len() == guess.len()
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let is_token = (16..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| Self(text.into())).ok_or(InvalidToken)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// So many wrong tokens are taken for a mistake in this time; whoever sends a further one is to wait until it is over.
const GUESSES: u32 = 10;
const TIME: Duration = Duration::from_secs(10);

/// Lets whoever has the token through; clones count wrong ones together.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    token: Option<Token>,
    wrong: Arc<Mutex<Option<Wrong>>>,
}

/// The wrong tokens since the first one.
#[derive(Debug)]
struct Wrong {
    first: Instant,
    count: u32,
}

/// Why somebody is not let through.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// There is no token.
    Closed,
    /// There is none in the request, or another one.
    Unauthorized,
    /// It is wrong, as too many were before; not so many will be after this time.
    TooMany(Duration),
}

impl Gate {
    pub(super) fn new(token: Option<Token>) -> Self {
        Self {
            token,
            wrong: Arc::default(),
        }
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let token = self.token.as_ref().ok_or(Denied::Closed)?;
        let guess = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let guess = guess.ok_or(Denied::Unauthorized)?;
        // First: whoever guesses all the time must not lock out who has it.
        if token.is(guess) {
            return Ok(());
        }
        let now = Clock::default().now();
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of an earlier time are forgotten.
        wrong.take_if(|wrong| now >= wrong.first + TIME);
        if let Some(Wrong { first, .. }) = wrong.as_ref().filter(|wrong| wrong.count == GUESSES) {
            return Err(Denied::TooMany(*first + TIME - now));
        }
        wrong.get_or_insert(Wrong { first: now, count: 0 }).count += 1;
        Err(Denied::Unauthorized)
    }
}

/// Returns what stands behind the word that says that it is a token.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    fn gate() -> Gate {
        Gate::new("correct-horse-battery".parse().ok())
    }

    #[test]
    fn a_token_is_long_and_can_be_sent_and_shows_nowhere() {
        for (text, expected) in [
            ("1234567890abcdef", true),
            ("1234567890abcde", false),
            ("1234567890 abcdef", false),
            ("1234567890abcdé", false),
        ] {
            assert_eq!(text.parse::<Token>().is_ok(), expected, "{text}");
        }
        assert!("x".repeat(256).parse::<Token>().is_ok());
        assert!("x".repeat(257).parse::<Token>().is_err());
        assert!(!format!("{:?}", gate()).contains("horse"));
    }

    #[test]
    fn the_whole_token_is_asked_for() {
        let closed = Gate::default();
        assert_eq!(closed.check(&with("Bearer ")), Err(Denied::Closed));
        for (value, expected) in [
            ("Bearer correct-horse-battery", true),
            ("bearer  correct-horse-battery", true),
            ("Bearer correct-horse-batter", false),
            ("Bearer correct-horse-battery-", false),
            ("Bearer Correct-horse-battery", false),
            ("Bearer", false),
            ("Basic correct-horse-battery", false),
            ("correct-horse-battery", false),
        ] {
            assert_eq!(gate().check(&with(value)).is_ok(), expected, "{value}");
        }
        assert_eq!(gate().check(&HeaderMap::new()), Err(Denied::Unauthorized));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_guesses_is_told_to_wait_and_locks_nobody_out() {
        let (gate, right) = (gate(), with("Bearer correct-horse-battery"));
        for _ in 0..GUESSES {
            assert_eq!(gate.check(&with("Bearer wrong")), Err(Denied::Unauthorized));
            tokio::time::advance(Duration::from_millis(500)).await;
        }
        let told = Err(Denied::TooMany(Duration::from_secs(5)));
        assert_eq!(gate.check(&with("Bearer wrong")), told);
        assert_eq!(gate.check(&right), Ok(()));
        assert_eq!(
            gate.check(&with("Bearer wrong")),
            told,
            "the right one forgives nothing"
        );
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(gate.check(&with("Bearer wrong")), Err(Denied::Unauthorized));
        assert_eq!(gate.check(&right), Ok(()));
    }
}
