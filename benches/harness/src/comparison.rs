//! What is compared: calls that do the same, with one row for each way to make them.

use std::any::{Any, type_name};
use std::hint::black_box;

use http::{Request, Response};
use tower::Service;

use crate::drive;
use crate::inner;

/// Makes as many calls as it is told, and returns how many succeeded.
pub type Batch = Box<dyn FnMut(u32) -> u32 + Send>;

/// Rows that are measured in turn, round after round.
pub struct Comparison {
    /// What all of the calls meet.
    pub title: String,
    /// How the rows are set up, where that is not plain.
    pub settings: String,
    /// What every call of the rows does.
    pub outcome: Outcome,
    /// The inner service alone; rows are measured by what they add to it.
    pub bare: Row,
    /// The ways to make them.
    pub rows: Vec<Row>,
    /// Whether to measure it on two threads, too.
    pub on_two_threads: bool,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
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
pub struct Row {
    /// The package that makes them; its version is that of `Cargo.lock`.
    pub package: &'static str,
    /// Which of its ways this is.
    pub what: &'static str,
    /// Rows that do alike are compared with each other first.
    pub alike: &'static str,
    /// The layer that it is of, if it is of one alone.
    pub layer: Option<&'static str>,
    /// Whether all batches share one handle.
    pub shared: bool,
    batch: Box<dyn Fn() -> Batch>,
    reset: Box<dyn Fn()>,
    _kept: Option<Box<dyn Any>>,
}

impl Row {
    /// Makes a row of a function that makes one call and returns whether it succeeded; each thread makes its own.
    pub fn new<C>(package: &'static str, what: &'static str, caller: impl Fn() -> C + 'static) -> Self
    where
        C: FnMut(u64) -> bool + Send + 'static,
    {
        Self {
            package,
            what,
            alike: "",
            layer: None,
            shared: true,
            batch: Box::new(move || batch(caller())),
            reset: Box::new(|| ()),
            _kept: None,
        }
    }

    /// Makes a row of a tower service; each thread calls its own clone.
    pub fn service<S>(package: &'static str, what: &'static str, service: S) -> Self
    where
        S: Service<u64> + Clone + Send + 'static,
    {
        Self::new(package, what, move || {
            let mut service = service.clone();
            move |n| black_box(drive::call(&mut service, n)).is_ok()
        })
    }

    /// Makes a row of a tower service over HTTP, which is sent what `request` makes.
    pub fn http_service<S, A, B>(
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

    /// Compares it with rows of the same `kind` first.
    pub fn alike(mut self, kind: &'static str) -> Self {
        self.alike = kind;
        self
    }

    /// Says that it is a row of this layer.
    pub fn of_layer<L>(mut self, _: &L) -> Self {
        self.layer = Some(type_name::<L>());
        self
    }

    /// Says that each batch has a handle of its own, so that two threads would share nothing.
    pub fn unshared(mut self) -> Self {
        self.shared = false;
        self
    }

    /// Runs `reset` before each batch, outside of its time.
    pub fn reset_by(mut self, reset: impl Fn() + 'static) -> Self {
        self.reset = Box::new(reset);
        self
    }

    /// Keeps what it is refused for, such as a permit that another has.
    pub fn keeping(mut self, value: impl Any) -> Self {
        self._kept = Some(Box::new(value));
        self
    }

    /// Makes what one thread runs.
    pub fn batch(&self) -> Batch {
        (self.batch)()
    }

    /// Prepares for the next batch.
    pub fn reset(&self) {
        (self.reset)();
    }

    /// Returns whether this is this project's own.
    pub fn is_ours(&self) -> bool {
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
    pub fn verify(&self) {
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
