//! The breaker of recloser, which has no tower layer: its futures are called directly.

use std::hint::black_box;

use recloser::{AsyncRecloser, Recloser};

use super::{CALLS, OF_CALLS, OPEN};
use seaworthy_harness::comparison::Row;
use seaworthy_harness::drive::drive;
use seaworthy_harness::inner::Inner;

pub(super) fn closed(inner: Inner) -> Vec<Row> {
    let error_rate = match inner {
        Inner::Failing => 1.1,
        _ => 0.5,
    };
    let breaker = Recloser::custom().error_rate(error_rate).closed_len(CALLS).build();
    vec![row("direct call, ring of 100", breaker, inner).alike(OF_CALLS)]
}

pub(super) fn open() -> Row {
    let breaker = Recloser::custom().closed_len(1).open_wait(OPEN).build();
    for _ in 0..2 {
        let tripping = breaker.call(|| Err::<(), _>(()));
        assert!(tripping.is_err(), "it fails");
    }
    row("direct call", breaker, Inner::Failing)
}

fn row(what: &'static str, breaker: Recloser, inner: Inner) -> Row {
    let breaker = AsyncRecloser::from(breaker);
    Row::new("recloser", what, move || {
        let breaker = breaker.clone();
        move |n| black_box(drive(breaker.call(inner.answer(n)))).is_ok()
    })
}
