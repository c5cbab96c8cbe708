//! What policies and parts of the assembly report when something changes.
//!
//! Events are for changes, which are rare; what happens on every call is counted and read through the
//! [inventory](super::inventory).

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Something that changed, with the name of whatever it happened to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The kind of thing it happened to, such as `timeout` or `check`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'a str,
    /// What happened.
    pub change: Change<'a>,
}

/// What changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change<'a> {
    /// It moved from one state to another.
    State {
        /// The state it left.
        from: &'static str,
        /// The state it is in.
        to: &'static str,
        /// Why, for the log; never for a caller.
        detail: &'a str,
    },
    /// A step that has an end took this long.
    Finished {
        /// How it ended.
        result: &'static str,
        /// How long it took.
        took: Duration,
        /// More about it, for the log; never for a caller.
        detail: &'a str,
    },
    /// New settings are in force.
    Settings,
}

/// Receives events; any `Fn(&Event<'_>)` is one.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one event; must not block. A panic in it is caught and dropped.
    fn event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync + 'static> EventSink for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}

/// Where events go; to nobody by default.
#[derive(Clone, Default)]
pub struct Events(Option<Arc<dyn EventSink>>);

impl Events {
    /// Sends events to `sink`.
    pub fn new(sink: impl EventSink) -> Self {
        Self(Some(Arc::new(sink)))
    }

    pub(crate) fn emit(&self, kind: &'static str, name: &str, change: Change<'_>) {
        if let Some(sink) = &self.0 {
            let event = Event { kind, name, change };
            // A sink is the user's code: whatever it does, the policy that reported goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| sink.event(&event)));
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Events(sink)"
        } else {
            "Events(none)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panicking_sink_does_not_reach_whoever_reports() {
        let events = Events::new(|_: &Event<'_>| panic!("sink"));
        events.emit("timeout", "payments", Change::Settings);
    }
}
