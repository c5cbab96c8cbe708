//! What a flood of keys costs. In a binary of its own, as it counts bytes.

mod alloc_support;

use std::net::IpAddr;

use alloc_support::kept_by_this_thread;
use seaworthy::clock::{Clock, ManualClock};
use seaworthy::rate_limit::{AtCapacity, KeyedRateLimit, Quota, RateLimit};

const ROOM: usize = 100_000;
/// Ten million in release, as in `ci/check models`; code that is not optimised would take minutes.
const FLOOD: u64 = if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 };

fn address(number: u64) -> IpAddr {
    // Addresses as different as an attacker can choose them.
    IpAddr::from(
        u128::from(number)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
            .to_be_bytes(),
    )
}

#[test]
fn millions_of_keys_take_no_more_memory_than_there_is_room_for() {
    // What a thread takes once and keeps.
    let warm: KeyedRateLimit<u8> = RateLimit::builder("warm").build_keyed(1, AtCapacity::Forget).unwrap();
    warm.check(0, 1).unwrap();
    drop(warm);
    for at_capacity in [AtCapacity::Forget, AtCapacity::Refuse] {
        let clock = ManualClock::default();
        let before = kept_by_this_thread();
        let limits = RateLimit::builder("clients")
            .quota(Quota::per_hour(1000))
            .clock(Clock::from(clock.clone()));
        let limits: KeyedRateLimit<IpAddr> = limits.build_keyed(ROOM, at_capacity).unwrap();
        let kept = || kept_by_this_thread() - before;
        let known = address(u64::MAX);
        limits.check(known, 1000).unwrap();
        let mut most = 0;
        for number in 0..FLOOD {
            let _ = limits.check(address(number), 1);
            if number % 100_000 == 0 {
                most = most.max(kept());
            }
        }
        assert!(
            limits.keys() <= ROOM && limits.keys() > ROOM / 3,
            "{} keys",
            limits.keys()
        );
        assert!(
            most <= 128 * ROOM as isize,
            "{most} bytes, {} a key",
            most / ROOM as isize
        );
        limits.check(known, 1).unwrap_err();
        drop(limits);
        assert_eq!(kept(), 0, "{at_capacity:?}");
    }
}
