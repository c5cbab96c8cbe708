use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::{Bulkhead, PartitionedBulkhead};
use crate::base::inventory::Describe;
use crate::base::places::{Answer, Places, Ticket};

/// Places as anybody would write them down: how many are taken, and who waits.
#[derive(Debug)]
struct Model {
    places: usize,
    most_waiting: usize,
    taken: usize,
    waiting: VecDeque<Ticket>,
}

impl Model {
    fn settle(&mut self) {
        while self.taken < self.places && self.waiting.pop_front().is_some() {
            self.taken += 1;
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Waiter {
    ticket: Ticket,
    woken: Arc<Woken>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Take,
    Release,
    /// Whoever is there of so many, given or not.
    Leave(usize),
    Resize(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        6 => Just(Step::Take),
        4 => Just(Step::Release),
        2 => any::<usize>().prop_map(Step::Leave),
        1 => (1..8usize, 0..5usize).prop_map(|(places, queue)| Step::Resize(places, queue)),
    ];
    prop::collection::vec((0..4usize, step), 0..80)
}

fn take(places: &Places, stripe: usize) -> Answer {
    if places.take(stripe) {
        Answer::Place
    } else {
        places.ask(stripe, true)
    }
}

proptest! {
    #[test]
    fn places_agree_with_the_obvious_model(
        (count, most_waiting) in (1..8usize, 0..5usize),
        stripes in prop_oneof![Just(1), Just(2), Just(4)],
        steps in steps(),
    ) {
        let places = Places::new(count, most_waiting, stripes);
        let mut model = Model { places: count, most_waiting, taken: 0, waiting: VecDeque::new() };
        let mut waiters = Vec::<Waiter>::new();
        // Places that are held by no waiter.
        let mut held = 0;
        for (stripe, step) in steps {
            let stripe = stripe % stripes;
            match step {
                Step::Take => match take(&places, stripe) {
                    Answer::Place => {
                        prop_assert!(model.taken < model.places && model.waiting.is_empty());
                        model.taken += 1;
                        held += 1;
                    }
                    Answer::Queued(ticket) => {
                        prop_assert!(model.taken >= model.places && model.waiting.len() < model.most_waiting);
                        model.waiting.push_back(ticket);
                        waiters.push(Waiter { ticket, woken: Arc::default() });
                    }
                    Answer::Full => {
                        prop_assert!(model.taken >= model.places && model.waiting.len() >= model.most_waiting);
                    }
                },
                Step::Release if held > 0 => {
                    held -= 1;
                    places.release(stripe);
                    model.taken -= 1;
                }
                Step::Leave(which) if !waiters.is_empty() => {
                    let left = waiters.remove(which % waiters.len());
                    places.leave(left.ticket, stripe);
                    match model.waiting.iter().position(|ticket| *ticket == left.ticket) {
                        Some(position) => _ = model.waiting.remove(position),
                        None => model.taken -= 1,
                    }
                }
                Step::Resize(count, queue) => {
                    places.resize(count, queue).wake();
                    (model.places, model.most_waiting) = (count, queue);
                }
                Step::Release | Step::Leave(_) => {}
            }
            model.settle();
            prop_assert_eq!(places.look(), (model.taken, model.waiting.len()));
            for waiter in &waiters {
                let is_granted = !model.waiting.contains(&waiter.ticket);
                let was_woken = waiter.woken.0.load(Ordering::SeqCst);
                prop_assert_eq!(places.poll(waiter.ticket, &Waker::from(waiter.woken.clone())), is_granted);
                // Whoever asked before it was given a place has been told.
                let asked = Arc::strong_count(&waiter.woken) > 1;
                prop_assert!(asked != is_granted && (!is_granted || was_woken));
            }
        }
    }
}

/// A waker that gives a place back when it is dropped, as one does whose task ends with it.
struct Holds(Arc<Places>);

impl Wake for Holds {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Holds {
    fn drop(&mut self) {
        self.0.release(0);
    }
}

#[test]
fn a_waker_that_gives_a_place_back_when_it_is_dropped_finds_no_lock_held() {
    let places = Arc::new(Places::new(2, 2, 1));
    assert!(places.take(0) && places.take(0));
    let Answer::Queued(ticket) = places.ask(0, true) else {
        panic!("nobody waits yet");
    };
    let waker = Waker::from(Arc::new(Holds(places.clone())));
    assert!(!places.poll(ticket, &waker));
    drop(waker);
    // The one that is replaced gives its place to this very waiter. On a thread of its own, as it would wait for ever.
    let (done, is_done) = mpsc::channel();
    let replaces = places.clone();
    thread::spawn(move || done.send(replaces.poll(ticket, Waker::noop())));
    let was_granted = is_done.recv_timeout(Duration::from_secs(5));
    assert_eq!(was_granted, Ok(false), "it waits for a lock that it holds");
    assert_eq!(places.look(), (2, 0));
    assert!(places.poll(ticket, Waker::noop()));
}

#[test]
fn those_behind_one_whose_waker_panics_are_woken_all_the_same() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in wake");
        }
    }
    let places = Places::new(1, 2, 1);
    let woken = Arc::new(Woken::default());
    assert!(places.take(0));
    for waker in [Waker::from(Arc::new(Panics)), Waker::from(woken.clone())] {
        let Answer::Queued(ticket) = places.ask(0, true) else {
            panic!("the queue is not full");
        };
        assert!(!places.poll(ticket, &waker));
    }
    let granted = places.resize(3, 2);
    assert!(catch_unwind(AssertUnwindSafe(|| granted.wake())).is_err());
    assert!(woken.0.load(Ordering::SeqCst));
    assert_eq!(places.look(), (3, 0));
}

#[test]
fn places_that_threads_take_and_give_back_on_any_stripe_all_come_back() {
    for stripes in [1, 2, 4] {
        let places = Places::new(3, 2, stripes);
        let taken = std::sync::atomic::AtomicUsize::new(0);
        let work = &|thread: usize| {
            for round in 0..20_000 {
                match take(&places, thread % stripes) {
                    Answer::Place => {
                        assert!(taken.fetch_add(1, Ordering::SeqCst) < 3, "more than there are");
                        taken.fetch_sub(1, Ordering::SeqCst);
                        places.release((thread + round) % stripes);
                    }
                    Answer::Queued(ticket) => places.leave(ticket, thread % stripes),
                    Answer::Full => {}
                }
            }
        };
        thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || work(thread));
            }
        });
        assert_eq!(places.look(), (0, 0));
        assert!((0..3).all(|_| take(&places, 0) == Answer::Place));
        assert_ne!(take(&places, 0), Answer::Place);
    }
}

#[test]
fn a_setting_out_of_range_is_refused_with_its_range() {
    let wrong = Bulkhead::builder("payments")
        .concurrent(0)
        .queue(u32::MAX)
        .wait(Duration::from_nanos(1))
        .build()
        .unwrap_err();
    let text = wrong.to_string();
    assert_eq!(wrong.as_slice().len(), 3, "{text}");
    let first = "`bulkhead.payments.concurrent` is 0; it must be from 1 to 1000000";
    assert!(text.contains(first), "{text}");
    let last = "`bulkhead.payments.wait` is 1ns; it must be 0 or from 1ms to 86400s";
    assert!(text.contains(last), "{text}");
}

#[test]
fn partitions_are_declared_once_each_and_at_least_one() {
    let none = PartitionedBulkhead::builder("inbound").build().unwrap_err();
    assert_eq!(
        none.to_string(),
        "`bulkhead.inbound.partitions` is empty; it must be one partition or more"
    );
    let wrong = PartitionedBulkhead::builder("inbound")
        .partition("critical", |_| ())
        .partition("critical", |config| config.concurrent = 0)
        .build()
        .unwrap_err();
    let text = wrong.to_string();
    assert!(
        text.contains("`bulkhead.inbound.partitions` is `critical` twice"),
        "{text}"
    );
    assert!(text.contains("`bulkhead.inbound/critical.concurrent` is 0"), "{text}");
}

#[test]
fn a_rejected_change_keeps_the_old_settings() {
    let bulkhead = Bulkhead::builder("payments").build().unwrap();
    let before = bulkhead.config();
    bulkhead.reconfigure(|config| config.concurrent = 0).unwrap_err();
    assert_eq!((bulkhead.config(), bulkhead.snapshot().concurrent), (before, 64));
}

#[test]
fn the_inventory_shows_the_settings_in_force() {
    let bulkhead = Bulkhead::builder("payments").build().unwrap();
    bulkhead.reconfigure(|config| config.queue = 7).unwrap();
    let entry = bulkhead.describe();
    assert_eq!(
        (entry.kind, entry.name.as_str(), entry.state),
        ("bulkhead", "payments", "open")
    );
    let expected = [("concurrent", "64"), ("queue", "7"), ("wait", "100ms")];
    assert_eq!(
        entry.settings[..3],
        expected.map(|(key, value)| (key, value.to_owned()))
    );
}
