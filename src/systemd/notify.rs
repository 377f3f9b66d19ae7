//! The words to the service manager: datagrams of `NAME=value` lines to the socket that
//! `NOTIFY_SOCKET` names (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::limits;

/// A way to tell the service manager things; where there is none, words to it are lost.
///
/// No method fails: a manager that does not listen must not keep the gateway from serving. The
/// first failure is logged.
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    manager: Option<Arc<Manager>>,
}

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// A word was lost, and that was logged.
    failed: AtomicBool,
}

impl Notifier {
    /// A way to the manager that this process was started by, if it wants to hear of it.
    pub fn of_environment() -> Notifier {
        std::env::var_os("NOTIFY_SOCKET")
            .map(|address| Notifier::to(&address))
            .unwrap_or_default()
    }

    /// A way to the socket at `address`: a path, or `@` and a name of the abstract namespace
    /// (unix(7)).
    pub fn to(address: &OsStr) -> Notifier {
        let manager = Manager::at(address)
            .inspect_err(|error| log::warn!("NOTIFY_SOCKET is {address:?}: {error}"));
        Notifier {
            manager: manager.ok().map(Arc::new),
        }
    }

    /// Whether there is anyone to be told.
    pub fn is_heard(&self) -> bool {
        self.manager.is_some()
    }

    /// The gateway listens; said again when it has read its configuration anew.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// How it does, in one sentence for people.
    pub fn status(&self, sentence: &str) {
        // A line break would begin another word.
        let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
        let line: String = sentence.chars().map(plain).collect();
        self.say(&format!("STATUS={line}"));
    }

    /// It is about to end.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// It reads its configuration anew; [`Notifier::ready`] follows, whatever comes of it.
    pub fn reloading(&self) {
        // By this the manager knows its own SIGHUP from one before it, so it must be its clock.
        let at = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or(TimeSpec::new(0, 0));
        let microseconds = at.tv_sec() * 1_000_000 + at.tv_nsec() / 1_000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// It is alive. Only [`crate::systemd::watchdog`] may say so, for it has looked.
    pub fn watchdog(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, words: &str) {
        let Some(manager) = &self.manager else { return };
        if let Err(error) = manager
            .socket
            .send_to_addr(words.as_bytes(), &manager.address)
            && !manager.failed.swap(true, Ordering::Relaxed)
        {
            log::warn!("cannot tell the service manager {words:?}: {error}");
        }
    }
}

impl Manager {
    fn at(address: &OsStr) -> io::Result<Manager> {
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(address)?,
            _ => {
                let wanted =
                    "neither a path nor an abstract name; the service manager is told nothing";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, wanted));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(limits::NOTIFY_WRITE_TIMEOUT))?;
        Ok(Manager {
            socket,
            address,
            failed: AtomicBool::new(false),
        })
    }
}
