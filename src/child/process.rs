//! One process with its group: signalled only while its id is certainly its
//! own, reaped once. Who waits for it, and when, is the reaper's business.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::{Signal as UnixSignal, killpg};
use nix::unistd::Pid;

use crate::event::{Life, Signal};
use crate::procfs::{self, Kin};

/// The process of a life, shared by the dispatcher (which signals it), the
/// reaper (which ends it) and the life's own threads.
///
/// The lock is what makes signalling safe: a process id can only pass to a
/// stranger after the reaper's wait, and that happens under the same lock. It
/// is never held over anything that blocks.
#[derive(Debug)]
pub struct Process {
    life: Life,
    server: String,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Not spawned yet. A signal that came too early waits here.
    Starting { early: Option<Signal> },
    /// It runs, or is a zombie: its id, which is also its group's, is its own.
    Running { group: Pid, kin: Vec<Kin> },
    /// It was reaped.
    Gone {
        how: String,
        group: Pid,
        kin: Vec<Kin>,
    },
}

impl Process {
    /// One that is still to be spawned, for this life of that server.
    pub fn starting(life: Life, server: &str) -> Process {
        Process {
            life,
            server: server.to_owned(),
            state: Mutex::new(State::Starting { early: None }),
        }
    }

    /// Which life it is of.
    pub fn life(&self) -> Life {
        self.life
    }

    /// Which server it is of.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Signals the whole group; see [`crate::child::Handle::signal`].
    pub fn signal(&self, signal: Signal) {
        let mut state = self.lock();
        match &mut *state {
            State::Starting { early } => {
                // Kill is never weakened to a later Terminate.
                if *early != Some(Signal::Kill) {
                    *early = Some(signal);
                }
            }
            State::Running { group, .. } => signal_group(*group, signal),
            State::Gone { .. } => {}
        }
    }

    /// The process runs, as the leader of a group of its own. Signals that
    /// came early are sent now.
    pub fn started(&self, pid: Pid) {
        let mut state = self.lock();
        if let State::Starting { early: Some(early) } = *state {
            signal_group(pid, early);
        }
        *state = State::Running {
            group: pid,
            kin: Vec::new(),
        };
    }

    /// Notes which processes descend from it, while that can still be seen:
    /// once it is gone, those that had left its group and cleaned their
    /// environment are told from strangers by nothing else. Reads all of
    /// `/proc`, so this is not for the dispatcher.
    pub fn note_kin(&self) {
        let State::Running { group, .. } = *self.lock() else {
            return;
        };
        // Not under the lock. If it still runs afterwards, the number was its
        // own all the time.
        let Ok(found) = procfs::descendants(group.as_raw()) else {
            return;
        };
        if let State::Running { kin, .. } = &mut *self.lock() {
            *kin = found;
        }
    }

    /// The number of the process group; once the process is gone, that of a
    /// group which was killed, and may be somebody else's by now.
    pub fn group(&self) -> Option<Pid> {
        match &*self.lock() {
            State::Running { group, .. } | State::Gone { group, .. } => Some(*group),
            State::Starting { .. } => None,
        }
    }

    /// Which processes were noted.
    pub fn kin(&self) -> Vec<Kin> {
        match &*self.lock() {
            State::Running { kin, .. } | State::Gone { kin, .. } => kin.clone(),
            State::Starting { .. } => Vec::new(),
        }
    }

    /// Takes the exit of a process that is known to have ended. What is left
    /// of its group is killed first: until the leader is waited for, nobody
    /// else can own the group's number.
    pub fn reap(&self, child: &mut Child) {
        let mut state = self.lock();
        let State::Running { group, kin } = &mut *state else {
            return; // it is no process, or was reaped: the reaper asks neither
        };
        let (group, kin) = (*group, std::mem::take(kin));
        signal_group(group, Signal::Kill);
        let how = match child.wait() {
            Ok(status) => describe(status),
            Err(error) => format!("ended in a way that could not be learned ({error})"),
        };
        *state = State::Gone { how, group, kin };
    }

    /// How it ended, once it was reaped.
    pub fn how(&self) -> Option<String> {
        match &*self.lock() {
            State::Gone { how, .. } => Some(how.clone()),
            State::Starting { .. } | State::Running { .. } => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment, so a panic elsewhere left it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn signal_group(group: Pid, signal: Signal) {
    let signal = match signal {
        Signal::Terminate => UnixSignal::SIGTERM,
        Signal::Kill => UnixSignal::SIGKILL,
    };
    match killpg(group, signal) {
        // No such process: a group whose members are all past signalling.
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => log::warn!("cannot send {signal} to process group {group}: {error}"),
    }
}

/// How a process ended, to follow its server's name in a sentence.
fn describe(status: ExitStatus) -> String {
    if let Some(code) = status.code() {
        return format!("exited with code {code}");
    }
    let Some(number) = status.signal() else {
        return format!("ended with {status}");
    };
    match UnixSignal::try_from(number) {
        Ok(signal) => format!("was killed by signal {number} ({signal})"),
        // The real-time signals have no names.
        Err(_) => format!("was killed by signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_told_in_words() {
        let told = |raw| describe(ExitStatus::from_raw(raw));
        assert_eq!(told(0), "exited with code 0");
        assert_eq!(told(3 << 8), "exited with code 3");
        assert_eq!(told(9), "was killed by signal 9 (SIGKILL)");
        // 128 is the flag of a dumped core.
        assert_eq!(told(11 | 128), "was killed by signal 11 (SIGSEGV)");
        assert_eq!(told(40), "was killed by signal 40");
    }

    #[test]
    fn an_early_kill_is_not_weakened() {
        let process = Process::starting(Life(1), "any");
        process.signal(Signal::Kill);
        process.signal(Signal::Terminate);
        let state = process.lock();
        assert!(matches!(
            *state,
            State::Starting {
                early: Some(Signal::Kill)
            }
        ));
    }
}
