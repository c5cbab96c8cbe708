use crate::review::item::{Area, Row, nobody_looks};
use crate::review::level::Level;

pub(super) static ROWS: &[Row] = &[
    Row {
        id: "readme",
        title: "A README",
        why: "The first question of everybody new.",
        how: "Attest it, with its path.",
        level: Level::Mvp,
        area: Area::Documentation,
        is_never: false,
        covers: &["l1-6"],
        examine: nobody_looks,
    },
    Row {
        id: "api-docs",
        title: "The API is documented",
        why: "Undocumented behaviour is an API, too.",
        how: "Attest the document.",
        level: Level::Stable,
        area: Area::Documentation,
        is_never: false,
        covers: &["docs-1"],
        examine: nobody_looks,
    },
    Row {
        id: "architecture-diagrams",
        title: "Architecture diagrams",
        why: "In an incident nobody reads the code first.",
        how: "Attest them.",
        level: Level::Resilient,
        area: Area::Documentation,
        is_never: false,
        covers: &["docs-3"],
        examine: nobody_looks,
    },
    Row {
        id: "decision-records",
        title: "Decisions and their reasons are recorded",
        why: "Who does not know why undoes it.",
        how: "Attest the records.",
        level: Level::Resilient,
        area: Area::Documentation,
        is_never: false,
        covers: &["docs-5"],
        examine: nobody_looks,
    },
];
