//! Reading and writing of one connection's socket: its read buffer, its deadlines, its last goodbye.
//!
//! It moves bytes and knows nothing of what they mean.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

use crate::http::pace::Pace;
use crate::http::peer::Peer;
use crate::http::settings::Settings;
use crate::limits;

/// Why nothing could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadError {
    /// The deadline is past.
    Timeout,
    /// The peer left, or the connection broke.
    Closed,
}

/// The socket of a connection, as its own thread has it.
#[derive(Debug)]
pub struct Socket {
    peer: Arc<Peer>,
    buffer: Buffer,
    /// What SO_RCVTIMEO was last set to. It only wakes us to look at the clock, so it need not be exact.
    read_timeout: Duration,
    write_grace: Duration,
    bytes_per_second_min: u32,
}

impl Socket {
    /// Sets the options of a new connection.
    ///
    /// # Errors
    /// The peer has left already.
    pub fn new(peer: Arc<Peer>, settings: &Settings) -> io::Result<Socket> {
        let stream = &peer.stream;
        // Else an answer above one segment waits for the peer's delayed acknowledgement: 40 ms.
        stream.set_nodelay(true)?;
        // What a peer reads is looked at several times before its time is over.
        let look = settings.write_grace / limits::HTTP_WRITE_LOOKS;
        stream.set_write_timeout(Some(look.max(Duration::from_millis(1))))?;
        setsockopt(stream, sockopt::KeepAlive, &true)?;
        setsockopt(stream, sockopt::TcpKeepIdle, &limits::HTTP_KEEPALIVE_IDLE_S)?;
        setsockopt(
            stream,
            sockopt::TcpKeepInterval,
            &limits::HTTP_KEEPALIVE_INTERVAL_S,
        )?;
        setsockopt(
            stream,
            sockopt::TcpKeepCount,
            &limits::HTTP_KEEPALIVE_PROBES,
        )?;
        stream.set_read_timeout(Some(settings.keep_buffers))?;
        Ok(Socket {
            buffer: Buffer::default(),
            read_timeout: settings.keep_buffers,
            write_grace: settings.write_grace,
            bytes_per_second_min: settings.bytes_per_second_min,
            peer,
        })
    }

    /// The connection as other threads see it.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// What was read and not yet consumed.
    pub fn unread(&self) -> &[u8] {
        self.buffer.unread()
    }

    /// Takes `count` bytes off the unread ones.
    pub fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
    }

    /// Puts in what another has read of this socket.
    pub fn take_in(&mut self, bytes: &[u8]) {
        self.buffer.put(bytes);
    }

    /// Gives the read buffer back, if it is empty.
    pub fn release(&mut self) {
        self.buffer.release();
    }

    /// Reads once more into the buffer, and returns how many bytes came (at least one). `moved` bytes have come
    /// before in the same transfer. The caller keeps the unread bytes below [`limits::HTTP_HEAD_BYTES_MAX`].
    pub fn fill(&mut self, pace: &mut Pace, moved: u64) -> Result<usize, ReadError> {
        let space = self.buffer.space();
        let count = receive(&self.peer.stream, &mut self.read_timeout, space, || {
            pace.left(moved)
        })?;
        self.buffer.end += count;
        Ok(count)
    }

    /// Reads once, at most `most` bytes, to the end of `out`, past the buffer, which must be empty.
    pub fn read_past_buffer(
        &mut self,
        out: &mut Vec<u8>,
        most: usize,
        pace: &mut Pace,
        moved: u64,
    ) -> Result<usize, ReadError> {
        let start = out.len();
        out.resize(start + most, 0);
        let result = receive(
            &self.peer.stream,
            &mut self.read_timeout,
            &mut out[start..],
            || pace.left(moved),
        );
        out.truncate(start + result.unwrap_or(0));
        result
    }

    /// Waits for a first byte, for `limit` at most, without needing a buffer of its own, and keeps it in the buffer.
    pub fn fill_first(&mut self, limit: Duration) -> Result<usize, ReadError> {
        let mut pace = Pace::fixed(limit);
        let mut first = [0];
        receive(
            &self.peer.stream,
            &mut self.read_timeout,
            &mut first,
            || pace.left(0),
        )?;
        self.buffer.space()[0] = first[0];
        self.buffer.end += 1;
        Ok(1)
    }

    /// Writes all the `slices`, with one system call if the peer reads.
    ///
    /// # Errors
    /// `TimedOut` if the peer takes them too slowly. In any case some bytes may have been written.
    pub fn send(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut pace = Pace::moving(self.write_grace, self.bytes_per_second_min);
        let mut moved = 0;
        // Empty ones at the front would look like a write of nothing.
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match (&self.peer.stream).write_vectored(slices) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    moved += count as u64;
                    IoSlice::advance_slices(&mut slices, count);
                }
                Err(error) if is_timeout(&error) || error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if !slices.is_empty() && pace.left(moved).is_none() {
                self.peer.disown();
                return Err(ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// Ends our side and throws away what the peer still sends, so that it can read our last words: the kernel
    /// answers bytes that arrive at a closed socket with a reset, and a reset voids what was not read yet.
    pub fn linger(&mut self, deadline: Duration) {
        if self.peer.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let mut pace = Pace::fixed(deadline);
        let mut thrown_away = 0;
        while thrown_away < limits::HTTP_LINGER_BYTES_MAX {
            self.buffer.consume(self.buffer.unread().len());
            match self.fill(&mut pace, 0) {
                Ok(count) => thrown_away += count,
                Err(_) => return,
            }
        }
    }
}

/// One read that got something. `left` tells how long it may still wait.
fn receive(
    mut stream: &TcpStream,
    timeout: &mut Duration,
    target: &mut [u8],
    mut left: impl FnMut() -> Option<Duration>,
) -> Result<usize, ReadError> {
    loop {
        let left = left().ok_or(ReadError::Timeout)?;
        // A timeout that is roughly right saves the system call that sets it, in nearly all reads. Too short a one
        // wakes us early, at most seven times for nothing; too long a one wakes us late by an eighth.
        if *timeout > left.saturating_add(left / 8) || timeout.saturating_mul(8) < left {
            stream
                .set_read_timeout(Some(left))
                .map_err(|_| ReadError::Closed)?;
            *timeout = left;
        }
        match stream.read(target) {
            Ok(0) => return Err(ReadError::Closed),
            Ok(count) => return Ok(count),
            Err(error) if is_timeout(&error) || error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(ReadError::Closed),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A read buffer that grows from nothing up to the largest head.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            // More than a head is nobody's but for the moment: it counts nowhere.
            if self.bytes.len() > limits::HTTP_HEAD_BYTES_MAX {
                self.bytes = Vec::new();
            }
        }
    }

    /// Adds bytes at the end, however many.
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.end);
        self.bytes.extend_from_slice(bytes);
        self.end = self.bytes.len();
    }

    /// Free space at the end, at least one byte.
    fn space(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.bytes.len() {
            let doubled = (self.bytes.len() * 2).min(limits::HTTP_HEAD_BYTES_MAX);
            self.bytes.resize(
                doubled
                    .max(limits::HTTP_READ_BUFFER_BYTES)
                    .max(self.end + 1),
                0,
            );
        }
        &mut self.bytes[self.end..]
    }

    fn release(&mut self) {
        if self.start == self.end {
            *self = Buffer::default();
        }
    }
}
