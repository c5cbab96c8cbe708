//! placeholder
#![forbid(unsafe_code)]
#![warn(unreachable_pub, clippy::disallowed_methods, clippy::unwrap_used)]
// Which parts of `base` have users depends on the features.
#![cfg_attr(not(feature = "full"), allow(dead_code, unused_imports))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "app")]
mod admin;
#[cfg(feature = "app")]
mod assembly;
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

#[cfg(feature = "app")]
pub use assembly::{App, AppBuilder, AppError, Bound, Endpoint, run};
#[cfg(feature = "timeout")]
pub use policy::timeout;
#[cfg(feature = "app")]
pub use server::ListenError;
#[cfg(feature = "http")]
pub use web::Body;
