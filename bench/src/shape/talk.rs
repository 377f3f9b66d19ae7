//! What the bare shape reads and writes: requests, messages with another id, answers and events.
//! Bytes in and bytes out.

use std::io::{self, Write};
use std::ops::Range;

use crate::http_request::{Method, request};
use crate::io_buffers::Inlet;
use crate::json::Members;

/// The answer to what needs none.
pub const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

/// The answer to what is agreed to unheard, such as the end of a session.
pub const AGREED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// The head of a stream, which lasts until the connection ends.
pub const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// What stands before the number of a session in the place that its messages go to.
const MESSAGES: &str = "/messages?session=";

/// A message, and where in it its id stands.
#[derive(Debug)]
pub struct Message {
    /// All of it, without a line's end.
    pub text: Vec<u8>,
    /// The place of the id's value; `None` if it has no id.
    pub id: Option<Range<usize>>,
}

impl Message {
    /// Looks for the id, and no further.
    pub fn of(text: &[u8]) -> Message {
        let id = Members::of(text).find(|(key, _)| *key == b"id");
        let id = id.map(|(_, value)| {
            let start = value.as_ptr().addr() - text.as_ptr().addr();
            start..start + value.len()
        });
        Message {
            text: text.to_vec(),
            id,
        }
    }

    /// The id as it stands there.
    pub fn id(&self) -> Option<&[u8]> {
        self.id.clone().map(|id| &self.text[id])
    }

    /// Writes it as a line with this id in the place of its own.
    pub fn line(&self, number: Option<u64>, out: &mut Vec<u8>) {
        match number {
            Some(number) => self.with_id(number.to_string().as_bytes(), out),
            None => out.extend_from_slice(&self.text),
        }
        out.push(b'\n');
    }

    fn with_id(&self, id: &[u8], out: &mut Vec<u8>) {
        let place = self.id.clone().unwrap_or(0..0);
        out.extend_from_slice(&self.text[..place.start]);
        out.extend_from_slice(id);
        out.extend_from_slice(&self.text[place.end..]);
    }
}

/// How a client is told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As the answer to the request that is open.
    Answer,
    /// As an event of a stream.
    Event,
}

/// What a client is told.
#[derive(Debug)]
pub struct Answer {
    /// How.
    pub way: Way,
    /// The id that the client gave its request.
    pub id: Vec<u8>,
    /// What the child has answered, with the id that it was asked with.
    pub message: Message,
}

impl Answer {
    /// Writes it, with the client's id in the place of the child's.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self.way {
            Way::Answer => {
                let own = self.message.id().map_or(0, <[u8]>::len);
                let length = self.message.text.len() - own + self.id.len();
                out.extend_from_slice(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                      Mcp-Session-Id: only-one\r\nContent-Length: ",
                );
                out.extend_from_slice(length.to_string().as_bytes());
                out.extend_from_slice(b"\r\n\r\n");
                self.message.with_id(&self.id, out);
            }
            Way::Event => {
                out.extend_from_slice(b"event: message\ndata: ");
                self.message.with_id(&self.id, out);
                out.extend_from_slice(b"\n\n");
            }
        }
    }
}

/// What a client asks of the gateway.
#[derive(Debug)]
pub enum Wish {
    /// To pass on a message, and to answer the request with what comes back.
    Ask(Message),
    /// To pass on a message of this session, whose stream gets what comes back.
    Say(u64, Message),
    /// A stream on which nothing is ever said.
    Listen,
    /// A stream that is a session.
    Open,
    /// Something that is agreed to.
    Other,
}

/// The wish that was read whole, if there is one; it counts as used.
///
/// # Errors
/// If it is no HTTP/1.
pub fn wish(inlet: &mut Inlet) -> io::Result<Option<Wish>> {
    let Some(request) = request(inlet.bytes())? else {
        return Ok(None);
    };
    let used = request.head + request.body;
    let message = || Message::of(&inlet.bytes()[request.head..used]);
    let session = request.target.strip_prefix(MESSAGES);
    let wish = match (request.method, session) {
        (Method::Post, None) => Wish::Ask(message()),
        (Method::Post, Some(number)) => {
            let number = number.parse().map_err(io::Error::other)?;
            Wish::Say(number, message())
        }
        (Method::Get, _) if request.target == "/sse" => Wish::Open,
        (Method::Get, _) => Wish::Listen,
        (Method::Other, _) => Wish::Other,
    };
    inlet.used(used);
    Ok(Some(wish))
}

/// Writes the beginning of a stream that is this session.
pub fn greet(session: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(STREAM);
    let event = write!(out, "event: endpoint\ndata: {MESSAGES}{session}\n\n");
    event.expect("memory takes all");
}
