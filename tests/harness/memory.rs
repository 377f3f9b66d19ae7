//! What a process holds: memory, threads, descriptors, as the kernel counts them.

use std::fmt;

/// One look at a process.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Memory that is really there (`VmRSS`), in KiB: its own and what it shares, such as the
    /// pages of its program.
    pub resident: u64,
    /// The same, where each page that is shared counts by its share only (`Pss`), in KiB.
    pub proportional: u64,
    /// What is in no file (`RssAnon`), in KiB: heap and stacks.
    pub anonymous: u64,
    /// Its threads.
    pub threads: u64,
    /// Its open descriptors.
    pub descriptors: u64,
}

impl Held {
    /// Looks at a process.
    ///
    /// # Panics
    /// Where it is not there, or belongs to somebody else.
    pub fn of(pid: i32) -> Held {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        let status = read("status");
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"));
        Held {
            resident: number(&status, "VmRSS:"),
            proportional: number(&read("smaps_rollup"), "Pss:"),
            anonymous: number(&status, "RssAnon:"),
            threads: number(&status, "Threads:"),
            descriptors: descriptors.map_or(0, |entries| entries.count() as u64),
        }
    }
}

/// The number of a line such as `VmRSS:      1234 kB`.
fn number(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let value = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    value.unwrap_or_else(|| panic!("no number after {key:?} in:\n{text}"))
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Held {
            resident,
            proportional,
            anonymous,
            threads,
            descriptors,
        } = self;
        write!(
            f,
            "VmRSS {resident} KiB, Pss {proportional} KiB, RssAnon {anonymous} KiB, \
             {threads} threads, {descriptors} descriptors"
        )
    }
}
