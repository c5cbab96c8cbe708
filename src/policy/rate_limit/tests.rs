use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::task::Waker;
use std::time::Duration;

use proptest::prelude::*;

use super::adaptive::Share;
use super::config::Adaptive;
use super::engine::{Arrival, Denied};
use super::line::{Desk, Entry, Line, Standing, Wakers};
use super::quota::{Quota, Terms};
use crate::base::sync::atomic::AtomicU64;
use crate::base::ticks::Ticks;

const SECOND: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Ticks {
    Ticks(1_000_000_000_000).after(Duration::from_millis(millis))
}

fn weight(weight: u32) -> NonZeroU32 {
    NonZeroU32::new(weight).expect("a weight")
}

/// `TestRateLimit` of throttled (<https://github.com/throttled/throttled>, `rate_test.go`): one a second, five at once.
/// Each row: milliseconds, volume; what remains, when it is whole again and when to retry (seconds in tenths), refused.
#[test]
fn it_decides_as_throttled_does() {
    let terms = Quota::per_second(1).burst(5).terms();
    #[rustfmt::skip]
    let rows = [
        (0, 6, 5, 0, None, true),
        (0, 1, 4, 10, None, false),
        (0, 1, 3, 20, None, false),
        (0, 1, 2, 30, None, false),
        (0, 1, 1, 40, None, false),
        (0, 1, 0, 50, None, false),
        (0, 1, 0, 50, Some(10), true),
        (3000, 1, 2, 30, None, false),
        (3100, 1, 1, 39, None, false),
        (4000, 1, 1, 40, None, false),
        (8000, 1, 4, 10, None, false),
        (9500, 1, 4, 10, None, false),
        (9500, 2, 2, 30, None, false),
        (9500, 5, 2, 30, Some(30), true),
    ];
    let mut arrival = Arrival::default();
    for (row, (millis, volume, remaining, reset, retry, refused)) in rows.into_iter().enumerate() {
        let now = at(millis);
        let decided = arrival.spend(weight(volume), terms, now);
        let retry_in = match decided {
            Ok(spent) => {
                arrival = spent;
                None
            }
            Err(Denied::Until(until)) => Some(until.since(now)),
            Err(_) => None,
        };
        assert_eq!(decided.is_err(), refused, "row {row}");
        assert_eq!(arrival.remaining(terms, now), remaining, "row {row}");
        assert_eq!(arrival.0.since(now), SECOND / 10 * reset, "row {row}");
        assert_eq!(retry_in, retry.map(|tenths| SECOND / 10 * tenths), "row {row}");
    }
}

/// The README of redis-cell (<https://github.com/brandur/redis-cell>): `CL.THROTTLE user123 15 30 60 1` says limit 16,
/// 15 remaining, whole again in 2 seconds.
#[test]
fn it_decides_as_redis_cell_does() {
    let terms = Quota::per(30, SECOND * 60).burst(16).terms();
    let spent = Arrival::default().spend(weight(1), terms, at(0)).unwrap();
    assert_eq!((spent.remaining(terms, at(0)), spent.0.since(at(0))), (15, SECOND * 2));
}

/// ITU-T I.371 (and ATM Forum TM 4.0): of cells that come back to back, one each δ, the first `⌊1 + τ/(T − δ)⌋` conform.
#[test]
fn so_many_back_to_back_conform_as_the_standard_says() {
    for (interval, burst, delta) in [
        (45, 2, 10),
        (45, 8, 10),
        (15, 3, 10),
        (20, 5, 10),
        (45, 4, 30),
        (100, 7, 1),
    ] {
        let terms = Terms {
            interval: interval * 1000,
            burst: weight(burst),
        };
        let tolerance = interval * u64::from(burst - 1);
        let expected = 1 + tolerance / (interval - delta);
        let mut arrival = Arrival::default();
        let mut conforming = 0;
        while let Ok(spent) = arrival.spend(weight(1), terms, Ticks(at(0).0 + conforming * delta * 1000)) {
            arrival = spent;
            conforming += 1;
        }
        assert_eq!(conforming, expected, "T={interval} burst={burst} δ={delta}");
    }
}

#[test]
fn a_quota_is_never_more_than_was_asked_for() {
    for requests in [1, 3, 7, 10, 999, 1_000_000, 999_999_999, 1_000_000_000] {
        let terms = Quota::per_second(requests).terms();
        let an_hour = 3_600_000_000_000 / terms.interval;
        assert!(an_hour <= 3600 * u64::from(requests), "{requests}");
        if requests <= 1_000_000 {
            assert!(an_hour >= 3600 * u64::from(requests) / 1000 * 999, "{requests}");
        }
    }
}

#[test]
fn a_quota_that_cannot_be_is_refused() {
    let day = SECOND * 24 * 60 * 60;
    for wrong in [
        Quota::per_second(0),
        Quota::per_second(1).burst(0),
        Quota::per(1, Duration::ZERO),
        Quota::per_second(1_000_000_001),
        Quota::per(1, day * 367),
        Quota::per(1, day).burst(367),
        Quota::per(u32::MAX, Duration::MAX),
    ] {
        assert!(wrong.validate("quota").is_some(), "{wrong}");
    }
    for right in [
        Quota::per_second(1_000_000_000),
        Quota::per_second(1).burst(366 * 24 * 60 * 60),
        Quota::per(1, day * 366),
        Quota::per(u32::MAX, day * 300),
    ] {
        assert!(right.validate("quota").is_none(), "{right}");
    }
}

/// A token bucket, in fractions of a token that do not get lost.
struct Bucket {
    terms: Terms,
    /// In nanoseconds of refill.
    tokens: u64,
    at: Ticks,
}

impl Bucket {
    fn new(terms: Terms) -> Self {
        Self {
            terms,
            tokens: terms.interval * u64::from(terms.burst.get()),
            at: Ticks(0),
        }
    }

    fn take(&mut self, weight: NonZeroU32, now: Ticks) -> Result<(), Denied> {
        let full = self.terms.interval * u64::from(self.terms.burst.get());
        self.tokens = full.min(self.tokens.saturating_add(now.0 - self.at.0));
        self.at = now;
        let price = self.terms.interval * u64::from(weight.get());
        if price > full {
            return Err(Denied::Never);
        }
        match self.tokens.checked_sub(price) {
            Some(left) => {
                self.tokens = left;
                Ok(())
            }
            None => Err(Denied::Until(Ticks(now.0 + price - self.tokens))),
        }
    }
}

fn terms() -> impl Strategy<Value = Terms> {
    (1..5000u64, 1..20u32).prop_map(|(interval, burst)| Terms {
        interval,
        burst: weight(burst),
    })
}

proptest! {
    #[test]
    fn it_agrees_with_a_token_bucket(terms in terms(), steps in prop::collection::vec((0..20_000u64, 1..25u32), 1..200)) {
        let (mut arrival, mut bucket, mut now) = (Arrival::default(), Bucket::new(terms), at(0));
        for (passes, volume) in steps {
            now.0 += passes;
            let decided = arrival.spend(weight(volume), terms, now);
            prop_assert_eq!(decided.map(drop), bucket.take(weight(volume), now));
            arrival = decided.unwrap_or(arrival);
            prop_assert_eq!(u64::from(arrival.remaining(terms, now)), bucket.tokens / terms.interval);
        }
    }

    /// Whatever comes whenever: no span of time has more than a burst and what comes back in it.
    #[test]
    fn no_span_of_time_has_more_than_a_burst_and_its_rate(
        terms in terms(),
        steps in prop::collection::vec((0..3000u64, 1..25u32), 1..100),
    ) {
        let (mut arrival, mut now) = (Arrival::default(), at(0));
        let mut admitted = Vec::new();
        for (passes, volume) in steps {
            now.0 += passes;
            if let Ok(spent) = arrival.spend(weight(volume), terms, now) {
                arrival = spent;
                admitted.push((now, u64::from(volume)));
            }
        }
        for from in 0..admitted.len() {
            let mut sum = 0;
            for (until, volume) in &admitted[from..] {
                sum += volume;
                let span = until.0 - admitted[from].0.0;
                prop_assert!(sum <= u64::from(terms.burst.get()) + span / terms.interval);
            }
        }
    }

    /// What has been spent stays spent when the quota changes, in requests, to a nanosecond.
    #[test]
    fn a_changed_quota_is_charged_with_what_the_old_had_spent(old in terms(), new in terms(), spent in 1..20u32) {
        let spent = spent.min(old.burst.get());
        let arrival = Arrival::default().spend(weight(spent), old, at(0)).unwrap();
        let after = arrival.at_interval(old.interval, new.interval, at(0));
        prop_assert_eq!(after.0.0 - at(0).0, u64::from(spent) * new.interval);
        prop_assert_eq!(after.remaining(new, at(0)), new.burst.get().saturating_sub(spent));
        prop_assert_eq!(after.at_interval(new.interval, old.interval, at(0)), arrival);
    }
}

/// Those who wait, as they are in a list that is walked from its beginning every time.
#[derive(Default)]
struct Obvious {
    bucket: Option<Bucket>,
    waiting: Vec<(u64, NonZeroU32, Ticks)>,
    admitted: BTreeMap<u64, Ticks>,
}

impl Obvious {
    /// Lets all go who could have gone by now, each at the first nanosecond at which it could.
    fn pass(&mut self, now: Ticks) {
        let bucket = self.bucket.as_mut().expect("made with it");
        while let Some(&(ticket, weight, since)) = self.waiting.first() {
            let due = match bucket.take(weight, since.max(bucket.at)) {
                Ok(()) => since.max(bucket.at),
                Err(Denied::Until(due)) if due <= now => {
                    bucket.take(weight, due).expect("it is due");
                    due
                }
                _ => return,
            };
            self.waiting.remove(0);
            self.admitted.insert(ticket, due);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Enter { volume: u32, patience: u64 },
    Leave(prop::sample::Index),
    Look(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..6u32, 0..60_000u64).prop_map(|(volume, patience)| Step::Enter { volume, patience }),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        2 => any::<prop::sample::Index>().prop_map(Step::Look),
    ]
}

proptest! {
    /// A line, whoever leaves it and however late somebody looks, lets go in order and as if somebody always looked.
    #[test]
    fn a_line_agrees_with_the_obvious_model(
        interval in 1..5000u64,
        burst in 5..20u32,
        steps in prop::collection::vec((0..10_000u64, step()), 1..150),
    ) {
        let terms = Terms { interval, burst: weight(burst) };
        let tickets = AtomicU64::new(0);
        let (mut line, mut arrival, mut now) = (Line::default(), Arrival::default(), at(0));
        let mut model = Obvious { bucket: Some(Bucket::new(terms)), ..Obvious::default() };
        let mut wake = Wakers::default();
        for (passes, step) in steps {
            now.0 += passes;
            let mut desk = Desk { line: &mut line, arrival: &mut arrival, terms, now, tickets: &tickets };
            model.pass(now);
            match step {
                Step::Enter { volume, patience } => {
                    let end = Ticks(now.0 + patience);
                    let entry = desk.enter(weight(volume), end, &mut wake);
                    let bucket = model.bucket.as_mut().unwrap();
                    let ahead: u64 = model.waiting.iter().map(|(_, weight, _)| u64::from(weight.get())).sum();
                    let free = model.waiting.is_empty() && bucket.take(weight(volume), now).is_ok();
                    // All who are ahead, and this one, out of what comes back.
                    let missing = (ahead + u64::from(volume)) * interval;
                    let due = Ticks(now.0 + missing.saturating_sub(bucket.tokens.saturating_add(now.0 - bucket.at.0)));
                    match entry {
                        Entry::Admitted(_) => prop_assert!(free),
                        Entry::Waits(ticket) => {
                            prop_assert!(!free && due <= end);
                            model.waiting.push((ticket, weight(volume), now));
                        }
                        Entry::Denied(denied) => {
                            prop_assert!(!free && due > end);
                            prop_assert_eq!(denied, Denied::Until(due));
                        }
                    }
                }
                Step::Leave(index) if !model.waiting.is_empty() => {
                    let (ticket, ..) = model.waiting.remove(index.index(model.waiting.len()));
                    prop_assert!(desk.leave(ticket, &mut wake));
                    model.pass(now);
                }
                Step::Look(index) if !model.waiting.is_empty() => {
                    let (ticket, ..) = model.waiting[index.index(model.waiting.len())];
                    let standing = desk.standing(ticket, Waker::noop(), &mut wake);
                    prop_assert!(matches!(standing, Standing::Until(until) if until > now));
                }
                Step::Look(_) | Step::Leave(_) => desk.advance(&mut wake),
            }
            for ticket in model.admitted.keys() {
                let mut desk = Desk { line: &mut line, arrival: &mut arrival, terms, now, tickets: &tickets };
                let standing = desk.standing(*ticket, Waker::noop(), &mut wake);
                prop_assert!(matches!(standing, Standing::Admitted(_)));
            }
            prop_assert_eq!(line.len(), model.waiting.len());
        }
    }
}

#[test]
fn a_rate_falls_by_its_factor_once_in_a_pause_and_comes_back_evenly() {
    let config = Adaptive::default();
    let mut share = Share::default();
    assert!(share.throttled(&config, at(0)));
    assert!(!share.throttled(&config, at(999)), "one lack of capacity");
    assert_eq!(share.share, 0.5);
    share.recover(&config, at(2000));
    assert!((share.share - 0.6).abs() < 1e-9, "{share:?}");
    share.recover(&config, at(10_000));
    assert_eq!(share.share, 1.0);
    assert_eq!(share.next_look(at(10_000)), Ticks::NEVER);
}

#[test]
fn a_rate_never_falls_below_its_floor() {
    let config = Adaptive::default();
    let mut share = Share::default();
    for second in 0..100 {
        share.throttled(&config, at(second * 1000));
        assert!(share.share >= 0.05);
    }
    assert!(share.share < 0.11, "{share:?}");
}
