use std::time::Duration;

use super::limits::cpus;
use super::{Group, Version, own_groups};

/// What the control groups of a process use of what they may.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Bytes in use by the group with the smallest limit, or by the process's own if none has one.
    pub(crate) memory: Option<u64>,
    /// The limit of that group in bytes.
    pub(crate) memory_limit: Option<u64>,
    /// What the smallest quota of CPU has done; `None` without a quota.
    pub(crate) throttling: Option<Throttling>,
}

/// What became of the periods for which a quota of CPU holds, since the group was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Throttling {
    /// In which something wanted to run.
    pub(crate) periods: u64,
    /// In which the quota was used up.
    pub(crate) throttled_periods: u64,
    /// For how long nothing ran because of that.
    pub(crate) throttled: Duration,
}

impl Usage {
    /// Reads that of this process.
    pub(crate) fn of_this_process() -> Self {
        Self::of(own_groups)
    }

    /// Reads that of the groups that there are for a controller.
    fn of(groups: impl Fn(&str) -> Vec<Group>) -> Self {
        let memory = groups("memory");
        let limited = memory
            .iter()
            .filter_map(|group| Some((group.memory_limit()?, group)))
            .min_by_key(|(limit, _)| *limit);
        let cpu = groups("cpu");
        let quota = cpu
            .iter()
            .filter_map(|group| Some((cpus(group)?, group)))
            .min_by(|(one, _), (other, _)| one.total_cmp(other));
        Self {
            memory: match limited {
                Some((_, group)) => memory_of(group),
                None => memory.iter().find_map(memory_of),
            },
            memory_limit: limited.map(|(limit, _)| limit),
            throttling: quota.and_then(|(_, group)| throttling(group)),
        }
    }
}

fn memory_of(group: &Group) -> Option<u64> {
    let file = match group.version {
        Version::V1 => "memory.usage_in_bytes",
        Version::V2 => "memory.current",
    };
    group.read(file)?.trim().parse().ok()
}

fn throttling(group: &Group) -> Option<Throttling> {
    let stat = group.read("cpu.stat")?;
    let number = |key: &str| {
        let lines = stat.lines().filter_map(|line| line.split_once(' '));
        let (_, value) = lines.into_iter().find(|(name, _)| *name == key)?;
        value.trim().parse().ok()
    };
    Some(Throttling {
        periods: number("nr_periods")?,
        throttled_periods: number("nr_throttled")?,
        throttled: match group.version {
            Version::V1 => Duration::from_nanos(number("throttled_time")?),
            Version::V2 => Duration::from_micros(number("throttled_usec")?),
        },
    })
}

#[cfg(all(test, not(seaworthy_loom)))]
mod tests {
    use super::super::groups;
    use super::super::tree::Tree;
    use super::*;

    fn usage(tree: &Tree, own: &str) -> Usage {
        Usage::of(|controller| groups(tree.root(), own, controller))
    }

    #[test]
    fn usage_is_that_of_the_group_whose_limit_is_the_smallest() {
        let stat = "usage_usec 9\nnr_periods 40\nnr_throttled 3\nthrottled_usec 1500000\n";
        let files = [
            ("pod/cpu.max", "50000 100000\n"),
            ("pod/cpu.stat", stat),
            ("pod/memory.max", "1000\n"),
            ("pod/memory.current", "900\n"),
            ("pod/own/cpu.max", "max 100000\n"),
            ("pod/own/cpu.stat", "usage_usec 9\n"),
            ("pod/own/memory.max", "max\n"),
            ("pod/own/memory.current", "400\n"),
        ];
        let tree = Tree::new("usage-outer", &files);
        let mut expected = Usage {
            memory: Some(900),
            memory_limit: Some(1000),
            throttling: Some(Throttling {
                periods: 40,
                throttled_periods: 3,
                throttled: Duration::from_millis(1500),
            }),
        };
        assert_eq!(usage(&tree, "0::/pod/own\n"), expected);
        tree.write("pod/memory.max", "max\n");
        tree.write("pod/cpu.max", "max 100000\n");
        expected = Usage {
            memory: Some(400),
            ..Usage::default()
        };
        assert_eq!(usage(&tree, "0::/pod/own\n"), expected);
    }

    #[test]
    fn the_first_version_counts_throttling_in_nanoseconds() {
        let files = [
            ("cpu/cpu.cfs_quota_us", "50000"),
            ("cpu/cpu.cfs_period_us", "100000"),
            (
                "cpu/cpu.stat",
                "nr_periods 8\nnr_throttled 2\nthrottled_time 250000000\n",
            ),
            ("memory/memory.limit_in_bytes", "9223372036854771712"),
            ("memory/memory.usage_in_bytes", "77\n"),
        ];
        let tree = Tree::new("usage-first", &files);
        let expected = Usage {
            memory: Some(77),
            memory_limit: None,
            throttling: Some(Throttling {
                periods: 8,
                throttled_periods: 2,
                throttled: Duration::from_millis(250),
            }),
        };
        assert_eq!(usage(&tree, "4:memory:/\n3:cpu:/\n"), expected);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let files = [
            ("cpu.max", "50000 100000"),
            ("cpu.stat", "nr_periods many\n"),
            ("memory.current", "-1"),
        ];
        let tree = Tree::new("usage-nonsense", &files);
        assert_eq!(usage(&tree, "0::/\n"), Usage::default());
        assert_eq!(usage(&tree, ""), Usage::default());
    }
}
