//! What was read and is not yet used, and what is not yet written: buffers that are kept and used
//! again, over descriptors that never block.

use std::io::{self, ErrorKind, Read, Write};

/// Room for input at first, in bytes: a short call and its answer many times over, and no
/// more, since what it costs a server to hold a connection is measured as well.
const ROOM: usize = 4 * 1024;

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

/// Output that is to be written. What was queued when nothing was left to write is kept until all
/// of it is written and more is queued, so that it can be sent again.
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
        } else if self.written > self.bytes.len() / 2 {
            // Where more is always queued before all is written, it would grow without end; so
            // seldom, each byte is moved once at most.
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether all is written.
    pub fn is_done(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// Has all of it written anew, from its first byte on, if nothing was queued behind what was
    /// written in part.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_kept_until_it_is_used() {
        let text: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        let mut source = text.as_slice();
        let mut inlet = Inlet::default();
        let mut used = Vec::new();
        // Less is used than is read, so what is kept is moved and its room grows.
        while inlet.fill(&mut source).expect("a slice can be read") == Filled::More {
            let length = inlet.bytes().len().min(1500);
            used.extend_from_slice(&inlet.bytes()[..length]);
            inlet.used(length);
        }
        used.extend_from_slice(inlet.bytes());
        assert_eq!(used, text);
    }

    /// Takes three bytes, then nothing, and so on.
    struct Narrow {
        taken: Vec<u8>,
        is_full: bool,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.is_full = !self.is_full;
            if !self.is_full {
                return Err(ErrorKind::WouldBlock.into());
            }
            let length = bytes.len().min(3);
            self.taken.extend_from_slice(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn output_goes_on_where_it_stopped_and_can_be_sent_again() {
        let mut sink = Narrow {
            taken: Vec::new(),
            is_full: false,
        };
        let mut outlet = Outlet::default();
        outlet.queue(b"hello ");
        outlet.flush(&mut sink).expect("it takes some");
        assert!(!outlet.is_done());
        outlet.queue(b"you");
        while !outlet.is_done() {
            outlet.flush(&mut sink).expect("it takes some");
        }
        outlet.rewind();
        while !outlet.is_done() {
            outlet.flush(&mut sink).expect("it takes some");
        }
        assert_eq!(sink.taken, b"hello youhello you");
        outlet.queue(b"!");
        while !outlet.is_done() {
            outlet.flush(&mut sink).expect("it takes some");
        }
        assert!(sink.taken.ends_with(b"you!"));
    }

    #[test]
    fn what_is_written_is_forgotten_though_there_is_always_more() {
        let mut sink = Narrow {
            taken: Vec::new(),
            is_full: false,
        };
        let mut outlet = Outlet::default();
        outlet.queue(b"abcd");
        for _ in 0..1000 {
            // Three bytes go and three come, so one is always left.
            outlet.flush(&mut sink).expect("it takes some");
            outlet.queue(b"bcd");
        }
        assert!(outlet.bytes.len() < 20, "{}", outlet.bytes.len());
        assert_eq!(sink.taken.len(), 3000);
        assert!(sink.taken.starts_with(b"abcdbcdbcd"));
    }
}
