//! What was read and is not yet used, and what is not yet written: buffers that are kept and used
//! again, over descriptors that never block.

use std::io::{self, ErrorKind, Read, Write};

/// Room for input at first, in bytes: an answer to a short call many times over.
const ROOM: usize = 16 * 1024;

/// What came of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// More is there.
    More,
    /// Nothing is there now.
    Nothing,
    /// The other side has closed.
    End,
}

/// Input that was read and is not yet used.
#[derive(Debug, Default)]
pub struct Inlet {
    room: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inlet {
    /// What is there.
    pub fn bytes(&self) -> &[u8] {
        &self.room[self.start..self.end]
    }

    /// Marks the first `length` bytes as used.
    pub fn used(&mut self, length: usize) {
        self.start += length;
        assert!(self.start <= self.end, "no more is used than is there");
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Forgets what is there.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Reads once, as much as there is room for. A buffer that was full before is doubled.
    ///
    /// # Errors
    /// What the system answers, other than that nothing is there.
    pub fn fill(&mut self, source: &mut impl Read) -> io::Result<Filled> {
        if self.end == self.room.len() {
            if self.start > 0 {
                self.room.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            } else {
                let room = (2 * self.room.len()).max(ROOM);
                self.room.resize(room, 0);
            }
        }
        loop {
            return match source.read(&mut self.room[self.end..]) {
                Ok(0) => Ok(Filled::End),
                Ok(read) => {
                    self.end += read;
                    Ok(Filled::More)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Filled::Nothing),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }
}

/// Output that is to be written, kept until the next one, so that it can be sent again.
#[derive(Debug, Default)]
pub struct Outlet {
    bytes: Vec<u8>,
    written: usize,
}

impl Outlet {
    /// Takes bytes to write behind those not yet written; forgets those that were.
    pub fn queue(&mut self, bytes: &[u8]) {
        if self.is_done() {
            self.bytes.clear();
            self.written = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether all is written.
    pub fn is_done(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// Has all of it written anew, from its first byte on.
    pub fn rewind(&mut self) {
        self.written = 0;
    }

    /// Writes what the other side takes now.
    ///
    /// # Errors
    /// What the system answers, other than that nothing more is taken now.
    pub fn flush(&mut self, sink: &mut impl Write) -> io::Result<()> {
        while !self.is_done() {
            match sink.write(&self.bytes[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
