//! What a client has with a server: messages go out and come in. How, is the transport's own
//! business, one file each; what is said is the fleet's and the callers'.

pub mod legacy_sse;
pub mod stdio;
pub mod streamable;

use serde_json::Value;

use crate::error::Result;
use crate::poller::{Poller, Token};
use crate::url::Url;

/// Who hears the messages that come, one at a time.
pub type Hear<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

/// Messages of one client to one server and back.
pub trait Session {
    /// Whether a message can be sent now. Over HTTP only one is on its way at a time.
    fn is_free(&self) -> bool;

    /// Sends a message: without a line's end, and of one line.
    ///
    /// # Errors
    /// If the server cannot be reached.
    fn send(&mut self, message: &[u8], poller: &Poller) -> Result<()>;

    /// Writes what was gathered while messages were sent.
    ///
    /// # Errors
    /// If the server cannot be reached.
    fn flush(&mut self, poller: &Poller) -> Result<()>;

    /// Goes on with one of its descriptors (`part` of its token); messages are heard by `hear`.
    ///
    /// # Errors
    /// If the server is lost or breaks the transport's rules, and what `hear` returns.
    fn ready(&mut self, part: u8, poller: &Poller, hear: Hear<'_>) -> Result<()>;

    /// Learns from the answer to initialize what later messages have to say.
    fn greeted(&mut self, result: &Value);

    /// Opens the stream over which a server may speak unasked, if the transport has one to open.
    ///
    /// # Errors
    /// If the server cannot be reached.
    fn listen(&mut self, poller: &Poller) -> Result<()>;

    /// Whether the stream that was asked for is there.
    fn is_listening(&self) -> bool;

    /// Lets go of the connection for requests, as clients do that have had none to make for some
    /// seconds. What is listened to stays.
    fn rest(&mut self);

    /// Says that it is over, where the transport has a word for it. When the session is free
    /// again, the server has heard it.
    ///
    /// # Errors
    /// If the server cannot be reached.
    fn leave(&mut self, poller: &Poller) -> Result<()>;

    /// The process at the other end, if it is the session's own.
    fn pid(&self) -> Option<i32> {
        None
    }

    /// Connections that were opened beyond those a session begins with.
    fn reconnects(&self) -> u64;
}

/// Where and how sessions are opened.
#[derive(Debug, Clone)]
pub enum Target {
    /// Streamable HTTP.
    Streamable(Url),
    /// HTTP+SSE of 2024-11-05.
    LegacySse(Url),
    /// The pipes of a process of the session's own: command and arguments.
    Stdio(Vec<String>),
}

impl Target {
    /// The revision that a client of this transport asks for: old enough for every server that is
    /// measured.
    pub fn revision(&self) -> &'static str {
        match self {
            Target::LegacySse(_) => "2024-11-05",
            Target::Streamable(_) | Target::Stdio(_) => "2025-06-18",
        }
    }

    /// Opens a session, which has this place in the fleet.
    ///
    /// # Errors
    /// If the server cannot be reached or started.
    pub fn open(&self, place: usize, poller: &Poller) -> Result<Box<dyn Session>> {
        let token = |part| Token {
            session: place,
            part,
        };
        Ok(match self {
            Target::Streamable(url) => {
                Box::new(streamable::Streamable::new(url, [token(0), token(1)]))
            }
            Target::LegacySse(url) => {
                let tokens = [token(0), token(1)];
                Box::new(legacy_sse::LegacySse::open(url, tokens, poller)?)
            }
            Target::Stdio(command) => {
                let tokens = [token(0), token(1)];
                Box::new(stdio::Stdio::spawn(command, tokens, poller)?)
            }
        })
    }
}

/// The lines of a request's head that are the same in all requests of these sessions.
pub fn request_line(method: &str, url: &Url, accept: &str) -> String {
    format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\n",
        url.path, url.authority
    )
}
