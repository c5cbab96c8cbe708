//! How close each limit is to its end, as its live handle says it.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::task::{Context, Waker};

use seaworthy::adaptive::AdaptiveLimit;
use seaworthy::budget::Budget;
use seaworthy::bulkhead::{Bulkhead, KeyedBulkhead, PartitionedBulkhead};
use seaworthy::clock::{Clock, ManualClock};
use seaworthy::inventory::{Describe, Entry, Inventory};
use seaworthy::load_shed::LoadShed;
use seaworthy::rate_limit::{AtCapacity, KeyedRateLimit, Quota, RateLimit};
use seaworthy::retry::Retry;

fn of(entry: &Entry) -> f64 {
    let found = entry.gauges.iter().find(|(key, _)| *key == "saturation");
    found.unwrap_or_else(|| panic!("{entry:?}")).1
}

fn saturation(described: &impl Describe) -> f64 {
    of(&described.describe())
}

/// Polls once, so that it takes its place.
macro_rules! begin {
    ($future:expr) => {{
        let mut future = Box::pin($future);
        let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        future
    }};
}

#[tokio::test]
async fn a_bulkhead_is_saturated_by_the_places_that_are_taken() {
    let bulkhead = Bulkhead::builder("payments").concurrent(4).build().unwrap();
    assert_eq!(saturation(&bulkhead), 0.0);
    let permit = bulkhead.acquire().await.unwrap();
    assert_eq!(saturation(&bulkhead), 0.25);
    drop(permit);
    assert_eq!(saturation(&bulkhead), 0.0);
}

#[tokio::test]
async fn the_fullest_partition_and_the_fullest_key_say_how_full_all_are() {
    let partitions = PartitionedBulkhead::builder("inbound")
        .partition("critical", |config| config.concurrent = 2)
        .partition("others", |config| config.concurrent = 2)
        .build()
        .unwrap();
    let critical = partitions.partition("critical").unwrap();
    let _permit = critical.acquire().await.unwrap();
    let all: Vec<_> = partitions.describe_all().iter().map(of).collect();
    assert_eq!(all, [0.5, 0.5, 0.0]);

    let tenants: KeyedBulkhead<u32> = Bulkhead::builder("tenants").concurrent(4).build_keyed(10).unwrap();
    let _one = (tenants.acquire(1).await.unwrap(), tenants.acquire(1).await.unwrap());
    let _other = tenants.acquire(2).await.unwrap();
    assert_eq!(saturation(&tenants), 0.5);
}

#[tokio::test]
async fn an_adaptive_limit_is_saturated_by_the_calls_under_way() {
    let limit = AdaptiveLimit::builder("search").build().unwrap();
    let most = limit.snapshot().limit as f64;
    let call = begin!(limit.call(pending::<Result<(), Infallible>>));
    assert_eq!(saturation(&limit), 1.0 / most);
    drop(call);
    assert_eq!(saturation(&limit), 0.0);
}

#[test]
fn a_rate_limit_is_saturated_by_what_has_been_spent_of_the_burst() {
    let limit = RateLimit::builder("searches").quota(Quota::per_minute(1).burst(4));
    let limit = limit.clock(Clock::from(ManualClock::default())).build().unwrap();
    assert_eq!(saturation(&limit), 0.0);
    for expected in [0.25, 0.5, 0.75, 1.0] {
        limit.check(1).unwrap();
        assert_eq!(saturation(&limit), expected);
    }
}

#[test]
fn a_rate_limit_of_keys_is_saturated_by_the_keys_it_knows() {
    let limit = RateLimit::builder("clients").quota(Quota::per_minute(1).burst(4));
    let limit: KeyedRateLimit<u64> = limit.build_keyed(10, AtCapacity::Refuse).unwrap();
    limit.check(1, 1).unwrap();
    limit.check(2, 1).unwrap();
    assert_eq!(saturation(&limit), 0.2);
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_saturated_by_what_has_been_drawn_from_it() {
    let budget = Budget::builder("shared").share(0).floor(0).reserve(4).build().unwrap();
    let retry = Retry::builder("payments").budget(budget.clone()).build().unwrap();
    assert_eq!(saturation(&budget), 0.0);
    let failed = retry
        .call_idempotent(|| async { Err::<(), _>(std::io::Error::other("failed")) })
        .await;
    assert!(failed.is_err());
    assert_eq!(saturation(&budget), 0.5);
    assert_eq!(
        saturation(&Budget::builder("none").share(0).floor(0).reserve(0).build().unwrap()),
        1.0
    );
}

#[test]
fn a_shed_is_saturated_by_its_pressure_and_never_beyond_1() {
    for (pressure, expected) in [(0.3, 0.3), (7.0, 1.0), (-1.0, 0.0), (f64::NAN, 0.0)] {
        let shed = LoadShed::builder("orders")
            .signal("dial", move || pressure)
            .build()
            .unwrap();
        assert_eq!(saturation(&shed), expected);
    }
    let of_nothing = Entry::new("kind", "name", "on").saturation(f64::NAN);
    assert_eq!(of(&of_nothing), 0.0);
}

#[test]
fn gauges_of_your_own_stand_in_the_inventory_too() {
    struct Jobs;
    impl Describe for Jobs {
        fn describe(&self) -> Entry {
            Entry::new("jobs", "mails", "on").gauge("oldest_job_age_seconds", 12.5)
        }
    }
    let inventory = Inventory::default();
    inventory.add(Jobs);
    assert_eq!(inventory.entries()[0].gauges, [("oldest_job_age_seconds", 12.5)]);
}
