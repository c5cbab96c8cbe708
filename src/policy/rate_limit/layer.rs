use tower_layer::Layer;

use super::keyed::{Key, KeyedRateLimit};
use super::limit::RateLimit;
use super::service::RateLimitService;
use super::turn::Entrance;
use super::weight::{One, Weigh};
use crate::base::key::KeyExtractor;

/// Puts every request of a service under a rate limit; made by [`RateLimit::layer`] and [`KeyedRateLimit::layer`].
#[derive(Clone, Debug)]
pub struct RateLimitLayer<A>(A);

/// One limit for all requests.
#[derive(Clone, Debug)]
pub struct PerService<W = One> {
    limit: RateLimit,
    weight: W,
}

/// A limit for the requests of each key.
#[derive(Clone, Debug)]
pub struct PerKey<K: Key, X, W = One> {
    limit: KeyedRateLimit<K>,
    key: X,
    weight: W,
}

/// Asks a limit to let a request through.
pub(crate) trait Ask<Req> {
    fn ask(&self, request: &Req) -> Entrance;
}

impl PerService {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, weight: One }
    }
}

impl<K: Key, X> PerKey<K, X> {
    pub(crate) fn new(limit: KeyedRateLimit<K>, key: X) -> Self {
        Self {
            limit,
            key,
            weight: One,
        }
    }
}

impl<W> PerService<W> {
    pub(crate) fn weight<V>(self, weight: V) -> PerService<V> {
        PerService {
            limit: self.limit,
            weight,
        }
    }
}

impl<K: Key, X, W> PerKey<K, X, W> {
    pub(crate) fn weight<V>(self, weight: V) -> PerKey<K, X, V> {
        PerKey {
            limit: self.limit,
            key: self.key,
            weight,
        }
    }
}

impl<Req, W: Weigh<Req>> Ask<Req> for PerService<W> {
    #[inline]
    fn ask(&self, request: &Req) -> Entrance {
        self.limit.enter(self.weight.weigh(request))
    }
}

impl<Req, K: Key, X: KeyExtractor<Req, Key = K>, W: Weigh<Req>> Ask<Req> for PerKey<K, X, W> {
    #[inline]
    fn ask(&self, request: &Req) -> Entrance {
        self.limit.enter(self.key.extract(request), self.weight.weigh(request))
    }
}

impl<A> RateLimitLayer<A> {
    pub(super) fn new(ask: A) -> Self {
        Self(ask)
    }
}

impl<W> RateLimitLayer<PerService<W>> {
    /// Lets `weight`, such as a closure from the request to a `u32`, say how many requests each one counts for.
    pub fn weight<V>(self, weight: V) -> RateLimitLayer<PerService<V>> {
        RateLimitLayer(self.0.weight(weight))
    }
}

impl<K: Key, X, W> RateLimitLayer<PerKey<K, X, W>> {
    /// Lets `weight`, such as a closure from the request to a `u32`, say how many requests each one counts for.
    pub fn weight<V>(self, weight: V) -> RateLimitLayer<PerKey<K, X, V>> {
        RateLimitLayer(self.0.weight(weight))
    }
}

impl<S, A: Clone> Layer<S> for RateLimitLayer<A> {
    type Service = RateLimitService<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimitService::new(inner, self.0.clone())
    }
}
