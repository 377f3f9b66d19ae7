//! Waiting on a child's pipes, with an eye on its exit.
//!
//! End of file is no sign of a child's end: a grandchild may hold the other
//! end of a pipe for ever. So every wait on a pipe also watches for the exit.
//! When that is seen the child has been reaped, so all it ever wrote is in the
//! pipe already: the reader takes what is there and ends. Nothing is lost, and
//! nothing is guessed by time.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::limits;

/// A pair: the reaper's end and the pumps' end of one child's exit sign. The
/// system closes both in every process that is spawned.
///
/// # Errors
/// The system gives no pipe.
pub fn exit_sign() -> io::Result<(ExitBell, ExitWatch)> {
    let (read, write) = io::pipe()?;
    Ok((ExitBell(write), ExitWatch(read)))
}

/// Says that the child has exited and been reaped.
#[derive(Debug)]
pub struct ExitBell(PipeWriter);

impl ExitBell {
    /// Says it, once and for all.
    ///
    /// A byte is written; closing would not do, for a process that is just
    /// being spawned holds a copy of this end until its `exec` is through.
    pub fn ring(mut self) {
        // Cannot fail: the pipe is empty, and a watch nobody holds needs no byte.
        let _ = self.0.write(&[1]);
    }
}

/// Where the pumps see the exit. The byte is left there, for all to see.
#[derive(Debug)]
pub struct ExitWatch(PipeReader);

impl ExitWatch {
    /// Waits for the exit alone; false if the time passes first.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let mut set = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        await_any(&mut set, timeout)
    }
}

/// What ended a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woken {
    /// The pipe can be read or written, or has an error to tell.
    Ready,
    /// The child has exited. This goes before `Ready`, so that a grandchild
    /// that never stops talking cannot hide it.
    Exited,
    /// The time has passed.
    TimedOut,
}

/// Waits until a pipe can be written (`POLLOUT`) or read (`POLLIN`).
pub fn wait(
    pipe: BorrowedFd<'_>,
    flags: PollFlags,
    exit: &ExitWatch,
    timeout: Option<Duration>,
) -> Woken {
    let mut set = [
        PollFd::new(exit.0.as_fd(), PollFlags::POLLIN),
        PollFd::new(pipe, flags),
    ];
    if !await_any(&mut set, timeout) {
        return Woken::TimedOut;
    }
    match set[0].any() {
        Some(false) => Woken::Ready,
        // An event this version of `poll` has no name for: take the safe end.
        Some(true) | None => Woken::Exited,
    }
}

fn await_any(set: &mut [PollFd<'_>], timeout: Option<Duration>) -> bool {
    let timeout = timeout.map_or(PollTimeout::NONE, |timeout| {
        PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX)
    });
    loop {
        match poll(set, timeout) {
            // A signal handler ran in this thread; the wait begins anew.
            Err(Errno::EINTR) => {}
            Ok(count) => return count > 0,
            Err(error) => {
                // Two descriptors of our own cannot be refused; were they, a
                // pump that ends is better than one that spins.
                log::error!("cannot poll a pipe: {error}");
                return true;
            }
        }
    }
}

/// Makes our end of a pipe non-blocking. The child's end is another open file
/// and stays as it is.
///
/// # Errors
/// The system refuses; it has no reason to.
pub fn set_nonblocking(pipe: impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(&pipe, FcntlArg::F_GETFL)?);
    fcntl(&pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Has a pipe hold several large messages, so that neither side is woken in the
/// middle of one. Only so many pipes are wide at a time, for the system lets a user
/// have a limited sum, past which all new pipes of that user are narrow.
#[derive(Debug)]
pub struct Widening(());

/// How many pipes are wide.
static WIDE: AtomicUsize = AtomicUsize::new(0);

impl Widening {
    /// Widens a pipe, if one more may be wide and the system agrees. It counts as
    /// wide until this is dropped.
    pub fn of(pipe: impl AsFd) -> Option<Widening> {
        let counted = Widening(());
        let before = WIDE.fetch_add(1, Ordering::Relaxed);
        let size = FcntlArg::F_SETPIPE_SZ(limits::PIPE_WIDE_BYTES);
        (before < limits::PIPES_WIDE_MAX && fcntl(pipe, size).is_ok()).then_some(counted)
    }
}

impl Drop for Widening {
    fn drop(&mut self) {
        WIDE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a [`Tap`] gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drawn {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The time has passed without any.
    Nothing,
    /// No more will come.
    End,
}

/// Reads a child's output to its end: the end of file, or the last byte that
/// was in the pipe when the exit was seen.
#[derive(Debug)]
pub struct Tap<R> {
    pipe: R,
    /// Once the exit was seen: how many bytes there can be that the child wrote.
    left: Option<usize>,
    /// Set once it was tried: whether the pipe is wide.
    wide: Option<Option<Widening>>,
}

impl<R: Read + AsFd> Tap<R> {
    /// Takes over a pipe.
    ///
    /// # Errors
    /// It cannot be made non-blocking.
    pub fn new(pipe: R) -> io::Result<Tap<R>> {
        set_nonblocking(&pipe)?;
        Ok(Tap {
            pipe,
            left: None,
            wide: None,
        })
    }

    /// Reads what is there, or waits for it.
    pub fn draw(
        &mut self,
        buffer: &mut [u8],
        exit: &ExitWatch,
        timeout: Option<Duration>,
    ) -> Drawn {
        loop {
            if self.left.is_none() {
                match wait(self.pipe.as_fd(), PollFlags::POLLIN, exit, timeout) {
                    Woken::Ready => {}
                    Woken::Exited => self.left = Some(self.capacity()),
                    Woken::TimedOut => return Drawn::Nothing,
                }
            }
            let room = self.left.unwrap_or(usize::MAX).min(buffer.len());
            if room == 0 {
                return Drawn::End;
            }
            match self.pipe.read(&mut buffer[..room]) {
                Ok(0) => return Drawn::End,
                Ok(count) => {
                    self.left = self.left.map(|left| left - count);
                    return Drawn::Bytes(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.left.is_some() {
                        return Drawn::End;
                    }
                }
                Err(error) => {
                    log::error!("cannot read a child's pipe: {error}");
                    return Drawn::End;
                }
            }
        }
    }

    /// Large messages come.
    pub fn widen(&mut self) {
        let pipe = &self.pipe;
        self.wide.get_or_insert_with(|| Widening::of(pipe));
    }

    /// How much the pipe can hold, and with it the most that can be in it.
    fn capacity(&self) -> usize {
        fcntl(&self.pipe, FcntlArg::F_GETPIPE_SZ)
            .ok()
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(limits::PIPE_CAPACITY_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_exit_what_is_in_the_pipe_is_read_and_no_more() {
        let (reader, mut writer) = io::pipe().unwrap();
        let (bell, watch) = exit_sign().unwrap();
        let mut tap = Tap::new(reader).unwrap();
        let mut buffer = [0; 4];
        writer.write_all(b"abcdef").unwrap();
        bell.ring();
        // The writer stays open, as a grandchild's would.
        assert_eq!(tap.draw(&mut buffer, &watch, None), Drawn::Bytes(4));
        assert_eq!(tap.draw(&mut buffer, &watch, None), Drawn::Bytes(2));
        assert_eq!(tap.draw(&mut buffer, &watch, None), Drawn::End);
        drop(writer);
    }

    #[test]
    fn one_that_never_stops_talking_is_cut_at_the_capacity() {
        let (reader, mut writer) = io::pipe().unwrap();
        let (bell, watch) = exit_sign().unwrap();
        let mut tap = Tap::new(reader).unwrap();
        let mut buffer = [0; 1000];
        bell.ring();
        let mut total = 0;
        loop {
            writer.write_all(&[b'x'; 1000]).unwrap();
            match tap.draw(&mut buffer, &watch, None) {
                Drawn::Bytes(count) => total += count,
                end => break assert_eq!(end, Drawn::End),
            }
            assert!(total <= 1 << 20, "still reading");
        }
        assert_eq!(total, 64 * 1024);
    }

    #[test]
    fn a_wide_pipe_takes_several_large_messages_and_is_read_to_its_end() {
        let (reader, mut writer) = io::pipe().unwrap();
        let (bell, watch) = exit_sign().unwrap();
        let mut tap = Tap::new(reader).unwrap();
        tap.widen();
        set_nonblocking(&writer).unwrap();
        let written = writer.write(&vec![b'x'; 2 << 20]).unwrap();
        assert_eq!(written, limits::PIPE_WIDE_BYTES as usize);
        bell.ring();
        let mut buffer = vec![0; 100_000];
        let mut total = 0;
        while let Drawn::Bytes(count) = tap.draw(&mut buffer, &watch, None) {
            total += count;
        }
        assert_eq!(total, written);
        drop(writer);
    }

    #[test]
    fn a_quiet_pipe_times_out_and_a_closed_one_ends() {
        let (reader, writer) = io::pipe().unwrap();
        let (_bell, watch) = exit_sign().unwrap();
        let mut tap = Tap::new(reader).unwrap();
        let mut buffer = [0; 4];
        let soon = Some(Duration::from_millis(1));
        assert_eq!(tap.draw(&mut buffer, &watch, soon), Drawn::Nothing);
        drop(writer);
        assert_eq!(tap.draw(&mut buffer, &watch, None), Drawn::End);
    }
}
