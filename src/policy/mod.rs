//! The tower layers, one folder each; none knows another.

#[cfg(feature = "timeout")]
pub mod timeout;
