//! Places of their own for each kind of request.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use smol_str::SmolStr;
use tower_layer::Layer;
use tower_service::Service;

use super::config::BulkheadConfig;
use super::future::ResponseFuture;
use super::layer::Bulkhead;
use super::placed::Placed;
use super::rules::KIND;
use super::snapshot::Load;
use crate::base::Counter;
use crate::base::error::{BoxError, InvalidSetting, InvalidSettings};
use crate::base::events::{EventSink, Events};
use crate::base::inventory::{Describe, Entry};

/// Keeps places of their own for each of a few kinds of request.
///
/// A cheap handle, like a [`Bulkhead`], with one bulkhead for each partition: requests of one partition never take the
/// places of another, nor do they stand in its queue. A request for a partition that was not declared goes into the one
/// that was declared last, so declare the least important one last.
///
/// # Examples
///
/// ```
/// use seaworthy::bulkhead::PartitionedBulkhead;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let inbound = PartitionedBulkhead::builder("inbound")
///     .partition("critical", |config| config.concurrent = 48)
///     .partition("non-critical", |config| (config.concurrent, config.queue) = (16, 0))
///     .build()
///     .unwrap();
/// let partition = |path: &&str| if path.starts_with("/orders") { "critical" } else { "non-critical" };
/// let handler = service_fn(|path: &'static str| async move { Ok::<_, std::io::Error>(path.len()) });
/// assert_eq!(inbound.layer(partition).layer(handler).oneshot("/orders").await.unwrap(), 7);
/// assert_eq!(inbound.partition("critical").unwrap().snapshot().in_flight, 0);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PartitionedBulkhead(Arc<Partitions>);

#[derive(Debug)]
struct Partitions {
    name: SmolStr,
    declared: Box<[(SmolStr, Bulkhead)]>,
    /// The one that was declared last again.
    last: Bulkhead,
    undeclared: Counter,
}

impl PartitionedBulkhead {
    /// Starts a bulkhead without partitions; `name` shows in errors, events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> PartitionedBulkheadBuilder {
        PartitionedBulkheadBuilder {
            name: SmolStr::new(name),
            partitions: Vec::new(),
            events: Events::default(),
        }
    }

    /// Makes the layer for any [`tower_service::Service`] that is `Clone`; `partition` says into which one a request goes.
    pub fn layer<F>(&self, partition: F) -> PartitionedBulkheadLayer<F> {
        let bulkhead = self.clone();
        PartitionedBulkheadLayer { bulkhead, partition }
    }

    /// Returns the handle of a partition, to read its state, to change its settings, or to run a call of your own in it.
    pub fn partition(&self, name: &str) -> Option<&Bulkhead> {
        let mut declared = self.0.declared.iter();
        let (_, bulkhead) = declared.find(|(declared, _)| declared == name)?;
        Some(bulkhead)
    }

    /// Asks for a place in the partition of that name.
    #[inline]
    pub(crate) fn enter<S, Req>(&self, partition: &str, service: &mut S, request: Req) -> Placed<S, Req>
    where
        S: Service<Req> + Clone,
    {
        let bulkhead = self.partition(partition).unwrap_or_else(|| self.last());
        Placed::new(bulkhead.lane(), service, request)
    }

    #[cold]
    fn last(&self) -> &Bulkhead {
        self.0.undeclared.increment();
        &self.0.last
    }
}

impl Describe for PartitionedBulkhead {
    fn describe(&self) -> Entry {
        let mut load = Load::default();
        for (_, bulkhead) in &self.0.declared {
            load.add(&bulkhead.snapshot().load());
        }
        let names: Vec<_> = self.0.declared.iter().map(|(name, _)| name.as_str()).collect();
        Entry::new(KIND, &*self.0.name, load.state())
            .setting("partitions", names.join(", "))
            .saturation(load.saturation)
            .counter("undeclared", self.0.undeclared.sum())
    }

    fn describe_all(&self) -> Vec<Entry> {
        let partitions = self.0.declared.iter().map(|(_, bulkhead)| bulkhead.describe());
        std::iter::once(self.describe()).chain(partitions).collect()
    }
}

/// Builds a [`PartitionedBulkhead`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PartitionedBulkheadBuilder {
    name: SmolStr,
    partitions: Vec<(SmolStr, BulkheadConfig)>,
    events: Events,
}

impl PartitionedBulkheadBuilder {
    /// Adds a partition, with what `configure` makes of the defaults of a [`Bulkhead`].
    ///
    /// In errors, events and the inventory its name stands behind that of the whole, as in `inbound/critical`.
    pub fn partition(mut self, name: impl AsRef<str>, configure: impl FnOnce(&mut BulkheadConfig)) -> Self {
        let mut config = BulkheadConfig::default();
        configure(&mut config);
        self.partitions.push((SmolStr::new(name), config));
        self
    }

    /// Sends a [settings event](crate::events::Change::Settings) to `sink` whenever the settings of a partition change.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes the handle.
    ///
    /// # Errors
    ///
    /// Every setting that is out of its range, a name that was declared twice, or no partition at all.
    pub fn build(self) -> Result<PartitionedBulkhead, InvalidSettings> {
        let Self {
            name,
            partitions,
            events,
        } = self;
        let mut wrong = Vec::new();
        let key = format!("bulkhead.{name}.partitions");
        let mut declared = Vec::<(SmolStr, Bulkhead)>::new();
        for (partition, config) in partitions {
            if declared.iter().any(|(other, _)| *other == partition) {
                wrong.push(InvalidSetting::new(
                    &*key,
                    format!("`{partition}` twice"),
                    "each name once",
                ));
            }
            let full = SmolStr::from(format!("{name}/{partition}"));
            match Bulkhead::new(full, config, events.clone()) {
                Ok(bulkhead) => declared.push((partition, bulkhead)),
                Err(invalid) => wrong.extend_from_slice(invalid.as_slice()),
            }
        }
        let last = declared.last().map(|(_, bulkhead)| bulkhead.clone());
        if let (Some(last), true) = (last, wrong.is_empty()) {
            return Ok(PartitionedBulkhead(Arc::new(Partitions {
                name,
                declared: declared.into(),
                last,
                undeclared: Counter::default(),
            })));
        }
        if wrong.is_empty() {
            wrong.push(InvalidSetting::new(&*key, "empty", "one partition or more"));
        }
        Err(InvalidSettings::of(wrong))
    }
}

/// Puts every call of a service into its partition of a [`PartitionedBulkhead`].
#[derive(Clone)]
pub struct PartitionedBulkheadLayer<F> {
    bulkhead: PartitionedBulkhead,
    partition: F,
}

impl<S, F: Clone> Layer<S> for PartitionedBulkheadLayer<F> {
    type Service = PartitionedBulkheadService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        PartitionedBulkheadService {
            inner,
            bulkhead: self.bulkhead.clone(),
            partition: self.partition.clone(),
        }
    }
}

impl<F> fmt::Debug for PartitionedBulkheadLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PartitionedBulkheadLayer").field(&self.bulkhead).finish()
    }
}

/// The tower shell of a [`PartitionedBulkhead`]; always ready, because only a request tells its partition.
#[derive(Clone)]
pub struct PartitionedBulkheadService<S, F> {
    inner: S,
    bulkhead: PartitionedBulkhead,
    partition: F,
}

impl<S, F> fmt::Debug for PartitionedBulkheadService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PartitionedBulkheadService")
            .field(&self.bulkhead)
            .finish()
    }
}

impl<S, F, N, Req> Service<Req> for PartitionedBulkheadService<S, F>
where
    S: Service<Req, Error: Into<BoxError>> + Clone,
    F: Fn(&Req) -> N,
    N: AsRef<str>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<Placed<S, Req>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let partition = (self.partition)(&request);
        ResponseFuture::new(self.bulkhead.enter(partition.as_ref(), &mut self.inner, request))
    }
}
