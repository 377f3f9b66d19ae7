//! How a file is read that may have become a pipe meanwhile: whoever would write
//! into it is waited for, but not for ever. What is in it is `config`'s business.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};

use crate::config::load::Disk;
use crate::config::problem::Fault;
use crate::config::surroundings::Files;
use crate::limits;

/// Reads a file of at most `limit` bytes. A pipe is waited for no longer than
/// [`limits::CONFIG_PIPE_WAIT`].
///
/// # Errors
/// As [`Files::read`]; and a pipe that was not written to its end in time.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Fault> {
    // Without waiting for whoever would write.
    let flags = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let Some(pipe) = file.ok().filter(is_pipe) else {
        return Disk.read(path, limit);
    };
    let bytes = read_pipe(pipe, limit)
        .map_err(|error| Fault::Unreadable(format!("{}: {error}", path.display())))?;
    if bytes.len() > limit {
        Err(Fault::TooLarge(limit))
    } else {
        Ok(bytes)
    }
}

fn is_pipe(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|about| about.file_type().is_fifo())
}

/// Reads a pipe that was opened without waiting to its end, or past the limit.
fn read_pipe(mut pipe: File, limit: usize) -> io::Result<Vec<u8>> {
    let over = crossbeam_channel::after(limits::CONFIG_PIPE_WAIT);
    let mut bytes = Vec::new();
    let mut part = [0; limits::CONFIG_PIPE_PART_BYTES];
    while bytes.len() <= limit {
        if over.try_recv().is_ok() {
            let error = "a pipe, and nobody has written it to its end in time";
            return Err(io::Error::new(io::ErrorKind::TimedOut, error));
        }
        // A pipe that nobody has begun to write reads like one at its end, but is
        // not ready.
        let mut waiting = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waiting, limits::CONFIG_PIPE_POLL_MS)? == 0 {
            continue;
        }
        match pipe.read(&mut part) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}
