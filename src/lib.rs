//! placeholder
#![forbid(unsafe_code)]
// Which parts of `base` have users depends on the features.
#![cfg_attr(not(feature = "full"), allow(dead_code, unused_imports))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod base;
mod policy;

pub use base::error::{BoxError, InvalidSetting, InvalidSettings};
pub use base::refusal::{Guarded, Part, Reason, Refusal};
pub use base::{clock, events, inventory, outcome};

#[cfg(feature = "timeout")]
pub use policy::timeout;
