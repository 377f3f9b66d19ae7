//! The accept thread: takes connections in, gives each a thread, turns away what is too many.
//!
//! It never blocks on a connection, and no error of `accept` ends it.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

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

/// What the `http-accept` thread owns.
pub struct Acceptor {
    /// Non-blocking: a connection may be gone between `poll` and `accept`.
    listener: TcpListener,
    bell: Arc<Bell>,
    shared: Arc<Shared>,
    refusals: Refusals,
    /// An error was logged and no connection came since.
    failing: bool,
    /// A refusal for lack of room was logged and no connection was admitted since.
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
        Ok(Acceptor {
            listener,
            bell,
            shared,
            refusals: Refusals::default(),
            failing: false,
            full: false,
        })
    }

    /// Accepts until the engine stops, then closes the listener.
    pub fn run(mut self) {
        while !self.shared.is_stopping() {
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
        let Err(why) = self.start_thread(&peer) else {
            self.full = false;
            return;
        };
        // A flood of connections shall not become a flood of the log.
        if !std::mem::replace(&mut self.full, true) {
            log::warn!(
                "http: {}: refused with 503, as others may be: {why}",
                peer.id
            );
        }
        self.refusals
            .refuse(peer, self.shared.settings.linger_deadline);
    }

    fn start_thread(&self, peer: &Arc<Peer>) -> Result<(), String> {
        let settings = &self.shared.settings;
        let place = self.shared.table.enter(peer, settings.max_connections);
        let place =
            place.ok_or_else(|| format!("{} connections are open", settings.max_connections))?;
        let (shared, own_peer) = (Arc::clone(&self.shared), Arc::clone(peer));
        let work = move || connection::run(&shared, &own_peer, place);
        match threads::spawn(&peer.id.to_string(), settings.stack_bytes, work) {
            Ok(_detached) => Ok(()),
            Err(error) => Err(format!("the system gives no thread: {error}")),
        }
    }
}
