use crate::review::item::{Area, Row, nobody_looks};
use crate::review::level::Level;

pub(super) static ROWS: &[Row] = &[
    Row {
        id: "slos",
        title: "Service level objectives",
        why: "Without a number, every outage is an argument.",
        how: "Write down availability, latency and error rate, and attest them.",
        level: Level::Resilient,
        area: Area::Objectives,
        is_never: false,
        covers: &["ops-2", "l3-5"],
        examine: nobody_looks,
    },
    Row {
        id: "slas",
        title: "Whoever depends on it knows what to expect",
        why: "They build on what they have seen otherwise.",
        how: "Tell them, and attest it.",
        level: Level::Resilient,
        area: Area::Objectives,
        is_never: false,
        covers: &["ops-3"],
        examine: nobody_looks,
    },
    Row {
        id: "error-budget-policy",
        title: "A spent error budget stops features",
        why: "A budget without a consequence is a number.",
        how: "Agree on it before it happens, and attest it.",
        level: Level::Resilient,
        area: Area::Objectives,
        is_never: true,
        covers: &["never-4"],
        examine: nobody_looks,
    },
    Row {
        id: "error-budgets",
        title: "Error budgets are tracked",
        why: "How much risk is left is what decides whether to ship.",
        how: "Track them beside the objectives, and attest it.",
        level: Level::Optimized,
        area: Area::Objectives,
        is_never: false,
        covers: &["l4-5"],
        examine: nobody_looks,
    },
];
