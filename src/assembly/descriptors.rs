use crate::base::inventory::{Describe, Entry};
use crate::telemetry::open_files;

/// Raises the number of files and sockets that this process may open to what the system allows.
///
/// The usual soft limit of 1,024 is for programs that use `select`; a server would meet it long before its own limit of
/// connections. Where there is no such limit, or it cannot be raised, everything stays as it is.
#[cfg(all(unix, not(seaworthy_portable)))]
pub(super) fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}

#[cfg(any(not(unix), seaworthy_portable))]
pub(super) fn raise_limit() {}

/// The entry in the inventory of what this process may open; there is none where that is not known.
pub(super) struct OpenFiles;

impl OpenFiles {
    fn entry(open: u64, most: u64) -> Entry {
        let state = if open < most { "open" } else { "full" };
        Entry::new("open_files", "process", state)
            .setting("open", open)
            .setting("limit", most)
            .saturation(open as f64 / most as f64)
    }
}

impl Describe for OpenFiles {
    fn describe(&self) -> Entry {
        let (open, most) = open_files().unwrap_or((0, u64::MAX));
        Self::entry(open, most)
    }

    fn describe_all(&self) -> Vec<Entry> {
        let known = open_files().map(|(open, most)| Self::entry(open, most));
        known.into_iter().collect()
    }
}
