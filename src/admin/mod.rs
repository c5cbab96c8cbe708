//! The plane for operators: probes, health, metrics and inventory, on a thread and a runtime of its own.
//!
//! It answers while the service's own runtime is saturated or stuck, and it is where a shutdown is driven from.

mod accept;
mod log;
mod plane;
mod review;
mod routes;
mod timeline;
mod token;

pub(crate) use plane::Plane;
pub(crate) use routes::AdminRoutes;
pub(crate) use token::Token;
