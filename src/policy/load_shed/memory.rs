use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crate::base::cgroup::{Group, Version, own_groups};
use crate::base::pressure::Pressure;
use crate::base::sync::atomic::{AtomicU64, Ordering};

/// How much of the container's memory is used: a signal for a [`LoadShed`](super::LoadShed).
///
/// The pressure is 0 while up to 80 % of the limit are used, and 1 from 95 % on. What is used is the working set, as
/// Kubernetes counts it: without files that are only cached. A thread of its own reads it every second, also when the
/// service's runtime is stuck, and ends with the last handle. What cannot be read any more counts as no pressure.
#[derive(Clone, Debug)]
pub struct MemoryPressure(Arc<Reading>);

#[derive(Debug)]
struct Reading {
    groups: Vec<Group>,
    /// The bits of the pressure.
    pressure: AtomicU64,
}

/// From which share of the limit on there is pressure, and from which on there is no room.
const FROM: f64 = 0.80;
const FULL: f64 = 0.95;
const PERIOD: Duration = Duration::from_secs(1);

impl MemoryPressure {
    /// Watches the memory of the control group that this process is in, and of those around it.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) if none of them has a limit or this system has none, and what the system
    /// says if it refuses a thread.
    pub fn cgroup() -> io::Result<Self> {
        Self::watch(own_groups("memory"))
    }

    fn watch(mut groups: Vec<Group>) -> io::Result<Self> {
        groups.retain(|group| group.memory_limit().is_some());
        if groups.is_empty() {
            let text = "no control group of this process has a memory limit: set one, or leave this signal out";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let pressure = AtomicU64::new(0);
        let reading = Arc::new(Reading { groups, pressure });
        reading.read();
        let watched = Arc::downgrade(&reading);
        thread::Builder::new()
            .name("seaworthy-memory".into())
            .spawn(|| watch(watched))?;
        Ok(Self(reading))
    }
}

fn watch(reading: Weak<Reading>) {
    while let Some(reading) = reading.upgrade() {
        reading.read();
        drop(reading);
        thread::park_timeout(PERIOD);
    }
}

impl Pressure for MemoryPressure {
    fn pressure(&self) -> f64 {
        f64::from_bits(self.0.pressure.load(Ordering::Relaxed))
    }
}

impl Reading {
    fn read(&self) {
        let used = self.groups.iter().filter_map(used).fold(0.0, f64::max);
        let pressure = ((used - FROM) / (FULL - FROM)).clamp(0.0, 1.0);
        self.pressure.store(pressure.to_bits(), Ordering::Relaxed);
    }
}

/// Returns the share of a group's limit that is used.
fn used(group: &Group) -> Option<f64> {
    let (used, cached) = match group.version {
        Version::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
        Version::V2 => ("memory.current", "inactive_file"),
    };
    let limit = group.memory_limit()? as f64;
    let used = number(&group.read(used)?)?;
    let stat = group.read("memory.stat")?;
    // What could be given back at once.
    let cached = stat.lines().find_map(|line| line.strip_prefix(cached));
    Some((used - cached.and_then(number).unwrap_or_default()).max(0.0) / limit)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(all(test, not(seaworthy_loom)))]
mod tests {
    use super::*;
    use crate::base::cgroup::groups;
    use crate::base::cgroup::tree::Tree;

    #[test]
    fn the_fullest_group_counts_without_what_is_only_cached() {
        let tree = Tree::new(
            "memory-v2",
            &[
                ("memory.max", "max\n"),
                ("a/memory.max", "1000\n"),
                ("a/memory.current", "975\n"),
                ("a/memory.stat", "anon 5\ninactive_file 100\nactive_file 3\n"),
                ("a/b/memory.max", "1000000\n"),
                ("a/b/memory.current", "970\n"),
                ("a/b/memory.stat", "inactive_file 0\n"),
            ],
        );
        let memory = MemoryPressure::watch(groups(tree.root(), "0::/a/b\n", "memory")).unwrap();
        assert!((memory.pressure() - 0.5).abs() < 1e-9, "{}", memory.pressure());
        tree.write("a/memory.current", "1100");
        memory.0.read();
        assert_eq!(memory.pressure(), 1.0);
        tree.write("a/memory.current", "nonsense");
        memory.0.read();
        assert_eq!(memory.pressure(), 0.0);
    }

    #[test]
    fn the_first_version_is_read_too_and_no_limit_says_so() {
        let tree = Tree::new(
            "memory-v1",
            &[
                ("memory/memory.limit_in_bytes", "1000\n"),
                ("memory/memory.usage_in_bytes", "900\n"),
                ("memory/memory.stat", "inactive_file 9\ntotal_inactive_file 25\n"),
            ],
        );
        let own = "12:pids:/docker/x\n4:memory,hugetlb:/docker/x\n";
        let memory = MemoryPressure::watch(groups(tree.root(), own, "memory")).unwrap();
        assert!((memory.pressure() - 0.5).abs() < 1e-9, "{}", memory.pressure());
        tree.write("memory/memory.limit_in_bytes", "9223372036854771712");
        let error = MemoryPressure::watch(groups(tree.root(), own, "memory")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}
