//! What stands in for the faults without the feature, here beside them; `ci/inert` is a binary without them.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use smol_str::SmolStr;

use super::config::ChaosConfig;
use super::inert::{Injected, Injector};
use crate::base::clock::Clock;
use crate::base::live::Live;

#[test]
fn without_the_feature_nothing_is_injected_and_the_state_says_so() {
    let faults: [fn(&mut ChaosConfig); 4] = [
        |config| config.latency_share = 1.0,
        |config| config.error_share = 1.0,
        |config| config.hang_share = 1.0,
        |config| config.disconnect_share = 1.0,
    ];
    for fault in faults {
        let mut config = ChaosConfig {
            enabled: true,
            ..ChaosConfig::default()
        };
        fault(&mut config);
        for has_head in [false, true] {
            nothing_is_injected(&config, has_head);
        }
    }
}

fn nothing_is_injected(config: &ChaosConfig, has_head: bool) {
    let injector = Injector::new(Some(1), Clock::default(), config);
    injector.set(config);
    let name = SmolStr::new("payments");
    let settings = Live::new(&name, config.clone()).expect("the settings are accepted");
    let plan = injector.confirm(injector.draw(&settings), &settings);
    let injected = pin!(Injected::start(&injector, &name, plan, has_head, None, || async { 42 }));
    let polled = injected.poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(Ok(42)));
    assert!(plan.asks(has_head) && plan.cut(&name).is_none());
    assert_eq!((injector.state(), injector.counters().count()), ("not compiled in", 0));
}
