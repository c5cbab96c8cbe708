use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << 30;

fn limits(cpus: f64, memory: u64) -> Limits {
    Limits {
        cpus: Some(cpus),
        memory: Some(memory),
    }
}

#[test]
fn defaults_go_by_cpus_and_memory() {
    for (cpus, memory, expected) in [
        // Whom nothing bounds but its CPUs.
        (1.0, None, (2, 10_000, 5_000, 256)),
        (2.5, None, (2, 10_000, 5_000, 640)),
        (4.0, None, (4, 10_000, 5_000, 1_024)),
        (64.0, None, (64, 10_000, 5_000, 4_096)),
        // As much memory for each CPU as clouds commonly give: both bounds meet.
        (1.0, Some(4 * GIB), (2, 10_000, 5_000, 256)),
        (4.0, Some(16 * GIB), (4, 10_000, 5_000, 1_024)),
        // Memory bounds.
        (8.0, Some(2 * GIB), (8, 5_041, 2_520, 128)),
        (2.0, Some(GIB / 2), (2, 1_260, 630, 64)),
        // The floors.
        (0.1, None, (2, 10_000, 5_000, 64)),
        (0.25, Some(GIB / 64), (2, 64, 32, 64)),
        (0.0, Some(0), (2, 64, 32, 64)),
        (f64::NAN, None, (2, 10_000, 5_000, 64)),
    ] {
        let sizing = Sizing::of(cpus, memory);
        let found = (
            sizing.worker_threads,
            sizing.max_connections,
            sizing.max_connections_per_address,
            sizing.places,
        );
        assert_eq!(found, expected, "{cpus} CPUs, {memory:?} bytes");
    }
}

#[test]
fn connections_at_their_worst_leave_half_of_the_memory() {
    for memory in [GIB / 8, GIB, 8 * GIB] {
        let connections = Sizing::of(1.0, Some(memory)).max_connections as u64;
        assert!(connections * (16 + 64 + 128) * 1024 <= memory / 2, "{memory}");
    }
}

#[test]
fn a_quota_counts_also_where_the_standard_library_does_not_find_it() {
    let sizing = Sizing::within(limits(0.5, GIB), 64, Some(256 * GIB));
    assert_eq!((sizing.cpus, sizing.memory), (0.5, Some(GIB)));
    assert_eq!(sizing.worker_threads, 2);
    assert_eq!(sizing.limits, limits(0.5, GIB));
    let sizing = Sizing::within(limits(3.5, GIB), 64, None);
    assert_eq!(sizing.worker_threads, 3);
}

#[test]
fn a_limit_above_what_the_machine_has_does_not_count() {
    let sizing = Sizing::within(limits(16.0, 64 * GIB), 2, Some(GIB));
    assert_eq!((sizing.cpus, sizing.memory), (2.0, Some(GIB)));
    let sizing = Sizing::within(Limits::default(), 3, Some(GIB));
    assert_eq!((sizing.cpus, sizing.memory), (3.0, Some(GIB)));
    let sizing = Sizing::within(Limits::default(), 3, None);
    assert_eq!((sizing.cpus, sizing.memory), (3.0, None));
}

#[test]
fn the_memory_of_a_machine_is_read_if_it_is_there() {
    let text = "MemFree:  5 kB\nMemTotal:       24683700 kB\nMemTotal: 1 kB\n";
    assert_eq!(memory_of(text), Some(24_683_700 * 1024));
    for text in [
        "",
        "MemTotal:",
        "MemTotal: 7",
        "MemTotal: -7 kB",
        "MemTotal: 0 kB",
        "MemTotal: x kB",
        "MemTotal: 18446744073709551615 kB",
        "MemTotal: 99999999999999999999999 kB",
    ] {
        assert_eq!(memory_of(text), None, "{text:?}");
    }
}

fn any_cpus() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..16.0, 0.0..4096.0]
}

fn any_memory() -> impl Strategy<Value = u64> {
    prop_oneof![0..GIB, 0..64 * GIB, any::<u64>()]
}

proptest! {
    #[test]
    fn more_of_anything_is_never_less_and_nothing_leaves_its_bounds(
        cpus in any_cpus(),
        more_cpus in any_cpus(),
        memory in any_memory(),
        more_memory in prop::option::of(any_memory()),
    ) {
        let more_memory = more_memory.map(|more| memory.saturating_add(more));
        let (small, large) = (Sizing::of(cpus, Some(memory)), Sizing::of(cpus + more_cpus, more_memory));
        prop_assert!(small.worker_threads <= large.worker_threads);
        prop_assert!(small.max_connections <= large.max_connections);
        prop_assert!(small.places <= large.places);
        for sizing in [small, large] {
            prop_assert!(sizing.worker_threads >= 2 && sizing.worker_threads as f64 <= sizing.cpus.max(2.0));
            prop_assert!((64..=10_000).contains(&sizing.max_connections));
            prop_assert_eq!(sizing.max_connections_per_address, sizing.max_connections / 2);
            prop_assert!((64..=4_096).contains(&sizing.places));
        }
    }
}
