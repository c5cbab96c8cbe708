use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use metrics::{Key, Label, Level, Metadata, Recorder};

use super::names;
use crate::base::inventory::{Entry, Inventory};

const METADATA: Metadata<'static> = Metadata::new("seaworthy", Level::INFO, None);

/// Copies the counters and states of an [`Inventory`] to a recorder of the `metrics` facade.
///
/// Nothing is recorded while calls run: call [`publish`](Self::publish) when metrics are read, or every few seconds.
///
/// # Examples
///
/// ```
/// use metrics_exporter_prometheus::PrometheusBuilder;
/// use seaworthy::{inventory::Inventory, telemetry::Publisher, timeout::Timeout};
///
/// let recorder = PrometheusBuilder::new().build_recorder();
/// let (inventory, publisher) = (Inventory::default(), Publisher::default());
/// inventory.add(Timeout::builder("payments").build().unwrap());
///
/// publisher.publish(&inventory, &recorder); // or `metrics::with_recorder(|recorder| …)`
/// let text = recorder.handle().render();
/// assert!(text.contains(r#"seaworthy_counts_total{kind="timeout",name="payments",counter="calls"} 0"#), "{text}");
/// ```
#[derive(Default)]
pub struct Publisher {
    /// The state that was published last, by kind and name.
    states: Mutex<HashMap<(&'static str, String), &'static str>>,
}

impl Publisher {
    /// Publishes what the inventory says now; of each entry's states exactly one is 1.
    pub fn publish(&self, inventory: &Inventory, recorder: &dyn Recorder) {
        for entry in inventory.entries() {
            for (counter, value) in &entry.counters {
                let labels = labels(&entry, "counter", counter);
                recorder
                    .register_counter(&Key::from_parts(names::COUNTS, labels), &METADATA)
                    .absolute(*value);
            }
            let last = {
                let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
                states.insert((entry.kind, entry.name.clone()), entry.state)
            };
            if let Some(last) = last.filter(|last| *last != entry.state) {
                set_state(recorder, &entry, last, 0.0);
            }
            set_state(recorder, &entry, entry.state, 1.0);
        }
    }
}

fn set_state(recorder: &dyn Recorder, entry: &Entry, state: &'static str, value: f64) {
    let labels = labels(entry, "state", state);
    recorder
        .register_gauge(&Key::from_parts(names::STATE, labels), &METADATA)
        .set(value);
}

fn labels(entry: &Entry, key: &'static str, value: &'static str) -> Vec<Label> {
    vec![
        Label::from_static_parts("kind", entry.kind),
        Label::new("name", entry.name.clone()),
        Label::from_static_parts(key, value),
    ]
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Publisher")
    }
}
