//! What a machine can only see a part of.

use crate::review::evidence::Evidence;
use crate::review::scene::Scene;

pub(crate) fn backups(_: &Scene<'_>) -> Vec<Evidence> {
    let found = "nothing that runs can show that RPO and RTO are written down";
    vec![Evidence::unknown("strategy", found)]
}

/// Measured by the gate of a schema; without one nobody looks.
pub(crate) fn migrations(scene: &Scene<'_>) -> Vec<Evidence> {
    dated(scene, "migrations", "no `AppBuilder::schema` guards the startup")
}

pub(crate) fn restore_drill(scene: &Scene<'_>) -> Vec<Evidence> {
    dated(
        scene,
        "restore-drill",
        "no `AppBuilder::freshness` says when the last one was",
    )
}

pub(crate) fn data_retention(scene: &Scene<'_>) -> Vec<Evidence> {
    dated(
        scene,
        "data-retention",
        "no `AppBuilder::freshness` says when its job ran last",
    )
}

/// What a measurement shows as a whole; without one nobody looks.
fn dated(scene: &Scene<'_>, item: &str, unknown: &str) -> Vec<Evidence> {
    if scene.readings(item).next().is_some() {
        return Vec::new();
    }
    vec![Evidence::unknown("", unknown)]
}

pub(crate) fn input_validation(scene: &Scene<'_>) -> Vec<Evidence> {
    let bounded = match scene.one("server") {
        Some(_) => Evidence::proven("bodies, heads and time", "bounded by the stack of `App`"),
        None => Evidence::missing("bodies, heads and time", "nothing is served by `App`"),
    };
    let found = "nothing that runs can show that what they say is validated";
    vec![bounded, Evidence::unknown("what bodies say", found)]
}
