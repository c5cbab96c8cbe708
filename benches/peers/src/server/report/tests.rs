use super::text;
use crate::server::figures::tests::rows;
use crate::server::figures::{AtRate, Figures, Memory};
use seaworthy_harness::machine::Machine;
use seaworthy_harness::origin::Origin;

fn figures() -> Figures {
    let memory = |name, peak| Memory {
        name,
        allocations: 4.0,
        bytes: 1_000.0,
        peak,
    };
    Figures {
        origin: Origin {
            machine: Machine {
                processor: "abacus".to_owned(),
                cores: 2,
                compiler: "rustc".to_owned(),
                host: "here".to_owned(),
                date: "Sun, 06 Nov 1994".to_owned(),
            },
            time: 0,
            commit: None,
        },
        versions: vec!["hyper 1".to_owned()],
        seconds: 1,
        connections: 32,
        closed_rounds: 3,
        closed_milliseconds: 400,
        closed: rows([100.0, 50.0, 200.0], [90.0, 45.0, 180.0]),
        open_rounds: 3,
        open_milliseconds: 1000,
        open: vec![AtRate {
            rate: 100,
            rows: rows([100.0, 99.5, 100.0], [90.0, 90.0, 90.0]),
        }],
        memory: vec![memory("bare", Some(3 << 20)), memory("context", None)],
    }
}

/// Returns the lines that begin so.
fn lines<'a>(text: &'a str, label: &str) -> Vec<&'a str> {
    let of = text.lines().filter(|line| line.trim_start().starts_with(label));
    of.collect()
}

#[test]
fn a_variant_stands_beside_the_bare_server_of_the_same_round() {
    let text = text(&figures());
    assert!(lines(&text, "context")[0].contains("90.0 % (90..90)"), "{text}");
}

#[test]
fn who_does_not_hold_a_rate_is_told_apart() {
    let text = text(&figures());
    let [bare, context] = ["hyper, bare", "context"].map(|label| lines(&text, label)[1]);
    assert!(bare.contains("100.0 %") && !bare.contains("HELD"), "{text}");
    assert!(context.contains("NOT HELD: 90.0 %"), "{text}");
}

#[test]
fn what_the_system_does_not_tell_is_a_dash() {
    let text = text(&figures());
    assert!(lines(&text, "hyper, bare")[0].ends_with(" 3.0"), "{text}");
    assert!(lines(&text, "context")[0].ends_with(" -"), "{text}");
}

#[test]
fn programs_can_read_the_same() {
    let json = serde_json::to_value(figures()).expect("it can be written");
    assert_eq!(json["open"][0]["rate"], 100);
    assert_eq!(json["closed"][1]["per_second_of_bare"]["median"], 0.9);
    assert_eq!(json["memory"][1]["peak"], serde_json::Value::Null);
}
