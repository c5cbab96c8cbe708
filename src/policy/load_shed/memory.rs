use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

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

/// A control group that has a limit.
#[derive(Debug, PartialEq)]
struct Group {
    folder: PathBuf,
    files: &'static Files,
}

/// What the files of a control group are called.
#[derive(Debug, PartialEq)]
struct Files {
    limit: &'static str,
    used: &'static str,
    /// The line of `memory.stat` that tells what could be given back at once.
    cached: &'static str,
}

const V2: Files = Files {
    limit: "memory.max",
    used: "memory.current",
    cached: "inactive_file",
};
const V1: Files = Files {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cached: "total_inactive_file",
};

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
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::watch(groups(Path::new("/sys/fs/cgroup"), &own))
    }

    fn watch(groups: Vec<Group>) -> io::Result<Self> {
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
        let used = self.groups.iter().filter_map(Group::used).fold(0.0, f64::max);
        let pressure = ((used - FROM) / (FULL - FROM)).clamp(0.0, 1.0);
        self.pressure.store(pressure.to_bits(), Ordering::Relaxed);
    }
}

impl Group {
    /// Returns the share of the limit that is used.
    fn used(&self) -> Option<f64> {
        let limit = self.limit()?;
        let used = number(&fs::read_to_string(self.folder.join(self.files.used)).ok()?)?;
        let stat = fs::read_to_string(self.folder.join("memory.stat")).ok()?;
        let cached = stat.lines().find_map(|line| line.strip_prefix(self.files.cached));
        Some((used - cached.and_then(number).unwrap_or_default()).max(0.0) / limit)
    }

    fn limit(&self) -> Option<f64> {
        // "max" is no number; the first version says a number that no machine has.
        let limit = number(&fs::read_to_string(self.folder.join(self.files.limit)).ok()?)?;
        (limit > 0.0 && limit < (1_u64 << 60) as f64).then_some(limit)
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

/// Returns the groups with a limit that a process is in; `own` is its `/proc/self/cgroup`.
fn groups(root: &Path, own: &str) -> Vec<Group> {
    let lines = own.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            return Some((root.to_owned(), path, &V2));
        }
        let has_memory = controllers.split(',').any(|controller| controller == "memory");
        has_memory.then(|| (root.join("memory"), path, &V1))
    });
    let folders = lines.flat_map(|(root, path, files)| {
        // The path is the host's where the group has no name space of its own: then only the root is there.
        let folders: Vec<_> = root
            .join(path)
            .ancestors()
            .take_while(|folder| folder.starts_with(&root))
            .map(Path::to_owned)
            .collect();
        folders.into_iter().map(move |folder| Group { folder, files })
    });
    folders.filter(|group| group.limit().is_some()).collect()
}

#[cfg(all(test, not(seaworthy_loom)))]
mod tests {
    use super::*;

    /// A folder of files, which goes when the test ends.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("seaworthy-{name}-{}", std::process::id()));
            for (path, content) in files {
                let path = root.join(path);
                let folder = path.parent().expect("it is in the tree");
                fs::create_dir_all(folder).expect("it can be made");
                fs::write(path, content).expect("it can be written");
            }
            Self(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_fullest_group_counts_without_what_is_only_cached() {
        let tree = Tree::new(
            "v2",
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
        let memory = MemoryPressure::watch(groups(&tree.0, "0::/a/b\n")).unwrap();
        assert!((memory.pressure() - 0.5).abs() < 1e-9, "{}", memory.pressure());
        fs::write(tree.0.join("a/memory.current"), "1100").unwrap();
        memory.0.read();
        assert_eq!(memory.pressure(), 1.0);
        fs::write(tree.0.join("a/memory.current"), "nonsense").unwrap();
        memory.0.read();
        assert_eq!(memory.pressure(), 0.0);
    }

    #[test]
    fn the_first_version_is_read_too_and_no_limit_says_so() {
        let tree = Tree::new(
            "v1",
            &[
                ("memory/memory.limit_in_bytes", "1000\n"),
                ("memory/memory.usage_in_bytes", "900\n"),
                ("memory/memory.stat", "inactive_file 9\ntotal_inactive_file 25\n"),
            ],
        );
        let own = "12:pids:/docker/x\n4:memory,hugetlb:/docker/x\n";
        let memory = MemoryPressure::watch(groups(&tree.0, own)).unwrap();
        assert!((memory.pressure() - 0.5).abs() < 1e-9, "{}", memory.pressure());
        fs::write(tree.0.join("memory/memory.limit_in_bytes"), "9223372036854771712").unwrap();
        let error = MemoryPressure::watch(groups(&tree.0, own)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}
