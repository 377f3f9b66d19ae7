//! A client of the stateless era (2026-07-28) over Streamable HTTP: every request is a POST of
//! its own, and says all of itself in `_meta` and in its headers.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::PATIENCE;
use super::client::{Book, CallError, Client, is_answer_to};
use super::http::{Http, Pace, Reply, Request};
use super::streamable::{EventStream, parse};

/// The revision.
pub const VERSION: &str = "2026-07-28";
/// The key of a request's revision in its `_meta`.
pub const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// The key of what its client can be asked.
pub const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// The key of the client's name.
pub const META_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// The key of the log level it wants.
pub const META_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// The key of the request that opened a subscription.
pub const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Parameters with the `_meta` that every request of the era must have; members of a `_meta`
/// that is there already stay.
pub fn with_meta(mut params: Value) -> Value {
    let meta = &mut params["_meta"];
    if meta.is_null() {
        *meta = json!({});
    }
    for (key, value) in [
        (META_VERSION, json!(VERSION)),
        (META_CAPABILITIES, json!({})),
        (META_INFO, json!({"name": "harness", "version": "1.0.0"})),
    ] {
        if meta.get(key).is_none() {
            meta[key] = value;
        }
    }
    params
}

/// A request of the era.
pub fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": with_meta(params)})
}

/// A request of the era that calls a tool.
pub fn call(id: impl Into<Value>, tool: &str, arguments: &Value) -> Value {
    request(
        id,
        "tools/call",
        json!({"name": tool, "arguments": arguments}),
    )
}

/// The headers that repeat what a request says. Names that are no ASCII are the test's to write.
pub fn headers_of(request: &Value) -> Vec<(String, String)> {
    let params = &request["params"];
    let method = request["method"].as_str().unwrap_or_default();
    let name = match method {
        "tools/call" | "prompts/get" => params["name"].as_str(),
        "resources/read" => params["uri"].as_str(),
        "tasks/get" | "tasks/update" | "tasks/cancel" => params["taskId"].as_str(),
        _ => None,
    };
    let version = params["_meta"][META_VERSION].as_str().unwrap_or(VERSION);
    let mut headers = vec![
        ("MCP-Protocol-Version".to_owned(), version.to_owned()),
        ("Mcp-Method".to_owned(), method.to_owned()),
    ];
    headers.extend(name.map(|name| ("Mcp-Name".to_owned(), name.to_owned())));
    headers
}

/// A client.
pub struct StatelessClient {
    /// What it has heard, and its ids.
    pub book: Book,
    /// Further headers of every request.
    pub headers: Vec<(String, String)>,
    address: SocketAddr,
    path: String,
}

impl StatelessClient {
    /// A client that has not said anything yet, which is nothing special here.
    pub fn new(address: SocketAddr, path: &str) -> StatelessClient {
        StatelessClient {
            book: Book::default(),
            headers: Vec::new(),
            address,
            path: path.to_owned(),
        }
    }

    /// A connection.
    pub fn connect(&self) -> Http {
        Http::connect(self.address).expect("the gateway takes connections")
    }

    /// An HTTP request to its endpoint, for a test to go on with.
    pub fn http_request(&self, method: &str) -> Request {
        let headers = self.headers.iter();
        headers.fold(
            Request::new(method, &self.path),
            |request, (name, value)| request.header(name, value),
        )
    }

    /// A POST of this message with exactly these headers that speak of it.
    pub fn post_with(&self, message: &Value, headers: &[(&str, &str)]) -> Request {
        let post = self
            .http_request("POST")
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(message.to_string());
        headers
            .iter()
            .fold(post, |post, (name, value)| post.header(name, value))
    }

    /// A POST of this request as it should be.
    pub fn post(&self, request: &Value) -> Request {
        let headers = headers_of(request);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.post_with(request, &headers)
    }

    /// Sends any POST and reads the whole answer.
    pub fn send(&self, post: &Request) -> Reply {
        self.connect().request(post).expect("an answer")
    }

    /// Sends a request and hands back its answer as a stream, not yet read.
    pub fn open(&self, request: &Value) -> EventStream {
        let mut http = self.connect();
        let head = http.begin(&self.post(request)).expect("an answer");
        EventStream { head, http }
    }

    /// Reads the answer to this request, which may be a stream with other messages before it.
    fn read_answer(
        &mut self,
        stream: &mut EventStream,
        request: &Value,
    ) -> Result<Value, CallError> {
        if !stream.head.is_event_stream() {
            let message = parse(&stream.http.read_body()?)?;
            if is_answer_to(&message, request) {
                return Ok(message);
            }
            let sentence = format!("this answers another request: {message}");
            return Err(CallError::Protocol(sentence));
        }
        while let Some(message) = stream.next_message()? {
            if is_answer_to(&message, request) {
                return Ok(message);
            }
            if let Some(answer) = self.book.take(message) {
                let sentence = format!("a request on a stream of this era: {answer}");
                return Err(CallError::Protocol(sentence));
            }
        }
        let sentence = "the stream ended without the answer";
        Err(CallError::Protocol(sentence.to_owned()))
    }
}

/// The request with what it lacks of `_meta`.
fn as_sent(request: &Value) -> Value {
    let mut request = request.clone();
    request["params"] = with_meta(request["params"].take());
    request
}

impl Client for StatelessClient {
    fn book(&mut self) -> &mut Book {
        &mut self.book
    }

    /// What it lacks of `_meta` is added. An answer is one whatever its status.
    fn exchange(&mut self, request: &Value) -> Result<Value, CallError> {
        let request = as_sent(request);
        let mut stream = self.open(&request);
        self.read_answer(&mut stream, &request)
    }

    fn tell(&mut self, message: &Value) -> Result<(), CallError> {
        let reply = self.send(&self.post(message));
        let (status, body) = (reply.head.status, reply.text());
        match status {
            202 => Ok(()),
            _ => Err(CallError::Http { status, body }),
        }
    }
}

/// The same client on a connection that it keeps from one request to the next, as long as the
/// other side does.
pub struct KeptClient {
    /// What it says, and where.
    pub client: StatelessClient,
    /// Makes this a slow reader of answers.
    pub pace: Option<Pace>,
    /// The longest wait for one answer.
    pub patience: Duration,
    http: Option<Http>,
}

impl KeptClient {
    /// A client that has not connected yet.
    pub fn new(address: SocketAddr, path: &str) -> KeptClient {
        KeptClient {
            client: StatelessClient::new(address, path),
            pace: None,
            patience: PATIENCE,
            http: None,
        }
    }
}

impl Client for KeptClient {
    fn book(&mut self) -> &mut Book {
        &mut self.client.book
    }

    fn exchange(&mut self, request: &Value) -> Result<Value, CallError> {
        let request = as_sent(request);
        let mut http = match self.http.take().filter(Http::is_reusable) {
            Some(http) => http,
            None => Http::connect(self.client.address)?,
        };
        (http.pace, http.patience) = (self.pace, self.patience);
        let head = http.begin(&self.client.post(&request))?;
        let mut stream = EventStream { head, http };
        let answer = self.client.read_answer(&mut stream, &request)?;
        // A stream is over with its answer; the next request needs another connection.
        if !stream.head.is_event_stream() {
            self.http = Some(stream.http);
        }
        Ok(answer)
    }

    fn tell(&mut self, message: &Value) -> Result<(), CallError> {
        self.client.tell(message)
    }
}
