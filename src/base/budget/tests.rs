use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::account::Account;
use super::{Budget, BudgetConfig, Source};
use crate::base::clock::{Clock, ManualClock};
use crate::base::inventory::Describe;
use crate::base::ticks::Ticks;

fn config(share: u8, floor: u32, reserve: u32) -> BudgetConfig {
    BudgetConfig { share, floor, reserve }
}

fn source(config: &BudgetConfig) -> (Source, ManualClock) {
    let manual = ManualClock::default();
    let builder = Budget::builder("payments").clock(Clock::from(manual.clone()));
    let builder = builder.share(config.share).floor(config.floor).reserve(config.reserve);
    (builder.build().expect("the share is in range").source(), manual)
}

fn draws(source: &Source) -> u32 {
    (0..).take_while(|_| source.withdraw()).count() as u32
}

#[test]
fn sixty_percent_of_a_hundred_requests_are_sixty() {
    for share in [0, 1, 20, 60, 99, 100] {
        let (source, _) = source(&config(share, 0, 0));
        (0..100).for_each(|_| source.deposit());
        assert_eq!(draws(&source), u32::from(share), "{share} %");
    }
}

#[test]
fn each_second_brings_the_floor_and_no_more() {
    let (source, manual) = source(&config(0, 10, 0));
    assert_eq!(draws(&source), 0);
    manual.advance(Duration::from_millis(1050));
    assert_eq!(draws(&source), 10);
    manual.advance(Duration::from_millis(50));
    // The half that was left over before is not lost.
    assert_eq!(draws(&source), 1);
}

#[test]
fn the_reserve_is_there_at_the_beginning_and_is_filled_again() {
    let (source, manual) = source(&config(0, 1, 5));
    assert_eq!(draws(&source), 5);
    manual.advance(Duration::from_secs(3));
    assert_eq!(draws(&source), 3);
    for _ in 0..30 {
        manual.advance(Duration::from_secs(1));
        source.budget().unwrap().balance();
    }
    let saved = draws(&source);
    // Beyond the reserve there is what ten seconds bring, and no more.
    assert!((13..=15).contains(&saved), "{saved}");
}

#[test]
fn an_hour_of_health_does_not_pay_for_a_storm() {
    let (source, manual) = source(&config(20, 0, 0));
    (0..3600 * 100).for_each(|_| source.deposit());
    manual.advance(Duration::from_secs(3600));
    // 20 % of what came in the last ten seconds, at 100 requests a second.
    assert_eq!(draws(&source), 200);
    (0..100).for_each(|_| source.deposit());
    manual.advance(Duration::from_secs(1));
    source.budget().unwrap().balance();
    manual.advance(Duration::from_secs(10));
    assert_eq!(
        draws(&source),
        1,
        "all but one that was saved is forgotten after ten seconds"
    );
}

#[test]
fn few_requests_pay_for_an_attempt_in_the_end() {
    let (source, manual) = source(&config(5, 0, 0));
    let granted = (0..100).filter(|_| {
        manual.advance(Duration::from_secs(1));
        source.deposit();
        source.withdraw()
    });
    assert_eq!(granted.count(), 5);
}

#[test]
fn those_who_share_a_budget_draw_from_one_account_and_leave_their_requests_behind() {
    let (one, _) = source(&config(50, 0, 0));
    let budget = one.budget().unwrap().clone();
    let other = budget.source();
    (0..10).for_each(|_| one.deposit());
    (0..10).for_each(|_| other.deposit());
    drop(other);
    assert_eq!(draws(&one), 10);
    (0..10).for_each(|_| one.deposit());
    assert_eq!(draws(&budget.source()), 5);
    assert!(!one.withdraw());
    let entry = budget.describe();
    assert_eq!((entry.kind, entry.state), ("budget", "exhausted"));
    assert_eq!(entry.counters, [("requests", 30), ("granted", 15), ("refused", 3)]);
}

#[test]
fn a_change_holds_from_now_on_and_takes_what_exceeds_the_new_reserve() {
    let (source, manual) = source(&config(0, 0, 1000));
    let budget = source.budget().unwrap();
    manual.advance(Duration::from_secs(10));
    budget.reconfigure(|config| config.floor = 1000).unwrap();
    assert_eq!(budget.balance(), 1000, "the floor does not hold for the time before");
    budget
        .reconfigure(|config| {
            *config = BudgetConfig {
                share: 0,
                floor: 0,
                reserve: 0,
            }
        })
        .unwrap();
    assert_eq!(draws(&source), 0, "it can be switched off");
}

#[test]
fn settings_change_under_way_and_a_wrong_share_is_refused() {
    let (source, _) = source(&config(0, 0, 3));
    let budget = source.budget().unwrap();
    let text = budget.reconfigure(|config| config.share = 101).unwrap_err().to_string();
    assert_eq!(text, "`budget.payments.share` is 101; it must be from 0 to 100 percent");
    budget.reconfigure(|config| config.share = 100).unwrap();
    (0..4).for_each(|_| source.deposit());
    assert_eq!(budget.balance(), 7);
}

/// Draws from many threads at once while they count requests, and looks all the time whether the bound holds.
#[test]
fn it_never_grants_more_than_its_share_under_contention_and_little_less() {
    const THREADS: u64 = 8;
    const REQUESTS: u64 = 20_000;
    let (source, _) = source(&config(60, 0, 0));
    let (asked, counted, granted) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..REQUESTS {
                    // Before and after, so that the watcher never sees more granted than asked for.
                    asked.fetch_add(1, Ordering::SeqCst);
                    source.deposit();
                    let due = (counted.fetch_add(1, Ordering::SeqCst) + 1) * 60 / 100;
                    if source.withdraw() {
                        granted.fetch_add(1, Ordering::SeqCst);
                    } else {
                        // Each thread may have drawn, and not said so yet.
                        let granted = granted.load(Ordering::SeqCst) + THREADS;
                        assert!(due <= granted, "refused with {granted} granted of {due}");
                    }
                }
            });
        }
        let watcher = scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let granted = granted.load(Ordering::SeqCst);
                let asked = asked.load(Ordering::SeqCst);
                assert!(granted * 100 <= asked * 60, "{granted} of {asked}");
            }
        });
        while asked.load(Ordering::SeqCst) < THREADS * REQUESTS && !watcher.is_finished() {
            std::thread::yield_now();
        }
        is_over.store(true, Ordering::SeqCst);
    });
    let granted = granted.load(Ordering::SeqCst) + u64::from(draws(&source));
    assert_eq!(granted, THREADS * REQUESTS * 60 / 100, "at the end nothing is missing");
}

/// The bound, reckoned from the whole history; and what there must be at least, when requests come evenly.
struct Model {
    config: BudgetConfig,
    now: u64,
    requests: u64,
    granted: u64,
    /// When each request came: the time of the draw that first saw it.
    drawn: Vec<(u64, u64)>,
}

impl Model {
    /// Everything that has ever been paid for, in billionths of an attempt.
    fn most(&self) -> u128 {
        let share = u128::from(self.config.share) * 10_000_000 * u128::from(self.requests);
        let floor = u128::from(self.config.floor) * u128::from(self.now);
        u128::from(self.config.reserve) * 1_000_000_000 + share + floor
    }

    /// As the documentation says it, in floating point: melt what exceeds the reserve, then add what has come.
    fn balance(&self) -> f64 {
        let reserve = f64::from(self.config.reserve);
        let (mut balance, mut last, mut seen) = (reserve, 0, 0);
        for (now, requests) in &self.drawn {
            if *requests == u64::MAX {
                balance -= 1.0;
                continue;
            }
            let seconds = (now - last) as f64 / 1e9;
            let recent = seconds.min(10.0);
            let excess = (balance - reserve.max(1.0)).max(0.0);
            let came = (requests - seen) as f64 * if seconds > 10.0 { 10.0 / seconds } else { 1.0 };
            balance -= excess * recent / 10.0;
            balance += f64::from(self.config.share) / 100.0 * came + f64::from(self.config.floor) * recent;
            (last, seen) = (*now, *requests);
        }
        balance
    }
}

proptest! {
    #[test]
    fn the_account_agrees_with_the_obvious_model(
        share in 0..=100u8,
        floor in 0..4u32,
        reserve in 0..20u32,
        steps in prop::collection::vec((prop_oneof![Just(0u64), 0..3_000_000_000u64, 0..60_000_000_000u64], 0..40u64, 1..40u32), 1..20),
    ) {
        let config = config(share, floor, reserve);
        let mut account = Account::new(&config, Ticks(0));
        let mut model = Model { config: config.clone(), now: 0, requests: 0, granted: 0, drawn: Vec::new() };
        for (pause, requests, draws) in steps {
            model.now += pause;
            model.requests += requests;
            for _ in 0..draws {
                model.drawn.push((model.now, model.requests));
                let balance = model.balance();
                let is_granted = account.withdraw(&config, model.requests, Ticks(model.now));
                // Rounded down in each step; a hair's breadth from one either may be right.
                prop_assert!(is_granted == (balance >= 1.0) || (balance - 1.0).abs() < 1e-6, "{} {}", is_granted, balance);
                if is_granted {
                    model.granted += 1;
                    model.drawn.push((model.now, u64::MAX));
                }
                prop_assert!(u128::from(model.granted) * 1_000_000_000 <= model.most());
            }
        }
    }

    #[test]
    fn huge_numbers_neither_panic_nor_grant_without_end(
        share in 0..=100u8,
        floor in any::<u32>(),
        reserve in any::<u32>(),
        steps in prop::collection::vec((any::<u64>(), any::<u64>()), 1..20),
    ) {
        let config = config(share, floor, reserve);
        let mut account = Account::new(&config, Ticks(0));
        for (requests, now) in steps {
            account.withdraw(&config, requests, Ticks(now));
            let most = u64::from(reserve) + 10 * u64::from(floor) + (1 << 50);
            prop_assert!(account.balance(&config, requests, Ticks(now)) <= 20 * most);
        }
    }
}
