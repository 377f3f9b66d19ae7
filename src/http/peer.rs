//! One connection as all threads see it, and the table of all connections.

use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

use crate::http::pace::Pace;
use crate::http::{ConnectionId, watch};

/// The socket of a connection, and the little that other threads may ask of it or do to it.
///
/// Its thread reads and writes through a shared reference; the descriptor is closed when the last owner lets go,
/// so that no other thread can ever poll a number that means another connection by now.
#[derive(Debug)]
pub struct Peer {
    /// The socket.
    pub stream: TcpStream,
    /// The other end.
    pub address: SocketAddr,
    /// The name of the connection.
    pub id: ConnectionId,
    /// Before a request: may be cut without harm.
    idle: AtomicBool,
    /// What is to be done when the peer leaves.
    pub watch: Mutex<watch::Armed>,
}

impl Peer {
    /// A connection that was just accepted.
    pub fn new(stream: TcpStream, address: SocketAddr, id: ConnectionId) -> Peer {
        Peer {
            stream,
            address,
            id,
            idle: AtomicBool::new(false),
            watch: Mutex::default(),
        }
    }

    /// Notes that the connection is, or is no longer, between two requests.
    pub fn set_idle(&self, idle: bool) {
        // Sequentially consistent: `Shared::is_stopping` and this are a pair, see `connection::Connection::await_request`.
        self.idle.store(idle, Ordering::SeqCst);
    }

    /// The same; what was noted before.
    pub fn swap_idle(&self, idle: bool) -> bool {
        self.idle.swap(idle, Ordering::SeqCst)
    }

    fn is_idle(&self) -> bool {
        self.idle.load(Ordering::SeqCst)
    }

    /// Whether bytes lie in the socket, or its end: then a cut would be a reset for whoever waits for an answer.
    pub fn has_unread(&self) -> bool {
        let mut set = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        poll(&mut set, PollTimeout::ZERO) != Ok(0)
    }

    /// Has the kernel throw away what the peer has not read, when the socket is closed. Else it keeps that, some
    /// megabytes of it, for as long as the peer is there.
    pub fn disown(&self) {
        let at_once = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        // It fails if the connection is gone already.
        let _ = setsockopt(&self.stream, sockopt::Linger, &at_once);
    }

    /// Ends the connection in both directions; its thread and the watch thread notice. Never blocks.
    pub fn cut(&self) {
        // It fails if the peer was faster.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The open connections.
#[derive(Debug, Default)]
pub struct Table {
    peers: Mutex<HashMap<ConnectionId, Arc<Peer>>>,
    emptied: Condvar,
}

/// A place in the table; given back when dropped, by whatever way the connection's thread ends.
#[derive(Debug)]
pub struct Place {
    table: Arc<Table>,
    id: ConnectionId,
    /// It was one of the spare ones when it was taken, and stays one.
    pub is_spare: bool,
}

impl Table {
    /// Enters a connection: where there are `max` already, into one of `spare` places, if one is free.
    pub fn enter(self: &Arc<Table>, peer: &Arc<Peer>, max: usize, spare: usize) -> Option<Place> {
        let mut peers = lock(&self.peers);
        let is_spare = peers.len() >= max;
        if peers.len() >= max.saturating_add(spare) {
            return None;
        }
        peers.insert(peer.id, Arc::clone(peer));
        Some(Place {
            table: Arc::clone(self),
            id: peer.id,
            is_spare,
        })
    }

    /// Cuts the connections on which no request has come, or all of them.
    pub fn cut(&self, only_idle: bool) {
        for peer in lock(&self.peers).values() {
            // In this order: who reads a request says first that the connection is not idle, so that it is seen either
            // to have something unread or not to be idle.
            if !only_idle || !peer.has_unread() && peer.is_idle() {
                peer.cut();
            }
        }
    }

    /// Waits until no connection is left, for at most `limit`; returns how many are.
    pub fn wait_until_empty(&self, limit: Duration) -> usize {
        let mut deadline = Pace::fixed(limit);
        let mut peers = lock(&self.peers);
        while let (false, Some(left)) = (peers.is_empty(), deadline.left(0)) {
            peers = self
                .emptied
                .wait_timeout(peers, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        peers.len()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut peers = lock(&self.table.peers);
        peers.remove(&self.id);
        if peers.is_empty() {
            self.table.emptied.notify_all();
        }
    }
}

/// Locks a mutex of this room. None of them is held over code that can panic, so poison means nothing.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
