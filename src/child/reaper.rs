//! The one place that waits for processes: every exit, ours and adopted.
//!
//! A process is found by `waitid` with `WNOWAIT`, which shows a zombie and
//! leaves it, and is then taken by its own id. So whoever else waits for a
//! child of its own (the standard library, for one whose `exec` failed) never
//! finds it stolen. Never `waitpid(-1)`.
//!
//! When a life ends, and what follows from an exit, is not known here; the
//! exit is passed to the life's own threads and nothing blocks the reaper. What
//! a life leaves behind is killed by `sweep`, on a thread of its own.

mod sweep;

use std::collections::{HashMap, HashSet};
use std::io;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal as UnixSignal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use crate::child::mark::{self, Marker};
use crate::child::pipes::{self, ExitBell, ExitWatch};
use crate::child::process::Process;
use crate::event::{Life, Signal};
use crate::limits;
use crate::procfs::{self, Kin};
use crate::threads;

/// What to do about processes that are our children but were not spawned here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Orphans {
    /// Become the parent of orphaned descendants, reap them, and kill them when
    /// their life is over, at the latest at the end. For the program itself,
    /// where nothing else spawns processes.
    Adopt,
    /// Leave them alone. For tests, where others in the same process wait for
    /// children of their own and must not find them stolen.
    Ignore,
}

/// Spawns and reaps. Cloning gives another hold of the same one.
#[derive(Clone)]
pub struct Reaper {
    shared: Arc<Shared>,
}

struct Shared {
    orphans: Orphans,
    /// How many descriptors a child may open at first, where that is not what
    /// the gateway may.
    descriptors: Option<u64>,
    /// How processes are marked, so that their life is known.
    marker: Marker,
    book: Mutex<Book>,
    /// Something in the book has changed.
    changed: Condvar,
}

/// Who is known. While it is locked nobody is reaped, so the process id of a
/// child, known or not, stays that child's.
#[derive(Default)]
struct Book {
    /// By process id.
    running: HashMap<i32, Entry>,
    /// The spawns under way: an unknown process may be one of them.
    spawning: HashSet<Life>,
    /// Those that have ended and were not swept up after yet.
    ended: Vec<Arc<Process>>,
    /// The children that this process was born with (a shell that said
    /// `helper & exec mcproxy`): reaped, but not ours to kill.
    inherited: HashSet<i32>,
    /// The end has begun: nothing is spawned any more.
    closing: bool,
}

impl Book {
    /// Whether a life has a process, or is getting one.
    fn lives(&self, life: Life) -> bool {
        let mut running = self.running.values();
        self.spawning.contains(&life) || running.any(|entry| entry.process.life() == life)
    }

    /// Whether a child of this process is one that it was given, and neither
    /// spawned here nor there from before. One that is just being spawned
    /// passes for a stranger, too.
    fn is_stranger(&self, pid: i32) -> bool {
        !self.running.contains_key(&pid) && !self.inherited.contains(&pid)
    }
}

struct Entry {
    child: Child,
    process: Arc<Process>,
    bell: ExitBell,
}

/// A process just spawned, with our ends of its pipes.
#[derive(Debug)]
pub struct Spawned {
    /// Its id, which is also its group's.
    pub pid: u32,
    /// Its stdin.
    pub stdin: ChildStdin,
    /// Its stdout.
    pub stdout: ChildStdout,
    /// Its stderr.
    pub stderr: ChildStderr,
    /// Its exit.
    pub exit: ExitWatch,
}

impl Reaper {
    /// Starts the `reaper` thread, and the `sweeper` where orphans are adopted.
    /// Children are to be started with this soft limit of open descriptors, or
    /// with that of the gateway (`Descriptors::given_back`).
    ///
    /// # Errors
    /// The system gives no thread, no randomness, or refuses what `Adopt` asks for.
    pub fn start(orphans: Orphans, descriptors: Option<u64>) -> io::Result<Reaper> {
        // If our parent ignored SIGCHLD, so do we, and the kernel keeps no
        // exit status. A handler, even one for nothing, undoes that; in our
        // own children `exec` turns it into the default.
        signal_hook::flag::register(
            signal_hook::consts::SIGCHLD,
            Arc::new(AtomicBool::new(false)),
        )?;
        let mut book = Book::default();
        if orphans == Orphans::Adopt {
            let inherited = own_children();
            book.inherited = inherited.iter().map(|kin| kin.pid).collect();
            prctl::set_child_subreaper(true)?;
        }
        let shared = Arc::new(Shared {
            orphans,
            descriptors,
            marker: Marker::new(std::env::var_os(mark::VARIABLE).as_deref())?,
            book: Mutex::new(book),
            changed: Condvar::new(),
        });
        if orphans == Orphans::Adopt {
            let sweeping = Arc::clone(&shared);
            threads::spawn("sweeper", limits::REAPER_STACK_BYTES, move || {
                sweeping.sweep();
            })?;
        }
        let watching = Arc::clone(&shared);
        threads::spawn("reaper", limits::REAPER_STACK_BYTES, move || {
            watching.watch();
        })?;
        Ok(Reaper { shared })
    }

    /// The soft limit of open descriptors that children are to be started with,
    /// if it is not the gateway's.
    pub fn descriptors(&self) -> Option<u64> {
        self.shared.descriptors
    }

    /// Spawns a process as the leader of a group of its own (which `command`
    /// must say), all its standard streams piped, and marked as of its life.
    /// Blocks as long as its `exec` takes; other spawns and exits go on meanwhile.
    ///
    /// # Errors
    /// It cannot be run, or the end has begun.
    pub fn spawn(&self, command: &mut Command, process: &Arc<Process>) -> io::Result<Spawned> {
        let (bell, exit) = pipes::exit_sign()?;
        {
            let mut book = self.shared.lock();
            if book.closing {
                return Err(io::Error::other("the gateway is stopping"));
            }
            book.spawning.insert(process.life());
        }
        command.env(mark::VARIABLE, self.shared.marker.of(process.life()));
        // The signal mask is this thread's, which is empty (`run/signals.rs`);
        // `std` sets SIGPIPE's default in the child, and every pipe it or
        // `io::pipe` makes is closed by its `exec`.
        let result = spawn_piped(command);
        let mut book = self.shared.lock();
        book.spawning.remove(&process.life());
        self.shared.changed.notify_all();
        let (child, stdin, stdout, stderr) = result?;
        let pid = child.id();
        let key = pid.cast_signed();
        // Still under the lock, so that the exit cannot overtake the start.
        process.started(Pid::from_raw(key));
        let entry = Entry {
            child,
            process: Arc::clone(process),
            bell,
        };
        book.running.insert(key, entry);
        Ok(Spawned {
            pid,
            stdin,
            stdout,
            stderr,
            exit,
        })
    }

    /// Kills every process that is left, adopted ones included, and theirs as
    /// they are adopted in turn, until none is left or the time is over. No
    /// process is spawned from now on, and the thread ends with the last child.
    ///
    /// Returns how many are left, if any: processes that cannot die yet, for
    /// the kernel holds them, or that belong to another user.
    pub fn finish(&self, within: Duration) -> usize {
        let deadline = crossbeam_channel::after(within);
        let mut book = self.shared.lock();
        book.closing = true;
        self.shared.changed.notify_all();
        loop {
            let left = self.shared.kill_all(&book);
            if left == 0 || deadline.try_recv().is_ok() {
                return left;
            }
            book = self.shared.pause(book, limits::FINISH_PAUSE);
        }
    }
}

/// A child with its three pipes taken out of it.
type Piped = (Child, ChildStdin, ChildStdout, ChildStderr);

fn spawn_piped(command: &mut Command) -> io::Result<Piped> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
        (Some(stdin), Some(stdout), Some(stderr)) => Ok((child, stdin, stdout, stderr)),
        _ => unreachable!("std gives the pipes that were asked for"),
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Book> {
        // The book is whole between any two statements, so a panic leaves it whole.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause<'a>(&self, book: MutexGuard<'a, Book>, pause: Duration) -> MutexGuard<'a, Book> {
        self.changed
            .wait_timeout(book, pause)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// The thread: until `finish` was called and no child is left.
    fn watch(&self) {
        loop {
            match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
                Err(Errno::ECHILD) => {
                    if self.rest() {
                        return;
                    }
                }
                Err(Errno::EINTR) => {}
                Ok(status) => {
                    let pid = status.pid().map(Pid::as_raw);
                    if !pid.is_some_and(|pid| self.take(&mut self.lock(), pid)) {
                        self.look_one_by_one();
                    }
                }
                // `nix` cannot name every way to die (a real-time signal), and
                // then does not say whose death it was.
                Err(_) => self.look_one_by_one(),
            }
        }
    }

    /// There is no child at all: waits for one. True when none will come.
    fn rest(&self) -> bool {
        let book = self.lock();
        if !book.running.is_empty() {
            // Spawned since, or, against all promises, reaped by somebody else.
            drop(book);
            self.look_one_by_one();
            return false;
        }
        if book.closing && book.spawning.is_empty() {
            return true;
        }
        drop(self.pause(book, limits::REAPER_IDLE_PAUSE));
        false
    }

    /// Reaps a process that has exited, if it is ours to reap.
    fn take(&self, book: &mut Book, pid: i32) -> bool {
        if let Some(mut entry) = book.running.remove(&pid) {
            entry.process.reap(&mut entry.child);
            entry.bell.ring();
            if self.orphans == Orphans::Adopt {
                book.ended.push(entry.process);
            }
        } else if self.orphans == Orphans::Adopt && book.spawning.is_empty() {
            book.inherited.remove(&pid);
            // The status of a stranger says nothing to us.
            let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        } else {
            return false;
        }
        self.changed.notify_all();
        true
    }

    /// The kernel goes on showing a zombie that is not ours to take: one whose
    /// `exec` failed, which `std` is about to reap, or one of somebody else in
    /// this process. So our own are looked at by their ids, and again after a pause.
    fn look_one_by_one(&self) {
        let mut book = self.lock();
        let mut exited: Vec<i32> = book.running.keys().copied().collect();
        exited.retain(|&pid| has_exited(pid));
        if self.orphans == Orphans::Adopt && book.spawning.is_empty() {
            let zombies = own_children().into_iter();
            exited.extend(zombies.filter(|kin| kin.zombie).map(|kin| kin.pid));
        }
        for pid in exited {
            self.take(&mut book, pid);
        }
        drop(self.pause(book, limits::REAPER_PAUSE));
    }

    /// Kills whom we may kill; returns how many of them are not reaped yet.
    fn kill_all(&self, book: &Book) -> usize {
        for entry in book.running.values() {
            entry.process.signal(Signal::Kill);
        }
        let strangers = match self.orphans {
            Orphans::Ignore => Vec::new(),
            Orphans::Adopt => self.strangers(book),
        };
        for stranger in &strangers {
            // Its id cannot have passed to another: only we reap our children,
            // and not while the book is locked. A zombie does not mind.
            kill_stranger(stranger.pid);
        }
        book.running.len() + book.spawning.len() + strangers.len()
    }

    /// Our children that were not spawned here, but adopted.
    fn strangers(&self, book: &Book) -> Vec<Kin> {
        let mut children = own_children();
        children.retain(|kin| book.is_stranger(kin.pid));
        children
    }
}

/// Kills a child of ours that was adopted. The book must be locked.
fn kill_stranger(pid: i32) {
    if let Err(error) = kill(Pid::from_raw(pid), UnixSignal::SIGKILL) {
        log::warn!("cannot kill process {pid}: {error}");
    }
}

/// Every child of this process; none where there is no `/proc`. Then orphans
/// are still adopted and reaped, but not killed at the end.
fn own_children() -> Vec<Kin> {
    procfs::own_children().unwrap_or_else(|error| {
        log::warn!("cannot look for adopted processes: /proc: {error}");
        Vec::new()
    })
}

/// Whether a child of ours is a zombie, or, against all promises, gone.
fn has_exited(pid: i32) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    !matches!(
        waitid(Id::Pid(Pid::from_raw(pid)), flags),
        Ok(WaitStatus::StillAlive) | Err(Errno::EINTR)
    )
}
