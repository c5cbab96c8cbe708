//! A review as it is read: by people, and by programs.
//!
//! All that comes from data is taken for hostile; each format has one function that makes a text harmless there.

mod html;
mod json;
mod lines;
mod markdown;
mod markup;
mod standing;
#[cfg(test)]
mod tests;
mod text;
mod told;

pub(super) use html::html;
pub(super) use json::json;
pub(super) use markdown::markdown;
pub(super) use text::{text, to_do};

/// The JSON Schema (draft 2020-12) of [`Review::json`](super::Review::json).
pub const JSON_SCHEMA: &str = include_str!("../review.schema.json");
