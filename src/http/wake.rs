//! A bell for a thread that waits in `poll`.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// Two connected sockets: whoever rings writes a byte, the waiting thread polls the other end.
#[derive(Debug)]
pub struct Bell {
    rope: UnixStream,
    ear: UnixStream,
}

impl Bell {
    /// A silent bell.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn new() -> io::Result<Bell> {
        let (rope, ear) = UnixStream::pair()?;
        rope.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Bell { rope, ear })
    }

    /// Wakes the waiting thread, now or at its next wait. Never blocks.
    pub fn ring(&self) {
        // The only failure is a full socket, and then it is ringing already.
        let _ = (&self.rope).write(&[1]);
    }

    /// What the waiting thread polls for input.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.ear.as_fd()
    }

    /// Silences the bell; the waiting thread calls it before it looks at what it was rung for.
    pub fn hush(&self) {
        let mut scratch = [0; 64];
        while matches!((&self.ear).read(&mut scratch), Ok(n) if n == scratch.len()) {}
    }
}
