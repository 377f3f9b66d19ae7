//! A client of HTTP+SSE, 2024-11-05: one stream for all that the server says, and POSTs for
//! all that the client says.

use std::net::SocketAddr;

use serde_json::Value;

use super::client::{Book, CallError, Duplex};
use super::http::{Http, Request};
use super::streamable::parse;

/// The half that speaks.
#[derive(Debug)]
pub struct SsePoster {
    address: SocketAddr,
    /// The path, with the session in its query, that the server named.
    pub endpoint: String,
    headers: Vec<(String, String)>,
    http: Option<Http>,
}

/// The half that listens.
#[derive(Debug)]
pub struct SseListener {
    /// The connection, for a test that wants to drop or slow it.
    pub http: Http,
}

/// Both halves together.
pub struct SseClient {
    /// What it knows and has heard.
    pub book: Book,
    /// The half that speaks.
    pub poster: SsePoster,
    /// The half that listens.
    pub listener: SseListener,
}

impl SseClient {
    /// Opens the stream and reads the endpoint.
    pub fn open(
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<SseClient, CallError> {
        let mut request = Request::new("GET", path).header("Accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut http = Http::connect(address)?;
        let head = http.begin(&request)?;
        if head.status != 200 || !head.is_event_stream() {
            let body = String::from_utf8_lossy(&http.read_body()?).into_owned();
            let status = head.status;
            return Err(CallError::Http { status, body });
        }
        let first = http.next_event()?.unwrap_or_default();
        if first.name != "endpoint" {
            let sentence = format!("the first event is no endpoint: {first:?}");
            return Err(CallError::Protocol(sentence));
        }
        let mut book = Book::default();
        "2024-11-05".clone_into(&mut book.protocol_version);
        let headers = headers.iter();
        Ok(SseClient {
            book,
            poster: SsePoster {
                address,
                endpoint: path_of(&first.data),
                headers: headers
                    .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                http: None,
            },
            listener: SseListener { http },
        })
    }
}

impl Duplex for SseClient {
    fn book(&mut self) -> &mut Book {
        &mut self.book
    }

    fn send_message(&mut self, message: &Value) -> Result<(), CallError> {
        self.poster.post(message)
    }

    fn receive_message(&mut self) -> Result<Value, CallError> {
        self.listener.receive()
    }
}

impl SsePoster {
    /// POSTs one message, whose answer will come on the stream.
    pub fn post(&mut self, message: &Value) -> Result<(), CallError> {
        self.post_text(&message.to_string())
    }

    /// POSTs this text as it is.
    pub fn post_text(&mut self, text: &str) -> Result<(), CallError> {
        let mut request = Request::new("POST", &self.endpoint)
            .header("Content-Type", "application/json")
            .body(text);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut http = match self.http.take() {
            Some(http) if http.is_reusable() => http,
            _ => Http::connect(self.address)?,
        };
        let reply = http.request(&request)?;
        self.http = Some(http);
        if reply.head.status == 202 {
            return Ok(());
        }
        let (status, body) = (reply.head.status, reply.text());
        Err(CallError::Http { status, body })
    }
}

impl SseListener {
    /// The next message on the stream.
    pub fn receive(&mut self) -> Result<Value, CallError> {
        match self.http.next_event()? {
            Some(event) => parse(event.data.as_bytes()),
            None => Err(CallError::Protocol("the stream has ended".to_owned())),
        }
    }
}

/// The endpoint may be a path or a whole URL.
fn path_of(endpoint: &str) -> String {
    match endpoint.split_once("://") {
        None => endpoint.to_owned(),
        Some((_, rest)) => {
            let path = rest.find('/').map_or("/", |start| &rest[start..]);
            path.to_owned()
        }
    }
}
