//! HTTP+SSE (2024-11-05, basic/transports) as an honest client knows it: what the client may say
//! in which state, and what the server may say then. Pure: it is shown what came and says what
//! that is, or which promise it breaks; `honest_sse` does the talking.
//!
//! ```text
//! Connecting ──endpoint──▶ EndpointKnown ──initialize answered──▶ Initialized
//!      └──────────────end of the stream──▶ Closed ◀──────────────────┘
//! ```
//!
//! A client of the stateless era stays in `EndpointKnown`: it has no handshake.

mod notices;
mod shape;
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::http::{Event, Frame, Head, Reply};
use shape::Shape;

/// How many lines of the past a broken promise is told with.
const HISTORY_LINES: usize = 30;

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The stream is asked for; nobody knows yet where to post to.
    Connecting,
    /// The `endpoint` event has come.
    EndpointKnown,
    /// `initialize` was answered with a result.
    Initialized,
    /// The stream is over, and with it the session.
    Closed,
}

/// Which era the client speaks on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `initialize`, then all else (2024-11-05 to 2025-11-25).
    Handshake,
    /// No handshake: each request says in `_meta` who asks (2026-07-28).
    Stateless,
}

/// What has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A comment, which keeps the stream alive.
    Comment,
    /// Where to post to.
    Endpoint,
    /// The answer to the request of that id: the whole message.
    Answer(Value, Value),
    /// A request of the server: id, method, parameters.
    Question(Value, String, Value),
    /// A notification: method, parameters.
    Notice(String, Value),
    /// The end of the stream.
    End,
}

/// One request under way.
#[derive(Debug, Clone)]
struct Asked {
    method: String,
    params: Value,
    /// Its place among all requests of this client.
    serial: u64,
    /// How far it said it was.
    progress: Option<f64>,
    /// Whether a subscription was acknowledged (stateless era).
    acknowledged: bool,
    /// When it was taken back: the serial of the last request before.
    taken_back: Option<u64>,
}

/// The client's book.
#[derive(Debug)]
pub struct Machine {
    /// Which era it speaks.
    pub mode: Mode,
    /// What it declares.
    pub capabilities: Value,
    state: State,
    /// The path of the GET.
    stream_path: String,
    /// `host:port` of the GET.
    authority: String,
    endpoint: Option<String>,
    /// What the server declared.
    offered: Value,
    serial: u64,
    /// By the JSON text of the id, so that 1 is not "1".
    under_way: BTreeMap<String, Asked>,
    /// Every id that had its answer, or was taken back so long ago that none can come.
    done: BTreeSet<String>,
    /// Questions of the server that are open, and all there ever were.
    open_questions: BTreeSet<String>,
    questions: BTreeSet<String>,
    subscribed: BTreeSet<String>,
    level: Option<String>,
    history: Vec<String>,
}

/// The promise that was broken, or what is as it should be.
pub type Judged<T> = Result<T, String>;

impl Machine {
    /// A client that is about to ask for the stream at this path.
    pub fn new(mode: Mode, authority: &str, stream_path: &str, capabilities: Value) -> Machine {
        Machine {
            mode,
            capabilities,
            state: State::Connecting,
            stream_path: stream_path.to_owned(),
            authority: authority.to_owned(),
            endpoint: None,
            offered: Value::Null,
            serial: 0,
            under_way: BTreeMap::new(),
            done: BTreeSet::new(),
            open_questions: BTreeSet::new(),
            questions: BTreeSet::new(),
            subscribed: BTreeSet::new(),
            level: None,
            history: Vec::new(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The path and query to post to.
    ///
    /// # Panics
    /// Where the `endpoint` event has not come: an honest client does not post before.
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_deref().expect("the endpoint is known")
    }

    /// What the server declared in its answer to `initialize`.
    pub fn offered(&self) -> &Value {
        &self.offered
    }

    /// The ids of requests that wait for their answer, those taken back left out.
    pub fn waiting(&self) -> Vec<Value> {
        let waiting = self
            .under_way
            .iter()
            .filter(|(_, asked)| asked.taken_back.is_none());
        waiting.map(|(id, _)| id_of(id)).collect()
    }

    /// The last of what was said and heard, for whoever has to find out why.
    pub fn history(&self) -> String {
        let from = self.history.len().saturating_sub(HISTORY_LINES);
        self.history[from..].join("\n")
    }

    /// A request with the next id; the first is 1, so that all clients count alike.
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        self.request_as(&json!(self.serial + 1), method, params)
    }

    /// The same with an id of the test's own.
    ///
    /// # Panics
    /// Where no honest client would ask that now.
    pub fn request_as(&mut self, id: &Value, method: &str, mut params: Value) -> Value {
        let early = matches!(method, "initialize" | "ping");
        let allowed = match (self.mode, self.state) {
            (_, State::Connecting | State::Closed) => false,
            (Mode::Handshake, State::EndpointKnown) => early,
            (Mode::Handshake, State::Initialized) => method != "initialize",
            (Mode::Stateless, _) => !early,
        };
        assert!(allowed, "{method} is not honest in {:?}", self.state);
        if self.mode == Mode::Stateless {
            self.name_itself(&mut params);
        }
        if let ("resources/subscribe", Some(uri)) = (method, params["uri"].as_str()) {
            self.subscribed.insert(uri.to_owned());
        }
        self.enter(id, method, &params);
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    }

    /// Expects the answer to a request that no honest client would have made, and that the test
    /// has posted all the same.
    pub fn expect(&mut self, id: impl Into<Value>) {
        self.enter(&id.into(), "", &Value::Null);
    }

    fn enter(&mut self, id: &Value, method: &str, params: &Value) {
        self.serial += 1;
        let asked = Asked {
            method: method.to_owned(),
            params: params.clone(),
            serial: self.serial,
            progress: None,
            acknowledged: false,
            taken_back: None,
        };
        let text = id.to_string();
        assert!(
            !self.done.contains(&text),
            "the id {text} was used already (basic/messages, \"Requests\")"
        );
        let same = self.under_way.insert(text, asked);
        assert!(same.is_none(), "the id {id} is under way already");
    }

    /// Adds what each request of the stateless era says (2026-07-28, basic, `_meta`).
    fn name_itself(&self, params: &mut Value) {
        let meta = &mut params["_meta"];
        for (key, value) in [
            ("protocolVersion", json!("2026-07-28")),
            ("clientInfo", json!({"name": "honest", "version": "1"})),
            ("clientCapabilities", self.capabilities.clone()),
        ] {
            let key = format!("io.modelcontextprotocol/{key}");
            if meta.get(&key).is_none() {
                meta[key] = value;
            }
        }
    }

    /// The notification that takes a request back. An answer may cross it.
    ///
    /// # Panics
    /// Where that request is not under way.
    pub fn take_back(&mut self, id: &Value) -> Value {
        let serial = self.serial;
        let asked = self.under_way.get_mut(&id.to_string());
        asked.expect("it is under way").taken_back = Some(serial);
        let params = json!({"requestId": id, "reason": "a test"});
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
    }

    /// The answer to a question of the server.
    ///
    /// # Panics
    /// Where that question is not open.
    pub fn reply(&mut self, id: &Value, result: &Value) -> Value {
        let open = self.open_questions.remove(&id.to_string());
        assert!(open, "the question {id} is open");
        json!({"jsonrpc": "2.0", "id": id, "result": result})
    }

    /// Notes for the history what was posted.
    pub fn posted(&mut self, body: &str) {
        self.note('>', body);
    }

    fn note_frame(&mut self, frame: Option<&Frame>) {
        match frame {
            None => self.note('<', "(the end)"),
            Some(Frame::Comment(text)) => self.note('<', &format!(":{text}")),
            // An event may be large, and is not copied to be noted.
            Some(Frame::Event(event)) => self.note('<', &event.data),
        }
    }

    fn note(&mut self, direction: char, text: &str) {
        let beginning: String = text.chars().take(200).collect();
        self.history.push(format!("{direction} {beginning}"));
    }

    /// Looks at how the GET was answered.
    ///
    /// # Errors
    /// That is no stream of events, or one that a cache would keep.
    pub fn opened(&self, head: &Head) -> Judged<()> {
        let header = |name| head.header(name).unwrap_or_default();
        must(
            head.status == 200,
            format!("the GET was answered {}", head.status),
        )?;
        let kind = header("content-type").split(';').next().unwrap_or_default();
        must(
            kind == "text/event-stream",
            format!("the stream is {kind:?}"),
        )?;
        must(
            header("cache-control").contains("no-cache"),
            "a cache may keep it",
        )?;
        let is_bounded = head.header("content-length").is_some();
        must(!is_bounded, "a stream has no length")?;
        // That header is of Streamable HTTP; here the endpoint names the session.
        must(
            head.header("mcp-session-id").is_none(),
            "two sessions at once",
        )
    }

    /// Looks at how a POST of a well-formed message was answered: it was taken, and its answer
    /// comes on the stream alone.
    ///
    /// # Errors
    /// Another status, or a message in the body.
    pub fn accepted(&self, reply: &Reply) -> Judged<()> {
        let status = reply.head.status;
        must(
            status == 202,
            format!("the POST was answered {status}: {}", reply.text()),
        )?;
        let told = reply.json();
        must(
            told.get("jsonrpc").is_none(),
            format!("the POST itself was answered with {told}"),
        )
    }

    /// Takes what came on the stream; `None` is its end.
    ///
    /// # Errors
    /// The promise that this breaks.
    pub fn hear(&mut self, frame: Option<Frame>) -> Judged<Heard> {
        self.note_frame(frame.as_ref());
        must(
            self.state != State::Closed,
            "something comes after the end of the stream",
        )?;
        match frame {
            None => {
                self.state = State::Closed;
                Ok(Heard::End)
            }
            Some(Frame::Comment(_)) => Ok(Heard::Comment),
            Some(Frame::Event(event)) if self.state == State::Connecting => {
                self.endpoint = Some(self.resolve(&event)?);
                self.state = State::EndpointKnown;
                Ok(Heard::Endpoint)
            }
            Some(Frame::Event(event)) => self.hear_message(&event),
        }
    }

    /// The POST path that an `endpoint` event names, resolved against the GET's URL (RFC 3986,
    /// section 5.2). Another origin would be told the client's secrets.
    fn resolve(&self, event: &Event) -> Judged<String> {
        must(
            event.name == "endpoint",
            format!("the first event is {:?}", event.name),
        )?;
        let uri = event.data.as_str();
        let usable = !uri.is_empty() && uri.bytes().all(|byte| byte.is_ascii_graphic());
        must(usable, format!("{uri:?} is no URI reference"))?;
        let path = if let Some((scheme, rest)) = uri.split_once("://") {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let is_ours = scheme == "http" && authority == self.authority;
            must(is_ours, format!("the endpoint {uri} is of another origin"))?;
            path.to_owned()
        } else if uri.starts_with("//") {
            return Err(format!("the endpoint {uri} is of another origin"));
        } else if uri.starts_with('/') {
            uri.to_owned()
        } else {
            let folder = self
                .stream_path
                .rsplit_once('/')
                .map_or("", |parts| parts.0);
            format!("{folder}/{uri}")
        };
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let names_session = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .any(|(_, value)| value.len() >= 16);
        must(
            names_session,
            format!("the endpoint {path} names no session"),
        )?;
        Ok(path)
    }

    fn hear_message(&mut self, event: &Event) -> Judged<Heard> {
        must(
            event.name == "message",
            format!("an event is called {:?}", event.name),
        )?;
        // An id would promise that the stream can be resumed, which this transport cannot.
        must(event.id.is_none(), "an event has an id")?;
        let message: Value = serde_json::from_str(&event.data)
            .map_err(|error| format!("no JSON: {error}: {:?}", event.data))?;
        match shape::of(&message)? {
            Shape::Answer(id) => self.hear_answer(id, message),
            Shape::Request(id, method, params) => self.hear_question(id, method, params),
            Shape::Notification(method, params) => {
                self.judge_notice(&method, &params)?;
                Ok(Heard::Notice(method, params))
            }
        }
    }

    fn hear_answer(&mut self, id: Value, message: Value) -> Judged<Heard> {
        let text = id.to_string();
        must(
            !self.done.contains(&text),
            format!("{text} was answered twice, or after it was taken back"),
        )?;
        let Some(asked) = self.under_way.remove(&text) else {
            return Err(format!("{text} is answered, which is not under way"));
        };
        self.done.insert(text);
        self.retire(asked.serial);
        if let Some(result) = message.get("result") {
            self.learn(&asked, result)?;
        }
        Ok(Heard::Answer(id, message))
    }

    /// Messages of one client are taken up in their order, and come in their order: once a
    /// request is answered, no answer can come to what was taken back before it was made.
    fn retire(&mut self, answered: u64) {
        let retired = |asked: &Asked| asked.taken_back.is_some_and(|serial| serial < answered);
        for (id, _) in self.under_way.extract_if(.., |_, asked| retired(asked)) {
            self.done.insert(id);
        }
    }

    /// What a result changes.
    fn learn(&mut self, asked: &Asked, result: &Value) -> Judged<()> {
        if self.mode == Mode::Stateless {
            return shape::judge_stateless_result(&asked.method, result, &self.capabilities);
        }
        match asked.method.as_str() {
            "initialize" => {
                for member in ["protocolVersion", "capabilities", "serverInfo"] {
                    let there = result.get(member).is_some();
                    must(there, format!("initialize is answered without {member}"))?;
                }
                let is_stateless = result["protocolVersion"] == "2026-07-28";
                must(!is_stateless, "that revision has no initialize")?;
                self.offered = result["capabilities"].clone();
                self.state = State::Initialized;
            }
            "resources/unsubscribe" => {
                let uri = asked.params["uri"].as_str().unwrap_or_default();
                self.subscribed.remove(uri);
            }
            "logging/setLevel" => {
                self.level = asked.params["level"].as_str().map(str::to_owned);
            }
            _ => {}
        }
        Ok(())
    }

    fn hear_question(&mut self, id: Value, method: String, params: Value) -> Judged<Heard> {
        must(
            self.mode == Mode::Handshake,
            format!("{method} is asked, but servers of 2026-07-28 ask nothing"),
        )?;
        let declared = method == "ping" || shape::can_be_asked(&self.capabilities, &json!(method));
        must(
            declared,
            format!("{method} is asked, which the client never declared"),
        )?;
        let in_time = method == "ping" || self.state == State::Initialized;
        must(in_time, format!("{method} is asked before the handshake"))?;
        let text = id.to_string();
        let is_new = self.questions.insert(text.clone());
        must(is_new, format!("the id {text} is used for two questions"))?;
        self.open_questions.insert(text);
        Ok(Heard::Question(id, method, params))
    }
}

/// Complains where something is not as it must be.
fn must(holds: bool, complaint: impl Into<String>) -> Judged<()> {
    if holds { Ok(()) } else { Err(complaint.into()) }
}

/// The id behind its JSON text.
fn id_of(text: &str) -> Value {
    serde_json::from_str(text).expect("it was written as JSON")
}
