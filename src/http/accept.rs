//! The accept thread: takes connections in, gives each a thread, turns away what is too many.
//!
//! It never blocks on a connection, and no error of `accept` ends it.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Backlog, listen};

use crate::http::ConnectionId;
use crate::http::connection::{self, Shared};
use crate::http::peer::Peer;
use crate::http::refusal::Refusals;
use crate::http::wake::Bell;
use crate::{limits, threads};

/// Counts over all engines of the process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// An id that no connection had before.
pub fn next_id() -> ConnectionId {
    ConnectionId(NEXT_ID.fetch_add(1, Ordering::Relaxed))
}

/// Lets more connections wait to be accepted than the standard library does.
fn deepen(listener: &TcpListener) -> io::Result<()> {
    // The crate refuses more than the C library has a name for, which is 128 with musl; the kernel's own limit is
    // what counts.
    let backlog = Backlog::new(limits::HTTP_BACKLOG).unwrap_or(Backlog::MAXALLOWABLE);
    // Of one that listens already this only changes the number.
    Ok(listen(listener, backlog)?)
}

/// What the `http-accept` thread owns.
pub struct Acceptor {
    /// Non-blocking: a connection may be gone between `poll` and `accept`.
    listener: TcpListener,
    bell: Arc<Bell>,
    shared: Arc<Shared>,
    refusals: Refusals,
    /// An error was logged and no connection came since.
    failing: bool,
    /// It was logged that there is no room, and no connection was admitted since but spare ones.
    full: bool,
}

impl Acceptor {
    /// Prepares to accept from `listener`; `bell` wakes it when it is to stop.
    ///
    /// # Errors
    /// The listener cannot be made non-blocking.
    pub fn new(
        listener: TcpListener,
        bell: Arc<Bell>,
        shared: Arc<Shared>,
    ) -> io::Result<Acceptor> {
        listener.set_nonblocking(true)?;
        deepen(&listener)?;
        Ok(Acceptor {
            listener,
            bell,
            shared,
            refusals: Refusals::default(),
            failing: false,
            full: false,
        })
    }

    /// Accepts until it shall no longer, then closes the listener.
    pub fn run(mut self) {
        while !self.shared.closed.load(Ordering::SeqCst) {
            self.wait();
            self.bell.hush();
            self.refusals.sweep();
            for _ in 0..limits::HTTP_ACCEPT_BURST {
                match self.listener.accept() {
                    Ok((stream, address)) => {
                        self.failing = false;
                        self.admit(stream, address);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => {
                        self.complain(&error);
                        break;
                    }
                }
            }
        }
    }

    fn wait(&self) {
        let mut set = vec![
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.bell.as_fd(), PollFlags::POLLIN),
        ];
        set.extend(
            self.refusals
                .fds()
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN)),
        );
        let timeout = self
            .refusals
            .next_deadline()
            .map_or(PollTimeout::NONE, |left| {
                // Rounded up, so as not to spin through the last millisecond.
                PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX)
            });
        // On an error (a signal, no memory) `accept` is simply tried.
        let _ = poll(&mut set, timeout);
    }

    fn complain(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            log::error!("http: cannot accept a connection: {error}; trying again");
        }
        // Out of descriptors, the connection stays in the queue and `poll` returns at once.
        std::thread::sleep(limits::HTTP_ACCEPT_PAUSE);
    }

    fn admit(&mut self, stream: TcpStream, address: SocketAddr) {
        let peer = Arc::new(Peer::new(stream, address, next_id()));
        let started = self.start_thread(&peer);
        if matches!(started, Ok(Room::Ordinary)) {
            self.full = false;
            return;
        }
        // A flood of connections shall not become a flood of the log.
        if !std::mem::replace(&mut self.full, true) {
            let why = match &started {
                Err(why) => why.clone(),
                Ok(_) => self.no_room(),
            };
            log::warn!("http: {why}; new ones are refused with 503 until some end");
        }
        if started.is_err() {
            self.refusals
                .refuse(peer, self.shared.settings.linger_deadline);
        }
    }

    fn no_room(&self) -> String {
        let most = self.shared.settings.max_connections;
        format!("{most} connections are open")
    }

    fn start_thread(&self, peer: &Arc<Peer>) -> Result<Room, String> {
        let settings = &self.shared.settings;
        let (most, spare) = (settings.max_connections, settings.spare_connections);
        let place = self.shared.table.enter(peer, most, spare);
        let place = place.ok_or_else(|| self.no_room())?;
        let room = if place.is_spare {
            Room::Spare
        } else {
            Room::Ordinary
        };
        let (shared, own_peer) = (Arc::clone(&self.shared), Arc::clone(peer));
        let work = move || connection::run(&shared, &own_peer, place);
        match threads::spawn(&peer.id.to_string(), settings.stack_bytes, work) {
            Ok(_detached) => Ok(room),
            Err(error) => Err(format!("the system gives no thread: {error}")),
        }
    }
}

/// Where a connection was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Ordinary,
    /// Beyond the most, for one short exchange.
    Spare,
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::deepen;

    #[test]
    fn hundreds_may_wait_to_be_accepted() {
        let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let most: usize = allowed.trim().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        deepen(&listener).unwrap();
        let address = listener.local_addr().unwrap();
        // Where there is no place, a second packet goes out after a second.
        let soon = Duration::from_millis(900);
        let waiting = (0..most.min(500)).map(|_| TcpStream::connect_timeout(&address, soon));
        let waiting: Vec<TcpStream> = waiting.map_while(Result::ok).collect();
        assert_eq!(waiting.len(), most.min(500));
    }
}
