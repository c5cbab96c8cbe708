use std::ops::RangeInclusive;

use super::{Group, Version, own_groups};

/// What a process may have by its control groups and those round them: the smallest limit of all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    /// How many CPUs' time, in fractions of one too.
    pub(crate) cpus: Option<f64>,
    /// How many bytes.
    pub(crate) memory: Option<u64>,
}

/// The periods that the kernel allows for a quota, in microseconds, and the smallest quota.
const PERIODS: RangeInclusive<u64> = 1_000..=1_000_000;
const LEAST_QUOTA: u64 = 1_000;

impl Limits {
    /// Reads those of this process.
    pub(crate) fn of_this_process() -> Self {
        Self::of(own_groups)
    }

    /// Reads those of the groups that there are for a controller.
    fn of(groups: impl Fn(&str) -> Vec<Group>) -> Self {
        Self {
            cpus: groups("cpu").iter().filter_map(cpus).reduce(f64::min),
            memory: groups("memory").iter().filter_map(Group::memory_limit).min(),
        }
    }
}

/// Returns how many CPUs' time a group may use; what the kernel would not have taken is no limit.
pub(super) fn cpus(group: &Group) -> Option<f64> {
    let (quota, period) = match group.version {
        Version::V1 => (group.read("cpu.cfs_quota_us")?, group.read("cpu.cfs_period_us")?),
        Version::V2 => {
            let text = group.read("cpu.max")?;
            let (quota, period) = text.split_once(' ')?;
            (quota.to_owned(), period.to_owned())
        }
    };
    // Without a limit the second version says "max" and the first one -1: neither is such a number.
    let quota: u64 = quota.trim().parse().ok()?;
    let period: u64 = period.trim().parse().ok()?;
    (quota >= LEAST_QUOTA && PERIODS.contains(&period)).then(|| quota as f64 / period as f64)
}

#[cfg(all(test, not(seaworthy_loom)))]
mod tests {
    use proptest::prelude::*;

    use super::super::groups;
    use super::super::tree::Tree;
    use super::*;

    fn limits(tree: &Tree, own: &str) -> Limits {
        Limits::of(|controller| groups(tree.root(), own, controller))
    }

    #[test]
    fn the_smallest_limit_of_all_groups_round_it_counts() {
        let files = [
            ("cpu.max", "max 100000\n"),
            ("memory.max", "max\n"),
            ("pod/cpu.max", "150000 100000\n"),
            ("pod/memory.max", "1000\n"),
            ("pod/own/cpu.max", "400000 100000\n"),
            ("pod/own/memory.max", "2000\n"),
        ];
        let tree = Tree::new("limits-outer", &files);
        let mut expected = Limits {
            cpus: Some(1.5),
            memory: Some(1000),
        };
        assert_eq!(limits(&tree, "0::/pod/own\n"), expected);
        tree.write("pod/own/cpu.max", "25000 50000\n");
        tree.write("pod/own/memory.max", "500\n");
        expected = Limits {
            cpus: Some(0.5),
            memory: Some(500),
        };
        assert_eq!(limits(&tree, "0::/pod/own\n"), expected);
    }

    #[test]
    fn a_path_of_the_hosts_leaves_the_root() {
        let tree = Tree::new("limits-host", &[("cpu.max", "200000 100000"), ("memory.max", "7")]);
        let expected = Limits {
            cpus: Some(2.0),
            memory: Some(7),
        };
        assert_eq!(limits(&tree, "0::/kubepods/burstable/pod1/2\n"), expected);
    }

    #[test]
    fn the_first_version_is_read_wherever_it_is_mounted() {
        let own = "5:memory:/x\n4:cpu,cpuacct:/x\n0::/\n";
        for (name, folder) in [("limits-cpu", "cpu"), ("limits-both", "cpu,cpuacct")] {
            let tree = Tree::new(name, &[("memory/x/memory.limit_in_bytes", "4096\n")]);
            tree.write(&format!("{folder}/x/cpu.cfs_quota_us"), "250000\n");
            tree.write(&format!("{folder}/x/cpu.cfs_period_us"), "100000\n");
            tree.write(&format!("{folder}/cpu.cfs_quota_us"), "-1\n");
            tree.write(&format!("{folder}/cpu.cfs_period_us"), "100000\n");
            let expected = Limits {
                cpus: Some(2.5),
                memory: Some(4096),
            };
            assert_eq!(limits(&tree, own), expected, "{folder}");
        }
    }

    #[test]
    fn what_the_kernel_would_not_have_taken_is_no_limit() {
        let tree = Tree::new("limits-nonsense", &[]);
        let cpus = [
            "",
            " ",
            "100000",
            "0 100000",
            "-1 100000",
            "nan 100000",
            "inf 1000",
            "100000 0",
            "999 100000",
            "100000 999",
            "100000 1000001",
            "100000 -5",
            "1e5 1e5",
            "99999999999999999999999 100000",
            "100000 100000 100000",
        ];
        for text in cpus {
            tree.write("cpu.max", text);
            assert_eq!(limits(&tree, "0::/\n").cpus, None, "{text:?}");
        }
        for text in [
            "",
            "0",
            "-1",
            "nan",
            "inf",
            "1e9",
            "9223372036854771712",
            "18446744073709551616",
        ] {
            tree.write("memory.max", text);
            assert_eq!(limits(&tree, "0::/\n").memory, None, "{text:?}");
        }
        for own in ["", "\n", "0", "0:", "0::", ":::", "0:cpu", "x:cpu:\n", "\0::\0"] {
            let tree = Tree::new("limits-nowhere", &[]);
            assert_eq!(limits(&tree, own), Limits::default(), "{own:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_stands_in_the_files_a_limit_is_a_number_above_nothing(own in ".*", cpu in ".*", memory in ".*") {
            let tree = Tree::new("limits-any", &[("cpu.max", &cpu), ("memory.max", &memory)]);
            for own in [own.as_str(), "0::/"] {
                let limits = limits(&tree, own);
                prop_assert!(limits.cpus.is_none_or(|cpus| cpus.is_finite() && cpus > 0.0), "{limits:?}");
                prop_assert!(limits.memory.is_none_or(|memory| memory > 0), "{limits:?}");
            }
        }
    }
}
