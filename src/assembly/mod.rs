//! Puts a whole service together: serving through [`App`] implies the equipment.
//!
//! # Examples
//!
//! ```no_run
//! use std::{process::ExitCode, time::Duration};
//! use axum::{Router, routing::get};
//! use http::Method;
//! use seaworthy::{App, Endpoint};
//!
//! fn main() -> ExitCode {
//!     seaworthy::run(async {
//!         let app = App::builder("hello")
//!             .endpoint(Method::GET, "/", Endpoint::default().deadline(Duration::from_secs(1)))
//!             .build()?;
//!         app.serve(Router::new().route("/", get(|| async { "ahoy" }))).await
//!     })
//! }
//! ```

mod app;
mod build;
mod builder;
mod control;
mod dependency;
mod descriptors;
mod endpoint;
mod error;
mod inbound;
mod lint;
#[cfg(not(feature = "otlp"))]
mod no_otlp;
#[cfg(feature = "otlp")]
mod otlp;
mod pulse;
mod quotas;
mod run;
mod serve;
mod settings;
mod sizing;
mod stack;
mod table;
#[cfg(feature = "test-util")]
pub mod testing;
mod workers;

pub use app::{App, Bound};
pub use builder::AppBuilder;
pub use control::Control;
pub use dependency::{
    Dependency, DependencyBuilder, DependencyLayer, Guard, HttpClient, HttpClientFuture, HttpDependencyLayer,
};
pub use endpoint::Endpoint;
pub use error::AppError;
pub use run::run;
