//! The checklist as data: what is wanted, why, how it is met, which level needs it, and how that is found out.

mod configuration;
mod data;
mod deployment;
mod documentation;
mod errors;
mod health;
mod objectives;
mod observability;
mod operations;
#[cfg(test)]
mod page;
mod performance;
mod resilience;
mod rules;
mod security;
mod testing;
#[cfg(test)]
mod tests;

use super::item::Row;

/// Returns every item, in the order in which reports show them.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    let areas = [
        health::ROWS,
        resilience::ROWS,
        errors::ROWS,
        configuration::ROWS,
        data::ROWS,
        observability::ROWS,
        objectives::ROWS,
        operations::ROWS,
        performance::ROWS,
        security::ROWS,
        deployment::ROWS,
        testing::ROWS,
        documentation::ROWS,
    ];
    areas.into_iter().flatten()
}

/// Returns how many lines of the checklist an item answers to; one of the user's own is one.
pub(super) fn lines_answered(id: &str) -> usize {
    rows().find(|row| row.id == id).map_or(1, |row| row.covers.len())
}
