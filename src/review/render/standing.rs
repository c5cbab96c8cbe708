//! How far a service is, and what stands before the next level.

use crate::review::level::Level;
use crate::review::verdict::{Review, Reviewed, Verdict};

/// How many items are named at most; more are counted.
const NAMED: usize = 2;

/// Returns the level reached: `L2 stable`, or `no level`.
pub(super) fn reached(review: &Review) -> String {
    review
        .reached()
        .map_or_else(|| "no level".to_owned(), |level| level.to_string())
}

/// Says what is reached, and what is in the way: `no level: runbooks (1 of 20 items) is in the way of L1 mvp`.
pub(super) fn standing(review: &Review) -> String {
    let but = if review.verdict() == Verdict::Go { ';' } else { ':' };
    format!("{}{but} {}", reached(review), in_the_way(review))
}

/// Says what is in the way of the next level, and of the target if that lacks more.
pub(super) fn in_the_way(review: &Review) -> String {
    let target = review.target;
    let count = |level| missing(review, level).count();
    match next_level(review).filter(|next| *next < target) {
        None => before(review, target),
        Some(next) if count(next) == count(target) => before(review, next),
        Some(next) => format!("{}; {}", before(review, next), before(review, target)),
    }
}

/// Says that nothing is in the way of the target, and how much is missing of the next level.
pub(super) fn nothing_in_the_way(review: &Review) -> String {
    let nothing = format!("Nothing: all that {} needs is there, or waived.", review.target);
    let Some(next) = next_level(review) else {
        return nothing;
    };
    let count = missing(review, next).count();
    let items = if count == 1 { "item" } else { "items" };
    format!("{nothing} Next is {next}: {count} {items}.")
}

/// Tells whether an item is in the way of the target.
pub(super) fn is_in_the_way(review: &Review, reviewed: &Reviewed) -> bool {
    !reviewed.is_met() && reviewed.item.level <= review.target
}

/// Returns the lowest level of which something is missing.
fn next_level(review: &Review) -> Option<Level> {
    let missing = review.items.iter().filter(|reviewed| !reviewed.is_met());
    missing.map(|reviewed| reviewed.item.level).min()
}

fn needed(review: &Review, level: Level) -> impl Iterator<Item = &Reviewed> {
    review.items.iter().filter(move |reviewed| reviewed.item.level <= level)
}

fn missing(review: &Review, level: Level) -> impl Iterator<Item = &Reviewed> {
    needed(review, level).filter(|reviewed| !reviewed.is_met())
}

/// Names what is in the way of a level, or counts it: `16 of 61 items are in the way of L3 resilient`.
fn before(review: &Review, level: Level) -> String {
    let ids: Vec<_> = missing(review, level).map(|reviewed| &*reviewed.item.id).collect();
    let are = if ids.len() == 1 { "is" } else { "are" };
    let count = format!("{} of {} items", ids.len(), needed(review, level).count());
    let named = match ids.len() {
        1..=NAMED => format!("{} ({count})", ids.join(" and ")),
        _ => count,
    };
    format!("{named} {are} in the way of {level}")
}
