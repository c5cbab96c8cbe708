//! loom tries every order in which threads can do these things.

use loom::sync::Arc;
use loom::thread;

use super::{Budget, Source};
use crate::base::clock::ManualClock;

fn budget(share: u8, reserve: u32) -> Budget {
    let clock = ManualClock::default();
    let builder = Budget::builder("loom").share(share).floor(0).reserve(reserve);
    builder.clock(clock.into()).build().unwrap()
}

fn request(source: &Source) -> u64 {
    source.deposit();
    source.withdraw().into()
}

#[test]
fn two_who_draw_at_once_never_have_more_than_the_share() {
    loom::model(|| {
        let source = Arc::new(budget(50, 0).source());
        let other = {
            let source = source.clone();
            thread::spawn(move || request(&source))
        };
        let granted = request(&source) + other.join().unwrap();
        assert!(granted <= 1);
        // Whoever missed the other's request finds it later.
        assert_eq!(granted + u64::from(source.withdraw()), 1);
        assert!(!source.withdraw());
    });
}

#[test]
fn one_reserve_is_drawn_once() {
    loom::model(|| {
        let source = Arc::new(budget(0, 1).source());
        let other = {
            let source = source.clone();
            thread::spawn(move || request(&source))
        };
        assert_eq!(request(&source) + other.join().unwrap(), 1);
    });
}

#[test]
fn the_requests_of_a_policy_that_is_dropped_meanwhile_count_once() {
    loom::model(|| {
        let budget = budget(100, 0);
        let (one, leaving) = (budget.source(), budget.source());
        let other = thread::spawn(move || leaving.deposit());
        let granted = u64::from(one.withdraw());
        other.join().unwrap();
        assert_eq!(granted + u64::from(one.withdraw()), 1);
        assert!(!one.withdraw());
    });
}
