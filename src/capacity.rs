//! How many connections this process has room for: the descriptors and threads that the system lets
//! it have, less what its servers and the gateway itself need.
//!
//! The sums are pure; [`Found::here`] alone looks at the system. Nothing here changes a limit.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};

use crate::limits;

/// What the system lets this process have, all in all; `u64::MAX` = as much as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Descriptors open at once.
    pub descriptors: u64,
    /// Threads, those of its children among them.
    pub threads: u64,
}

impl Found {
    /// What the system says now. What cannot be read counts as no limit, for whatever is past one
    /// is refused by the system itself.
    pub fn here() -> Found {
        let soft = |resource| getrlimit(resource).map_or(u64::MAX, |(soft, _)| soft);
        let number = |path: &str| number_in(Path::new(path)).unwrap_or(u64::MAX);
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group = cgroup_folders(&groups)
            .iter()
            .filter_map(|folder| number_in(&folder.join("pids.max")))
            .min();
        let threads = soft(Resource::RLIMIT_NPROC)
            .min(number("/proc/sys/kernel/threads-max"))
            // Each thread takes a number of its own.
            .min(number("/proc/sys/kernel/pid_max"))
            .min(group.unwrap_or(u64::MAX));
        Found {
            descriptors: soft(Resource::RLIMIT_NOFILE),
            threads,
        }
    }

    /// How many connections there is room for beside `children` processes of servers. Never fewer
    /// than [`limits::CONNECTIONS_LEAST`].
    pub fn connections(&self, children: usize) -> usize {
        let left = (limits::THREADS_RESERVE, limits::CHILD_THREADS);
        self.descriptors_left(children)
            .min(left_of(self.threads, left, children))
            .max(limits::CONNECTIONS_LEAST)
    }

    fn descriptors_left(&self, children: usize) -> usize {
        let left = (limits::DESCRIPTORS_RESERVE, limits::CHILD_DESCRIPTORS);
        left_of(self.descriptors, left, children)
    }
}

/// What is left of so many, less a reserve and what each child needs.
fn left_of(found: u64, (reserve, each): (usize, usize), children: usize) -> usize {
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    found.saturating_sub(each.saturating_mul(children).saturating_add(reserve))
}

/// How many connections are taken at once: those that were `asked` for, else as many as there is
/// room for; in neither case more. Says in the log how it came to that.
pub fn settle(asked: Option<usize>, found: Found, children: usize) -> usize {
    let room = found.connections(children);
    let Found {
        descriptors,
        threads,
    } = found;
    match asked {
        Some(asked) if asked > room => {
            log::warn!(
                "\"max_connections\" is {asked}, but there is room for {room} connections only, which \
                 is what is taken: of {descriptors} descriptors and {threads} threads, {children} \
                 processes of servers need their share; raise these limits (LimitNOFILE= and \
                 TasksMax= under systemd)"
            );
            room
        }
        Some(asked) => asked,
        None => {
            let taken = room.min(limits::CONNECTIONS_DERIVED_MAX);
            log::debug!(
                "at most {taken} connections at once: {descriptors} descriptors and {threads} threads \
                 are to be had, and {children} processes of servers need their share"
            );
            taken
        }
    }
}

/// The number in a file of the kernel's; `max` is none.
fn number_in(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The folders in which the limits of our control groups and of all above them stand, by
/// `/proc/self/cgroup` (cgroups(7)): in version 2 one line, `0::PATH`; in version 1 one for each
/// controller, `N:pids:PATH` among them. A container sees its own group as the topmost.
fn cgroup_folders(groups: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let top = match controllers {
            "" => "/sys/fs/cgroup",
            pids if pids.split(',').any(|name| name == "pids") => "/sys/fs/cgroup/pids",
            _ => continue,
        };
        let within = Path::new(path.trim_start_matches('/'));
        folders.extend(within.ancestors().map(|group| Path::new(top).join(group)));
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::{Found, cgroup_folders, settle};
    use proptest::prelude::{any, proptest};

    const PLENTY: u64 = u64::MAX;

    fn room(descriptors: u64, threads: u64, children: usize) -> usize {
        let found = Found {
            descriptors,
            threads,
        };
        found.connections(children)
    }

    #[test]
    fn the_scarcer_of_descriptors_and_threads_decides() {
        // 136 descriptors are kept, and 11 for each child.
        assert_eq!(room(1024, PLENTY, 0), 888);
        assert_eq!(room(1024, PLENTY, 8), 800);
        // 40 threads are kept, and 38 for each child.
        assert_eq!(room(PLENTY, 2048, 0), 2008);
        assert_eq!(room(PLENTY, 2048, 10), 1628);
        assert_eq!(room(1024, 2048, 10), 778);
        assert_eq!(room(1024, 500, 4), 308);
    }

    #[test]
    fn a_few_are_taken_however_little_there_is() {
        assert_eq!(room(64, PLENTY, 0), 16);
        assert_eq!(room(PLENTY, 64, 3), 16);
        assert_eq!(room(1024, PLENTY, usize::MAX), 16);
    }

    #[test]
    fn what_was_asked_for_is_taken_where_there_is_room() {
        let found = Found {
            descriptors: 20_136,
            threads: PLENTY,
        };
        assert_eq!(settle(Some(3), found, 0), 3);
        assert_eq!(settle(Some(20_000), found, 0), 20_000);
        assert_eq!(settle(Some(20_001), found, 0), 20_000);
        // Nobody asked for so many.
        assert_eq!(settle(None, found, 0), 10_000);
        assert_eq!(settle(None, found, 1_000), 9_000);
    }

    proptest! {
        #[test]
        fn more_never_makes_it_less(descriptors in any::<u64>(), threads in any::<u64>(), children in 0..10_000_usize) {
            let taken = room(descriptors, threads, children);
            assert!(taken >= 16);
            assert!(room(descriptors.saturating_add(1), threads, children) >= taken);
            assert!(room(descriptors, threads.saturating_add(1), children) >= taken);
            assert!(room(descriptors, threads, children + 1) <= taken);
        }
    }

    #[test]
    fn the_groups_above_count_too() {
        let shown = |groups: &str| -> Vec<String> {
            let folders = cgroup_folders(groups);
            folders
                .iter()
                .map(|path| path.display().to_string())
                .collect()
        };
        let cgroup = "/sys/fs/cgroup";
        assert_eq!(
            shown("0::/system.slice/mcproxy.service\n"),
            [
                format!("{cgroup}/system.slice/mcproxy.service"),
                format!("{cgroup}/system.slice"),
                format!("{cgroup}/"),
            ]
        );
        assert_eq!(
            shown("11:cpu,cpuacct:/a\n8:pids:/docker/x\n1:name=systemd:/b\n"),
            [
                format!("{cgroup}/pids/docker/x"),
                format!("{cgroup}/pids/docker"),
                format!("{cgroup}/pids/"),
            ]
        );
        assert_eq!(shown("0::/\nnonsense\n"), [format!("{cgroup}/")]);
        assert!(shown("").is_empty());
    }

    #[test]
    fn this_system_says_something() {
        let found = Found::here();
        assert!((1..PLENTY).contains(&found.threads), "{found:?}");
        assert!(found.descriptors > 0);
    }
}
