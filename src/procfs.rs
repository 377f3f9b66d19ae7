//! What `/proc` says of processes: whose child each is, what stands in its
//! environment, how much memory it holds. Nothing is done to any of them here.
//!
//! Processes come and go while `/proc` is read, so a list of them is true of
//! no single moment: one that changes its parent meanwhile may be told with
//! the old one. Whoever must be sure looks twice.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::limits;
use crate::sorted::{SortedMap, SortedSet};

/// A process as `/proc/PID/stat` tells it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Kin {
    /// Its process id.
    pub pid: i32,
    /// When it began, in clock ticks since the system's start. A process id is
    /// used again; both together name one process.
    pub began: u64,
    /// Its parent's process id.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Whether it is past all doing, but still has its children, or has only
    /// just lost them: the system is about to make a zombie of it.
    pub dying: bool,
    /// Whether it has exited and waits to be reaped. (Or its first thread has,
    /// and others go on: the system tells the two apart nowhere.)
    pub zombie: bool,
}

/// The bit of `flags` in `/proc/PID/stat` that says "dying" (`PF_EXITING`).
const FLAG_EXITING: u64 = 0x4;

/// The bit of `flags` in `/proc/PID/fdinfo/FD` that says close-on-exec (`O_CLOEXEC`).
const FLAG_CLOSE_ON_EXEC: u64 = 0o2_000_000;

/// The descriptors that this process has from the one that started it, and would
/// hand on to whatever it starts; none where that cannot be seen.
pub fn inherited_descriptors() -> Vec<i32> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten();
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let numbers: Vec<i32> = numbers.collect();
    numbers.into_iter().filter(|fd| is_handed_on(*fd)).collect()
}

/// Whether a descriptor of this process outlives the start of another program.
fn is_handed_on(fd: i32) -> bool {
    let about = read(Path::new(&format!("/proc/self/fdinfo/{fd}"))).unwrap_or_default();
    let about = String::from_utf8_lossy(&about);
    let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & FLAG_CLOSE_ON_EXEC == 0)
}

/// All processes that are to be seen.
///
/// # Errors
/// `/proc` cannot be listed.
pub fn all() -> io::Result<Vec<Kin>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        // One that has gone in the meantime is nobody's kin any more.
        found.extend(
            name.to_str()
                .and_then(|name| name.parse().ok())
                .and_then(one),
        );
    }
    Ok(found)
}

/// One process, if it is there.
pub fn one(pid: i32) -> Option<Kin> {
    read_stat(&read(&folder(pid).join("stat")).ok()?)
}

/// Every child of this process, adopted ones included.
///
/// All of `/proc` is read: `/proc/self/task/*/children` is shorter, but absent
/// from some kernels and allowed to miss entries while processes come and go.
///
/// # Errors
/// `/proc` cannot be listed.
pub fn own_children() -> io::Result<Vec<Kin>> {
    let own = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    let mut children = all()?;
    children.retain(|kin| kin.parent == own);
    Ok(children)
}

/// The children of a process, theirs, and so on; not the process itself.
///
/// # Errors
/// `/proc` cannot be listed.
pub fn descendants(pid: i32) -> io::Result<Vec<Kin>> {
    Ok(below(&by_parent(&all()?), pid))
}

/// What a process was told in this variable when its program was started, or
/// `None` if there is no such variable among its first
/// [`limits::PROC_ENVIRON_BYTES_MAX`] bytes. It can have written over it since.
///
/// # Errors
/// The process is gone, or its environment may not be read by us.
pub fn variable(pid: i32, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(folder(pid).join("environ"))?;
    for entry in BufReader::new(file.take(limits::PROC_ENVIRON_BYTES_MAX)).split(0) {
        let entry = entry?;
        let value = entry.strip_prefix(name.as_bytes());
        if let Some(value) = value.and_then(|rest| rest.strip_prefix(b"=")) {
            return Ok(Some(value.to_vec()));
        }
    }
    Ok(None)
}

/// The memory that a process and all its descendants hold, in bytes; `None` if
/// there is no such process. See [`memory_of_trees`].
pub fn memory_of_tree(pid: u32) -> Option<u64> {
    memory_of_trees(&[pid]).pop().flatten()
}

/// The same of many at once, in their order, for one look at all processes.
///
/// What several processes share (the pages of a program) is shared out among
/// them (PSS), so the sum counts nothing twice; a process that may not be
/// looked into so closely counts with all it has resident (RSS). Of a tree of
/// more than [`limits::PROC_TREE_MAX`] processes no more are counted.
pub fn memory_of_trees(pids: &[u32]) -> Vec<Option<u64>> {
    let kin = all().unwrap_or_default();
    let children = by_parent(&kin);
    let there: SortedSet<i32> = kin.iter().map(|kin| kin.pid).collect();
    let memory_of = |pid: &u32| {
        let root = i32::try_from(*pid).ok().filter(|pid| there.contains(pid))?;
        let tree = below(&children, root).into_iter().map(|kin| kin.pid);
        let tree = std::iter::once(root).chain(tree);
        Some(tree.take(limits::PROC_TREE_MAX).map(memory_of).sum())
    };
    pids.iter().map(memory_of).collect()
}

/// The memory of this process alone, in bytes.
pub fn own_memory() -> Option<u64> {
    let own = i32::try_from(std::process::id()).ok()?;
    Some(memory_of(own)).filter(|&bytes| bytes > 0)
}

/// The memory of one process in bytes: none of one that is gone.
fn memory_of(pid: i32) -> u64 {
    let told = |file: &str, key: &str| kibibytes(&read(&folder(pid).join(file)).ok()?, key);
    let kibibytes = told("smaps_rollup", "Pss:").or_else(|| told("status", "VmRSS:"));
    kibibytes.unwrap_or_default().saturating_mul(1024)
}

/// What `KEY: NUMBER kB` says.
fn kibibytes(text: &[u8], key: &str) -> Option<u64> {
    let text = String::from_utf8_lossy(text);
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn by_parent(kin: &[Kin]) -> SortedMap<i32, Vec<Kin>> {
    let mut children: SortedMap<i32, Vec<Kin>> = SortedMap::new();
    for kin in kin {
        children.entry(kin.parent).or_default().push(*kin);
    }
    children
}

/// All below a process, each once: in a list that is true of no single moment
/// a process id that was used again could make a circle.
fn below(children: &SortedMap<i32, Vec<Kin>>, root: i32) -> Vec<Kin> {
    let mut seen = SortedSet::from([root]);
    let mut found: Vec<Kin> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for kin in children.get(&parent).into_iter().flatten() {
            if seen.insert(kin.pid) {
                found.push(*kin);
                parents.push(kin.pid);
            }
        }
    }
    found
}

fn folder(pid: i32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

/// The beginning of a file of `/proc`, which is all there is of the short ones.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limits::PROC_FILE_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads `PID (NAME) STATE PARENT …`. The name is the process's own choice and
/// may hold spaces, brackets and bytes that are no UTF-8: it ends at the last bracket.
fn read_stat(stat: &[u8]) -> Option<Kin> {
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let pid = std::str::from_utf8(&stat[..open]).ok()?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    // The third field of the line is the first of these.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let flags: u64 = fields.get(9 - 3)?.parse().ok()?;
    Some(Kin {
        pid: pid.trim().parse().ok()?,
        began: fields.get(22 - 3)?.parse().ok()?,
        parent: fields.get(4 - 3)?.parse().ok()?,
        group: fields.get(5 - 3)?.parse().ok()?,
        dying: flags & FLAG_EXITING != 0,
        zombie: matches!(*fields.first()?, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests;
