use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use smol_str::SmolStr;
use tower_layer::Layer;

use super::answer::ForRequest;
use super::config::{FallbackConfig, On};
use super::future::{Call, Rescue};
use super::rules::Rules;
use super::service::FallbackService;
use crate::base::Counters;
use crate::base::error::{BoxError, InvalidSettings};
use crate::base::events::{EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::base::live::Live;
use crate::base::stripe::{self, Lane, MOST_STRIPES, Striped};

/// Answers in another way when the inside was refused or failed.
///
/// A cheap handle: clones and everything made from them share settings and counters, two handles share nothing.
#[derive(Clone, Debug)]
pub struct Fallback(Striped<Rules>);

impl Fallback {
    /// Starts a fallback with the defaults; `name` shows in events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> FallbackBuilder {
        FallbackBuilder {
            name: SmolStr::new(name),
            config: FallbackConfig::default(),
            events: Events::default(),
        }
    }

    /// Makes the layer for any [`tower_service::Service`]; `fallback` gets the error and answers instead.
    ///
    /// It may look for the [`Refusal`](crate::Refusal) in the error, and may return the error to pass it on. It is cloned
    /// for every call: let it share what is large by an `Arc`.
    pub fn layer<F, Fut, T>(&self, fallback: F) -> FallbackLayer<F>
    where
        F: Fn(BoxError) -> Fut + Clone,
        Fut: Future<Output = Result<T, BoxError>>,
    {
        self.layer_with(fallback)
    }

    /// Makes the layer for a fallback that needs something of the request, which has gone by then.
    ///
    /// `keep` notes it, for every request, and `fallback` gets it with the error. Both are cloned for every call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use seaworthy::{BoxError, fallback::Fallback};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let prices = Fallback::builder("prices").build().unwrap();
    /// let yesterday = |item: u32, _: BoxError| async move { Ok(item * 10) };
    /// let client = prices
    ///     .layer_for(|item: &u32| *item, yesterday)
    ///     .layer(service_fn(|_: u32| async { Err::<u32, _>(std::io::Error::other("down")) }));
    /// assert_eq!(client.oneshot(7).await.unwrap(), 70);
    /// # }
    /// ```
    pub fn layer_for<Req, K, N, F, Fut, T>(&self, keep: N, fallback: F) -> FallbackLayer<ForRequest<N, F>>
    where
        N: Fn(&Req) -> K + Clone,
        F: Fn(K, BoxError) -> Fut + Clone,
        Fut: Future<Output = Result<T, BoxError>>,
    {
        self.layer_with(ForRequest::new(keep, fallback))
    }

    fn layer_with<A>(&self, answer: A) -> FallbackLayer<A> {
        let fallback = self.clone();
        FallbackLayer { fallback, answer }
    }

    /// Runs a future of your own; `fallback` gets its error and answers instead.
    ///
    /// The error is the operation's own. If that is [`Guarded`](crate::Guarded), because other policies of this crate are
    /// inside, its refusals are found in it.
    ///
    /// # Errors
    ///
    /// The fallback's, or the operation's if the fallback is not for it.
    ///
    /// # Cancellation
    ///
    /// `operation` is called at once. Dropping the returned future drops whichever of the two runs and counts as
    /// cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::io;
    /// # use seaworthy::fallback::Fallback;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let prices = Fallback::builder("prices").build().unwrap();
    /// let price = prices.call(|| async { Err(io::Error::other("down")) }, |_| async { Ok::<_, io::Error>(42) });
    /// assert_eq!(price.await.unwrap(), 42);
    /// # }
    /// ```
    #[inline]
    pub fn call<O, Op, A, Fut, T, E>(&self, operation: O, fallback: A) -> Call<Op, A, Fut>
    where
        O: FnOnce() -> Op,
        Op: Future<Output = Result<T, E>>,
        A: FnOnce(E) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Error + 'static,
    {
        let rescue = Rescue::start(self.lane(), None::<Infallible>, operation);
        Call::new(rescue, fallback)
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<FallbackConfig> {
        self.0.settings.load()
    }

    /// Changes the settings of every layer of this handle; they hold for calls under way, too.
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then. Changes wait for each other: `change` must not
    /// change the same handle.
    pub fn reconfigure(&self, change: impl FnOnce(&mut FallbackConfig)) -> Result<(), InvalidSettings> {
        self.0.reconfigure(change)
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.0
    }

    #[inline]
    pub(crate) fn lane(&self) -> Lane<Rules> {
        self.0.lane()
    }
}

impl Describe for Fallback {
    fn describe(&self) -> Entry {
        self.0.describe()
    }
}

/// Builds a [`Fallback`].
#[derive(Clone, Debug)]
#[must_use]
pub struct FallbackBuilder {
    name: SmolStr,
    config: FallbackConfig,
    events: Events,
}

impl FallbackBuilder {
    /// Which ends lead to the fallback. Default [`On::RefusalsAndFailures`].
    pub fn on(mut self, on: On) -> Self {
        self.config.on = on;
        self
    }

    /// Sends a [settings event](crate::events::Change::Settings) to `sink` whenever the settings change.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes the handle.
    ///
    /// # Errors
    ///
    /// Every setting that cannot be accepted; at present there is none.
    pub fn build(self) -> Result<Fallback, InvalidSettings> {
        let rules = Rules {
            settings: Live::new(&self.name, self.config)?,
            name: self.name,
            events: self.events,
            counts: Counters::default(),
        };
        Ok(Fallback(Striped::new(rules, stripe::count(MOST_STRIPES))))
    }
}

/// Gives every call of a service a [`Fallback`].
#[derive(Clone, Debug)]
pub struct FallbackLayer<A> {
    fallback: Fallback,
    answer: A,
}

impl<S, A: Clone> Layer<S> for FallbackLayer<A> {
    type Service = FallbackService<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        FallbackService::new(inner, self.fallback.clone(), self.answer.clone())
    }
}
