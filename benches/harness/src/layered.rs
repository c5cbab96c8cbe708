//! Services of the crate `layered`, seatbelt's own trait.

use std::hint::black_box;

use crate::comparison::Row;
use crate::drive;
use crate::inner::{Failure, Inner};

impl Row {
    /// Makes a row of such a service; threads share it.
    pub fn layered<S>(package: &'static str, what: &'static str, service: S) -> Self
    where
        S: layered::Service<u64, Out = Result<u64, Failure>> + Clone + 'static,
    {
        Self::new(package, what, move || {
            let service = service.clone();
            move |n| black_box(drive::drive(service.execute(n))).is_ok()
        })
    }
}

impl layered::Service<u64> for Inner {
    type Out = Result<u64, Failure>;

    fn execute(&self, n: u64) -> impl Future<Output = Self::Out> + Send {
        self.answer(n)
    }
}
