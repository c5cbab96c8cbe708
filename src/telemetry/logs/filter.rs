//! Which lines are logged, changeable while they are.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// The filter in force; clones share it.
///
/// `tracing_subscriber::reload` would take a lock that all threads share whenever one enters a span or leaves it: on two
/// threads ten times as long as what a request's span costs otherwise. Most filters do not look at spans; then there is
/// nothing to be done.
#[derive(Clone)]
pub(crate) struct LogFilter(Arc<InForce>);

struct InForce {
    rules: ArcSwap<Rules>,
    looks_at_spans: AtomicBool,
    told: reload::Layer<(), Registry>,
    /// Held by whoever changes it: each service of a process has an admin thread that may.
    changing: Mutex<()>,
}

struct Rules {
    text: String,
    filter: EnvFilter,
}

/// A text is no filter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidFilter(String);

impl Rules {
    fn parse(text: &str) -> Result<Self, InvalidFilter> {
        // An expression of 1 KiB can take as many MiB as there are, and whoever asks for it the admin thread.
        let filter = EnvFilter::builder().with_regex(false).parse(text);
        let filter = filter.map_err(|error| InvalidFilter(error.to_string()))?;
        // As it was understood: who has mistyped a level sees it.
        let text = match filter.to_string() {
            nothing if nothing.is_empty() => "off".to_owned(),
            text => text,
        };
        Ok(Self { text, filter })
    }

    fn looks_at_spans(&self) -> bool {
        self.text.contains('[')
    }
}

impl LogFilter {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidFilter> {
        let rules = Rules::parse(text)?;
        Ok(Self(Arc::new(InForce {
            looks_at_spans: AtomicBool::new(rules.looks_at_spans()),
            rules: ArcSwap::from_pointee(rules),
            told: reload::Layer::new(()).0,
            changing: Mutex::default(),
        })))
    }

    /// Returns it as it was understood.
    pub(crate) fn text(&self) -> String {
        self.0.rules.load().text.clone()
    }

    /// Puts another one in force; one that is none changes nothing.
    pub(super) fn change(&self, text: &str) -> Result<(), InvalidFilter> {
        let rules = Rules::parse(text)?;
        let InForce {
            rules: in_force,
            looks_at_spans,
            told,
            changing,
        } = &*self.0;
        let _one_at_a_time = changing.lock().unwrap_or_else(PoisonError::into_inner);
        looks_at_spans.store(rules.looks_at_spans(), Ordering::Relaxed);
        in_force.store(Arc::new(rules));
        // Has every place that logs ask again; those of the crate `log` too, which only this knows how to tell.
        let _ = told.handle().modify(|()| ());
        Ok(())
    }

    /// Lets a filter that looks at spans see one.
    #[inline]
    fn see(&self, look: impl FnOnce(&EnvFilter)) {
        if self.0.looks_at_spans.load(Ordering::Relaxed) {
            look(&self.0.rules.load().filter);
        }
    }
}

/// What both a filter of all and one of the log alone do alike.
macro_rules! see {
    () => {
        fn max_level_hint(&self) -> Option<LevelFilter> {
            self.0.rules.load().filter.max_level_hint()
        }

        fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
            self.see(|filter| filter.on_new_span(attributes, id, context));
        }

        fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
            self.see(|filter| filter.on_record(id, values, context));
        }

        fn on_enter(&self, id: &Id, context: Context<'_, S>) {
            self.see(|filter| filter.on_enter(id, context));
        }

        fn on_exit(&self, id: &Id, context: Context<'_, S>) {
            self.see(|filter| filter.on_exit(id, context));
        }

        fn on_close(&self, id: Id, context: Context<'_, S>) {
            self.see(|filter| filter.on_close(id, context));
        }
    };
}

impl<S: Subscriber> Layer<S> for LogFilter {
    see!();

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        Layer::<S>::register_callsite(&self.0.rules.load().filter, metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        self.0.rules.load().filter.enabled(metadata, context)
    }
}

impl<S: Subscriber> Filter<S> for LogFilter {
    see!();

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        Layer::<S>::register_callsite(&self.0.rules.load().filter, metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        self.0.rules.load().filter.enabled(metadata, context.clone())
    }
}

impl fmt::Display for InvalidFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
