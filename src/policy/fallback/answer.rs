use std::future::Future;

mod sealed {
    /// Keeps others from having answers of their own.
    pub trait Answers<Req, E> {}
}

/// Answers in another way what the inside did not answer: a `Req` that ended in an `E`.
///
/// Any `Fn(E) -> Fut` does so without the request. [`ForRequest`] notes what it needs of the request before that moves
/// into the inside. It is sealed: both are made by the layers of a [`Fallback`](super::Fallback), and it only names in
/// their types what these were given.
pub trait Answer<Req, E>: sealed::Answers<Req, E> {
    /// What is kept of a request while it is under way.
    type Kept;
    /// Makes the other answer.
    type Future: Future;

    /// Notes of a request what the other answer needs; called for every request.
    fn keep(&self, request: &Req) -> Self::Kept;

    /// Begins the other answer.
    fn answer(&self, kept: Self::Kept, end: E) -> Self::Future;
}

impl<Req, E, F, Fut> sealed::Answers<Req, E> for F
where
    F: Fn(E) -> Fut,
    Fut: Future,
{
}

impl<Req, E, F, Fut> Answer<Req, E> for F
where
    F: Fn(E) -> Fut,
    Fut: Future,
{
    type Kept = ();
    type Future = Fut;

    #[inline]
    fn keep(&self, _: &Req) {}

    fn answer(&self, (): (), end: E) -> Fut {
        self(end)
    }
}

/// Answers by two functions: one notes what is needed of a request, the other one gets that and how the call ended.
#[derive(Clone, Copy, Debug)]
pub struct ForRequest<N, F> {
    note: N,
    fallback: F,
}

impl<N, F> ForRequest<N, F> {
    pub(crate) fn new(note: N, fallback: F) -> Self {
        Self { note, fallback }
    }
}

impl<Req, E, N, K, F, Fut> sealed::Answers<Req, E> for ForRequest<N, F>
where
    N: Fn(&Req) -> K,
    F: Fn(K, E) -> Fut,
    Fut: Future,
{
}

impl<Req, E, N, K, F, Fut> Answer<Req, E> for ForRequest<N, F>
where
    N: Fn(&Req) -> K,
    F: Fn(K, E) -> Fut,
    Fut: Future,
{
    type Kept = K;
    type Future = Fut;

    #[inline]
    fn keep(&self, request: &Req) -> K {
        (self.note)(request)
    }

    fn answer(&self, kept: K, end: E) -> Fut {
        (self.fallback)(kept, end)
    }
}
