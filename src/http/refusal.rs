//! Connections that are turned away with a 503, without a thread of their own.
//!
//! The accept thread keeps them for a moment, because a socket that is closed while the peer's request is still
//! coming answers with a reset, and the peer never sees the 503.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::pace;
use crate::http::peer::Peer;
use crate::limits;

const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 25\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
    too many connections now\n";

/// The connections on their way out, oldest first; at most [`limits::HTTP_REFUSED_MAX`].
#[derive(Debug, Default)]
pub struct Refusals {
    leaving: Vec<Leaving>,
}

#[derive(Debug)]
struct Leaving {
    peer: Arc<Peer>,
    until: Instant,
    thrown_away: usize,
}

impl Refusals {
    /// Tells a new connection that there is no room for it. Never blocks.
    pub fn refuse(&mut self, peer: Arc<Peer>, linger: Duration) {
        // The answer fits into the empty send buffer of a new connection; if not, the peer has left.
        let told = peer.stream.set_nonblocking(true).is_ok()
            && matches!((&peer.stream).write(ANSWER), Ok(count) if count == ANSWER.len())
            && peer.stream.shutdown(Shutdown::Write).is_ok();
        if !told {
            return;
        }
        if self.leaving.len() >= limits::HTTP_REFUSED_MAX {
            self.leaving.remove(0);
        }
        self.leaving.push(Leaving {
            peer,
            until: pace::now() + linger,
            thrown_away: 0,
        });
    }

    /// The sockets to poll for input.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.leaving
            .iter()
            .map(|leaving| leaving.peer.stream.as_fd())
    }

    /// How long until the oldest one must go.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.leaving
            .first()
            .map(|oldest| oldest.until.saturating_duration_since(pace::now()))
    }

    /// Throws away what came, and lets go those that left or whose time is over.
    pub fn sweep(&mut self) {
        if !self.leaving.is_empty() {
            let now = pace::now();
            self.leaving
                .retain_mut(|leaving| leaving.until > now && leaving.still_sends());
        }
    }
}

impl Leaving {
    fn still_sends(&mut self) -> bool {
        let mut scratch = [0; 4096];
        match (&self.peer.stream).read(&mut scratch) {
            Ok(0) => false,
            Ok(count) => {
                self.thrown_away += count;
                self.thrown_away < limits::HTTP_LINGER_BYTES_MAX
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::time::Duration;

    use super::Refusals;
    use crate::http::accept::next_id;
    use crate::http::pace::now;
    use crate::http::peer::Peer;
    use crate::limits;

    const LONG: Duration = Duration::from_secs(20);

    fn refuse(refusals: &mut Refusals, listener: &TcpListener, linger: Duration) -> TcpStream {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, address) = listener.accept().unwrap();
        refusals.refuse(Arc::new(Peer::new(stream, address, next_id())), linger);
        client
    }

    #[test]
    fn who_was_refused_is_kept_until_it_leaves_or_its_time_is_over() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut refusals = Refusals::default();
        let client = refuse(&mut refusals, &listener, LONG);
        refusals.sweep();
        assert_eq!(refusals.fds().count(), 1);
        assert!(refusals.next_deadline().is_some_and(|left| left <= LONG));
        drop(client);
        let deadline = now() + LONG / 2;
        while refusals.fds().count() > 0 {
            assert!(now() < deadline, "kept after it left");
            refusals.sweep();
        }
        let _client = refuse(&mut refusals, &listener, Duration::ZERO);
        refusals.sweep();
        assert_eq!(
            (refusals.fds().count(), refusals.next_deadline()),
            (0, None)
        );
    }

    #[test]
    fn only_so_many_are_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut refusals = Refusals::default();
        let kept = |_| refuse(&mut refusals, &listener, LONG);
        let _clients: Vec<_> = (0..limits::HTTP_REFUSED_MAX + 5).map(kept).collect();
        assert_eq!(refusals.fds().count(), limits::HTTP_REFUSED_MAX);
    }
}
