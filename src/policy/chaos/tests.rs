//! What the layer is without the feature; this stands in for it also when the feature is on.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use smol_str::SmolStr;

use super::config::ChaosConfig;
use super::inert::{Injected, Injector};
use crate::base::clock::Clock;
use crate::base::live::Live;

#[test]
fn without_the_feature_nothing_is_injected_and_the_state_says_so() {
    let config = ChaosConfig {
        enabled: true,
        hang_share: 1.0,
        ..ChaosConfig::default()
    };
    let injector = Injector::new(Some(1), Clock::default(), &config);
    injector.set(&config);
    let name = SmolStr::new("payments");
    let plan = injector.draw(&Live::new(&name, config).unwrap());
    let injected = pin!(Injected::start(&injector, &name, plan, true, || async { 42 }));
    let polled = injected.poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(Ok(42)));
    assert!(plan.asks(true) && plan.asks(false) && plan.cut(&name).is_none());
    assert_eq!((injector.state(), injector.counters().count()), ("not compiled in", 0));
}
