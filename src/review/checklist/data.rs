use super::rules::attested;
use crate::review::item::{Area, Row};
use crate::review::level::Level;

pub(super) static ROWS: &[Row] = &[
    Row {
        id: "backups",
        title: "Backups within the recovery point objective",
        why: "What is not backed up is gone some day.",
        how: "Write down RPO and RTO and attest that; give the age of the newest backup to `AppBuilder::freshness`.",
        level: Level::Stable,
        area: Area::Data,
        is_never: false,
        covers: &["data-1"],
        examine: attested::backups,
    },
    Row {
        id: "restore-drill",
        title: "A restore has been tried",
        why: "A backup that nobody has restored is a hope.",
        how: "Restore outside of production, and attest it, or give the time of the last drill to `AppBuilder::freshness`.",
        level: Level::Stable,
        area: Area::Data,
        is_never: false,
        covers: &["data-2"],
        examine: attested::restore_drill,
    },
    Row {
        id: "migrations",
        title: "Migrations are compatible and have a way back",
        why: "Old and new code run side by side during every rollout.",
        how: "Guard the startup by `AppBuilder::schema`, and name each migration with its way back.",
        level: Level::Stable,
        area: Area::Data,
        is_never: false,
        covers: &["data-3"],
        examine: attested::migrations,
    },
    Row {
        id: "data-retention",
        title: "Data is deleted when its time has come",
        why: "What should have been deleted can still be stolen.",
        how: "Run a retention job, and give its last run to `AppBuilder::freshness`, or attest it.",
        level: Level::Resilient,
        area: Area::Data,
        is_never: false,
        covers: &["data-4"],
        examine: attested::data_retention,
    },
];
