//! What is compared: calls that do the same, with one row for each way to make them.

use std::hint::black_box;

use http::{Request, Response};
use tower::Service;

use crate::drive;
use crate::inner;

/// Makes as many calls as it is told, and returns how many succeeded.
pub(crate) type Batch = Box<dyn FnMut(u32) -> u32 + Send>;

/// Rows that are measured in turn, round after round.
pub(crate) struct Comparison {
    pub(crate) title: String,
    /// How the rows are set up, where that is not plain.
    pub(crate) settings: String,
    /// What every call of the rows does.
    pub(crate) outcome: Outcome,
    /// The inner service alone; rows are measured by what they add to it.
    pub(crate) bare: Row,
    pub(crate) rows: Vec<Row>,
    /// Whether to measure it on two threads, too.
    pub(crate) on_two_threads: bool,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The inner service is called and succeeds.
    Success,
    /// The inner service is called and fails.
    Failure,
    /// The inner service is not called.
    Refusal,
    /// There is no inner service.
    Floor,
}

/// One way to make the calls of a comparison.
pub(crate) struct Row {
    /// The package that makes them; its version is that of `Cargo.lock`.
    pub(crate) package: &'static str,
    /// Which of its ways this is.
    pub(crate) what: &'static str,
    /// Rows that do alike are compared with each other first.
    pub(crate) alike: &'static str,
    /// Whether all batches share one handle.
    pub(crate) shared: bool,
    batch: Box<dyn Fn() -> Batch>,
    reset: Box<dyn Fn()>,
}

impl Row {
    /// Makes a row of a function that makes one call and returns whether it succeeded; each thread makes its own.
    pub(crate) fn new<C>(package: &'static str, what: &'static str, caller: impl Fn() -> C + 'static) -> Self
    where
        C: FnMut(u64) -> bool + Send + 'static,
    {
        Self {
            package,
            what,
            alike: "",
            shared: true,
            batch: Box::new(move || batch(caller())),
            reset: Box::new(|| ()),
        }
    }

    /// Makes a row of a tower service; each thread calls its own clone.
    pub(crate) fn service<S>(package: &'static str, what: &'static str, service: S) -> Self
    where
        S: Service<u64> + Clone + Send + 'static,
    {
        Self::new(package, what, move || {
            let mut service = service.clone();
            move |n| black_box(drive::call(&mut service, n)).is_ok()
        })
    }

    /// Makes a row of a tower service over HTTP, which is sent what `request` makes.
    pub(crate) fn http_service<S, A, B>(
        package: &'static str,
        what: &'static str,
        service: S,
        request: fn(u64) -> Request<A>,
    ) -> Self
    where
        S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
        A: 'static,
    {
        Self::new(package, what, move || {
            let mut service = service.clone();
            move |n| {
                let response = black_box(drive::call(&mut service, request(n)));
                response.is_ok_and(|response| response.status().is_success())
            }
        })
    }

    /// Makes a row of a service of the crate `layered`, seatbelt's own; threads share it.
    pub(crate) fn layered<S>(package: &'static str, what: &'static str, service: S) -> Self
    where
        S: layered::Service<u64, Out = Result<u64, inner::Failure>> + Clone + 'static,
    {
        Self::new(package, what, move || {
            let service = service.clone();
            move |n| black_box(drive::drive(service.execute(n))).is_ok()
        })
    }

    /// Compares it with rows of the same `kind` first.
    pub(crate) fn alike(mut self, kind: &'static str) -> Self {
        self.alike = kind;
        self
    }

    /// Says that each batch has a handle of its own, so that two threads would share nothing.
    pub(crate) fn unshared(mut self) -> Self {
        self.shared = false;
        self
    }

    /// Runs `reset` before each batch, outside of its time.
    pub(crate) fn reset_by(mut self, reset: impl Fn() + 'static) -> Self {
        self.reset = Box::new(reset);
        self
    }

    /// Makes what one thread runs.
    pub(crate) fn batch(&self) -> Batch {
        (self.batch)()
    }

    /// Prepares for the next batch.
    pub(crate) fn reset(&self) {
        (self.reset)();
    }

    /// Returns whether this is this project's own.
    pub(crate) fn is_ours(&self) -> bool {
        self.package == "seaworthy"
    }
}

fn batch(mut call: impl FnMut(u64) -> bool + Send + 'static) -> Batch {
    let mut n = 0;
    Box::new(move |calls| {
        let mut succeeded = 0;
        for _ in 0..calls {
            n += 1;
            succeeded += u32::from(call(black_box(n)));
        }
        succeeded
    })
}

impl Comparison {
    /// Makes sure that the calls of every row do what is said of them.
    ///
    /// # Panics
    ///
    /// If those of a row do not: its figures would be of something else.
    pub(crate) fn verify(&self) {
        const CALLS: u32 = 64;
        for row in &self.rows {
            row.reset();
            let before = inner::reached();
            let succeeded = row.batch()(CALLS);
            let reached = inner::reached() - before;
            let expected = match self.outcome {
                Outcome::Success => (CALLS, u64::from(CALLS)),
                Outcome::Failure => (0, u64::from(CALLS)),
                Outcome::Refusal => (0, 0),
                Outcome::Floor => (CALLS, 0),
            };
            assert_eq!(
                (succeeded, reached),
                expected,
                "{}: (succeeded, reached the inner service) of {CALLS} calls of {}, {}",
                self.title,
                row.package,
                row.what
            );
        }
    }
}
