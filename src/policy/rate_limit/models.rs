//! Every order in which threads can spend, wait, leave and change the quota.

use std::num::NonZeroU32;
use std::task::Waker;
use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::config::RateLimitConfig;
use super::line::{Entry, Standing};
use super::meter::Meter;
use super::quota::Quota;
use super::rules::Rules;
use crate::base::clock::{Clock, ManualClock};
use crate::base::events::Events;
use crate::base::ticks::Ticks;

const NOW: Ticks = Ticks(1_000_000_000_000);

struct Limit {
    rules: Rules,
    meter: Meter,
}

impl Limit {
    fn new(quota: Quota, wait: Duration) -> Arc<Self> {
        let mut config = RateLimitConfig::default();
        (config.quota, config.wait) = (quota, wait);
        let clock = Clock::from(ManualClock::default());
        let rules = Rules::new("model".into(), config, clock, Events::default()).unwrap();
        let meter = Meter::default();
        Arc::new(Self { rules, meter })
    }

    fn enter(&self, patient: bool) -> Entry {
        self.meter.enter(&self.rules, NonZeroU32::MIN, NOW, patient)
    }

    fn leave(&self, ticket: u64) {
        self.meter.leave(&self.rules, ticket, NOW);
    }
}

fn is_admitted(entry: Entry) -> bool {
    matches!(entry, Entry::Admitted(_))
}

/// Of three who come at once, as many pass as may.
#[test]
fn no_more_pass_than_may_and_no_fewer() {
    loom::model(|| {
        let limit = Limit::new(Quota::per_second(1).burst(2), Duration::ZERO);
        let others = [(); 2].map(|()| {
            let limit = limit.clone();
            thread::spawn(move || is_admitted(limit.enter(false)))
        });
        let mut admitted = u32::from(is_admitted(limit.enter(false)));
        for other in others {
            admitted += u32::from(other.join().unwrap());
        }
        assert_eq!(admitted, 2);
    });
}

/// While the quota changes, whoever spends is charged by the old one or the new one, and once.
#[test]
fn what_is_spent_while_the_quota_changes_is_charged() {
    loom::model(|| {
        let limit = Limit::new(Quota::per_second(1).burst(3), Duration::ZERO);
        limit.enter(false);
        let other = limit.clone();
        let spender = thread::spawn(move || is_admitted(other.enter(false)));
        let put_in_force = |put: &dyn Fn()| limit.meter.retune(&limit.rules, NOW, put);
        let change = |config: &mut RateLimitConfig| config.quota = Quota::per_second(2).burst(3);
        limit.rules.reconfigure(|_| None, change, put_in_force).unwrap();
        assert!(spender.join().unwrap());
        let (arrival, _) = limit.meter.look();
        assert_eq!(arrival.0.since(NOW), Duration::from_secs(1), "two of two a second");
    });
}

/// The same if it changes back meanwhile, so that everything looks as it did before.
#[test]
fn what_is_spent_while_the_quota_changes_and_changes_back_is_charged() {
    loom::model(|| {
        let limit = Limit::new(Quota::per_second(1).burst(3), Duration::ZERO);
        limit.enter(false);
        let other = limit.clone();
        let spender = thread::spawn(move || is_admitted(other.enter(false)));
        for rate in [2, 1] {
            let put_in_force = |put: &dyn Fn()| limit.meter.retune(&limit.rules, NOW, put);
            let change = |config: &mut RateLimitConfig| config.quota = Quota::per_second(rate).burst(3);
            limit.rules.reconfigure(|_| None, change, put_in_force).unwrap();
        }
        assert!(spender.join().unwrap());
        let (arrival, _) = limit.meter.look();
        assert_eq!(arrival.0.since(NOW), Duration::from_secs(2), "two of one a second");
    });
}

/// Whoever waits is let go by whoever looks, and a line that is empty lets others pass.
#[test]
fn a_line_that_empties_lets_others_pass() {
    loom::model(|| {
        let limit = Limit::new(Quota::per_second(1), Duration::from_secs(60));
        limit.enter(false);
        let other = limit.clone();
        let waiter = thread::spawn(move || match other.enter(true) {
            Entry::Waits(ticket) => other.leave(ticket),
            entry => panic!("{entry:?}"),
        });
        let Entry::Waits(ticket) = limit.enter(true) else {
            panic!("it does not wait");
        };
        waiter.join().unwrap();
        let later = NOW.after(Duration::from_secs(1));
        let standing = limit.meter.standing(&limit.rules, ticket, later, Waker::noop());
        assert!(matches!(standing, Standing::Admitted(_)));
        let even_later = NOW.after(Duration::from_secs(2));
        let entry = limit.meter.enter(&limit.rules, NonZeroU32::MIN, even_later, false);
        assert!(is_admitted(entry));
    });
}
