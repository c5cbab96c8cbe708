//! What gRPC adds to the HTTP faces of the policies: its own status, its own proof, its own headers.
//!
//! The layers stand below a gRPC client's codec, where its calls are HTTP requests, as with any tower transport.

mod by_status;
#[cfg(feature = "retry")]
mod methods;
#[cfg(feature = "retry")]
mod retry;

pub use crate::web::grpc_answer::refused;
pub use crate::web::grpc_code::Code;
pub use by_status::ByGrpcStatus;
#[cfg(feature = "retry")]
pub use methods::IdempotentMethods;
#[cfg(feature = "retry")]
pub use retry::{GRPC_PREVIOUS_RPC_ATTEMPTS, GrpcReplay, RetryByGrpcStatus};
