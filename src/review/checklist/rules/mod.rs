//! How it is found out whether an item is met.

pub(super) mod attested;
pub(super) mod guards;
pub(super) mod manifest;
pub(super) mod wired;
