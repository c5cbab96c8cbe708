//! Who a request is counted for.

use std::hash::Hash;

/// Says whose account a request goes on, for limits that count each client apart.
///
/// Every closure from a request to a key is one (write the type of its argument: `|order: &Order| …`). The key is hashed
/// for every request and kept while its account is: small is fast.
///
/// # Examples
///
/// ```
/// use seaworthy::key::KeyExtractor;
///
/// struct Order {
///     tenant: u32,
/// }
///
/// fn key_of<E: KeyExtractor<Order>>(extractor: &E, order: &Order) -> E::Key {
///     extractor.extract(order)
/// }
///
/// assert_eq!(key_of(&|order: &Order| order.tenant, &Order { tenant: 7 }), 7);
/// ```
pub trait KeyExtractor<Req> {
    /// What tells one client from another.
    type Key: Hash + Eq + Clone + Send + Sync + 'static;

    /// Returns the key of a request; called once for each, and must not block.
    fn extract(&self, request: &Req) -> Self::Key;
}

impl<F, Req, K> KeyExtractor<Req> for F
where
    F: Fn(&Req) -> K,
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    type Key = K;

    fn extract(&self, request: &Req) -> K {
        self(request)
    }
}
