//! What the clients of all transports share: the book of ids, notifications and requests of the
//! server, and the methods that every MCP client has.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Why a request brought no result.
#[derive(Debug)]
pub enum CallError {
    /// The error of JSON-RPC: the whole `error` object.
    Rpc(Value),
    /// A status other than that of success.
    Http {
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
    /// The connection failed, or the time ran out.
    Io(std::io::Error),
    /// The server said something that the protocol does not allow.
    Protocol(String),
}

impl From<std::io::Error> for CallError {
    fn from(error: std::io::Error) -> CallError {
        CallError::Io(error)
    }
}

impl CallError {
    /// The code of the JSON-RPC error; 0 where it is another error.
    pub fn code(&self) -> i64 {
        match self {
            CallError::Rpc(error) => error["code"].as_i64().unwrap_or_default(),
            _ => 0,
        }
    }

    /// What it says.
    pub fn message(&self) -> String {
        match self {
            CallError::Rpc(error) => error["message"].as_str().unwrap_or_default().to_owned(),
            other => format!("{other:?}"),
        }
    }
}

/// What a client answers to a request of the server: the result, or the error object.
pub type Reaction = Box<dyn FnMut(&Value) -> Result<Value, Value> + Send>;

/// What one client knows and has heard.
pub struct Book {
    /// The revision asked for, and after `initialize` the one agreed on.
    pub protocol_version: String,
    /// What the client declares.
    pub capabilities: Value,
    /// Every notification, in its order.
    pub notifications: Vec<Value>,
    /// Every request of the server, in its order.
    pub requests: Vec<Value>,
    /// Every answer that nothing waited for.
    pub strays: Vec<Value>,
    /// The number of the last request; the next one has the next number. The first is 1.
    pub last_id: u64,
    reactions: HashMap<String, Reaction>,
}

impl Default for Book {
    fn default() -> Book {
        let mut book = Book {
            protocol_version: "2025-11-25".to_owned(),
            capabilities: json!({}),
            notifications: Vec::new(),
            requests: Vec::new(),
            strays: Vec::new(),
            last_id: 0,
            reactions: HashMap::new(),
        };
        book.react("ping", |_| Ok(json!({})));
        book
    }
}

impl Book {
    /// Answers requests of this method so from now on. `ping` is answered already, any other
    /// method with "method not found".
    pub fn react(
        &mut self,
        method: &str,
        reaction: impl FnMut(&Value) -> Result<Value, Value> + Send + 'static,
    ) {
        self.reactions.insert(method.to_owned(), Box::new(reaction));
    }

    /// A request with the next id.
    pub fn request(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params})
    }

    /// Notes a message that is not the answer waited for; the answer to it, where it is a
    /// request.
    pub fn take(&mut self, message: Value) -> Option<Value> {
        let Some(method) = message["method"].as_str() else {
            self.strays.push(message);
            return None;
        };
        if message.get("id").is_none() {
            self.notifications.push(message);
            return None;
        }
        let outcome = match self.reactions.get_mut(method) {
            Some(reaction) => reaction(&message["params"]),
            None => Err(json!({"code": -32601, "message": format!("no method {method}")})),
        };
        let id = message["id"].clone();
        self.requests.push(message);
        Some(match outcome {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
        })
    }

    /// The notifications of one method so far.
    pub fn heard(&self, method: &str) -> Vec<&Value> {
        let all = self.notifications.iter();
        all.filter(|message| message["method"] == method).collect()
    }
}

/// An MCP client of any transport.
pub trait Client {
    /// What it knows and has heard.
    fn book(&mut self) -> &mut Book;

    /// Sends a request and waits for its answer: the whole message. What comes meanwhile goes
    /// to the book, and requests of the server are answered.
    fn exchange(&mut self, request: &Value) -> Result<Value, CallError>;

    /// Sends a notification or an answer.
    fn tell(&mut self, message: &Value) -> Result<(), CallError>;

    /// Sends a request and waits for its result.
    fn request(&mut self, method: &str, params: Value) -> Result<Value, CallError> {
        let request = self.book().request(method, &params);
        let mut answer = self.exchange(&request)?;
        match answer.get_mut("error") {
            Some(error) => Err(CallError::Rpc(error.take())),
            None => Ok(answer["result"].take()),
        }
    }

    /// Sends a notification.
    fn notify(&mut self, method: &str, params: Value) -> Result<(), CallError> {
        self.tell(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
    }

    /// The handshake; the result of `initialize`.
    fn initialize(&mut self) -> Result<Value, CallError> {
        let params = json!({
            "protocolVersion": self.book().protocol_version,
            "capabilities": self.book().capabilities,
            "clientInfo": {"name": "harness", "version": "1.0.0"},
        });
        let result = self.request("initialize", params)?;
        if let Some(version) = result["protocolVersion"].as_str() {
            version.clone_into(&mut self.book().protocol_version);
        }
        self.notify("notifications/initialized", json!({}))?;
        Ok(result)
    }

    /// Calls a tool; its result.
    fn call_tool(&mut self, name: &str, arguments: Value) -> Result<Value, CallError> {
        self.request("tools/call", json!({"name": name, "arguments": arguments}))
    }

    /// Calls a tool; the text of its first content.
    fn call_text(&mut self, name: &str, arguments: Value) -> Result<String, CallError> {
        let result = self.call_tool(name, arguments)?;
        Ok(text_of(&result).to_owned())
    }

    /// All pages of a list, `tools` of `tools/list` say; at most 100 pages.
    fn list(&mut self, method: &str, member: &str) -> Result<Vec<Value>, CallError> {
        let mut items = Vec::new();
        let mut params = json!({});
        for _page in 0..100 {
            let mut result = self.request(method, params)?;
            if let Value::Array(page) = result[member].take() {
                items.extend(page);
            }
            match result["nextCursor"].take() {
                Value::Null => return Ok(items),
                cursor => params = json!({"cursor": cursor}),
            }
        }
        Err(CallError::Protocol(format!("{method} has no end")))
    }

    /// The names of all tools, in their order.
    fn tool_names(&mut self) -> Result<Vec<String>, CallError> {
        let tools = self.list("tools/list", "tools")?;
        let names = tools.iter().map(|tool| tool["name"].as_str());
        Ok(names
            .map(|name| name.unwrap_or_default().to_owned())
            .collect())
    }
}

/// A transport with one stream of messages each way. It is a client by sending a request and
/// reading until the answer comes.
pub trait Duplex {
    /// What it knows and has heard.
    fn book(&mut self) -> &mut Book;

    /// Sends one message.
    fn send_message(&mut self, message: &Value) -> Result<(), CallError>;

    /// Reads one message; an error where none comes in time.
    fn receive_message(&mut self) -> Result<Value, CallError>;

    /// Reads until a notification of this method has come, or takes one that came before; each
    /// is taken once.
    fn wait_for_notification(&mut self, method: &str) -> Result<Value, CallError> {
        loop {
            let notifications = &mut self.book().notifications;
            let known = notifications
                .iter()
                .position(|message| message["method"] == method);
            if let Some(index) = known {
                return Ok(notifications.remove(index));
            }
            let message = self.receive_message()?;
            if let Some(answer) = self.book().take(message) {
                self.send_message(&answer)?;
            }
        }
    }
}

impl<T: Duplex> Client for T {
    fn book(&mut self) -> &mut Book {
        Duplex::book(self)
    }

    fn exchange(&mut self, request: &Value) -> Result<Value, CallError> {
        self.send_message(request)?;
        loop {
            let message = self.receive_message()?;
            if is_answer_to(&message, request) {
                return Ok(message);
            }
            if let Some(answer) = Duplex::book(self).take(message) {
                self.send_message(&answer)?;
            }
        }
    }

    fn tell(&mut self, message: &Value) -> Result<(), CallError> {
        self.send_message(message)
    }
}

/// Whether this message answers that request: the same id, of the same JSON type.
pub fn is_answer_to(message: &Value, request: &Value) -> bool {
    message.get("method").is_none() && message.get("id") == request.get("id")
}

/// The text of the first content of a tool's result; empty where there is none.
pub fn text_of(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}
