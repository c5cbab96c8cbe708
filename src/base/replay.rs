//! How a request is sent more than once, and what proves that it may be.

use super::attempt::Attempt;
use super::deadline::Deadline;

/// Marks a request that has the same effect however often it arrives.
///
/// Plain requests are repeated only if their type has this mark. An HTTP request proves it at run time instead, by its
/// method or an `Idempotency-Key`.
///
/// # Examples
///
/// ```
/// use seaworthy::replay::Idempotent;
///
/// #[derive(Clone)]
/// struct Balance {
///     account: u64,
/// }
///
/// // Reading it twice changes nothing.
/// impl Idempotent for Balance {}
/// ```
#[diagnostic::on_unimplemented(
    message = "nothing proves that `{Self}` may be sent twice",
    label = "a request that is repeated must be `Idempotent`",
    note = "implement `seaworthy::replay::Idempotent` for it if a second arrival changes nothing, or give the layer another `Replay`"
)]
pub trait Idempotent {}

/// Says how a request is sent again.
pub trait Replay<Req> {
    /// What is sent.
    type Sent;
    /// What is kept to make further attempts from.
    type Kept;

    /// Takes a request apart into what is sent first, and what is kept; nothing is kept of one that must not, or cannot,
    /// be sent again.
    fn begin(&self, request: Req) -> (Self::Sent, Option<Self::Kept>);

    /// Makes the request of a further attempt; `None` if that has become impossible.
    ///
    /// What was sent before must not be used any more, as it may share a body with this one.
    fn again(&self, kept: &mut Self::Kept, attempt: Attempt) -> Option<Self::Sent>;

    /// Makes a request that may be under way at the same time as what was sent before; `None` if that cannot be.
    ///
    /// A [hedge](crate::hedge) sends nothing else. Default `None`: what [`again`](Self::again) makes may share a body with
    /// what was sent before.
    fn concurrent(&self, kept: &mut Self::Kept, attempt: Attempt) -> Option<Self::Sent> {
        let _ = (kept, attempt);
        None
    }

    /// Returns the deadline that came with the request.
    fn deadline(&self, request: &Req) -> Option<Deadline> {
        let _ = request;
        None
    }
}

/// Repeats a plain request by cloning it, if its type is [`Idempotent`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Cloned;

impl<Req: Idempotent + Clone> Replay<Req> for Cloned {
    type Sent = Req;
    type Kept = Req;

    #[inline]
    fn begin(&self, request: Req) -> (Req, Option<Req>) {
        (request.clone(), Some(request))
    }

    fn again(&self, kept: &mut Req, _: Attempt) -> Option<Req> {
        Some(kept.clone())
    }

    fn concurrent(&self, kept: &mut Req, _: Attempt) -> Option<Req> {
        Some(kept.clone())
    }
}
