//! loom tries every order in which threads can do these things.

use loom::sync::Arc;
use loom::thread;

use super::latency::{Latency, PART};
use crate::base::ticks::Ticks;

#[test]
fn no_call_is_lost_while_the_window_turns() {
    loom::model(|| {
        let latency = Arc::new(Latency::new(1, Ticks(0)));
        let next = Ticks(0).after(PART);
        let other = {
            let latency = latency.clone();
            thread::spawn(move || latency.record(0, PART, Ticks(0)))
        };
        latency.record(0, PART, next);
        other.join().unwrap();
        assert!(latency.percentile(50, 2, next).is_some());
    });
}
