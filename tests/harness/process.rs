//! Processes of a test: a fresh folder each, a started program whose log is gathered and whose
//! end can be waited for, and the search for processes that outlived it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Deadline, spawn};

/// A folder of one test, removed with everything in it at the end.
///
/// It is the TMPDIR of all that the test starts. The gateway hands TMPDIR on to its children,
/// so the folder's name in a process's environment tells which test the process belongs to.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new, empty folder.
    pub fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mcproxy-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the folder for temporary files can be written");
        Folder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it and tells its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a fresh folder can be written");
        path
    }

    /// Every process that carries this folder in its environment: pid and command line.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let marker = format!("TMPDIR={}", self.0.display()).into_bytes();
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        let pids = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            // A process that has ended meanwhile, or is a zombie, has no environment left.
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|&byte| byte == 0)
                .any(|entry| entry == marker)
        })
        .map(|pid| (pid, command_line(pid)))
        .collect()
    }

    /// Waits a moment for all such processes to be gone, kills those that are not and tells
    /// them. A process that was killed takes a moment to go.
    pub fn kill_what_is_left(&self) -> Vec<(i32, String)> {
        let gone = Deadline::after(Duration::from_secs(1))
            .poll(|| self.processes().is_empty().then_some(()));
        if gone.is_some() {
            return Vec::new();
        }
        let left = self.processes();
        for (pid, _) in &left {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        left
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn command_line(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Whether a process of this pid is there and is no zombie.
pub fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before the state stands in brackets and may hold any character.
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// How many bytes of memory a process has had resident at most, by its own kernel's count. It
/// never falls, so nothing is missed between two looks.
///
/// # Panics
/// Where there is no such process.
pub fn peak_memory(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("a running process has memory") * 1024
}

/// Lines that a thread gathers while others wait for one of them.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    lines: Mutex<Lines>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    /// Gathers the lines of a stream until its end.
    pub fn of(stream: impl Read + Send + 'static) -> Log {
        let log = Log::default();
        let gathering = log.clone();
        spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                gathering.lock().lines.push(line);
                gathering.0.grown.notify_all();
            }
            gathering.lock().ended = true;
            gathering.0.grown.notify_all();
        });
        log
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.lock().lines.join("\n")
    }

    /// The first line, already there or still to come, that holds `part`; an error where the
    /// stream ends or the time runs out before.
    pub fn wait_for(&self, part: &str, patience: Duration) -> Result<String, String> {
        let unfound = |gathered: &mut Lines| {
            !gathered.ended && !gathered.lines.iter().any(|line| line.contains(part))
        };
        let waited = self
            .0
            .grown
            .wait_timeout_while(self.lock(), patience, unfound);
        let gathered = waited.unwrap_or_else(PoisonError::into_inner).0;
        let found = gathered.lines.iter().find(|line| line.contains(part));
        found.cloned().ok_or_else(|| {
            let why = if gathered.ended {
                "the log ended"
            } else {
                "the time ran out"
            };
            format!("{why} without \"{part}\"")
        })
    }

    /// Waits for the end of the stream; tells whether it came.
    pub fn wait_for_end(&self, patience: Duration) -> bool {
        let waited = self
            .0
            .grown
            .wait_timeout_while(self.lock(), patience, |gathered| !gathered.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}

/// A started program whose end can be waited for with a deadline.
#[derive(Debug)]
pub struct Running {
    pid: Pid,
    ended: Receiver<ExitStatus>,
    status: Option<ExitStatus>,
}

impl Running {
    /// Takes over a child; its streams must have been taken before.
    pub fn new(mut child: Child) -> Running {
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid of Linux fits"));
        let (tell, ended) = sync_channel(1);
        spawn(move || {
            if let Ok(status) = child.wait() {
                let _ = tell.send(status);
            }
        });
        Running {
            pid,
            ended,
            status: None,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Waits for its end; `None` where it does not come in time.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.ended.recv_timeout(patience).ok();
        }
        self.status
    }

    /// Sends a signal, if it has not ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.wait(Duration::ZERO).is_none() {
            let _ = kill(self.pid, signal);
        }
    }
}
