//! Rate limits: so high that they let everything pass, for one key and for ten thousand, and used up.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::Request;
use seaworthy::rate_limit::{self, AtCapacity, KeyedRateLimit};
use tick::Clock;
use tower::Layer as _;
use tower::limit::RateLimit;
use tower::limit::rate::Rate;
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_resilience_ratelimiter::RateLimiterLayer;

use seaworthy_harness::comparison::{Comparison, Outcome, Row};
use seaworthy_harness::drive::{self, drive};
use seaworthy_harness::inner::Inner;

/// A rate a second that no loop reaches, and of which a nanosecond still has one: that is what limiters count in.
const PLENTY: u32 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(60 * 60);
const KEYS: u64 = 10_000;

pub(crate) fn comparisons(_: &Clock) -> Vec<Comparison> {
    let mut comparisons: Vec<Comparison> = Inner::ALL.map(within_the_limit).into();
    comparisons.extend([ten_thousand(), many_keys(), flooded(), used_up()]);
    comparisons
}

fn plenty() -> Quota {
    Quota::per_second(NonZeroU32::new(PLENTY).expect("it is plenty"))
}

/// Ours, which counts in nanoseconds, too.
fn ours(quota: rate_limit::Quota) -> rate_limit::RateLimitBuilder {
    rate_limit::RateLimit::builder("payments").quota(quota)
}

fn our_plenty() -> rate_limit::Quota {
    rate_limit::Quota::per_second(PLENTY)
}

/// A check of ours before the call, as one of governor's.
fn ours_direct(limit: &rate_limit::RateLimit, inner: Inner) -> Row {
    let limit = limit.clone();
    Row::new("seaworthy", "direct check", move || {
        let limit = limit.clone();
        move |n| limit.check(1).is_ok() && black_box(drive(inner.answer(n))).is_ok()
    })
}

/// Asked before the call, and no layer round it.
const FUNCTION: &str = "a function";

fn within_the_limit(inner: Inner) -> Comparison {
    let plentiful = PLENTY as usize;
    let limit = ours(our_plenty()).build().expect("it is plenty");
    let patient = ours(our_plenty()).wait(HOUR).build().expect("it is plenty");
    let resilience = |layer: tower_resilience_ratelimiter::RateLimiterConfigBuilder| {
        let layer = layer.name("payments").build();
        layer.expect("so many are allowed").layer(inner)
    };
    Comparison {
        title: format!("within the limit, {inner}"),
        settings: String::new(),
        outcome: inner.outcome(),
        bare: Row::service("std", "bare", inner),
        rows: vec![
            Row::service("seaworthy", "layer", limit.layer().layer(inner)),
            Row::service("seaworthy", "layer, one that may wait", patient.layer().layer(inner)),
            ours_direct(&limit, inner).alike(FUNCTION),
            Row::new("tower", "layer, waits when used up", move || {
                let mut service = RateLimit::new(inner, Rate::new(u64::MAX, Duration::from_secs(1)));
                move |n| black_box(drive::call(&mut service, n)).is_ok()
            })
            .unshared(),
            Row::service(
                "tower-resilience-ratelimiter",
                "layer, fixed window",
                resilience(RateLimiterLayer::per_second(plentiful)),
            ),
            Row::service(
                "tower-resilience-ratelimiter",
                "layer, token bucket",
                resilience(RateLimiterLayer::burst(plentiful, plentiful)),
            ),
            direct(RateLimiter::direct(plenty()), inner).alike(FUNCTION),
        ],
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

/// A check of governor's before the call; it is no service itself.
fn direct(limiter: DefaultDirectRateLimiter, inner: Inner) -> Row {
    let limiter = Arc::new(limiter);
    Row::new("governor", "direct call", move || {
        let limiter = Arc::clone(&limiter);
        move |n| limiter.check().is_ok() && black_box(drive(inner.answer(n))).is_ok()
    })
}

fn ten_thousand() -> Comparison {
    let inner = Inner::ReadyAtOnce;
    let keyed: KeyedRateLimit<u64> = ours(our_plenty())
        .build_keyed(100_000, AtCapacity::Forget)
        .expect("there is room");
    let limiter = Arc::new(RateLimiter::keyed(plenty()));
    Comparison {
        title: format!("within the limit, 10,000 keys, {inner}"),
        settings: String::new(),
        outcome: Outcome::Success,
        bare: Row::service("std", "bare", inner),
        rows: vec![
            Row::service("seaworthy", "layer", keyed.layer(|n: &u64| n % KEYS).layer(inner)),
            Row::new("seaworthy", "direct check", move || {
                let limit = keyed.clone();
                move |n| limit.check(n % KEYS, 1).is_ok() && black_box(drive(inner.answer(n))).is_ok()
            })
            .alike(FUNCTION),
            Row::new("governor", "direct call", move || {
                let limiter = Arc::clone(&limiter);
                move |n| limiter.check_key(&(n % KEYS)).is_ok() && black_box(drive(inner.answer(n))).is_ok()
            })
            .alike(FUNCTION),
        ],
        on_two_threads: true,
    }
}

fn many_keys() -> Comparison {
    let inner = Inner::ReadyAtOnce;
    let keyed: KeyedRateLimit<_> = ours(our_plenty())
        .build_keyed(100_000, AtCapacity::Forget)
        .expect("there is room");
    let address = |request: &Request<Body>| {
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
        address.map(|address| address.ip())
    };
    let limiter = Arc::new(RateLimiter::keyed(plenty()));
    let config = GovernorConfigBuilder::default()
        .per_nanosecond(1)
        .burst_size(PLENTY)
        .finish()
        .expect("neither is zero");
    Comparison {
        title: format!("within the limit, 10,000 addresses over HTTP, {inner}"),
        settings: String::new(),
        outcome: Outcome::Success,
        bare: Row::http_service("std", "bare", inner, from_one_of_many),
        rows: vec![
            Row::http_service(
                "seaworthy",
                "layer",
                keyed.layer(address).layer(inner),
                from_one_of_many,
            ),
            Row::new("seaworthy", "direct check", move || {
                let (limit, mut inner) = (keyed.clone(), inner);
                move |n| {
                    let request = from_one_of_many(n);
                    limit.check(address(&request), 1).is_ok() && black_box(drive::call(&mut inner, request)).is_ok()
                }
            })
            .alike(FUNCTION),
            Row::http_service(
                "tower_governor",
                "layer",
                GovernorLayer::new(config).layer(inner),
                from_one_of_many,
            ),
            Row::new("governor", "direct call", move || {
                let (limiter, mut inner) = (Arc::clone(&limiter), inner);
                move |n| {
                    let request = from_one_of_many(n);
                    let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
                    let allowed = address.is_some_and(|address| limiter.check_key(&address.ip()).is_ok());
                    allowed && black_box(drive::call(&mut inner, request)).is_ok()
                }
            })
            .alike(FUNCTION),
        ],
        on_two_threads: true,
    }
}

fn flooded() -> Comparison {
    let inner = Inner::ReadyAtOnce;
    let direct = |what, at_capacity| {
        let limit: KeyedRateLimit<IpAddr> = ours(rate_limit::Quota::per_hour(1000))
            .build_keyed(100_000, at_capacity)
            .expect("there is room");
        Row::new("seaworthy", what, move || {
            let (limit, mut inner) = (limit.clone(), inner);
            // Another flood for each thread and each batch.
            let first = FLOODS.fetch_add(1, Ordering::Relaxed) << 40;
            move |n| {
                let address = IpAddr::from(u128::from(first + n).wrapping_mul(SPREAD).to_be_bytes());
                limit.check(address, 1).is_ok() && black_box(drive::call(&mut inner, from(address))).is_ok()
            }
        })
    };
    Comparison {
        title: "a flood of addresses, room for 100,000, over HTTP".to_owned(),
        settings: "without governor's, which keeps them all".to_owned(),
        outcome: Outcome::Success,
        bare: Row::http_service("std", "bare", inner, from_one_of_many),
        rows: vec![direct("direct check, forgets who has spent least", AtCapacity::Forget)],
        on_two_threads: false,
    }
}

static FLOODS: AtomicU64 = AtomicU64::new(0);
/// An odd number whose multiples are spread over all addresses.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Makes a request as axum's listener would, from one of [`KEYS`] addresses in turn.
fn from_one_of_many(n: u64) -> Request<Body> {
    let address = Ipv4Addr::from_bits(u32::try_from(n % KEYS).expect("there are fewer keys"));
    from(address.into())
}

fn from(address: IpAddr) -> Request<Body> {
    let mut request = Request::new(Body::default());
    request
        .extensions_mut()
        .insert(ConnectInfo(SocketAddr::from((address, 443))));
    request
}

fn used_up() -> Comparison {
    let inner = Inner::ReadyAtOnce;
    let resilience = RateLimiterLayer::builder()
        .name("payments")
        .limit_for_period(1)
        .refresh_period(HOUR)
        .timeout_duration(Duration::ZERO)
        .build();
    let mut resilience = resilience.expect("one is allowed").layer(inner);
    assert!(drive::call(&mut resilience, 0).is_ok(), "the first call of the hour");
    let limit = ours(rate_limit::Quota::per_hour(1)).build().expect("one is allowed");
    limit.check(1).expect("the first call of the hour");
    let hourly = Quota::with_period(HOUR).expect("an hour is not zero");
    let limiter = RateLimiter::direct(hourly);
    assert!(limiter.check().is_ok(), "the first call of the hour");
    Comparison {
        title: "used up, call refused".to_owned(),
        settings: "without tower's, which waits, and tower_governor's, which answers over HTTP".to_owned(),
        outcome: Outcome::Refusal,
        bare: Row::service("std", "bare", inner),
        rows: vec![
            Row::service("seaworthy", "layer", limit.layer().layer(inner)),
            ours_direct(&limit, inner).alike(FUNCTION),
            Row::service("tower-resilience-ratelimiter", "layer, fixed window", resilience),
            direct(limiter, inner).alike(FUNCTION),
        ],
        on_two_threads: false,
    }
}
