//! A client of Streamable HTTP, handshake era: one connection for requests, a second one for
//! what it has to say while a request is under way, and streams of their own for GET.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::PATIENCE;
use super::client::{Book, CallError, Client, is_answer_to};
use super::http::{Event, Frame, Head, Http, Pace, Reply, Request};

/// A client, or one of several that share a session.
pub struct McpClient {
    /// What it knows and has heard.
    pub book: Book,
    /// The session, once `initialize` has brought one.
    pub session: Option<String>,
    /// Headers of every request: `Authorization`, say.
    pub headers: Vec<(String, String)>,
    /// Makes this a slow reader of answers.
    pub pace: Option<Pace>,
    /// The longest wait for one answer.
    pub patience: Duration,
    address: SocketAddr,
    path: String,
    /// For requests, kept from one to the next.
    main: Option<Http>,
    /// For answers to the server while a request is under way.
    side: Option<Http>,
}

impl McpClient {
    /// A client that has not said anything yet.
    pub fn new(address: SocketAddr, path: &str) -> McpClient {
        McpClient {
            book: Book::default(),
            session: None,
            headers: Vec::new(),
            pace: None,
            patience: PATIENCE,
            address,
            path: path.to_owned(),
            main: None,
            side: None,
        }
    }

    /// Another client of the same session, with connections of its own.
    pub fn sibling(&self) -> McpClient {
        let mut sibling = McpClient::new(self.address, &self.path);
        sibling.session.clone_from(&self.session);
        sibling.headers.clone_from(&self.headers);
        sibling.book.capabilities = self.book.capabilities.clone();
        let version = &self.book.protocol_version;
        sibling.book.protocol_version.clone_from(version);
        sibling
    }

    /// A request as this client would send it, for a test to change.
    pub fn http_request(&self, method: &str) -> Request {
        let mut request = Request::new(method, &self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(session) = &self.session {
            request = request
                .header("Mcp-Session-Id", session)
                .header("MCP-Protocol-Version", &self.book.protocol_version);
        }
        request
    }

    /// A POST of this body as this client would send it.
    pub fn http_post(&self, body: impl Into<Vec<u8>>) -> Request {
        self.http_request("POST")
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(body)
    }

    /// A new connection to where this client goes.
    ///
    /// # Panics
    /// Where nobody listens there.
    pub fn connect(&self) -> Http {
        Http::connect(self.address).expect("the gateway listens")
    }

    /// POSTs any bytes on a connection of their own and reads the whole answer.
    pub fn post(&self, body: impl Into<Vec<u8>>) -> std::io::Result<Reply> {
        Http::connect(self.address)?.request(&self.http_post(body))
    }

    /// Opens the stream of the session for what belongs to no request, or resumes the stream
    /// of that event.
    pub fn get_stream(&self, last_event_id: Option<&str>) -> std::io::Result<EventStream> {
        let mut request = self.http_request("GET");
        request = request.header("Accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let mut http = Http::connect(self.address)?;
        let head = http.begin(&request)?;
        Ok(EventStream { head, http })
    }

    /// POSTs a request and hands back its answer as a stream, not yet read.
    pub fn post_stream(&self, body: &Value) -> std::io::Result<EventStream> {
        let mut http = Http::connect(self.address)?;
        let head = http.begin(&self.http_post(body.to_string()))?;
        Ok(EventStream { head, http })
    }

    /// Ends the session; the status.
    pub fn delete(&self) -> std::io::Result<u16> {
        let reply = Http::connect(self.address)?.request(&self.http_request("DELETE"))?;
        Ok(reply.head.status)
    }

    fn connection(kept: Option<Http>, address: SocketAddr) -> std::io::Result<Http> {
        match kept {
            Some(http) if http.is_reusable() => Ok(http),
            _ => Http::connect(address),
        }
    }

    /// Reads the answer out of a stream, to the stream's end.
    fn read_stream(&mut self, http: &mut Http, request: &Value) -> Result<Value, CallError> {
        let mut found = None;
        while let Some(event) = http.next_event()? {
            if event.data.is_empty() {
                continue; // An event that only gives an id to resume from.
            }
            let message = parse(event.data.as_bytes())?;
            if found.is_none() && is_answer_to(&message, request) {
                found = Some(message);
            } else if let Some(answer) = self.book.take(message) {
                self.tell(&answer)?;
            }
        }
        found.ok_or_else(|| CallError::Protocol("the stream ended without the answer".to_owned()))
    }
}

impl Client for McpClient {
    fn book(&mut self) -> &mut Book {
        &mut self.book
    }

    fn exchange(&mut self, request: &Value) -> Result<Value, CallError> {
        let mut http = McpClient::connection(self.main.take(), self.address)?;
        http.pace = self.pace;
        http.patience = self.patience;
        let head = http.begin(&self.http_post(request.to_string()))?;
        if request["method"] == "initialize" {
            self.session = head.header("mcp-session-id").map(str::to_owned);
        }
        let answer = if head.status != 200 {
            let body = String::from_utf8_lossy(&http.read_body()?).into_owned();
            let status = head.status;
            return Err(CallError::Http { status, body });
        } else if head.is_event_stream() {
            self.read_stream(&mut http, request)?
        } else {
            let message = parse(&http.read_body()?)?;
            if !is_answer_to(&message, request) {
                let sentence = format!("this answers another request: {message}");
                return Err(CallError::Protocol(sentence));
            }
            message
        };
        self.main = Some(http);
        Ok(answer)
    }

    fn tell(&mut self, message: &Value) -> Result<(), CallError> {
        let mut http = McpClient::connection(self.side.take(), self.address)?;
        let reply = http.request(&self.http_post(message.to_string()))?;
        let status = reply.head.status;
        self.side = Some(http);
        if status == 202 {
            return Ok(());
        }
        let body = reply.text();
        Err(CallError::Http { status, body })
    }
}

/// A response that is a stream of events, or was meant to be.
#[derive(Debug)]
pub struct EventStream {
    /// The head of the response: look at its status first.
    pub head: Head,
    /// The connection, for a test that wants to drop or slow it.
    pub http: Http,
}

impl EventStream {
    /// The next event; `None` at the end of the stream.
    pub fn next_event(&mut self) -> std::io::Result<Option<Event>> {
        self.http.next_event()
    }

    /// The next event or comment; `None` at the end of the stream.
    pub fn next_frame(&mut self) -> std::io::Result<Option<Frame>> {
        self.http.next_frame()
    }

    /// The next event that carries a message; `None` at the end of the stream.
    pub fn next_message(&mut self) -> Result<Option<Value>, CallError> {
        while let Some(event) = self.http.next_event()? {
            if !event.data.is_empty() {
                return parse(event.data.as_bytes()).map(Some);
            }
        }
        Ok(None)
    }
}

/// Reads a JSON text.
pub fn parse(bytes: &[u8]) -> Result<Value, CallError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = String::from_utf8_lossy(bytes);
        let beginning: String = text.chars().take(200).collect();
        CallError::Protocol(format!("no JSON: {error}: {beginning:?}"))
    })
}
