//! What a process costs and holds, as the kernel counts it: processor time, changes of context,
//! memory, threads.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::error::{Error, Result};

/// Processor time of all threads of a process, those that ended too.
///
/// # Errors
/// If there is no such process.
pub fn cpu(pid: i32) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid));
    let time = clock.and_then(clock_gettime).map(since_zero);
    time.map_err(Error::system(format!("the clock of process {pid}")))
}

/// Processor time of this process.
///
/// # Errors
/// None that is known.
pub fn own_cpu() -> Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(since_zero);
    time.map_err(Error::system("the clock of this process"))
}

fn since_zero(time: TimeSpec) -> Duration {
    Duration::from(time)
}

/// How often threads left the processor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switches {
    /// To wait for something.
    pub voluntary: u64,
    /// Because others had their turn.
    pub involuntary: u64,
}

/// The switches of each thread of a process, by its number.
pub type ByThread = BTreeMap<String, Switches>;

/// How often each thread of a process left the processor so far.
///
/// # Errors
/// If there is no such process.
pub fn switches(pid: i32) -> Result<ByThread> {
    let folder = format!("/proc/{pid}/task");
    let threads = fs::read_dir(&folder).map_err(Error::system(folder))?;
    let mut found = ByThread::new();
    for thread in threads.flatten() {
        // A thread that ended since it was listed has nothing to tell.
        if let Ok(status) = fs::read_to_string(thread.path().join("status")) {
            let counted = Switches {
                voluntary: number(&status, "voluntary_ctxt_switches:")?,
                involuntary: number(&status, "nonvoluntary_ctxt_switches:")?,
            };
            found.insert(thread.file_name().to_string_lossy().into_owned(), counted);
        }
    }
    Ok(found)
}

/// The switches between two looks, of the threads that were there at the second.
pub fn switches_between(before: &ByThread, after: &ByThread) -> Switches {
    let mut sum = Switches::default();
    for (thread, now) in after {
        let then = before.get(thread).copied().unwrap_or_default();
        sum.voluntary += now.voluntary - then.voluntary;
        sum.involuntary += now.involuntary - then.involuntary;
    }
    sum
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Memory that is there, its own and what it shares, in KiB.
    pub rss: u64,
    /// The same, where each page that is shared counts by its share only, in KiB.
    pub pss: u64,
    /// Its threads.
    pub threads: u64,
    /// What its control group holds, kernel's memory for it included, in KiB; if it can be read.
    pub group: Option<u64>,
}

/// Looks at what a process holds.
///
/// # Errors
/// If there is no such process, or it belongs to somebody else.
pub fn held(pid: i32) -> Result<Held> {
    let memory = read(pid, "smaps_rollup")?;
    Ok(Held {
        rss: number(&memory, "Rss:")?,
        pss: number(&memory, "Pss:")?,
        threads: threads(pid)?,
        group: group(pid),
    })
}

/// How many threads a process has.
///
/// # Errors
/// If there is no such process.
pub fn threads(pid: i32) -> Result<u64> {
    number(&read(pid, "status")?, "Threads:")
}

/// What the control group of a process holds, in KiB. `None` where there is none of the second
/// kind, or the process is in the topmost one, which tells nothing.
fn group(pid: i32) -> Option<u64> {
    let groups = read(pid, "cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let file = format!("/sys/fs/cgroup{path}/memory.current");
    let bytes: u64 = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Some(bytes / 1024)
}

fn read(pid: i32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(Error::system(path))
}

/// The number of a line such as `Rss:      1234 kB`.
fn number(text: &str, key: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let value = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| Error::Wrong(format!("the system tells no number after {key:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_looked_at() {
        let pid = i32::try_from(std::process::id()).expect("a small number");
        let held = held(pid).expect("it is ours");
        assert!(
            held.rss > 100 && held.pss <= held.rss && held.threads > 0,
            "{held:?}"
        );
        let before = cpu(pid).expect("it is ours");
        let own = own_cpu().expect("it is ours");
        assert!(own >= before);
        assert!(!switches(pid).expect("it is ours").is_empty());
        // The kernel gives no number as high as this.
        assert!(cpu(1 << 22).is_err());
    }

    #[test]
    fn switches_are_counted_thread_by_thread() {
        let thread = |name: &str, voluntary, involuntary| {
            (
                name.to_owned(),
                Switches {
                    voluntary,
                    involuntary,
                },
            )
        };
        let before = ByThread::from([thread("1", 5, 1), thread("2", 100, 100)]);
        let after = ByThread::from([thread("1", 9, 2), thread("3", 7, 0)]);
        let wanted = Switches {
            voluntary: 11,
            involuntary: 1,
        };
        assert_eq!(switches_between(&before, &after), wanted);
    }
}
