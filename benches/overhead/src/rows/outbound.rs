//! The guards of a dependency, as an `App` puts them: a total deadline with retries, circuit breaker, timeout of an attempt
//! and bulkhead, in this order from outside.

use std::hint::black_box;

use seaworthy::App;
use tower::{Layer as _, Service};

use super::ours::{Read, Reads};
use super::{BARE, BUILT, OURS};
use seaworthy_harness::comparison::{Comparison, Row};
use seaworthy_harness::drive;
use seaworthy_harness::inner::Inner;

pub(super) fn over(inner: Inner) -> Comparison {
    let mut app = App::builder("orders");
    let guarded = app.dependency("payments").layer();
    let ledger = app.dependency("ledger").guard();
    app.build().expect(BUILT);
    let repeated = ledger.clone();
    Comparison {
        title: format!("a dependency, {inner}"),
        settings: "no subscriber listens".to_owned(),
        outcome: inner.outcome(),
        bare: Row::service("std", BARE, inner),
        rows: vec![
            row("outbound stack", guarded.layer(Reads(inner))).of_layer(&guarded),
            Row::new(OURS, "outbound guard", move || {
                let ledger = ledger.clone();
                move |n| black_box(drive::drive(ledger.call(|| inner.answer(n)))).is_ok()
            }),
            Row::new(OURS, "outbound guard, may be repeated", move || {
                let ledger = repeated.clone();
                move |n| black_box(drive::drive(ledger.call_idempotent(|| inner.answer(n)))).is_ok()
            }),
        ],
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

/// Makes a row of a service that is asked for something that may be asked for twice.
pub(super) fn row(what: &'static str, service: impl Service<Read> + Clone + Send + 'static) -> Row {
    Row::new(OURS, what, move || {
        let mut service = service.clone();
        move |n| black_box(drive::call(&mut service, Read(n))).is_ok()
    })
}
