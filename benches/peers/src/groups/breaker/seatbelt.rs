//! The breaker of seatbelt, as a tower layer and as a layer of its own kind.

use layered::Layer as _;
use seatbelt::breaker::{Breaker, BreakerLayer};
use seatbelt::{RecoveryInfo, ResilienceContext};
use tick::Clock;

use super::{OF_TIME, OPEN, PERIOD};
use seaworthy_harness::comparison::Row;
use seaworthy_harness::drive;
use seaworthy_harness::inner::{Failure, Inner};

const PACKAGE: &str = "seatbelt";

type Output = Result<u64, Failure>;

pub(super) fn closed(inner: Inner, clock: &Clock) -> Vec<Row> {
    let service = || {
        let layer = layer(clock);
        let layer = match inner {
            Inner::Failing => layer.min_throughput(u32::MAX),
            _ => layer,
        };
        layer.layer(inner)
    };
    vec![
        Row::service(PACKAGE, "tower layer, 30 s", service()).alike(OF_TIME),
        Row::layered(PACKAGE, "layered, 30 s", service()).alike(OF_TIME),
    ]
}

fn layer(clock: &Clock) -> BreakerLayer<u64, Output> {
    let context = ResilienceContext::new(clock);
    Breaker::layer("payments", &context)
        .recovery_with(|output: &Output, _| match output {
            Ok(_) => RecoveryInfo::never(),
            Err(_) => RecoveryInfo::retry(),
        })
        .rejected_input_error(|_, _| Failure::default())
        .sampling_duration(PERIOD)
}

pub(super) fn open(clock: &Clock) -> Row {
    Row::service(PACKAGE, "tower layer", tripped(clock))
}

pub(super) fn open_layered(clock: &Clock) -> Row {
    Row::layered(PACKAGE, "layered", tripped(clock))
}

fn tripped(clock: &Clock) -> Breaker<u64, Output, Inner> {
    let mut service = layer(clock)
        .min_throughput(1)
        .break_duration(OPEN)
        .layer(Inner::Failing);
    let tripping = drive::call(&mut service, 0);
    assert!(tripping.is_err(), "the inner service fails");
    service
}
