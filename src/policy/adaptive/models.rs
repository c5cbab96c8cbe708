//! loom tries every order in which threads can do these things.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::config::AdaptiveConfig;
use super::limiter::Limiter;
use crate::base::clock::{Clock, ManualClock};
use crate::base::outcome::Outcome;

/// Two threads end calls at the end of a window while settings change: each place comes back, and the limit is theirs.
#[test]
fn a_window_ends_while_calls_end_and_settings_change() {
    loom::model(|| {
        let clock = ManualClock::default();
        let config = AdaptiveConfig {
            initial: 2,
            min: 1,
            minimum_calls: 5,
            ..AdaptiveConfig::default()
        };
        let limiter = Limiter::new("modelled".into(), config, Clock::from(clock.clone()), 1);
        let limiter = Arc::new(limiter.expect("the settings are in range"));
        let began = limiter.now();
        assert!(limiter.enter(0) && limiter.enter(0) && !limiter.enter(0));
        (0..4).for_each(|_| limiter.ended(began, Outcome::Success));
        clock.advance(Duration::from_secs(1));
        let other = {
            let limiter = limiter.clone();
            thread::spawn(move || {
                limiter.release(0);
                limiter.ended(began, Outcome::Success);
            })
        };
        limiter.release(0);
        limiter.ended(began, Outcome::Success);
        let _ = limiter.reconfigure(|config| config.max = 3);
        other.join().expect("the other thread ends");
        let seen = limiter.snapshot();
        assert_eq!(seen.in_flight, 0);
        assert!((1..=3).contains(&seen.limit), "{seen:?}");
        let places = (0..4).filter(|_| limiter.enter(0)).count();
        assert_eq!(places, seen.limit, "a place was lost, or is one too many");
    });
}
