//! What a service calls, and the guards that each call goes through.

mod builder;
mod finish;
mod guard;
mod handle;
mod health;
mod http;
mod layer;
mod outbound;
mod policies;
mod timed;

pub use builder::DependencyBuilder;
pub use guard::Guard;
pub use handle::Dependency;
pub use http::{HttpClient, HttpClientFuture};
pub use layer::{DependencyLayer, HttpDependencyLayer};

pub(super) use {builder::Declared, finish::Finish};
