//! What scrapers see of a circuit breaker.

mod breaker_support;

use breaker_support::*;
use metrics_exporter_prometheus::PrometheusBuilder;
use seaworthy::clock::ManualClock;
use seaworthy::inventory::Inventory;
use seaworthy::telemetry::Publisher;

#[test]
fn the_state_gauge_shows_exactly_one_state_at_any_time() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build().unwrap();
    let (inventory, publisher) = (Inventory::default(), Publisher::default());
    inventory.add(breaker.clone());
    let recorder = PrometheusBuilder::new().build_recorder();
    let shown = || {
        publisher.publish(&inventory, &recorder);
        let text = recorder.handle().render();
        let states = text
            .lines()
            .filter(|line| line.starts_with("seaworthy_state{kind=\"breaker\""));
        let on = states.filter(|line| line.ends_with(" 1"));
        on.map(|line| line.split('"').nth(5).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let mut seen = vec![shown()];
    trip(&breaker);
    seen.push(shown());
    clock.advance(SECOND * 5);
    succeed(&breaker);
    seen.push(shown());
    succeed(&breaker);
    seen.push(shown());
    breaker.force_open();
    seen.push(shown());
    breaker.force_closed();
    seen.push(shown());
    breaker.disable();
    seen.push(shown());
    assert_eq!(
        seen,
        [
            ["closed"],
            ["open"],
            ["half_open"],
            ["closed"],
            ["forced_open"],
            ["forced_closed"],
            ["disabled"]
        ]
    );
}
