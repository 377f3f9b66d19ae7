//! An HTTP/1.1 engine: blocking, one thread per connection, every wait and every input limited.
//!
//! This file is the seam: what the doors see of an engine, and all that a second engine must offer.
//! The engine itself starts in [`server`]. It knows nothing of MCP, of routes, of origins and of tokens.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::budget::Weight;
use crate::http::courier::{Courier, Line};
use crate::http::head::Head;
use crate::http::watch::Watching;

pub mod accept;
pub mod answer;
pub mod body;
pub mod connection;
pub mod courier;
pub mod ear;
pub mod head;
pub mod pace;
pub mod peer;
pub mod refusal;
pub mod server;
pub mod settings;
pub mod socket;
#[cfg(feature = "tiny_http")]
pub mod tiny;
pub mod turn;
pub mod wake;
pub mod watch;

#[cfg(test)]
mod tests;

/// A connection, never the same twice in the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn-{}", self.0)
    }
}

/// Ends a connection from outside of its thread. What its peer has not read is thrown away.
pub type Cut = Box<dyn Fn() + Send>;

/// Makes one handler for each connection; shared by all of them.
pub trait Service: Send + Sync + 'static {
    /// A handler for the connection `id`; called on that connection's thread before its first request.
    /// Calling `cut` ends the connection from any thread, also in the middle of a write, and never blocks; an engine
    /// that cannot do that does nothing.
    fn connection(&self, id: ConnectionId, cut: Cut) -> Box<dyn Handler>;
}

/// Answers the requests of one connection, one after the other. Dropped when the connection ends.
pub trait Handler: Send {
    /// Answers one request. If it returns without an answer, or panics before one, the peer gets 500;
    /// a panic, and a stream that was begun and not ended, cost the connection.
    fn serve(&mut self, exchange: &mut dyn Exchange);
}

/// A running engine.
pub trait Running: Send {
    /// Where it listens; the port is the real one where 0 was asked for.
    fn local_addr(&self) -> SocketAddr;

    /// Parts with the clients: from now on each answer says that its connection ends with it, so that nobody sends the
    /// next request into one that is about to be closed (RFC 9112 section 9.6). Connections are still accepted.
    /// An engine that cannot do this does nothing.
    fn part(&mut self) {}

    /// Hands the clients over to another process that has the listener, too: accepts no further connection, lets go
    /// of the listener, and has every client come by a new connection for its next request. Each connection is
    /// served to the end of one exchange; those on which none begins within a moment are closed, and it is waited
    /// for that. An engine that cannot do this does nothing.
    fn hand_over(&mut self) {}

    /// Stops to accept, closes idle connections, gives the others a moment, then cuts them.
    /// Takes a bounded time, and returns how many connections had not ended by then (0 if all is well).
    fn stop(self: Box<Self>) -> usize;
}

/// One request and the answer to it.
///
/// An error of a writing method means that the peer is gone or does not read, and that nothing more can be sent,
/// except for [`io::ErrorKind::InvalidInput`]: the caller asked for something that HTTP cannot carry (a line break
/// in a header, a framing header, a second answer); then nothing was written.
pub trait Exchange {
    /// The request line and the headers.
    fn head(&self) -> &Head;

    /// Reads the whole body, of at most `max` bytes, without its framing. A second call gives an empty body.
    /// A peer that waits for `100 Continue` gets it here. The body counts in `weight`, which grows with it.
    ///
    /// # Errors
    /// See [`BodyError`]. The request can and should still be answered, with [`BodyError::status`].
    fn read_body(&mut self, max: usize, weight: &mut Weight) -> Result<Vec<u8>, BodyError>;

    /// The same as [`Exchange::answer`], of a body that lies in several pieces.
    fn answer_pieces(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[&[u8]],
    ) -> io::Result<()>;

    /// Sends a whole answer with one system call. `status` is 200 to 599; the engine adds `Content-Length`
    /// and, where the connection ends, `Connection: close`. The body of an answer to HEAD is left out.
    fn answer(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        self.answer_pieces(status, headers, &[body])
    }

    /// Sends the head of an answer whose body follows in pieces (chunked; to HTTP/1.0, until the connection ends).
    fn begin_stream(&mut self, status: u16, headers: &[(&str, &str)]) -> io::Result<()>;

    /// Sends one piece of the body with one system call; an empty piece sends nothing.
    /// Blocks while the peer does not read, up to the write deadline.
    fn write_chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_pieces(&[bytes])
    }

    /// The same as [`Exchange::write_chunk`], of bytes that lie in several pieces.
    fn write_pieces(&mut self, pieces: &[&[u8]]) -> io::Result<()>;

    /// Ends the body that [`Exchange::begin_stream`] began.
    fn end_stream(&mut self) -> io::Result<()>;

    /// Has `hangup` called once, from the watch thread, if the peer leaves (or shuts down its sending side)
    /// while the returned guard lives. It must not block. At the moment of the guard's end it may just be running.
    fn watch(&mut self, hangup: Box<dyn FnOnce() + Send>) -> Watching;

    /// Who can go on with the answer from another thread: send all of it, if it was not begun, or pieces of its
    /// stream. Meanwhile this exchange writes nothing; afterwards it is told by [`Exchange::complete`] of an answer, or
    /// of a piece that was not sent to its end. None if the engine cannot do that, or not with this exchange.
    fn courier(&mut self) -> Option<Courier> {
        None
    }

    /// Goes on after a courier who sent all but this rest of a piece, or of the answer.
    fn complete(&mut self, rest: &[u8]) -> io::Result<()> {
        let _ = rest;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The way to the peer, for whoever listens to it while the thread of the connection sleeps ([`ear`]). None if the
    /// engine cannot do that.
    fn line(&self) -> Option<Line> {
        None
    }

    /// Takes in what another has read there, and is for this thread to read.
    fn take_in(&mut self, unread: &[u8]) {
        let _ = unread;
    }

    /// Whether the connection is one more than there is room for, and ends with this exchange: only what is short
    /// and must be answered all the same should be, all else with 503.
    fn is_spare(&self) -> bool {
        false
    }

    /// Our address on this connection.
    fn local_addr(&self) -> SocketAddr;

    /// The peer's address.
    fn peer_addr(&self) -> SocketAddr;
}

/// Why a body could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than the given limit (in bytes); if its length was declared, nothing was read.
    TooLarge(usize),
    /// There is no room for it now, beside the bodies of others.
    NoRoom,
    /// It came too slowly.
    Timeout,
    /// The peer left in the middle of it.
    Closed,
    /// Its chunks are not framed as RFC 9112 section 7.1 says.
    Malformed(&'static str),
}

impl BodyError {
    /// The HTTP status that says this to the peer.
    pub fn status(self) -> u16 {
        match self {
            BodyError::TooLarge(_) => 413,
            BodyError::NoRoom => 503,
            BodyError::Timeout => 408,
            BodyError::Closed | BodyError::Malformed(_) => 400,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge(limit) => {
                write!(f, "the request body is larger than {limit} bytes")
            }
            BodyError::NoRoom => write!(
                f,
                "there is no room for the request body now; try again later"
            ),
            BodyError::Timeout => write!(f, "the request body came too slowly"),
            BodyError::Closed => write!(f, "the connection ended inside the request body"),
            BodyError::Malformed(what) => write!(f, "the request body is malformed: {what}"),
        }
    }
}

impl std::error::Error for BodyError {}
