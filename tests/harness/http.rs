//! A small blocking client of HTTP/1.1 and Server-Sent Events on one connection: it sends what
//! a test tells it to, right or wrong, and reads what comes, with a deadline on every read.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;
use serde_json::Value;

use super::{Deadline, PATIENCE};

/// The receive buffer of a client that does not read: two segments of the loopback device. With
/// less than one, it could not be filled either when the client reads after all.
const NARROW_BYTES: usize = 128 * 1024;

/// How much is read of the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// A request; `Host` and `Content-Length` are added where the test did not set them.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Request {
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Another header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    fn has(&self, name: &str) -> bool {
        self.headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.has("Host") {
            head += &format!("Host: {address}\r\n");
        }
        if !self.has("Content-Length") && (self.method == "POST" || !self.body.is_empty()) {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// The head of a response.
#[derive(Debug, Clone)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first value of a header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the body is a stream of Server-Sent Events.
    pub fn is_event_stream(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        kind.starts_with("text/event-stream")
    }
}

/// A response with its whole body.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The head.
    pub head: Head,
    /// The body, its chunks put together.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// One Server-Sent Event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Its name; `message` where it names none.
    pub name: String,
    /// Its data, the lines joined by newlines.
    pub data: String,
    /// The pause before a reconnection, in milliseconds, where it names one.
    pub retry: Option<u64>,
}

/// What a stream of events is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// An event.
    Event(Event),
    /// A comment, without its colon.
    Comment(String),
}

/// How a slow reader reads: so many bytes at most, then a pause.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Bytes of one read.
    pub bytes: usize,
    /// The pause after each.
    pub pause: Duration,
}

/// What is still to come of the body under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Done,
    Length(usize),
    /// The bytes that the chunk under way still has, the two of its line end among them.
    Chunk(usize),
    UntilClose,
}

/// One connection.
#[derive(Debug)]
pub struct Http {
    /// The longest wait of one read; a test may change it.
    pub patience: Duration,
    /// Makes this a slow reader.
    pub pace: Option<Pace>,
    address: SocketAddr,
    stream: TcpStream,
    /// What was read and not yet looked at.
    raw: Vec<u8>,
    /// What was decoded of the body and not yet handed out.
    decoded: Vec<u8>,
    body: Body,
    closes: bool,
}

impl Http {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Http> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Http {
            patience: PATIENCE,
            pace: None,
            address,
            stream,
            raw: Vec::new(),
            decoded: Vec::new(),
            body: Body::Done,
            closes: false,
        })
    }

    /// Has the kernel keep little of what this client does not read, so that it stays
    /// with the server.
    pub fn narrow(&self) -> Result<()> {
        setsockopt(&self.stream, RcvBuf, &NARROW_BYTES)?;
        Ok(())
    }

    /// Waits for the next byte and leaves it where it is; false where the server has closed.
    pub fn wait_for_bytes(&self) -> Result<bool> {
        self.stream.set_read_timeout(Some(self.patience))?;
        Ok(self.stream.peek(&mut [0])? > 0)
    }

    /// Whether another request may be sent on this connection.
    pub fn is_reusable(&self) -> bool {
        self.body == Body::Done && !self.closes
    }

    /// A handle with which another thread can end the connection while this one reads.
    pub fn closer(&self) -> Result<TcpStream> {
        self.stream.try_clone()
    }

    /// Sends these bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)
    }

    /// Tells the server that nothing more will be sent.
    pub fn finish_sending(&mut self) -> Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Sends a request and reads the whole answer.
    pub fn request(&mut self, request: &Request) -> Result<Reply> {
        let head = self.begin(request)?;
        let body = self.read_body()?;
        Ok(Reply { head, body })
    }

    /// Sends a request and reads the head of the answer; the body is to be read next.
    pub fn begin(&mut self, request: &Request) -> Result<Head> {
        self.send(request)?;
        self.read_head(request.method == "HEAD")
    }

    /// Sends a request and reads nothing yet.
    pub fn send(&mut self, request: &Request) -> Result<()> {
        self.stream.write_all(&request.bytes(self.address))
    }

    /// Sends a request whose body is never whole.
    pub fn send_all_but_the_last_byte(&mut self, request: &Request) -> Result<()> {
        let bytes = request.bytes(self.address);
        self.stream.write_all(&bytes[..bytes.len() - 1])
    }

    /// Reads the head of a response. Interim responses (100) are skipped.
    pub fn read_head(&mut self, has_no_body: bool) -> Result<Head> {
        let deadline = Deadline::after(self.patience);
        loop {
            let head = self.read_one_head(deadline)?;
            if head.status >= 200 {
                self.body = if has_no_body || head.status == 204 || head.status == 304 {
                    Body::Done
                } else {
                    body_of(&head)?
                };
                self.closes =
                    head.header("connection") == Some("close") || self.body == Body::UntilClose;
                return Ok(head);
            }
        }
    }

    fn read_one_head(&mut self, deadline: Deadline) -> Result<Head> {
        let status_line = self.raw_line(deadline)?;
        let status = status_line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5)?.parse().ok())
            .ok_or_else(|| invalid(&format!("no status line: {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.raw_line(deadline)?;
            if line.is_empty() {
                return Ok(Head { status, headers });
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| invalid(&format!("no header: {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Reads what is left of the body.
    pub fn read_body(&mut self) -> Result<Vec<u8>> {
        let deadline = Deadline::after(self.patience);
        while self.pull(deadline)? {}
        Ok(std::mem::take(&mut self.decoded))
    }

    /// The next event of a body that is a stream, comments left out; `None` at its end.
    pub fn next_event(&mut self) -> Result<Option<Event>> {
        let deadline = Deadline::after(self.patience);
        loop {
            match self.next_frame_until(deadline)? {
                Some(Frame::Comment(_)) => {}
                Some(Frame::Event(event)) => return Ok(Some(event)),
                None => return Ok(None),
            }
        }
    }

    /// The next event or comment of a body that is a stream; `None` at its end.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        self.next_frame_until(Deadline::after(self.patience))
    }

    fn next_frame_until(&mut self, deadline: Deadline) -> Result<Option<Frame>> {
        let mut event = Event::default();
        let mut fields = 0;
        let mut data: Option<String> = None;
        while let Some(line) = self.body_line(deadline)? {
            if line.is_empty() && fields > 0 {
                event.data = data.unwrap_or_default();
                if event.name.is_empty() {
                    "message".clone_into(&mut event.name);
                }
                return Ok(Some(Frame::Event(event)));
            }
            if let Some(comment) = line.strip_prefix(':') {
                if fields > 0 {
                    return Err(invalid("a comment stands within an event"));
                }
                return Ok(Some(Frame::Comment(comment.trim().to_owned())));
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            fields += usize::from(!line.is_empty());
            match field {
                "id" => event.id = Some(value.to_owned()),
                "event" => value.clone_into(&mut event.name),
                "retry" => event.retry = value.parse().ok(),
                "data" => match &mut data {
                    Some(data) => *data += &format!("\n{value}"),
                    None => data = Some(value.to_owned()),
                },
                _ => {}
            }
        }
        Ok(None)
    }

    /// A line of the decoded body without its end; `None` at the end of the body.
    fn body_line(&mut self, deadline: Deadline) -> Result<Option<String>> {
        let mut looked_at = 0;
        loop {
            let unseen = &self.decoded[looked_at..];
            if let Some(end) = unseen.iter().position(|&byte| byte == b'\n') {
                let line = self.decoded.drain(..=looked_at + end).collect();
                return text_of_line(line).map(Some);
            }
            looked_at = self.decoded.len();
            if !self.pull(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Decodes some more of the body; false at its end.
    fn pull(&mut self, deadline: Deadline) -> Result<bool> {
        match self.body {
            Body::Done | Body::Length(0) => {
                self.body = Body::Done;
                return Ok(false);
            }
            Body::Length(left) => {
                let taken = self.take(left, deadline)?;
                self.body = Body::Length(left - taken.len());
                self.decoded.extend(taken);
            }
            Body::UntilClose => {
                if self.raw.is_empty() && !self.fill(deadline)? {
                    self.body = Body::Done;
                    return Ok(false);
                }
                self.decoded.append(&mut self.raw);
            }
            Body::Chunk(0) => {
                let line = self.raw_line(deadline)?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16)
                    .map_err(|_| invalid(&format!("no chunk size: {line:?}")))?;
                if size == 0 {
                    while !self.raw_line(deadline)?.is_empty() {}
                    self.body = Body::Done;
                    return Ok(false);
                }
                self.body = Body::Chunk(size + 2);
            }
            Body::Chunk(left) => {
                let taken = self.take(left, deadline)?;
                // The last two bytes are the line end of the chunk and no part of the body.
                let of_body = taken.len().min(left.saturating_sub(2));
                self.decoded.extend_from_slice(&taken[..of_body]);
                self.body = Body::Chunk(left - taken.len());
            }
        }
        Ok(true)
    }

    /// Takes at least one and at most so many bytes.
    fn take(&mut self, most: usize, deadline: Deadline) -> Result<Vec<u8>> {
        if self.raw.is_empty() && !self.fill(deadline)? {
            return Err(closed("a body"));
        }
        Ok(self.raw.drain(..most.min(self.raw.len())).collect())
    }

    fn raw_line(&mut self, deadline: Deadline) -> Result<String> {
        loop {
            if let Some(end) = self.raw.iter().position(|&byte| byte == b'\n') {
                return text_of_line(self.raw.drain(..=end).collect());
            }
            if !self.fill(deadline)? {
                return Err(closed("a line"));
            }
        }
    }

    /// Reads once; false where the server has closed.
    fn fill(&mut self, deadline: Deadline) -> Result<bool> {
        let left = deadline.remaining("the rest of a response")?;
        self.stream.set_read_timeout(Some(left))?;
        let most = self.pace.map_or(READ_BYTES, |pace| pace.bytes);
        let before = self.raw.len();
        self.raw.resize(before + most, 0);
        let read = self.stream.read(&mut self.raw[before..]);
        self.raw.truncate(before + *read.as_ref().unwrap_or(&0));
        if let Some(pace) = self.pace {
            std::thread::sleep(pace.pause);
        }
        match read {
            Ok(bytes) => Ok(bytes > 0),
            // A read with a timeout ends so when its process was stopped and goes on.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.fill(deadline),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let sentence = "the rest of a response did not come in time";
                Err(Error::new(ErrorKind::TimedOut, sentence))
            }
            Err(error) => Err(error),
        }
    }
}

fn body_of(head: &Head) -> Result<Body> {
    let chunked = head
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    if chunked {
        return Ok(Body::Chunk(0));
    }
    match head.header("content-length") {
        None => Ok(Body::UntilClose),
        Some(length) => match length.parse() {
            Ok(length) => Ok(Body::Length(length)),
            Err(_) => Err(invalid(&format!("no length: {length:?}"))),
        },
    }
}

fn text_of_line(mut line: Vec<u8>) -> Result<String> {
    line.pop();
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| invalid("a line is not UTF-8"))
}

fn invalid(sentence: &str) -> Error {
    Error::new(ErrorKind::InvalidData, sentence)
}

fn closed(awaited: &str) -> Error {
    let sentence = format!("the server closed the connection before {awaited} was whole");
    Error::new(ErrorKind::UnexpectedEof, sentence)
}
