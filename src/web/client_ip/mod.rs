//! Which client a request comes from, by its address.

mod address;
mod extractor;
mod forwarded;
mod key;

pub use extractor::ClientIp;
pub use key::ClientKey;
