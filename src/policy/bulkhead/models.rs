//! loom tries every order in which threads can do these things.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use loom::sync::Arc;
use loom::thread;

use crate::base::places::{Answer, Places, Ticket};

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn take(places: &Places, stripe: usize) -> Answer {
    if places.take(stripe) {
        Answer::Place
    } else {
        places.ask(stripe, true)
    }
}

fn ticket(answer: Answer) -> Ticket {
    match answer {
        Answer::Queued(ticket) => ticket,
        other => panic!("{other:?} instead of a position in the queue"),
    }
}

/// Takes all places that there are, and fails if there are not so many.
fn has_all(places: &Places, count: usize) {
    assert_eq!(places.look(), (0, 0));
    assert!((0..count).all(|_| take(places, 0) == Answer::Place), "one was lost");
    assert_ne!(take(places, 0), Answer::Place, "one too many");
}

#[test]
fn nobody_sleeps_while_a_place_comes_free() {
    loom::model(|| {
        let places = Arc::new(Places::new(1, 1, 2));
        assert_eq!(take(&places, 0), Answer::Place);
        let other = {
            let places = places.clone();
            thread::spawn(move || places.release(1))
        };
        let woken = std::sync::Arc::new(Woken::default());
        let waits = match take(&places, 0) {
            Answer::Place => None,
            Answer::Queued(ticket) => {
                let is_granted = places.poll(ticket, &Waker::from(woken.clone()));
                (!is_granted).then_some(ticket)
            }
            Answer::Full => panic!("the queue is empty"),
        };
        other.join().unwrap();
        if let Some(ticket) = waits {
            assert!(woken.0.load(Ordering::SeqCst), "it sleeps while a place is free");
            assert!(places.poll(ticket, Waker::noop()));
        }
        places.release(0);
        has_all(&places, 1);
    });
}

#[test]
fn two_who_take_from_one_stripe_do_not_take_one_place_twice() {
    loom::model(|| {
        let places = Arc::new(Places::new(1, 0, 1));
        let other = {
            let places = places.clone();
            thread::spawn(move || take(&places, 0) == Answer::Place)
        };
        let one = take(&places, 0) == Answer::Place;
        assert!(one ^ other.join().unwrap(), "exactly one is let in");
    });
}

#[test]
fn nobody_is_refused_while_a_place_is_free_on_another_stripe() {
    loom::model(|| {
        let places = Arc::new(Places::new(2, 0, 2));
        let other = {
            let places = places.clone();
            thread::spawn(move || take(&places, 1))
        };
        assert_eq!(take(&places, 0), Answer::Place);
        assert_eq!(other.join().unwrap(), Answer::Place);
        assert_eq!(places.look(), (2, 0));
    });
}

#[test]
fn a_place_that_is_given_to_somebody_who_leaves_goes_on() {
    loom::model(|| {
        let places = Arc::new(Places::new(1, 2, 1));
        assert_eq!(take(&places, 0), Answer::Place);
        let (first, second) = (ticket(places.ask(0, true)), ticket(places.ask(0, true)));
        let other = {
            let places = places.clone();
            thread::spawn(move || places.leave(first, 0))
        };
        places.release(0);
        other.join().unwrap();
        assert!(places.poll(second, Waker::noop()), "the next one was given nothing");
        assert_eq!(places.look(), (1, 0));
        places.release(0);
        has_all(&places, 1);
    });
}

#[test]
fn a_waker_that_panics_takes_nobodys_answer_along() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("in wake");
        }
    }
    loom::model(|| {
        let places = Arc::new(Places::new(1, 2, 1));
        assert_eq!(take(&places, 0), Answer::Place);
        let first = ticket(places.ask(0, true));
        assert!(!places.poll(first, &Waker::from(std::sync::Arc::new(Panics))));
        let other = {
            let places = places.clone();
            thread::spawn(move || catch_unwind(AssertUnwindSafe(|| places.release(0))).is_err())
        };
        let second = ticket(places.ask(0, true));
        assert!(other.join().unwrap(), "whoever gives a place back wakes who gets it");
        assert!(places.poll(first, Waker::noop()));
        assert!(!places.poll(second, Waker::noop()));
    });
}

#[test]
fn nobody_overtakes_who_waits() {
    loom::model(|| {
        let places = Arc::new(Places::new(1, 1, 1));
        assert_eq!(take(&places, 0), Answer::Place);
        let first = ticket(places.ask(0, true));
        let other = {
            let places = places.clone();
            thread::spawn(move || places.release(0))
        };
        let late = take(&places, 0);
        assert_ne!(late, Answer::Place);
        other.join().unwrap();
        assert!(places.poll(first, Waker::noop()));
    });
}

#[test]
fn a_place_that_is_taken_away_is_given_to_nobody() {
    loom::model(|| {
        let places = Arc::new(Places::new(2, 0, 2));
        assert_eq!(take(&places, 0), Answer::Place);
        let other = {
            let places = places.clone();
            thread::spawn(move || {
                places.release(0);
                if take(&places, 1) == Answer::Place {
                    places.release(1);
                }
            })
        };
        places.resize(1, 0).wake();
        other.join().unwrap();
        has_all(&places, 1);
    });
}

#[test]
fn a_place_that_is_added_goes_to_who_waits() {
    loom::model(|| {
        let places = Arc::new(Places::new(1, 1, 1));
        assert_eq!(take(&places, 0), Answer::Place);
        let other = {
            let places = places.clone();
            thread::spawn(move || take(&places, 0))
        };
        places.resize(2, 1).wake();
        let got = match other.join().unwrap() {
            Answer::Place => true,
            Answer::Queued(ticket) => places.poll(ticket, Waker::noop()),
            Answer::Full => false,
        };
        assert!(got);
    });
}
