//! What the flight recorder costs: no allocation an entry, and no memory that grows.

#![cfg(feature = "app")]

mod alloc_support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloc_support::{kept_by_this_thread, of_this_thread};
use seaworthy::App;
use seaworthy::events::{Event, EventSink};
use seaworthy::timeout::Timeout;

/// Gives an event to `work`, as nobody else can make one.
fn with_event(work: impl Fn(&Event<'_>) + Send + Sync + 'static) {
    let timeout = Timeout::builder("payments").events(work).build().unwrap();
    timeout
        .reconfigure(|config| config.limit = Duration::from_secs(2))
        .unwrap();
}

#[test]
fn an_entry_allocates_nothing_and_however_many_there_are_memory_stays_fixed() {
    let app = App::builder("orders").build().unwrap();
    let sink = app.events();
    let counted = Arc::<Mutex<Option<(u64, isize)>>>::default();
    let seen = Arc::clone(&counted);
    with_event(move |event| {
        sink.event(event);
        let before = (of_this_thread(), kept_by_this_thread());
        (0..5_000).for_each(|_| sink.event(event));
        *seen.lock().unwrap() = Some((of_this_thread() - before.0, kept_by_this_thread() - before.1));
    });
    assert_eq!(*counted.lock().unwrap(), Some((0, 0)));
    let entries = app.inventory().entries();
    let recorder = entries.iter().find(|entry| entry.kind == "recorder").unwrap();
    assert_eq!(
        recorder.counters[..2],
        [("recorded", 5_001), ("overwritten", 5_001 - 1024)]
    );
}
