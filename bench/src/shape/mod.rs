//! The bare shape: what a gateway is that has no features at all. It reads HTTP/1.1 and the id of a
//! message, puts an id of its own there on the way to the one child, and the client's own back on
//! the way back. Nothing is checked, nobody is refused, no session is known and nothing is limited
//! but queues; initialize and lists pass through like calls. So this is a floor for what a gateway
//! of one of these designs can reach, and never a gateway: who does not read can stop all others.
//!
//! What is said is in `talk`, who awaits what in `table`; each design moves it in a file of its own.

pub mod dispatcher;
pub mod ears;
pub mod event_loop;
pub mod locked;
pub mod mailbox;
pub mod pens;
pub mod queues;
pub mod table;
pub mod talk;

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::{Error, Result};
use crate::io_buffers::{Filled, Inlet};
use crate::shape::talk::Message;

/// Letters that a queue holds before who has more waits: those of more callers than are measured.
const SLOTS: usize = 4096;

/// How the work is shared out among threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// A thread for each connection and each pipe, a dispatcher, and queues between them.
    Queues,
    /// The same, but the dispatcher writes for threads that sleep, so that few are woken.
    Pens,
    /// The same dispatcher, but one thread reads the sockets of all connections.
    Ears,
    /// The same, and the dispatcher is that thread.
    EarsLent,
    /// One thread that waits for all sockets and pipes.
    Loop,
    /// A thread for each connection and the child's stdout, each doing its work under one lock.
    Locked,
}

impl Design {
    /// The design of this name.
    pub fn named(name: &str) -> Option<Design> {
        Some(match name {
            "queues" => Design::Queues,
            "pens" => Design::Pens,
            "ears" => Design::Ears,
            "ears-lent" => Design::EarsLent,
            "loop" => Design::Loop,
            "locked" => Design::Locked,
            _ => return None,
        })
    }
}

/// Serves this port of the loopback address in front of a child until either is ended: Streamable
/// HTTP at `/mcp`, HTTP+SSE at `/sse`.
///
/// # Errors
/// If the port or the child cannot be had, and when the child ends.
pub fn serve(design: Design, port: u16, command: &[String]) -> Result<()> {
    match design {
        Design::Queues => queues::serve(port, command),
        Design::Pens => pens::serve(port, command),
        Design::Ears => ears::serve(port, command),
        Design::EarsLent => ears::serve_lent(port, command),
        Design::Loop => event_loop::serve(port, command),
        Design::Locked => locked::serve(port, command),
    }
}

/// Starts a thread that is there as long as the program.
fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(Error::system("starting a thread"))
}

/// Reads a child's messages until it ends; `take` gets those of one piece together.
fn read_lines(mut stdout: impl Read, mut take: impl FnMut(Vec<Message>)) -> Result<()> {
    let mut lines = Lines::default();
    loop {
        let (messages, filled) = lines
            .read(&mut stdout)
            .map_err(Error::system("reading from the child"))?;
        if !messages.is_empty() {
            take(messages);
        }
        if filled == Filled::End {
            return Err(Error::wrong("the child closed its output"));
        }
    }
}

/// What was read of a child's messages.
#[derive(Debug, Default)]
struct Lines {
    inlet: Inlet,
    /// How much of what is there is known to hold no line's end.
    searched: usize,
}

impl Lines {
    /// Reads once; the messages that are whole now.
    fn read(&mut self, stdout: &mut impl Read) -> io::Result<(Vec<Message>, Filled)> {
        let filled = self.inlet.fill(stdout)?;
        let bytes = self.inlet.bytes();
        let mut messages = Vec::new();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &bytes[self.searched..]) {
            let end = self.searched + end;
            messages.push(Message::of(&bytes[start..end]));
            start = end + 1;
        }
        self.searched = bytes.len() - start;
        self.inlet.used(start);
        Ok((messages, filled))
    }
}

/// Writes all of it to what does not block, and waits where it is full.
fn write_waiting(mut sink: impl Write + AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => await_room(&sink)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until more can be written.
fn await_room(sink: impl AsFd) -> io::Result<()> {
    let mut awaited = [PollFd::new(sink.as_fd(), PollFlags::POLLOUT)];
    poll(&mut awaited, PollTimeout::NONE)?;
    Ok(())
}

/// Waits until the other side has closed; what it says meanwhile is lost.
fn await_end(mut stream: impl Read) -> io::Result<()> {
    let mut rest = [0; 64];
    while stream.read(&mut rest)? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests;
