//! A gRPC service that takes orders, and its client, both by tonic and behind all guards.
//!
//! ```sh
//! cargo run --package example-grpc
//! cargo run --package example-grpc --bin example-grpc-client -- http://127.0.0.1:8080
//! ```
//!
//! To take from it:
//!
//! - [`app`]: gRPC methods are endpoints like any other, and tonic's `Routes` is what an `App` serves. The caller's
//!   `grpc-timeout` is the request's deadline, and what the guards refuse is a status, without a word here.
//! - [`health`]: the standard `grpc.health.v1`, from the service's live health.
//! - [`orders`]: a refusal of a guard of one's own is a status; a handler knows how much time is left; a stream ends when
//!   the service drains.
//! - [`client`]: all guards of a dependency round a tonic channel, and what comes back through them.
//!
//! `build.rs` compiles `proto/orders.proto` without `protoc`.

pub mod app;
pub mod client;
pub mod health;
pub mod ledger;
pub mod orders;

/// What `build.rs` made of `proto/orders.proto`.
pub mod proto {
    tonic::include_proto!("orders.v1");
}
