//! placeholder
#![forbid(unsafe_code)]
// Which parts of `base` have users depends on the features.
#![cfg_attr(not(feature = "full"), allow(dead_code, unused_imports))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod base;
#[cfg(feature = "health")]
pub mod health;
mod policy;
#[cfg(feature = "app")]
mod server;
#[cfg(feature = "shutdown")]
pub mod shutdown;
#[cfg(feature = "metrics")]
pub mod telemetry;
#[cfg(feature = "http")]
pub mod web;

pub use base::error::{BoxError, InvalidSetting, InvalidSettings};
pub use base::refusal::{Guarded, Part, Reason, Refusal};
pub use base::{clock, events, inventory, outcome, request};

#[cfg(feature = "timeout")]
pub use policy::timeout;
#[cfg(feature = "http")]
pub use web::Body;
