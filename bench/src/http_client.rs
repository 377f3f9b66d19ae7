//! One connection to an HTTP server that is kept and used again, one request at a time. It knows
//! how answers come, whole or as events; what they mean is for the session that asked.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};

use crate::error::{Error, Result};
use crate::http_response::{self, Body, Framing, Head, Piece};
use crate::io_buffers::{Filled, Inlet, Outlet};
use crate::poller::{Poller, Token};
use crate::sse;

/// What of an answer has come.
#[derive(Debug)]
pub enum Part<'a> {
    /// Its head.
    Head(&'a Head),
    /// Its whole body, which is no stream of events and not empty.
    Body(&'a [u8]),
    /// An event of its body: name and data.
    Event(&'a [u8], &'a [u8]),
    /// It is over.
    End,
}

/// Who hears the parts of an answer.
pub type Hear<'a> = &'a mut dyn FnMut(Part<'_>) -> Result<()>;

/// How far the answer is.
#[derive(Debug)]
enum Phase {
    /// Nothing was asked.
    Idle,
    /// The head comes next.
    Head,
    /// The body is coming.
    Body { body: Body, is_events: bool },
}

/// A connection that is opened when it is needed.
#[derive(Debug)]
pub struct HttpClient {
    address: SocketAddr,
    token: Token,
    stream: Option<TcpStream>,
    inlet: Inlet,
    outlet: Outlet,
    phase: Phase,
    /// Whether the connection outlives the answer that is coming.
    keeps_alive: bool,
    /// Whether the poller waits for room to write.
    awaits_room: bool,
    /// Answers that came over this connection.
    answers: u64,
    /// The body so far, where it does not come in one piece.
    whole: Vec<u8>,
    events: sse::Reader,
    /// Connections that were opened.
    opened: u64,
}

impl HttpClient {
    /// A connection that is not open yet, to be reported with this token.
    pub fn new(address: SocketAddr, token: Token) -> HttpClient {
        HttpClient {
            address,
            token,
            stream: None,
            inlet: Inlet::default(),
            outlet: Outlet::default(),
            phase: Phase::Idle,
            keeps_alive: true,
            awaits_room: false,
            answers: 0,
            whole: Vec::new(),
            events: sse::Reader::default(),
            opened: 0,
        }
    }

    /// Lets go of its connection; the next request opens another.
    pub fn let_go(&mut self) {
        *self = HttpClient::new(self.address, self.token);
    }

    /// Whether a request can be sent: no answer is awaited.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// The token it is reported with.
    pub fn token(&self) -> Token {
        self.token
    }

    /// Connections that were opened so far.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Sends a request, given in pieces that are whole together.
    ///
    /// # Errors
    /// If the server cannot be reached.
    ///
    /// # Panics
    /// If an answer is still awaited.
    pub fn send(&mut self, pieces: &[&[u8]], poller: &Poller) -> Result<()> {
        assert!(self.is_idle(), "one request at a time");
        if self.stream.is_none() {
            self.connect(poller)?;
        }
        for piece in pieces {
            self.outlet.queue(piece);
        }
        self.phase = Phase::Head;
        self.flush(poller)
    }

    fn connect(&mut self, poller: &Poller) -> Result<()> {
        let failed = |error| Error::System(format!("connecting to {}", self.address), error);
        let stream = TcpStream::connect(self.address).map_err(failed)?;
        let ready = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_nonblocking(true));
        ready.map_err(failed)?;
        poller.add(&stream, self.token)?;
        self.stream = Some(stream);
        self.inlet.clear();
        self.answers = 0;
        self.awaits_room = false;
        self.opened += 1;
        Ok(())
    }

    fn flush(&mut self, poller: &Poller) -> Result<()> {
        let Some(mut stream) = self.stream.as_ref() else {
            return Ok(());
        };
        match self.outlet.flush(&mut stream) {
            Ok(()) => {}
            Err(error) if self.may_repeat() && is_loss(&error) => return self.repeat(poller),
            Err(error) => return Err(Error::System("sending a request".to_owned(), error)),
        }
        let awaits_room = !self.outlet.is_done();
        if awaits_room != self.awaits_room {
            poller.change(stream, self.token, awaits_room)?;
            self.awaits_room = awaits_room;
        }
        Ok(())
    }

    /// Whether a loss of the connection means that the server closed it between two requests: it
    /// may do so at any time, and this request was then not read.
    fn may_repeat(&self) -> bool {
        self.answers > 0 && matches!(self.phase, Phase::Head) && self.inlet.bytes().is_empty()
    }

    /// Sends the request once more, over a new connection.
    fn repeat(&mut self, poller: &Poller) -> Result<()> {
        self.connect(poller)?;
        self.outlet.rewind();
        self.flush(poller)
    }

    /// Reads and writes what can be read and written now; parts that came are heard by `hear`.
    ///
    /// # Errors
    /// If the connection is lost, what came is no HTTP or answers nothing, and what `hear` returns.
    pub fn ready(&mut self, poller: &Poller, hear: Hear<'_>) -> Result<()> {
        if !self.outlet.is_done() {
            self.flush(poller)?;
        }
        let Some(mut stream) = self.stream.as_ref() else {
            return Ok(());
        };
        match self.inlet.fill(&mut stream) {
            Ok(Filled::More) => self.read(hear),
            Ok(Filled::Nothing) => Ok(()),
            Ok(Filled::End) => self.lose(poller, hear),
            Err(error) if is_loss(&error) => self.lose(poller, hear),
            Err(error) => Err(Error::System("reading an answer".to_owned(), error)),
        }
    }

    /// The server has closed the connection.
    fn lose(&mut self, poller: &Poller, hear: Hear<'_>) -> Result<()> {
        if self.may_repeat() {
            return self.repeat(poller);
        }
        self.stream = None;
        match self.phase {
            Phase::Idle => Ok(()),
            Phase::Body {
                body: Body::UntilClose,
                ..
            } => self.finish(hear),
            _ => Err(Error::wrong(
                "the connection was closed before the answer was whole",
            )),
        }
    }

    fn read(&mut self, hear: Hear<'_>) -> Result<()> {
        loop {
            match &mut self.phase {
                Phase::Idle if self.inlet.bytes().is_empty() => return Ok(()),
                Phase::Idle => {
                    let start = String::from_utf8_lossy(self.inlet.bytes()).into_owned();
                    return Err(Error::Wrong(format!(
                        "bytes that answer nothing: {start:?}"
                    )));
                }
                Phase::Head => {
                    let Some((head, length)) = http_response::head(self.inlet.bytes())? else {
                        return Ok(());
                    };
                    self.inlet.used(length);
                    if head.status >= 200 {
                        self.begin(&head, hear)?;
                    }
                }
                // The usual answer: taken as it lies in the buffer, once it is whole.
                Phase::Body {
                    body: Body::Length(length),
                    is_events: false,
                } if *length > 0 => {
                    let length = usize::try_from(*length).unwrap_or(usize::MAX);
                    if self.inlet.bytes().len() < length {
                        return Ok(());
                    }
                    hear(Part::Body(&self.inlet.bytes()[..length]))?;
                    self.inlet.used(length);
                    self.finish(hear)?;
                }
                Phase::Body { body, is_events } => match body.next(self.inlet.bytes())? {
                    Piece::Wait => return Ok(()),
                    Piece::Data(data, used) => {
                        let data = &self.inlet.bytes()[data];
                        if *is_events {
                            let mut event =
                                |name: &[u8], data: &[u8]| hear(Part::Event(name, data));
                            self.events.take(data, &mut event)?;
                        } else {
                            self.whole.extend_from_slice(data);
                        }
                        self.inlet.used(used);
                    }
                    Piece::End(used) => {
                        self.inlet.used(used);
                        self.finish(hear)?;
                    }
                },
            }
        }
    }

    fn begin(&mut self, head: &Head, hear: Hear<'_>) -> Result<()> {
        self.keeps_alive = head.keeps_alive || head.framing == Framing::UntilClose;
        self.whole.clear();
        self.events = sse::Reader::default();
        self.phase = Phase::Body {
            body: Body::new(head.framing),
            is_events: head.is_events,
        };
        hear(Part::Head(head))
    }

    fn finish(&mut self, hear: Hear<'_>) -> Result<()> {
        self.phase = Phase::Idle;
        self.answers += 1;
        if !self.keeps_alive {
            self.stream = None;
        }
        if !self.whole.is_empty() {
            hear(Part::Body(&self.whole))?;
            self.whole.clear();
        }
        hear(Part::End)
    }
}

/// Whether this is how a connection looks that the other side has closed.
fn is_loss(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}

#[cfg(test)]
mod tests;
