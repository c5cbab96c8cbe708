//! The control groups that a process is in, of both versions, and what they limit.

use std::fs;
use std::path::{Path, PathBuf};

#[cfg(feature = "app")]
mod limits;
#[cfg(all(test, not(seaworthy_loom)))]
pub(crate) mod tree;
#[cfg(feature = "app")]
mod usage;

#[cfg(feature = "app")]
pub(crate) use limits::Limits;
#[cfg(feature = "app")]
pub(crate) use usage::Usage;

/// A folder with the files of a control group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    folder: PathBuf,
    pub(crate) version: Version,
}

/// Which of the kernel's two interfaces a group has; its files are called by it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    V1,
    V2,
}

impl Group {
    /// Reads one of its files.
    pub(crate) fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }

    /// Returns how many bytes it may use, if it has a limit.
    pub(crate) fn memory_limit(&self) -> Option<u64> {
        let file = match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        // "max" is no number; the first version says a number that no machine has.
        let limit = self.read(file)?.trim().parse().ok()?;
        (1..1 << 60).contains(&limit).then_some(limit)
    }
}

/// Returns the groups that this process is in for a controller, such as `memory`, and those round them.
pub(crate) fn own_groups(controller: &str) -> Vec<Group> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    groups(Path::new("/sys/fs/cgroup"), &own, controller)
}

/// As [`own_groups`], with the folder of the file systems and the content of the process's `/proc/self/cgroup`.
pub(crate) fn groups(root: &Path, own: &str, controller: &str) -> Vec<Group> {
    let lines = own.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            return Some((root.to_owned(), path, Version::V2));
        }
        let is_here = controllers.split(',').any(|name| name == controller);
        is_here.then(|| (mount(root, controllers, controller), path, Version::V1))
    });
    let folders = lines.flat_map(|(root, path, version)| {
        // The path is the host's where the group has no name space of its own: then only the root is there.
        let folders: Vec<_> = root
            .join(path)
            .ancestors()
            .take_while(|folder| folder.starts_with(&root))
            .map(Path::to_owned)
            .collect();
        folders.into_iter().map(move |folder| Group { folder, version })
    });
    folders.collect()
}

/// Returns where a controller of the first version is: `cpu` often stands under `cpu,cpuacct` alone.
fn mount(root: &Path, controllers: &str, controller: &str) -> PathBuf {
    let own = root.join(controller);
    if own.is_dir() { own } else { root.join(controllers) }
}
