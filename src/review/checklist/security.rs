use super::rules::attested;
use crate::review::item::{Area, Row, nobody_looks};
use crate::review::level::Level;

pub(super) static ROWS: &[Row] = &[
    Row {
        id: "access-control",
        title: "Who may do what is checked",
        why: "Everybody finds the admin page.",
        how: "Verify authentication and authorisation of each endpoint, and attest it.",
        level: Level::Stable,
        area: Area::Security,
        is_never: false,
        covers: &["security-1"],
        examine: nobody_looks,
    },
    Row {
        id: "input-validation",
        title: "Input is validated and bounded",
        why: "Outside input is hostile.",
        how: "Bodies are bounded by `App`; validate what they say, and attest that.",
        level: Level::Stable,
        area: Area::Security,
        is_never: false,
        covers: &["security-2"],
        examine: attested::input_validation,
    },
    Row {
        id: "dependency-audit",
        title: "Dependencies are audited",
        why: "Most of the code is somebody else's.",
        how: "Run `cargo deny check` in the pipeline, and attest it.",
        level: Level::Stable,
        area: Area::Security,
        is_never: false,
        covers: &["security-3"],
        examine: nobody_looks,
    },
    Row {
        id: "owasp-review",
        title: "A review against the OWASP top ten",
        why: "The ten are what is found first.",
        how: "Review it, and attest it.",
        level: Level::Resilient,
        area: Area::Security,
        is_never: false,
        covers: &["security-5"],
        examine: nobody_looks,
    },
];
