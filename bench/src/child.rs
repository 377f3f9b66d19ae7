//! Processes that a measurement starts, and ends.

use std::os::fd::AsFd;
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{Error, Result};

/// How long a child may take to end once it was asked to, before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that does not outlive this value.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
}

impl Child {
    /// Starts a command that is reached by pipes, which never block here; its stderr is ours.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn with_pipes(command: &[String]) -> Result<(Child, ChildStdin, ChildStdout)> {
        let (child, stdin, stdout) = Child::with_blocking_pipes(command)?;
        never_block(&stdin)?;
        never_block(&stdout)?;
        Ok((child, stdin, stdout))
    }

    /// The same with pipes that block.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn with_blocking_pipes(command: &[String]) -> Result<(Child, ChildStdin, ChildStdout)> {
        let mut child = Child::start(command, Stdio::piped(), Stdio::piped())?;
        let stdin = child.process.stdin.take().expect("its stdin is a pipe");
        let stdout = child.process.stdout.take().expect("its stdout is a pipe");
        Ok((child, stdin, stdout))
    }

    /// Starts a command that serves by itself: it reads nothing, and what it says on stdout is lost.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn alone(command: &[String]) -> Result<Child> {
        Child::start(command, Stdio::null(), Stdio::null())
    }

    fn start(command: &[String], stdin: Stdio, stdout: Stdio) -> Result<Child> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(Error::Usage("no command to start is named".to_owned()));
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(stdin).stdout(stdout);
        let process = command.spawn();
        let process = process.map_err(Error::system(format!("starting {program}")))?;
        Ok(Child { process })
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.process.id()).expect("the system's numbers are that small")
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Its number is its own until it was waited for, which `runs` does once it has ended. What
        // follows may fail because it has ended in the meantime, and that is as well.
        if self.runs() {
            let _ = kill(Pid::from_raw(self.pid()), Signal::SIGTERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while self.runs() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Has reading and writing never block.
///
/// # Errors
/// What the system answers.
pub fn never_block(fd: impl AsFd) -> Result<()> {
    let set = fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
    set.map(drop).map_err(Error::system("a pipe"))
}
