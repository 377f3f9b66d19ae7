//! The thread that notices when a peer leaves while the connection's own thread waits elsewhere.
//!
//! A connection is handed to this thread once, at its first [`Watch::arm`], and stays in its poll set; arming and
//! disarming for one request is then a store under an uncontended lock, without a system call. The set never
//! holds more than the open connections and those that ended since the last look.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::http::peer::{Peer, lock};
use crate::http::wake::Bell;
use crate::{limits, threads};

/// What is to be done when a certain peer leaves; lives inside [`Peer`].
#[derive(Default)]
pub struct Armed {
    hangup: Option<Box<dyn FnOnce() + Send>>,
    /// Whether the watch thread has this peer, or soon will.
    in_poll_set: bool,
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Armed")
            .field("armed", &self.hangup.is_some())
            .finish_non_exhaustive()
    }
}

/// As long as it lives, the peer is watched.
#[derive(Debug)]
#[must_use = "the watch ends when this is dropped"]
pub struct Watching(Option<Arc<Peer>>);

impl Watching {
    /// For an engine that cannot see its peers leave.
    pub fn blind() -> Watching {
        Watching(None)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(peer) = &self.0 {
            lock(&peer.watch).hangup = None;
        }
    }
}

/// The watch thread, as the others see it.
#[derive(Debug)]
pub struct Watch {
    bell: Bell,
    mail: Mutex<Mail>,
}

#[derive(Debug, Default)]
struct Mail {
    arrivals: Vec<Arc<Peer>>,
    stopping: bool,
}

impl Watch {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no descriptors or no threads left.
    pub fn start() -> io::Result<(Arc<Watch>, JoinHandle<()>)> {
        let watch = Arc::new(Watch {
            bell: Bell::new()?,
            mail: Mutex::default(),
        });
        let own = Arc::clone(&watch);
        let thread = threads::spawn("watch", limits::HTTP_STACK_BYTES, move || own.run())?;
        Ok((watch, thread))
    }

    /// Watches `peer` until the guard is dropped. One watch at a time: a second one takes the place of the first.
    pub fn arm(&self, peer: &Arc<Peer>, hangup: Box<dyn FnOnce() + Send>) -> Watching {
        let mut armed = lock(&peer.watch);
        armed.hangup = Some(hangup);
        let is_new = !std::mem::replace(&mut armed.in_poll_set, true);
        drop(armed);
        if is_new {
            lock(&self.mail).arrivals.push(Arc::clone(peer));
            self.bell.ring();
        }
        Watching(Some(Arc::clone(peer)))
    }

    /// Lets the thread end; whoever started it joins it.
    pub fn stop(&self) {
        lock(&self.mail).stopping = true;
        self.bell.ring();
    }

    fn run(&self) {
        let mut peers: Vec<Arc<Peer>> = Vec::new();
        loop {
            self.bell.hush();
            let mut mail = lock(&self.mail);
            if mail.stopping {
                return;
            }
            peers.append(&mut mail.arrivals);
            drop(mail);
            for at in self.departed(&peers).into_iter().rev() {
                report(&peers.swap_remove(at));
            }
            std::thread::sleep(limits::HTTP_WATCH_PAUSE);
        }
    }

    /// Waits until a peer leaves or the bell rings; returns the places of those who left, in ascending order.
    fn departed(&self, peers: &[Arc<Peer>]) -> Vec<usize> {
        // `nix` has no name for POLLRDHUP. POLLHUP and POLLERR come unasked.
        let leaves = PollFlags::from_bits_retain(libc::POLLRDHUP);
        let mut set = Vec::with_capacity(peers.len() + 1);
        set.push(PollFd::new(self.bell.as_fd(), PollFlags::POLLIN));
        set.extend(
            peers
                .iter()
                .map(|peer| PollFd::new(peer.stream.as_fd(), leaves)),
        );
        if poll(&mut set, PollTimeout::NONE).is_err() {
            // A signal, or no memory: look again after the pause.
            return Vec::new();
        }
        // `any` is None for a flag without a name, and we asked for just that one.
        let left = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
        set[1..]
            .iter()
            .enumerate()
            .filter(|(_, fd)| left(fd))
            .map(|(at, _)| at)
            .collect()
    }
}

/// Tells whoever watches this peer that it left. If nobody does just now, the next `arm` brings it back here.
fn report(peer: &Peer) {
    let mut armed = lock(&peer.watch);
    armed.in_poll_set = false;
    let hangup = armed.hangup.take();
    drop(armed);
    // The closure is not ours, and its panic must not cost all the others their watch.
    if hangup.is_some_and(|hangup| catch_unwind(AssertUnwindSafe(hangup)).is_err()) {
        log::error!(
            "http: {}: what was to be done at its hang-up panicked",
            peer.id
        );
    }
}
