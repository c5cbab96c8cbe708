//! How close something is to its limit.

/// Says how close something is to its limit, so that others can be refused in time.
///
/// Any `Fn() -> f64` is one. It is asked on every call: it must be cheap and must not block.
pub trait Pressure: Send + Sync + 'static {
    /// Returns 0 if there is room for everything, and 1 if there is none; more than 1 means no more than that, and what
    /// is no number means 0.
    fn pressure(&self) -> f64;
}

impl<F: Fn() -> f64 + Send + Sync + 'static> Pressure for F {
    fn pressure(&self) -> f64 {
        self()
    }
}
