//! The honest client of HTTP+SSE over real sockets: the stream, the POSTs beside it, and the
//! machine (`sse_machine`) that judges every event. A broken promise is a panic that tells the
//! last of what was said and heard.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::Deadline;
use super::client::text_of;
use super::http::{Http, Reply, Request};
use super::sse_machine::{Heard, Judged, Machine, Mode, State};

/// What a client is before it says anything.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The era it speaks.
    pub mode: Mode,
    /// The revision it asks for.
    pub revision: String,
    /// What it declares.
    pub capabilities: Value,
    /// Headers of the GET and of every POST.
    pub headers: Vec<(String, String)>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            mode: Mode::Handshake,
            revision: "2024-11-05".to_owned(),
            capabilities: json!({}),
            headers: Vec::new(),
        }
    }
}

impl Plan {
    /// A client of the stateless era that declares this.
    pub fn stateless(capabilities: Value) -> Plan {
        Plan {
            mode: Mode::Stateless,
            capabilities,
            ..Plan::default()
        }
    }

    /// A client that answers all that servers may ask.
    pub fn of_everything() -> Plan {
        let capabilities = json!({"sampling": {}, "elicitation": {}, "roots": {}});
        Plan {
            capabilities,
            ..Plan::default()
        }
    }
}

/// One client.
pub struct HonestSse {
    /// Its book.
    pub machine: Machine,
    /// The connection of its stream, for a test that slows it.
    pub http: Http,
    /// Every notification that no test has taken yet: method and parameters.
    pub notices: Vec<(String, Value)>,
    /// Every question that no test has answered yet: id, method and parameters.
    pub questions: Vec<(Value, String, Value)>,
    /// What it answers to every question without being told; nothing where it is `None`.
    pub reaction: Option<Value>,
    /// Whether it may be cut off, since it does not read: then a reset is the end, too.
    pub may_be_cut: bool,
    /// How many comments have come.
    pub comments: usize,
    plan: Plan,
    address: SocketAddr,
    /// By the JSON text of the id.
    answers: HashMap<String, Value>,
    post: Option<Http>,
}

impl HonestSse {
    /// Opens the stream at this path and hears the endpoint.
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str, plan: &Plan) -> HonestSse {
        let mut get = Request::new("GET", path).header("Accept", "text/event-stream");
        for (name, value) in &plan.headers {
            get = get.header(name, value);
        }
        let mut http = Http::connect(address).expect("the gateway listens");
        let head = http.begin(&get).expect("the GET is answered");
        let capabilities = plan.capabilities.clone();
        let machine = Machine::new(plan.mode, &address.to_string(), path, capabilities);
        let mut client = HonestSse {
            machine,
            http,
            notices: Vec::new(),
            questions: Vec::new(),
            reaction: None,
            may_be_cut: false,
            comments: 0,
            plan: plan.clone(),
            address,
            answers: HashMap::new(),
            post: None,
        };
        let opened = client.machine.opened(&head);
        client.kept(opened);
        while client.machine.state() == State::Connecting {
            client.hear();
        }
        client
    }

    /// The same after its handshake and its first list, which waits for all servers.
    #[track_caller]
    pub fn connected(address: SocketAddr, path: &str, plan: &Plan) -> HonestSse {
        let mut client = HonestSse::open(address, path, plan);
        client.initialize();
        let list = client.ask("tools/list", json!({}));
        client.result(&list);
        client
    }

    /// The handshake; the result of `initialize`.
    #[track_caller]
    pub fn initialize(&mut self) -> Value {
        let id = self.ask_initialize();
        let result = self.result(&id);
        self.notify("notifications/initialized", &json!({}));
        result
    }

    /// The first half of the handshake; the id.
    #[track_caller]
    pub fn ask_initialize(&mut self) -> Value {
        let params = json!({
            "protocolVersion": self.plan.revision,
            "capabilities": self.plan.capabilities,
            "clientInfo": {"name": "honest", "version": "1"},
        });
        self.ask("initialize", params)
    }

    /// Asks without waiting for the answer; the id.
    #[track_caller]
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let request = self.machine.request(method, params);
        self.say(&request);
        request["id"].clone()
    }

    /// Calls a tool without waiting for the answer; the id.
    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let mut params = json!({"name": tool});
        params["arguments"] = arguments;
        self.ask("tools/call", params)
    }

    /// The answer to a request, whole; questions that come meanwhile get the `reaction`.
    #[track_caller]
    pub fn answer(&mut self, id: &Value) -> Value {
        let text = id.to_string();
        self.hear_until(&format!("the answer to {id}"), |client| {
            client.answers.remove(&text)
        })
    }

    /// The result of a request.
    #[track_caller]
    pub fn result(&mut self, id: &Value) -> Value {
        let mut answer = self.answer(id);
        match answer.get("error") {
            None => answer["result"].take(),
            Some(error) => self.broken(&format!("{id} is answered with {error}")),
        }
    }

    /// The text of a tool's result.
    #[track_caller]
    pub fn text(&mut self, id: &Value) -> String {
        text_of(&self.result(id)).to_owned()
    }

    /// Calls a tool and waits for its text.
    #[track_caller]
    pub fn call_text(&mut self, tool: &str, arguments: Value) -> String {
        let id = self.call(tool, arguments);
        self.text(&id)
    }

    /// Code and sentence of the error that a request is answered with.
    #[track_caller]
    pub fn refusal(&mut self, id: &Value) -> (i64, String) {
        let answer = self.answer(id);
        let error = &answer["error"];
        let code = error["code"].as_i64();
        let code = code.unwrap_or_else(|| self.broken(&format!("{answer} is no error")));
        let sentence = error["message"].as_str().unwrap_or_default();
        (code, sentence.to_owned())
    }

    /// Asks and waits for what the gateway answers by itself: whatever was on its way before
    /// has come then.
    #[track_caller]
    pub fn settle(&mut self) {
        let id = match self.plan.mode {
            Mode::Handshake => self.ask("ping", json!({})),
            Mode::Stateless => self.ask("server/discover", json!({})),
        };
        self.result(&id);
    }

    /// Waits for a notification, or takes one that came before.
    #[track_caller]
    pub fn wait_for_notice(&mut self, method: &str) -> Value {
        self.hear_until(method, |client| {
            let notices = &mut client.notices;
            let place = notices.iter().position(|(known, _)| known == method)?;
            Some(notices.remove(place).1)
        })
    }

    /// Waits for a question, or takes one that came before; its id and parameters.
    #[track_caller]
    pub fn wait_for_question(&mut self, method: &str) -> (Value, Value) {
        self.hear_until(method, |client| {
            let questions = &mut client.questions;
            let place = questions.iter().position(|(_, known, _)| known == method)?;
            let (id, _, params) = questions.remove(place);
            Some((id, params))
        })
    }

    /// Answers a question.
    #[track_caller]
    pub fn reply(&mut self, id: &Value, result: &Value) {
        let answer = self.machine.reply(id, result);
        self.say(&answer);
    }

    /// Takes a request back.
    #[track_caller]
    pub fn take_back(&mut self, id: &Value) {
        let notice = self.machine.take_back(id);
        self.say(&notice);
    }

    /// Sends a notification.
    #[track_caller]
    pub fn notify(&mut self, method: &str, params: &Value) {
        self.say(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Reads until there is what is looked for. The comments of a silent stream buy no time.
    #[track_caller]
    fn hear_until<T>(
        &mut self,
        awaited: &str,
        mut look: impl FnMut(&mut HonestSse) -> Option<T>,
    ) -> T {
        let deadline = Deadline::after(self.http.patience);
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if let Err(error) = deadline.remaining(awaited) {
                self.broken(&error.to_string());
            }
            if self.hear() == Heard::End {
                self.broken(&format!("the stream has ended without {awaited}"));
            }
        }
    }

    /// Reads to the end of the stream. What was still under way then and had no answer.
    #[track_caller]
    pub fn hear_end(&mut self) -> Vec<Value> {
        let deadline = Deadline::after(self.http.patience);
        while self.hear() != Heard::End {
            if let Err(error) = deadline.remaining("the end of the stream") {
                self.broken(&error.to_string());
            }
        }
        self.machine.waiting()
    }

    /// Reads one frame and judges it; at its deadline the test fails.
    #[track_caller]
    pub fn hear(&mut self) -> Heard {
        let frame = match self.http.next_frame() {
            Ok(frame) => frame,
            Err(error) if self.may_be_cut && error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => self.broken(&format!("the stream broke: {error}")),
        };
        let judged = self.machine.hear(frame);
        let heard = self.kept(judged);
        match &heard {
            Heard::Comment => self.comments += 1,
            Heard::Answer(id, answer) => {
                self.answers.insert(id.to_string(), answer.clone());
            }
            Heard::Question(id, method, params) => match self.reaction.clone() {
                Some(reaction) => self.reply(id, &reaction),
                None => {
                    let question = (id.clone(), method.clone(), params.clone());
                    self.questions.push(question);
                }
            },
            Heard::Notice(method, params) => {
                self.notices.push((method.clone(), params.clone()));
            }
            Heard::Endpoint | Heard::End => {}
        }
        heard
    }

    /// Posts a message that the gateway must take.
    #[track_caller]
    pub fn say(&mut self, message: &Value) {
        let body = message.to_string();
        self.machine.posted(&body);
        let path = self.machine.endpoint().to_owned();
        let request = self.post_request(&path).body(body);
        let mut http = match self.post.take() {
            Some(http) if http.is_reusable() => http,
            _ => Http::connect(self.address).expect("the gateway listens"),
        };
        let reply = match http.request(&request) {
            Ok(reply) => reply,
            Err(error) => self.broken(&format!("the POST was not answered: {error}")),
        };
        self.post = Some(http);
        let accepted = self.machine.accepted(&reply);
        self.kept(accepted);
    }

    /// A POST to this path with this client's headers, without a body yet.
    pub fn post_request(&self, path: &str) -> Request {
        let mut request = Request::new("POST", path).header("Content-Type", "application/json");
        for (name, value) in &self.plan.headers {
            request = request.header(name, value);
        }
        request
    }

    /// Posts anything to its own endpoint, on a connection of its own, and judges nothing.
    #[track_caller]
    pub fn post_raw(&self, kind: &str, body: &str) -> Reply {
        let request = Request::new("POST", self.machine.endpoint()).header("Content-Type", kind);
        post(self.address, &request.body(body))
    }

    /// Drops the stream as a client does that has gone; the path it posted to.
    pub fn leave(self) -> String {
        self.machine.endpoint().to_owned()
    }

    #[track_caller]
    fn kept<T>(&self, judged: Judged<T>) -> T {
        judged.unwrap_or_else(|complaint| self.broken(&complaint))
    }

    #[track_caller]
    fn broken(&self, complaint: &str) -> ! {
        panic!("{complaint}\n{}", self.machine.history())
    }
}

/// Sends one request on a connection of its own.
#[track_caller]
pub fn post(address: SocketAddr, request: &Request) -> Reply {
    let http = Http::connect(address);
    let reply = http.and_then(|mut http| http.request(request));
    reply.expect("there is an answer")
}
