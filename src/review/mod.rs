//! Answers "is this service ready for production?", item by item, with evidence.
//!
//! The [checklist](crate::docs::checklist) is data; each item says how it is met, and which [level](Level) needs it. What
//! is known of an item is one of four [kinds](Kind), which are never mixed up: *proven* by what is wired, *measured* by
//! somebody who looked, *attested* in the manifest until it expires, or *missing*. What is left out on purpose shows as
//! *waived*, with its reason.
//!
//! # Examples
//!
//! A test of your own, whose failure is the list of what to do:
//!
//! ```
//! use seaworthy::App;
//! use seaworthy::review::Level;
//!
//! let mut app = App::builder("orders");
//! let _payments = app.dependency("payments").http("http://127.0.0.1:8081");
//! let review = app.build().unwrap().review();
//! assert!(review.item("circuit-breakers").unwrap().is_met());
//!
//! let not_ready = review.require(Level::Mvp).unwrap_err();
//! assert!(not_ready.to_string().contains("rollback-plan"));
//! ```

mod checklist;
mod day;
mod evidence;
mod freshness;
mod game_day;
mod item;
mod level;
mod manifest;
mod measurement;
mod render;
mod reviewer;
mod scene;
mod schema;
mod verdict;

pub use evidence::{Evidence, Kind};
pub use freshness::{Freshness, http_date};
pub use item::{Area, Criterion, Item};
pub use level::{Level, NoLevel};
pub use render::JSON_SCHEMA;
pub use scene::Scene;
pub use schema::SchemaGate;
pub use verdict::{NotReady, Review, Reviewed, Verdict};

pub(crate) use manifest::Manifest;
pub(crate) use measurement::{Measurements, Probe};
pub(crate) use reviewer::{Criteria, Parts, Reviewer, check_measurements};
