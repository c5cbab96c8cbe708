/// Says how many requests one counts for; every closure from a request to a `u32` does.
///
/// One of weight 0 goes through at once and costs nothing; one that weighs more than the burst never does.
pub trait Weigh<Req> {
    /// Returns how many requests this one counts for; called once for each, and must not block.
    fn weigh(&self, request: &Req) -> u32;
}

impl<F: Fn(&Req) -> u32, Req> Weigh<Req> for F {
    #[inline]
    fn weigh(&self, request: &Req) -> u32 {
        self(request)
    }
}

/// Lets every request count as one.
#[derive(Clone, Copy, Debug, Default)]
pub struct One;

impl<Req> Weigh<Req> for One {
    #[inline]
    fn weigh(&self, _: &Req) -> u32 {
        1
    }
}
