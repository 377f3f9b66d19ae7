//! The listening socket that a service manager opened for this process (sd_listen_fds(3)). It
//! outlives the process, so that who connects during a restart waits instead of being refused.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::RawFd;

use listenfd::ListenFd;
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::close;

use crate::limits;
use crate::procfs;

/// The descriptor of the first socket that is handed over (`SD_LISTEN_FDS_START`).
const FIRST_FD: RawFd = 3;

/// Why what was handed over cannot be served on.
#[derive(Debug)]
pub enum SocketError {
    /// `LISTEN_FDS` is no number.
    Count(String),
    /// There are several; the names are those of `LISTEN_FDNAMES`.
    Several {
        /// How many.
        count: usize,
        /// Their names, as they were given.
        names: String,
    },
    /// It is no TCP socket.
    NotTcp(io::Error),
    /// It is a TCP socket of one connection.
    NotListening,
    /// It cannot be used.
    System(io::Error),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketError::Count(count) => write!(
                f,
                "LISTEN_FDS is {count:?}: it must tell how many sockets are handed over"
            ),
            SocketError::Several { count, names } => write!(
                f,
                "{count} sockets were handed over ({names:?}), but one is served on: name one \
                 address in the socket unit (ListenStream=)"
            ),
            SocketError::NotTcp(error) => write!(
                f,
                "the socket that was handed over is no TCP listener ({error}): name a port in the \
                 socket unit (ListenStream=)"
            ),
            SocketError::NotListening => write!(
                f,
                "the socket that was handed over does not listen: the socket unit must hand over \
                 the listener itself (Accept=no)"
            ),
            SocketError::System(error) => {
                write!(f, "the socket that was handed over cannot be used: {error}")
            }
        }
    }
}

impl std::error::Error for SocketError {}

/// The listener that was handed to this process, if one was. It does not reach children. Asked once,
/// before any thread reads the environment by other ways than Rust's: it is taken out of there.
///
/// # Errors
/// See [`SocketError`].
pub fn inherited() -> Result<Option<TcpListener>, SocketError> {
    let variable = |name| std::env::var(name).ok();
    let count = handed_over(
        variable("LISTEN_FDS").as_deref(),
        variable("LISTEN_PID").as_deref(),
        std::process::id(),
    )?;
    match count {
        0 => Ok(None),
        1 => take(&mut ListenFd::from_env()),
        count => {
            let names = variable("LISTEN_FDNAMES").unwrap_or_default();
            let names = names.chars().take(limits::QUOTED_CHARS_MAX).collect();
            Err(SocketError::Several { count, names })
        }
    }
}

/// Keeps what was handed over and is not served on from the children, who would
/// hold it open, and says so. For the ways to run that listen nowhere.
pub fn decline() {
    let variable = |name| std::env::var(name).ok();
    let own = std::process::id();
    let fds = variable("LISTEN_FDS");
    let pid = variable("LISTEN_PID");
    match handed_over(fds.as_deref(), pid.as_deref(), own) {
        Ok(0) => {}
        Ok(count) => {
            let closed = close_inherited(FIRST_FD, count);
            log::warn!(
                "{closed} sockets were handed over (LISTEN_FDS) and closed: nothing listens here"
            );
        }
        Err(error) => log::warn!("{error}; nothing listens here anyway"),
    }
}

/// Closes so many descriptors from the first one on, but only what has outlived
/// the start of this program: what was opened since bears the mark that it
/// would not, so a wrong count closes nothing that is in use. Tells how many.
pub fn close_inherited(first: RawFd, count: usize) -> usize {
    let meant = |fd: &RawFd| {
        let place = fd.checked_sub(first).map(usize::try_from);
        place.is_some_and(|place| place.is_ok_and(|place| place < count))
    };
    let inherited = procfs::inherited_descriptors().into_iter().filter(meant);
    inherited.filter(|fd| close(*fd).is_ok()).count()
}

/// How many sockets are meant for the process `own`: those named by the variables of another, which
/// it inherited by accident, are not.
pub fn handed_over(fds: Option<&str>, pid: Option<&str>, own: u32) -> Result<usize, SocketError> {
    let is_ours = pid.and_then(|pid| pid.parse().ok()) == Some(own);
    match fds {
        Some(fds) if is_ours => fds
            .parse()
            .map_err(|_| SocketError::Count(fds.chars().take(limits::QUOTED_CHARS_MAX).collect())),
        _ => Ok(0),
    }
}

fn take(sockets: &mut ListenFd) -> Result<Option<TcpListener>, SocketError> {
    // The crate has it closed on exec, and looks at its family and type.
    let taken = sockets.take_tcp_listener(0).map_err(SocketError::NotTcp)?;
    let Some(listener) = taken else {
        return Ok(None);
    };
    if !getsockopt(&listener, sockopt::AcceptConn).is_ok_and(|listens| listens) {
        return Err(SocketError::NotListening);
    }
    // It is the same socket for every process that had it: who had it last may have left it otherwise.
    listener
        .set_nonblocking(false)
        .map_err(SocketError::System)?;
    Ok(Some(listener))
}
