//! What the example `database` is made of; `main.rs` says how to run it and what to take from it.

#![warn(clippy::unwrap_used)]

pub mod api;
pub mod app;
pub mod connections;
pub mod dead_letters;
pub mod error;
pub mod invoices;
pub mod migrations;
pub mod orders;
pub mod queue;
