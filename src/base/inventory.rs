//! The list of what is wired, each entry read from its live handle.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Collects everything that can describe itself.
///
/// Clones share one list.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use seaworthy::inventory::Inventory;
/// use seaworthy::timeout::Timeout;
///
/// let payments = Timeout::builder("payments").limit(Duration::from_secs(1)).build().unwrap();
/// let inventory = Inventory::default();
/// inventory.add(payments.clone());
/// assert_eq!(inventory.entries()[0].name, "payments");
/// ```
#[derive(Clone, Default)]
pub struct Inventory(Arc<Mutex<Vec<Listed>>>);

#[derive(Clone)]
struct Listed {
    item: Arc<dyn Describe>,
    /// Whether the assembly has wired it; what somebody else lists may be a name and nothing more.
    is_wired: bool,
}

/// Says what it is, from its live state.
pub trait Describe: Send + Sync + 'static {
    /// Describes it as it is now.
    fn describe(&self) -> Entry;

    /// Describes it and its parts, if it has some that come and go.
    fn describe_all(&self) -> Vec<Entry> {
        vec![self.describe()]
    }
}

/// What is wired, as it is now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Its kind, such as `timeout`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The settings in force, in words with their units.
    pub settings: Vec<(&'static str, String)>,
    /// Its state in one word.
    pub state: &'static str,
    /// What it has counted since it was made.
    pub counters: Vec<(&'static str, u64)>,
    /// How much there is of something now, each published as a metric `seaworthy_<key>`.
    pub gauges: Vec<(&'static str, f64)>,
}

/// The key of [`Entry::saturation`].
const SATURATION: &str = "saturation";

impl Entry {
    /// Makes an entry without settings, counters and gauges.
    pub fn new(kind: &'static str, name: impl Into<String>, state: &'static str) -> Self {
        Self {
            kind,
            name: name.into(),
            settings: Vec::new(),
            state,
            counters: Vec::new(),
            gauges: Vec::new(),
        }
    }

    /// Adds a setting in force.
    #[must_use]
    pub fn setting(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.settings.push((key, value.to_string()));
        self
    }

    /// Adds a counter; it must never fall.
    #[must_use]
    pub fn counter(mut self, key: &'static str, value: u64) -> Self {
        self.counters.push((key, value));
        self
    }

    /// Adds a gauge, which may rise and fall; `key` in the style of a metric's name, with its unit at the end.
    #[must_use]
    pub fn gauge(mut self, key: &'static str, value: f64) -> Self {
        self.gauges.push((key, value));
        self
    }

    /// Adds how much of a limit is taken, as the gauge `saturation`.
    ///
    /// From 0 to 1: less is taken for 0, more for 1, and what is no number for 0, as of a limit that nobody has used.
    #[must_use]
    pub fn saturation(self, share: f64) -> Self {
        self.gauge(SATURATION, share.max(0.0).clamp(0.0, 1.0))
    }
}

impl Inventory {
    /// Adds a live handle.
    ///
    /// It is listed, and proves nothing to a [review](crate::docs::checklist): only what the assembly has wired does.
    pub fn add(&self, item: impl Describe) {
        self.push(item, false);
    }

    /// Adds what the assembly has wired itself.
    #[cfg(feature = "app")]
    pub(crate) fn wire(&self, item: impl Describe) {
        self.push(item, true);
    }

    fn push(&self, item: impl Describe, is_wired: bool) {
        let item: Arc<dyn Describe> = Arc::new(item);
        self.lock().push(Listed { item, is_wired });
    }

    /// Describes what the assembly has wired: each with its parts, the whole first.
    #[cfg(feature = "app")]
    pub(crate) fn wired(&self) -> Vec<Vec<Entry>> {
        // Described outside of the lock: what is listed may ask the inventory.
        let items = self.lock().clone();
        let wired = items.into_iter().filter(|listed| listed.is_wired);
        wired.map(|listed| listed.item.describe_all()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Listed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Describes everything as it is now, in the order in which it was added.
    ///
    /// A name that is there already under the same kind gets a number, so that the two are not taken for one.
    pub fn entries(&self) -> Vec<Entry> {
        let items = self.lock().clone();
        let mut times = HashMap::new();
        let mut entries: Vec<_> = items.iter().flat_map(|listed| listed.item.describe_all()).collect();
        for entry in &mut entries {
            let times = times.entry((entry.kind, entry.name.clone())).or_insert(0);
            *times += 1;
            if *times > 1 {
                entry.name = format!("{}-{times}", entry.name);
            }
        }
        entries
    }
}

impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str);

    impl Describe for Named {
        fn describe(&self) -> Entry {
            Entry::new("kind", self.0, "on")
        }
    }

    #[test]
    fn two_of_one_name_are_not_taken_for_one() {
        let inventory = Inventory::default();
        ["inbound", "payments", "inbound"]
            .into_iter()
            .for_each(|name| inventory.add(Named(name)));
        let names: Vec<_> = inventory.entries().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["inbound", "payments", "inbound-2"]);
    }
}
