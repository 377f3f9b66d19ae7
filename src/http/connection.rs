//! The life of one connection: wait for a request, have it answered, and again, until somebody has enough.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::http::head::error::HeadError;
use crate::http::head::{self, Head};
use crate::http::pace::Pace;
use crate::http::peer::{Peer, Place, Table};
use crate::http::settings::Settings;
use crate::http::socket::{ReadError, Socket};
use crate::http::turn::{End, Turn};
use crate::http::watch::Watch;
use crate::http::{Handler, Service};

/// What all connections of one engine share.
pub struct Shared {
    /// Who makes the handlers.
    pub service: Arc<dyn Service>,
    /// Limits and deadlines.
    pub settings: Settings,
    /// The open connections.
    pub table: Arc<Table>,
    /// Who notices that a peer left.
    pub watch: Arc<Watch>,
    /// Set once, when clients are to come by new connections: each answer says so.
    pub parting: Arc<AtomicBool>,
    /// Set once, when no further connection is to be accepted.
    pub closed: AtomicBool,
    /// Set once, when the engine stops.
    pub stopping: AtomicBool,
}

impl Shared {
    /// Whether the engine stops: no connection begins another request.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whether no connection takes another request after the one at hand.
    pub fn is_parting(&self) -> bool {
        self.parting.load(Ordering::SeqCst)
    }
}

/// Serves a connection to its end; the whole work of a `conn-N` thread.
pub fn run(shared: &Shared, peer: &Arc<Peer>, place: Place) {
    let served = catch_unwind(AssertUnwindSafe(|| {
        let connection = Connection::boxed(shared, Arc::clone(peer), place.is_spare);
        if let Ok(mut connection) = connection {
            let cut = Arc::clone(peer);
            let cut = Box::new(move || {
                cut.disown();
                cut.cut();
            });
            connection.serve(&mut *shared.service.connection(peer.id, cut));
        }
    }));
    if served.is_err() {
        log::error!(
            "http: {}: a panic outside a request; the connection is closed",
            peer.id
        );
    }
    // The watch thread may own the socket a moment longer; the client shall not wait for that.
    peer.cut();
    drop(place);
}

/// One connection, on its own thread.
pub struct Connection<'a> {
    /// What it shares with the others.
    pub shared: &'a Shared,
    /// Where its bytes come and go.
    pub socket: Socket,
    /// Our address.
    pub local: SocketAddr,
    /// It is one more than there is room for: it ends with its first exchange.
    pub is_spare: bool,
    /// The head of the request at hand.
    pub head: Head,
    /// Heads of answers and of chunks are put together here.
    pub scratch: Vec<u8>,
}

/// What waiting for a request came to.
enum Awaited {
    Request,
    Refused(HeadError),
    /// The head came too slowly, and the peer may be told so.
    TooSlow,
    /// The peer left, or was idle for too long, or the engine stops.
    Over,
}

impl<'a> Connection<'a> {
    fn new(shared: &'a Shared, peer: Arc<Peer>, is_spare: bool) -> io::Result<Connection<'a>> {
        let local = peer.stream.local_addr()?;
        let socket = Socket::new(peer, &shared.settings)?;
        Ok(Connection {
            shared,
            socket,
            local,
            is_spare,
            head: Head::default(),
            scratch: Vec::new(),
        })
    }

    /// Off the stack, of which the thread of an idle stream shall touch two pages and no third.
    #[inline(never)]
    fn boxed(
        shared: &'a Shared,
        peer: Arc<Peer>,
        is_spare: bool,
    ) -> io::Result<Box<Connection<'a>>> {
        Connection::new(shared, peer, is_spare).map(Box::new)
    }

    fn serve(&mut self, handler: &mut dyn Handler) {
        let mut is_first = true;
        loop {
            let (status, text) = match self.await_request(is_first) {
                Awaited::Request if self.exchange(handler) => {
                    is_first = false;
                    continue;
                }
                Awaited::Over if self.is_spare => (503, "too many connections now".to_owned()),
                Awaited::Request | Awaited::Over => return,
                Awaited::TooSlow => (408, "the request head came too slowly".to_owned()),
                Awaited::Refused(error) => (error.status(), error.to_string()),
            };
            log::debug!("http: {}: {status}: {text}", self.socket.peer().id);
            // There is no request to speak of, so the answer goes by what every peer understands.
            self.head.release();
            let mut turn = Turn::new(self, true);
            let sent = turn.answer_text(status, &text);
            if sent.is_ok() {
                self.socket.linger(self.shared.settings.linger_deadline);
            }
            return;
        }
    }

    /// Waits for a whole head. The first one must come within the head deadline; a later one may let wait for it,
    /// but once begun it must come within the same time.
    fn await_request(&mut self, is_first: bool) -> Awaited {
        let settings = &self.shared.settings;
        let head_deadline = match self.is_spare {
            true => settings.spare_deadline,
            false => settings.head_deadline,
        };
        let mut pace = Pace::fixed(head_deadline);
        if self.socket.unread().is_empty() {
            self.socket.peer().set_idle(true);
            let has_ended = self.shared.is_stopping() && !self.socket.peer().has_unread();
            let waited = match (has_ended, is_first) {
                // Either we see that the engine stops, or whoever stops it sees that we are idle.
                (true, _) => Err(ReadError::Closed),
                (false, true) => self.socket.fill(&mut pace, 0),
                (false, false) => self.await_bytes(),
            };
            self.socket.peer().set_idle(false);
            match waited {
                Ok(_) if is_first => {}
                Ok(_) => pace = Pace::fixed(head_deadline),
                Err(_) => return Awaited::Over,
            }
        }
        let mut seen = 0;
        loop {
            // An empty line or two before a request are left over from clients of old (RFC 9112 section 2.2).
            while self.socket.unread().starts_with(b"\r\n") {
                self.socket.consume(2);
                seen = 0;
            }
            match self.try_head(&mut seen) {
                Ok(true) => return Awaited::Request,
                Ok(false) => {}
                Err(error) => return Awaited::Refused(error),
            }
            match self.socket.fill(&mut pace, 0) {
                Ok(_) => {}
                Err(ReadError::Timeout) if !self.socket.unread().is_empty() => {
                    return Awaited::TooSlow;
                }
                Err(_) => return Awaited::Over,
            }
        }
    }

    /// Waits for the first byte of the next request: first with the buffers at hand, then without them.
    fn await_bytes(&mut self) -> Result<usize, ReadError> {
        let settings = &self.shared.settings;
        let soon = settings.keep_buffers.min(settings.idle_deadline);
        match self.socket.fill(&mut Pace::fixed(soon), 0) {
            Err(ReadError::Timeout) => {}
            result => return result,
        }
        self.socket.release();
        self.head.release();
        self.scratch = Vec::new();
        self.socket
            .fill_first(settings.idle_deadline.saturating_sub(soon))
    }

    /// Parses the unread bytes, of which `seen` were there the last time, if there is reason to.
    fn try_head(&mut self, seen: &mut usize) -> Result<bool, HeadError> {
        let unread = self.socket.unread();
        let before = std::mem::replace(seen, unread.len());
        if !head::is_worth_parsing(unread, before) {
            return Ok(false);
        }
        let Some(length) = self.head.parse(unread)? else {
            return Ok(false);
        };
        self.socket.consume(length);
        Ok(true)
    }

    /// Has one request answered; returns whether the connection can take another one.
    fn exchange(&mut self, handler: &mut dyn Handler) -> bool {
        let deadline = self.shared.settings.linger_deadline;
        let id = self.socket.peer().id;
        let closing = self.is_spare;
        let mut turn = Turn::new(self, closing);
        // After a panic the handler is used no more, only dropped.
        let served = catch_unwind(AssertUnwindSafe(|| handler.serve(&mut turn)));
        let panicked = served.is_err();
        if panicked {
            log::error!("http: {id}: the handler panicked; the connection is closed");
        }
        match turn.finish(panicked) {
            End::Keep => true,
            End::Close => false,
            End::Linger => {
                self.socket.linger(deadline);
                false
            }
        }
    }
}
