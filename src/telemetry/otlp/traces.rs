use std::fmt;
use std::io;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::counts::Counts;
use super::export::Export;
use super::exporter::Way;
use super::filter::Exported;
use super::ids::{Ids, Sampling};
use super::queue::{Queue, WAITING};
use super::resource::resource;
use super::tracer::OwnIds;
use crate::base::clock::timeout;
use crate::base::context::SampleRatio;
use crate::base::events::{EventSink, Events};
use crate::base::inventory::{Describe, Entry};

/// The export of one service's spans; clones share it. Made by [`App::traces`](crate::App::traces).
#[derive(Clone)]
pub struct Traces(Arc<Shared>);

struct Shared {
    service: Arc<str>,
    endpoint: String,
    protocol: &'static str,
    ratio: SampleRatio,
    counts: Arc<Counts>,
    events: Events,
    flush: mpsc::UnboundedSender<oneshot::Sender<()>>,
    begin: Mutex<Begin>,
}

/// Nothing runs before somebody wants the layer.
enum Begin {
    Not(Way, mpsc::UnboundedReceiver<oneshot::Sender<()>>),
    Begun(SdkTracer),
    Ended,
}

impl Traces {
    /// Spans of the service called `service` go to `endpoint`, which holds no secret.
    pub(crate) fn new(
        service: Arc<str>,
        endpoint: String,
        protocol: &'static str,
        ratio: SampleRatio,
        way: Way,
        events: impl EventSink,
    ) -> Self {
        let (flush, flushes) = mpsc::unbounded_channel();
        Self(Arc::new(Shared {
            service,
            endpoint,
            protocol,
            ratio,
            counts: Arc::default(),
            events: Events::new(events),
            flush,
            begin: Mutex::new(Begin::Not(way, flushes)),
        }))
    }

    /// Makes a layer for a subscriber of your own, and begins to export, on a thread that lives as long as the layer.
    ///
    /// It sees spans and events of the level `INFO` and above, and what refused a call, but no line of the access log;
    /// whatever filters the subscriber has for its other layers. A filter of the whole subscriber holds for it too.
    ///
    /// # Examples
    ///
    /// ```
    /// use seaworthy::App;
    /// use tracing_subscriber::layer::SubscriberExt;
    ///
    /// # fn main() -> Result<(), seaworthy::BoxError> {
    /// let app = App::builder("orders").setting("traces.endpoint", "http://127.0.0.1:4318").build()?;
    /// let exported = app.traces().map(|traces| traces.layer()).transpose()?;
    /// let subscriber = tracing_subscriber::registry().with(exported).with(tracing_subscriber::fmt::layer());
    /// tracing::subscriber::set_global_default(subscriber)?;
    /// assert_eq!(app.inventory().entries().iter().find(|entry| entry.kind == "otlp").unwrap().state, "exporting");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the system refuses the thread.
    pub fn layer<S>(&self) -> io::Result<impl Layer<S> + Send + Sync + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let layer = OpenTelemetryLayer::new(OwnIds(self.0.tracer()?))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false);
        Ok(layer.with_filter(Exported))
    }

    /// Whether a layer has been made.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.counts.on.load(Ordering::Relaxed)
    }

    /// Ends the export, as the layer that was made is not used.
    pub(crate) fn withdraw(&self) {
        *self.0.begin.lock().unwrap_or_else(PoisonError::into_inner) = Begin::Ended;
        self.0.counts.on.store(false, Ordering::Relaxed);
    }

    /// Waits until the spans that have ended are sent or dropped, for `limit` at the most; tells whether that was enough.
    ///
    /// The drain of [`App`](crate::App) does it.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait alone.
    pub async fn flush(&self, limit: Duration) -> bool {
        let (done, flushed) = oneshot::channel();
        let is_asked = self.has_begun() && self.0.flush.send(done).is_ok();
        !is_asked || matches!(timeout(limit, flushed).await, Ok(Ok(())))
    }
}

impl Shared {
    fn tracer(&self) -> io::Result<SdkTracer> {
        let mut begin = self.begin.lock().unwrap_or_else(PoisonError::into_inner);
        let tracer = match mem::replace(&mut *begin, Begin::Ended) {
            Begin::Not(way, flushes) => self.begin(way, flushes)?,
            Begin::Begun(tracer) => tracer,
            Begin::Ended => return Err(io::Error::other("the export of spans has ended")),
        };
        *begin = Begin::Begun(tracer.clone());
        self.counts.on.store(true, Ordering::Relaxed);
        Ok(tracer)
    }

    fn begin(&self, way: Way, flushes: mpsc::UnboundedReceiver<oneshot::Sender<()>>) -> io::Result<SdkTracer> {
        let (sender, spans) = mpsc::channel(WAITING);
        let full = Arc::new(Notify::new());
        let queue = Queue {
            spans: sender,
            counts: Arc::clone(&self.counts),
            full: Arc::clone(&full),
        };
        let resource = resource(&self.service);
        let export = Export {
            spans,
            full,
            flushes,
            counts: Arc::clone(&self.counts),
            events: self.events.clone(),
            resource: resource.clone(),
        };
        export.spawn(way)?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_id_generator(Ids::default())
            .with_sampler(Sampling::new(self.ratio.get()))
            .with_span_processor(queue)
            .build();
        let scope = InstrumentationScope::builder("seaworthy").with_version(env!("CARGO_PKG_VERSION"));
        Ok(provider.tracer_with_scope(scope.build()))
    }
}

impl Describe for Traces {
    fn describe(&self) -> Entry {
        let Shared {
            endpoint,
            protocol,
            ratio,
            counts,
            ..
        } = &*self.0;
        let entry = Entry::new("otlp", "traces", counts.state())
            .setting("endpoint", endpoint)
            .setting("protocol", protocol)
            .setting("sample_ratio", ratio.get());
        counts.describe(entry)
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces")
            .field("state", &self.0.counts.state())
            .finish_non_exhaustive()
    }
}
