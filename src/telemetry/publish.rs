use std::collections::{HashMap, HashSet};
use std::fmt;
use std::mem;
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
    told: Mutex<Told>,
}

/// What was told the last time, of entries that may be gone now.
#[derive(Default)]
struct Told {
    /// The states that are 1, by kind and name.
    states: HashMap<(&'static str, String), &'static str>,
    /// The keys of the gauges, with their kind and name.
    gauges: HashSet<(&'static str, &'static str, String)>,
}

impl Publisher {
    /// Publishes what the inventory says now; of each entry's states exactly one is 1.
    ///
    /// Of what has gone no state is 1, and all gauges are 0.
    pub fn publish(&self, inventory: &Inventory, recorder: &dyn Recorder) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = mem::take(&mut *told);
        for entry in inventory.entries() {
            let Entry {
                kind,
                name,
                state,
                counters,
                gauges,
                ..
            } = entry;
            for (counter, value) in counters {
                let key = Key::from_parts(names::COUNTS, labels(kind, &name, "counter", counter));
                recorder.register_counter(&key, &METADATA).absolute(value);
            }
            for (gauge, value) in gauges {
                set_gauge(recorder, gauge, kind, &name, value);
                let gauge = (gauge, kind, name.clone());
                gone.gauges.remove(&gauge);
                told.gauges.insert(gauge);
            }
            if gone.states.get(&(kind, name.clone())) == Some(&state) {
                gone.states.remove(&(kind, name.clone()));
            }
            set_state(recorder, kind, &name, state, 1.0);
            told.states.insert((kind, name), state);
        }
        for ((kind, name), state) in gone.states {
            set_state(recorder, kind, &name, state, 0.0);
        }
        for (gauge, kind, name) in gone.gauges {
            set_gauge(recorder, gauge, kind, &name, 0.0);
        }
    }
}

fn set_state(recorder: &dyn Recorder, kind: &'static str, name: &str, state: &'static str, value: f64) {
    let key = Key::from_parts(names::STATE, labels(kind, name, "state", state));
    recorder.register_gauge(&key, &METADATA).set(value);
}

fn set_gauge(recorder: &dyn Recorder, gauge: &'static str, kind: &'static str, name: &str, value: f64) {
    let labels = vec![
        Label::from_static_parts("kind", kind),
        Label::new("name", name.to_owned()),
    ];
    let key = Key::from_parts(format!("{}{gauge}", names::GAUGE_PREFIX), labels);
    recorder.register_gauge(&key, &METADATA).set(value);
}

fn labels(kind: &'static str, name: &str, key: &'static str, value: &'static str) -> Vec<Label> {
    vec![
        Label::from_static_parts("kind", kind),
        Label::new("name", name.to_owned()),
        Label::from_static_parts(key, value),
    ]
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Publisher")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::base::inventory::Describe;

    /// In its first state, then in its second, then gone.
    struct Changing(Arc<AtomicUsize>);

    impl Describe for Changing {
        fn describe(&self) -> Entry {
            let step = self.0.load(Ordering::SeqCst);
            Entry::new("kind", "name", ["first", "second", "never"][step]).saturation([0.5, 0.75, 1.0][step])
        }

        fn describe_all(&self) -> Vec<Entry> {
            if self.0.load(Ordering::SeqCst) < 2 {
                vec![self.describe()]
            } else {
                Vec::new()
            }
        }
    }

    #[test]
    fn a_gauge_follows_its_entry_and_is_0_when_that_has_gone() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (inventory, publisher, step) = (
            Inventory::default(),
            Publisher::default(),
            Arc::<AtomicUsize>::default(),
        );
        inventory.add(Changing(step.clone()));
        for expected in ["0.5", "0.75", "0"] {
            publisher.publish(&inventory, &recorder);
            let text = recorder.handle().render();
            let line = format!(r#"seaworthy_saturation{{kind="kind",name="name"}} {expected}"#);
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
            step.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn exactly_one_state_is_1_and_none_of_what_has_gone() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (inventory, publisher, step) = (
            Inventory::default(),
            Publisher::default(),
            Arc::<AtomicUsize>::default(),
        );
        inventory.add(Changing(step.clone()));
        for expected in [["1", ""], ["0", "1"], ["0", "0"]] {
            publisher.publish(&inventory, &recorder);
            let text = recorder.handle().render();
            for (state, expected) in ["first", "second"].iter().zip(expected) {
                let line = format!(r#"seaworthy_state{{kind="kind",name="name",state="{state}"}} "#);
                let value = text
                    .lines()
                    .find_map(|found| found.strip_prefix(&line))
                    .unwrap_or_default();
                assert_eq!(value, expected, "{text}");
            }
            step.fetch_add(1, Ordering::SeqCst);
        }
    }
}
