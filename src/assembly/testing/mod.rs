//! Tests a whole service as its users do: in process, with time that stands still and dependencies that obey.
//!
//! [`TestClient`] calls an [`App`](crate::App) behind all of its guards, without a socket. [`FakeDependency`] is slow,
//! fails or hangs as it is told. Under the feature `test-util` every decision (breakers, limits, retries, health checks)
//! follows tokio's time, so that a test which pauses it has a manual clock for the whole service:
//! [`TestClient::advance`] moves it. Give the feature to your tests alone:
//!
//! ```toml
//! [dev-dependencies]
//! seaworthy = { version = "0.1", features = ["app", "test-util"] }
//! ```
//!
//! # Examples
//!
//! A service that takes payments, and what it does when those fail. In your tests the body of `main` is that of a
//! `#[tokio::test]`:
//!
//! ```
//! use axum::{Router, routing::get};
//! use http::{Request, StatusCode};
//! use seaworthy::testing::{Behaviour, FakeDependency, text};
//! use seaworthy::{App, BoxError, HttpClient};
//!
//! fn router(payments: HttpClient) -> Router {
//!     Router::new().route("/pay", get(async move || pay(&payments).await))
//! }
//!
//! async fn pay(payments: &HttpClient) -> Result<&'static str, StatusCode> {
//!     let paid = payments.send(Request::get("/charge").body("").unwrap()).await;
//!     match paid {
//!         Ok(response) if response.status().is_success() => Ok("paid"),
//!         _ => Err(StatusCode::BAD_GATEWAY),
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), BoxError> {
//!     let payments = FakeDependency::default();
//!     let mut app = App::builder("orders");
//!     let client = app.dependency("payments").http(payments.listen().await?);
//!     let breaker = client.dependency().breaker().clone();
//!     let orders = app.build()?.test_client(router(client));
//!
//!     assert_eq!(text(orders.get("/pay").await).await?, "paid");
//!
//!     payments.set(Behaviour::Failing(StatusCode::INTERNAL_SERVER_ERROR));
//!     assert_eq!(orders.get("/pay").await.status(), StatusCode::BAD_GATEWAY);
//!
//!     // Trips the circuit, and heals it.
//!     payments.set(Behaviour::Healthy);
//!     breaker.force_open();
//!     let calls = payments.calls();
//!     assert_eq!(orders.get("/pay").await.status(), StatusCode::BAD_GATEWAY);
//!     assert_eq!(payments.calls(), calls);
//!     breaker.reset();
//!     assert_eq!(orders.get("/pay").await.status(), StatusCode::OK);
//!
//!     assert!(text(orders.admin_get("/inventory").await).await?.contains("payments"));
//!     Ok(())
//! }
//! ```
//!
//! A circuit that opens by itself and heals, in half a minute that nobody waits for:
//!
//! ```
//! use std::time::Duration;
//! use seaworthy::breaker::State;
//! use seaworthy::testing::{Behaviour, FakeDependency};
//! use seaworthy::{App, BoxError};
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)] // `#[tokio::test(start_paused = true)]`
//! async fn main() -> Result<(), BoxError> {
//!     let fake = FakeDependency::default();
//!     let mut app = App::builder("orders");
//!     let ledger = app.dependency("ledger").attempt_timeout(Duration::from_secs(1)).guard();
//!     let orders = app.build()?.test_client(axum::Router::new());
//!     let state = || ledger.dependency().breaker().snapshot().state;
//!
//!     fake.set(Behaviour::Hanging);
//!     for _ in 0..20 {
//!         assert!(ledger.call(|| fake.call()).await.is_err()); // after a second each
//!     }
//!     assert_eq!(state(), State::Open);
//!
//!     fake.set(Behaviour::Healthy);
//!     orders.advance(Duration::from_secs(5)).await;
//!     assert!(ledger.call(|| fake.call()).await.is_ok());
//!     assert_eq!(state(), State::HalfOpen);
//!     Ok(())
//! }
//! ```
//!
//! # Time and sockets
//!
//! tokio's paused time goes forward by itself whenever nothing can run, and a socket that is waited for is nothing to it:
//! a timeout may come first. With [`FakeDependency::listen`] leave the time running, or put the guards of
//! [`Dependency::layer`](crate::Dependency::layer) round the fake itself.

mod client;
mod fake;
mod read;

pub use client::TestClient;
pub use fake::{Behaviour, FakeDependency, FakeError};
pub use read::{bytes, text};
