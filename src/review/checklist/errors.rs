use super::rules::wired;
use crate::review::item::{Area, Row};
use crate::review::level::Level;

pub(super) static ROWS: &[Row] = &[
    Row {
        id: "error-boundary",
        title: "Every error and every panic becomes a response",
        why: "A connection that just breaks off tells nobody anything.",
        how: "Serve through `App`: the boundary is in its stack.",
        level: Level::Mvp,
        area: Area::Errors,
        is_never: false,
        covers: &["errors-1", "l1-3"],
        examine: wired::error_boundary,
    },
    Row {
        id: "error-messages",
        title: "Messages for users say what happened, and give nothing away",
        why: "A stack trace helps an attacker more than a customer.",
        how: "Refusals are `application/problem+json` by themselves; answer your own errors by `web::problem`.",
        level: Level::Mvp,
        area: Area::Errors,
        is_never: false,
        covers: &["errors-5"],
        examine: wired::error_messages,
    },
    Row {
        id: "error-classes",
        title: "Errors are told apart: ours, theirs, come back later",
        why: "Who retries a mistake of its own repeats it; who does not retry a hiccup shows it.",
        how: "Call through what `AppBuilder::dependency` makes: statuses and refusals are classified in one place.",
        level: Level::Stable,
        area: Area::Errors,
        is_never: false,
        covers: &["errors-4"],
        examine: wired::error_classes,
    },
    Row {
        id: "dead-letters",
        title: "What is given up on is kept",
        why: "Work that is lost in silence is found by the customer.",
        how: "Give each `worker::Worker` its `dead_letters`; attest those of consumers of your own, or waive it if nothing is consumed.",
        level: Level::Resilient,
        area: Area::Errors,
        is_never: false,
        covers: &["errors-3"],
        examine: wired::dead_letters,
    },
];
