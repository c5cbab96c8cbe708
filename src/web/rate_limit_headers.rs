//! What a rate limit has left, as headers of the response.

use std::fmt::{self, Display, Write};
use std::io;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::base::allowance::{Allowance, RateLimitHeaders};
use crate::base::stripe::{self, MOST_STRIPES, Padded};

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RATELIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// The largest integer of a structured field (RFC 9651, section 3.3.1).
const MOST: u64 = 999_999_999_999_999;

impl RateLimitHeaders {
    /// Adds what the limit `name` has left to what other limits have said in the response.
    pub(crate) fn write(self, headers: &mut HeaderMap, name: &str, allowance: Allowance) {
        let name = Quoted(name);
        append(headers, RATELIMIT_POLICY, self.policy(&name, &allowance));
        self.write_left(headers, &name, &allowance);
    }

    /// Returns what is the same for every request.
    fn policy(self, name: &impl Display, Allowance { quota, window, .. }: &Allowance) -> Option<HeaderValue> {
        let window = whole_seconds(*window);
        match self {
            Self::Off => None,
            Self::Draft6 | Self::Draft7 => value(format_args!("{quota};w={window}")),
            Self::Draft11 => value(format_args!("{name};q={quota};w={window}")),
        }
    }

    fn write_left(self, headers: &mut HeaderMap, name: &impl Display, allowance: &Allowance) {
        match self {
            Self::Off => {}
            Self::Draft6 => draft_6(headers, allowance),
            Self::Draft7 => draft_7(headers, allowance),
            Self::Draft11 => draft_11(headers, name, allowance),
        }
    }
}

/// Tells callers what one limit has left, again and again.
///
/// What is the same each time is made once, and once more when the quota has changed.
pub(super) struct Teller {
    how: RateLimitHeaders,
    /// As a string of a structured field.
    name: String,
    policy: ArcSwapOption<Policy>,
}

struct Policy {
    quota: u32,
    window: Duration,
    /// One for each stripe: a value has a reference count, which threads would pass to and fro.
    values: Box<[Padded<Option<HeaderValue>>]>,
}

impl Teller {
    pub(super) fn new(how: RateLimitHeaders, name: &str) -> Self {
        let (name, policy) = (Quoted(name).to_string(), ArcSwapOption::empty());
        Self { how, name, policy }
    }

    pub(super) fn how(&self) -> RateLimitHeaders {
        self.how
    }

    /// Adds what is left to what other limits have said; `allowance` is asked for only if it is told.
    pub(super) fn write(&self, headers: &mut HeaderMap, allowance: impl FnOnce() -> Allowance) {
        if self.how != RateLimitHeaders::Off {
            let allowance = allowance();
            append(headers, RATELIMIT_POLICY, self.policy(&allowance));
            self.how.write_left(headers, &self.name, &allowance);
        }
    }

    fn policy(&self, allowance: &Allowance) -> Option<HeaderValue> {
        let Allowance { quota, window, .. } = *allowance;
        match &*self.policy.load() {
            Some(kept) if (kept.quota, kept.window) == (quota, window) => {
                kept.values[stripe::index(kept.values.len())].0.clone()
            }
            _ => self.make_policy(allowance),
        }
    }

    #[cold]
    fn make_policy(&self, allowance: &Allowance) -> Option<HeaderValue> {
        let Allowance { quota, window, .. } = *allowance;
        let value = self.how.policy(&self.name, allowance);
        // A clone would share its count.
        let own = || {
            Padded(
                value
                    .as_ref()
                    .and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()),
            )
        };
        let values = iter::repeat_with(own).take(stripe::count(MOST_STRIPES)).collect();
        let policy = Policy { quota, window, values };
        self.policy.store(Some(Arc::new(policy)));
        value
    }
}

fn draft_6(headers: &mut HeaderMap, allowance: &Allowance) {
    let told = headers.get(RATELIMIT_REMAINING).map(|value| number(value.as_bytes()));
    if leaves_less(told, allowance) {
        headers.insert(RATELIMIT_LIMIT, allowance.quota.into());
        headers.insert(RATELIMIT_REMAINING, allowance.remaining.into());
        headers.insert(RATELIMIT_RESET, whole_seconds(allowance.reset).into());
    }
}

fn draft_7(headers: &mut HeaderMap, allowance: &Allowance) {
    if leaves_less(headers.get(RATELIMIT).map(remaining_of_draft_7), allowance) {
        let Allowance { quota, remaining, .. } = allowance;
        let reset = whole_seconds(allowance.reset);
        headers.remove(RATELIMIT);
        let left = value(format_args!("limit={quota}, remaining={remaining}, reset={reset}"));
        append(headers, RATELIMIT, left);
    }
}

fn draft_11(headers: &mut HeaderMap, name: &impl Display, allowance: &Allowance) {
    let (remaining, reset) = (allowance.remaining, whole_seconds(allowance.reset));
    append(
        headers,
        RATELIMIT,
        value(format_args!("{name};r={remaining};t={reset}")),
    );
}

/// Appends a member to a list, as a line of its own (RFC 9110, section 5.3).
fn append(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.append(name, value);
    }
}

/// Makes a value. Every text made here is a valid one.
fn value(text: fmt::Arguments<'_>) -> Option<HeaderValue> {
    // What fits is written once, and kept in an allocation of its own size.
    let mut short = [0; 128];
    let mut rest = &mut short[..];
    match io::Write::write_fmt(&mut rest, text) {
        Ok(()) => {
            let left = rest.len();
            HeaderValue::from_bytes(&short[..short.len() - left]).ok()
        }
        Err(_) => HeaderValue::try_from(text.to_string()).ok(),
    }
}

/// Says whether a limit is tighter than the one that has been told, of which there may be only one.
///
/// What another hand has written and we cannot read stays.
fn leaves_less(told: Option<Option<u32>>, allowance: &Allowance) -> bool {
    told.is_none_or(|told| told.is_some_and(|told| allowance.remaining < told))
}

fn remaining_of_draft_7(value: &HeaderValue) -> Option<u32> {
    let mut members = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    members.find_map(|member| number(member.strip_prefix(b"remaining=")?))
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Rounds up to whole seconds, 1 at least.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    seconds.clamp(1, MOST)
}

/// A limit's name as callers see it: printable ASCII (RFC 9651, section 3.3.3), `?` for all else.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |char| if matches!(char, ' '..='~') { char } else { '?' };
        self.0.chars().map(shown).try_for_each(|char| f.write_char(char))
    }
}

/// A name as a string of a structured field.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for char in self.0.chars() {
            if matches!(char, '"' | '\\') {
                f.write_char('\\')?;
            }
            Shown(char.encode_utf8(&mut [0; 4])).fmt(f)?;
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(quota: u32, window: u64, remaining: u32, reset_ms: u64) -> Allowance {
        Allowance {
            quota,
            window: Duration::from_secs(window),
            remaining,
            reset: Duration::from_millis(reset_ms),
        }
    }

    /// Writes each allowance and returns all lines, sorted.
    fn lines(how: RateLimitHeaders, allowances: &[(&str, Allowance)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, allowance) in allowances {
            how.write(&mut headers, name, *allowance);
        }
        let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        let mut lines: Vec<_> = headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn each_draft_has_its_own_words() {
        let orders = [("orders", allowance(100, 60, 50, 29_001))];
        assert_eq!(lines(RateLimitHeaders::Off, &orders), [""; 0]);
        assert_eq!(
            lines(RateLimitHeaders::Draft6, &orders),
            [
                "ratelimit-limit: 100",
                "ratelimit-policy: 100;w=60",
                "ratelimit-remaining: 50",
                "ratelimit-reset: 30",
            ]
        );
        assert_eq!(
            lines(RateLimitHeaders::Draft7, &orders),
            [
                "ratelimit-policy: 100;w=60",
                "ratelimit: limit=100, remaining=50, reset=30"
            ]
        );
        assert_eq!(
            lines(RateLimitHeaders::default(), &orders),
            [
                "ratelimit-policy: \"orders\";q=100;w=60",
                "ratelimit: \"orders\";r=50;t=30",
            ]
        );
    }

    #[test]
    fn two_limits_are_both_told_where_the_draft_has_room() {
        let (loose, tight) = (
            ("day", allowance(1000, 86_400, 7, 1)),
            ("burst", allowance(10, 1, 3, 1)),
        );
        let draft_11 = [
            "ratelimit-policy: \"day\";q=1000;w=86400",
            "ratelimit-policy: \"burst\";q=10;w=1",
            "ratelimit: \"day\";r=7;t=1",
            "ratelimit: \"burst\";r=3;t=1",
        ];
        let mut told = lines(RateLimitHeaders::Draft11, &[loose, tight]);
        told.sort_by_key(|line| draft_11.iter().position(|expected| expected == line));
        assert_eq!(told, draft_11);
        for both in [[loose, tight], [tight, loose]] {
            let told = lines(RateLimitHeaders::Draft6, &both);
            assert!(told.contains(&"ratelimit-remaining: 3".to_owned()), "{told:?}");
            assert!(told.contains(&"ratelimit-limit: 10".to_owned()), "{told:?}");
            assert_eq!(told.len(), 5, "two policies and one limit: {told:?}");
            let told = lines(RateLimitHeaders::Draft7, &both);
            assert!(
                told.contains(&"ratelimit: limit=10, remaining=3, reset=1".to_owned()),
                "{told:?}"
            );
            assert_eq!(told.len(), 3, "two policies and one limit: {told:?}");
        }
    }

    #[test]
    fn what_another_hand_has_written_stays() {
        let theirs = HeaderValue::from_static("\"theirs\";r=1");
        for (how, left) in [(RateLimitHeaders::Draft7, 1), (RateLimitHeaders::Draft11, 2)] {
            let mut headers = HeaderMap::from_iter([(RATELIMIT, theirs.clone())]);
            how.write(&mut headers, "orders", allowance(10, 1, 0, 1));
            let lines: Vec<_> = headers.get_all(RATELIMIT).iter().collect();
            assert_eq!((lines.len(), lines[0]), (left, &theirs), "{how:?}");
        }
    }

    #[test]
    fn seconds_are_rounded_up_and_never_0() {
        for (time, seconds) in [
            (Duration::ZERO, 1),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_nanos(1_000_000_001), 2),
            (Duration::MAX, MOST),
        ] {
            assert_eq!(whole_seconds(time), seconds, "{time:?}");
        }
    }

    #[test]
    fn no_name_makes_an_invalid_header() {
        let long = "n".repeat(1_000);
        for (name, sent) in [
            ("", r#""""#),
            (&long, &*format!("\"{long}\"")),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("a;q=1, b", r#""a;q=1, b""#),
            ("Zürich\r\nx: y\0\u{7f}", r#""Z?rich??x: y??""#),
        ] {
            let told = lines(RateLimitHeaders::Draft11, &[(name, allowance(1, 1, 1, 1))]);
            assert_eq!(
                told,
                [
                    format!("ratelimit-policy: {sent};q=1;w=1"),
                    format!("ratelimit: {sent};r=1;t=1")
                ]
            );
        }
    }
}
