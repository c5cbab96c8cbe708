//! loom tries every order in which threads can do these things.

use loom::sync::Arc;
use loom::thread;

use super::idle::is_idle;
use crate::base::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Two stripes, each with who is there, counted with the orderings of a `TaskTracker`, and how many ever came.
#[derive(Default)]
struct Stripes([(AtomicUsize, AtomicU64); 2]);

impl Stripes {
    fn enter(&self, stripe: usize) {
        let (there, entered) = &self.0[stripe];
        there.fetch_add(1, Ordering::Relaxed);
        entered.fetch_add(1, Ordering::SeqCst);
    }

    fn leave(&self, stripe: usize) {
        self.0[stripe].0.fetch_sub(1, Ordering::Release);
    }

    fn is_idle(&self) -> bool {
        let entered = || self.0.iter().map(|(_, entered)| entered.load(Ordering::SeqCst)).sum();
        let is_empty = || self.0.iter().all(|(there, _)| there.load(Ordering::Acquire) == 0);
        is_idle(entered, is_empty)
    }
}

/// Tries all orders, as those that matter change between threads after every step.
fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut orders = loom::model::Builder::new();
    orders.preemption_bound = None;
    orders.check(check);
}

#[test]
fn whoever_goes_from_one_place_to_another_is_always_seen() {
    model(|| {
        let stripes = Arc::new(Stripes::default());
        stripes.enter(1);
        let other = {
            let stripes = stripes.clone();
            // One request after another on a connection kept alive, say, which threads take in turn.
            thread::spawn(move || {
                for (here, there) in [(1, 0), (0, 1), (1, 0)] {
                    stripes.enter(there);
                    stripes.leave(here);
                }
            })
        };
        assert!(!stripes.is_idle(), "somebody was there all the time");
        other.join().unwrap();
        stripes.leave(0);
        assert!(stripes.is_idle());
    });
}

#[test]
fn whoever_comes_while_the_last_one_goes_is_seen() {
    model(|| {
        let stripes = Arc::new(Stripes::default());
        stripes.enter(1);
        let [comes, goes] = [stripes.clone(), stripes.clone()];
        let comes = thread::spawn(move || comes.enter(0));
        let goes = thread::spawn(move || {
            let has_come = goes.0[0].0.load(Ordering::Acquire) > 0;
            if has_come {
                goes.leave(1);
            }
        });
        assert!(!stripes.is_idle(), "somebody was there all the time");
        comes.join().unwrap();
        goes.join().unwrap();
    });
}
