//! Who acts in a story: children that start, answer and die, and clients that
//! come through the doors. They say what real ones say, byte for byte, and it
//! is read as the doors' and the children's threads read it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::checked::Scope;
use crate::event::{
    Body, Event, FromChild, FromClient, Life, Load, OutboxId, Reply, Report, SessionKey, View,
};
use crate::hub::stories::world::{Client, Exchange, World};
use crate::wire::discover;
use crate::wire::envelope::{Kind, Message};
use crate::wire::handshake;
use crate::wire::input;
use crate::wire::items::{self, ItemKind};
use crate::wire::own_id::Purpose;
use crate::wire::session_id::Nonce;
use crate::wire::sse::EventId;
use std::sync::Arc;

/// What a server offers. By default one tool, `x`.
#[derive(Clone, Debug)]
pub(super) struct Offers {
    pub(super) tools: Vec<String>,
    pub(super) prompts: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) templates: Vec<String>,
    /// Further members of its capabilities.
    pub(super) capabilities: &'static str,
    /// Further members of its answer to its greeting.
    pub(super) hello: &'static str,
}

impl Default for Offers {
    fn default() -> Offers {
        Offers {
            tools: vec!["x".to_owned()],
            prompts: Vec::new(),
            resources: Vec::new(),
            templates: Vec::new(),
            capabilities: "",
            hello: "",
        }
    }
}

impl Offers {
    /// The result of `initialize`.
    pub(super) fn hello(&self) -> String {
        let (capabilities, hello) = (self.capabilities(), self.hello);
        format!(
            r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"serverInfo":{{"name":"s"}}{hello}}}"#
        )
    }

    /// The result of `server/discover`.
    pub(super) fn discovery(&self) -> String {
        let (capabilities, hello) = (self.capabilities(), self.hello);
        let meta = r#""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}}"#;
        format!(
            r#"{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{capabilities},{meta}{hello}}}"#
        )
    }

    fn capabilities(&self) -> String {
        let mut capabilities = vec![r#""tools":{}"#];
        if !self.prompts.is_empty() {
            capabilities.push(r#""prompts":{}"#);
        }
        if !self.resources.is_empty() || !self.templates.is_empty() {
            capabilities.push(r#""resources":{"subscribe":true}"#);
        }
        if !self.capabilities.is_empty() {
            capabilities.push(self.capabilities);
        }
        format!("{{{}}}", capabilities.join(","))
    }

    /// The result of a list request, all in one page.
    pub(super) fn list(&self, kind: ItemKind) -> String {
        let keys = match kind {
            ItemKind::Tool => &self.tools,
            ItemKind::Prompt => &self.prompts,
            ItemKind::Resource => &self.resources,
            ItemKind::Template => &self.templates,
        };
        page(kind, keys, None)
    }
}

/// One page of a list.
pub(super) fn page(kind: ItemKind, keys: &[impl AsRef<str>], next: Option<&str>) -> String {
    let schema = match kind {
        ItemKind::Tool => r#","inputSchema":{}"#,
        _ => "",
    };
    let items: Vec<String> = keys
        .iter()
        .map(|key| format!(r#"{{"{}":"{}"{schema}}}"#, kind.key(), key.as_ref()))
        .collect();
    let next = next.map_or(String::new(), |next| format!(r#","nextCursor":"{next}""#));
    format!(r#"{{"{}":[{}]{next}}}"#, kind.list(), items.join(","))
}

/// The nonce of a session that stories call so: its text, filled up with zeros.
pub(super) fn nonce(name: &str) -> Nonce {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Nonce(bytes)
}

/// What stories call the session of that id: the text in its nonce, which stands
/// behind the two bytes that name the forms of seal and ticket.
pub(super) fn session_name(key: &SessionKey) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(key.id()).unwrap_or_default();
    match bytes.get(2..18).filter(|_| bytes.len() > 2 + 16 + 32) {
        Some(nonce) => String::from_utf8_lossy(nonce)
            .trim_end_matches('\0')
            .to_owned(),
        None => key.id().to_string(),
    }
}

/// A request, as JSON text. `id` is JSON text, and `params` are left out where empty.
pub(super) fn request(id: &str, method: &str, params: &str) -> String {
    let params = member("params", params);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"{params}}}"#)
}

/// A notification, as JSON text.
pub(super) fn notice(method: &str, params: &str) -> String {
    let params = member("params", params);
    format!(r#"{{"jsonrpc":"2.0","method":"{method}"{params}}}"#)
}

/// An answer, as JSON text.
pub(super) fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// An `initialize` request of a client that can be asked everything.
pub(super) fn initialize(id: &str, version: &str) -> String {
    let params = format!(
        r#"{{"protocolVersion":"{version}","capabilities":{{"sampling":{{}},"elicitation":{{}},"roots":{{}}}},"clientInfo":{{"name":"c"}}}}"#
    );
    request(id, "initialize", &params)
}

fn member(key: &str, json: &str) -> String {
    match json {
        "" => String::new(),
        json => format!(r#","{key}":{json}"#),
    }
}

/// Reads what a child wrote, as the thread at its stdout does.
pub(super) fn read_line(text: &str) -> FromChild {
    let message = Message::parse(text.into()).expect("children of stories speak JSON-RPC");
    let answers = matches!(message.kind, Kind::Answer { .. });
    match message.own_id().filter(|_| answers) {
        Some(id) if id.purpose() != Purpose::Call => {
            let page = |kind| items::read_page(&message, kind).map(Reply::Page);
            let reply = match id.purpose() {
                Purpose::Initialize | Purpose::Discover
                    if message.kind == (Kind::Answer { failed: true }) =>
                {
                    Ok(Reply::Refused {
                        why: message.succeeded().err().unwrap_or_default(),
                        stateless: discover::refuses_for_ours(&message),
                    })
                }
                Purpose::Initialize => handshake::read_server_hello(&message)
                    .map(|hello| Reply::Hello(Box::new(hello))),
                Purpose::Discover => {
                    discover::read_discovery(&message).map(|hello| Reply::Hello(Box::new(hello)))
                }
                Purpose::Tools => page(ItemKind::Tool),
                Purpose::Prompts => page(ItemKind::Prompt),
                Purpose::Resources => page(ItemKind::Resource),
                Purpose::Templates => page(ItemKind::Template),
                Purpose::Errand | Purpose::Listen | Purpose::Call => {
                    message.succeeded().map(|_| Reply::Done)
                }
            };
            FromChild::Reply {
                id,
                reply: reply.unwrap_or_else(Reply::Failed),
            }
        }
        _ => FromChild::Message {
            links: message.resource_links(),
            input: input::read_input_required(&message)
                .transpose()
                .map(Box::new),
            message: Arc::new(message),
        },
    }
}

/// The children.
impl World {
    /// The life of that name, buried or not.
    pub(super) fn life(&self, name: &str) -> Life {
        self.lives
            .iter()
            .find_map(|(&life, incarnation)| (incarnation.name == name).then_some(life))
            .unwrap_or_else(|| panic!("there is no life {name}"))
    }

    /// A thread of a child reports.
    pub(super) fn child(&mut self, name: &str, word: FromChild) {
        let life = self.life(name);
        self.handle(Event::Child { life, word });
    }

    /// A child writes a line.
    pub(super) fn says(&mut self, name: &str, line: &str) {
        self.child(name, read_line(line));
    }

    /// The number on the wire of a life's `#number`.
    pub(super) fn wire_id(&self, name: &str, number: usize) -> u64 {
        self.lives[&self.life(name)].requests[number - 1].0
    }

    /// A child answers its request `#number`.
    pub(super) fn answers(&mut self, name: &str, number: usize, json: &str) {
        let id = self.wire_id(name, number).to_string();
        self.says(name, &result(&id, json));
    }

    /// A child answers its request `#number` with an error.
    pub(super) fn fails(&mut self, name: &str, number: usize, sentence: &str) {
        let id = self.wire_id(name, number);
        let error = format!(r#"{{"code":-32000,"message":"{sentence}"}}"#);
        self.says(
            name,
            &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#),
        );
    }

    /// The process of a child runs.
    pub(super) fn spawned(&mut self, name: &str) {
        self.child(name, FromChild::Spawned { pid: 17 });
    }

    /// A child answers its greeting, which is its first request.
    pub(super) fn greets(&mut self, name: &str) {
        let offers = self.offers_of(name);
        let greeting = &self.lives[&self.life(name)].requests[0].1;
        let hello = match greeting.as_str() {
            "server/discover" => offers.discovery(),
            _ => offers.hello(),
        };
        self.answers(name, 1, &hello);
    }

    fn offers_of(&self, name: &str) -> Offers {
        let server = self.lives[&self.life(name)].server;
        let server = self.plan.servers.get(server).expect("its plan is known");
        self.offers[&server.name].clone()
    }

    /// A child answers every list request from `#from` on.
    pub(super) fn lists(&mut self, name: &str, from: usize) {
        let life = self.life(name);
        let mut number = from;
        while let Some((_, method)) = self.lives[&life].requests.get(number - 1) {
            let kind = ItemKind::ALL
                .into_iter()
                .find(|kind| kind.method().name() == method);
            if let Some(kind) = kind {
                let list = self.offers_of(name).list(kind);
                self.answers(name, number, &list);
            }
            number += 1;
        }
    }

    /// A child runs, greets, and tells its lists.
    pub(super) fn serve(&mut self, name: &str) {
        self.spawned(name);
        self.greets(name);
        self.lists(name, 2);
    }

    /// A child exits, its stdout having ended before.
    pub(super) fn dies(&mut self, name: &str) {
        self.child(name, FromChild::OutputEnded);
        self.exits(name);
    }

    /// The process of a child has ended; its stdout may still hold words.
    pub(super) fn exits(&mut self, name: &str) {
        self.child(
            name,
            FromChild::Exited {
                how: "exited with code 1".to_owned(),
                last_words: None,
            },
        );
    }
}

/// The clients.
impl World {
    /// A client of that name, at that endpoint.
    pub(super) fn come(&mut self, who: &str, view: View) {
        let client = Client {
            connection: self.clients.len() as u64 + 1,
            exchanges: 0,
            view,
            version: None,
            session: None,
            whole: None,
        };
        self.clients.insert(who.to_owned(), client);
    }

    /// A client does something in an exchange of its own; returns its outbox.
    pub(super) fn begin(&mut self, who: &str, word: FromClient) -> OutboxId {
        let client = self.clients.get_mut(who).expect("the client has come");
        client.exchanges += 1;
        let outbox = OutboxId {
            connection: client.connection,
            exchange: client.exchanges,
        };
        let exchange = Exchange {
            name: format!("{who}.{}", client.exchanges),
            client: who.to_owned(),
            over: false,
            left: false,
        };
        self.exchanges.insert(outbox, exchange);
        if matches!(word, FromClient::Open { .. }) {
            client.whole = Some(outbox);
        }
        self.handle(Event::Client { outbox, word });
        outbox
    }

    /// A client says something more in an exchange, by its name.
    pub(super) fn adds(&mut self, exchange: &str, word: FromClient) {
        let outbox = self.outbox(exchange);
        self.handle(Event::Client { outbox, word });
    }

    /// The outbox of an exchange, by its name.
    pub(super) fn outbox(&self, exchange: &str) -> OutboxId {
        let found = self.exchanges.iter().find(|(_, e)| e.name == exchange);
        *found.unwrap_or_else(|| panic!("no exchange {exchange}")).0
    }

    /// A client posts to `/mcp` or its like.
    pub(super) fn posts(&mut self, who: &str, text: &str) -> OutboxId {
        let client = &self.clients[who];
        let word = FromClient::Post {
            view: client.view.clone(),
            session: client.session.clone(),
            version: client.version.clone().map(Into::into),
            fresh: Some(nonce(&format!("{who}-{}", client.exchanges + 1))),
            mirrored: Vec::new(),
            body: Body::read(text.into()),
        };
        self.begin(who, word)
    }

    /// A client of `/mcp` begins a session at that revision.
    pub(super) fn connects_at(&mut self, who: &str, version: &str) {
        if !self.clients.contains_key(who) {
            self.come(who, View::Merged);
        }
        self.posts(who, &initialize("0", version));
    }

    /// Clients of `/mcp` begin their sessions at the latest revision, of which
    /// nothing is written down.
    pub(super) fn connect(&mut self, clients: &[&str]) {
        for who in clients {
            self.connects_at(who, "2025-11-25");
        }
        self.forget();
    }

    /// A client posts a request, or sends it on the stream of its session.
    pub(super) fn asks(&mut self, who: &str, id: &str, method: &str, params: &str) {
        let text = request(id, method, params);
        match self.clients[who].whole {
            Some(_) => self.writes(who, &text),
            None => {
                self.posts(who, &text);
            }
        }
    }

    /// A client calls a tool.
    pub(super) fn calls(&mut self, who: &str, id: &str, tool: &str) {
        self.asks(who, id, "tools/call", &format!(r#"{{"name":"{tool}"}}"#));
    }

    /// A client takes a request back.
    pub(super) fn cancels(&mut self, who: &str, id: &str) {
        let text = notice(
            "notifications/cancelled",
            &format!(r#"{{"requestId":{id}}}"#),
        );
        match self.clients[who].whole {
            Some(_) => self.writes(who, &text),
            None => {
                self.posts(who, &text);
            }
        }
    }

    /// An event id of the present hub, as stories write it: `3-1`. One of another
    /// hub is written out.
    fn event_id(&self, text: &str) -> EventId {
        let epoch = self.hub.streams.epoch();
        let whole = match text.matches('-').count() {
            1 => format!("{epoch}-{text}"),
            _ => text.to_owned(),
        };
        whole.parse().expect("an event id")
    }

    /// A client opens a GET stream, or resumes one.
    pub(super) fn listens(&mut self, who: &str, resume: Option<&str>) -> OutboxId {
        let client = &self.clients[who];
        let word = FromClient::Listen {
            view: client.view.clone(),
            session: client.session.clone(),
            version: client.version.clone().map(Into::into),
            resume: resume.map(|event| self.event_id(event)),
        };
        self.begin(who, word)
    }

    /// A client ends its session.
    pub(super) fn deletes(&mut self, who: &str) {
        let client = &self.clients[who];
        let word = FromClient::Delete {
            view: client.view.clone(),
            session: client.session.clone(),
        };
        self.begin(who, word);
    }

    /// A client opens a stream that carries its whole session.
    pub(super) fn opens(&mut self, who: &str) -> OutboxId {
        if !self.clients.contains_key(who) {
            self.come(who, View::Merged);
        }
        let client = &self.clients[who];
        let word = FromClient::Open {
            view: client.view.clone(),
            fresh: SessionKey::of_id(format!("{who}-{}", client.exchanges + 1)),
            slots: crate::limits::OUTBOX_SLOTS,
        };
        self.begin(who, word)
    }

    /// Clients open such streams and initialize their sessions on them, of
    /// which nothing is written down.
    pub(super) fn open(&mut self, clients: &[&str]) {
        for who in clients {
            self.opens(who);
            self.writes(who, &initialize("0", "2025-11-25"));
        }
        self.forget();
    }

    fn told(&self, who: &str, text: &str) -> FromClient {
        let client = &self.clients[who];
        FromClient::Tell {
            view: client.view.clone(),
            session: client.session.clone().expect("its stream is open"),
            body: Body::read(text.into()),
        }
    }

    /// A client of HTTP+SSE posts a message for its session.
    pub(super) fn tells(&mut self, who: &str, text: &str) -> OutboxId {
        let word = self.told(who, text);
        self.begin(who, word)
    }

    /// A client of stdio writes a line.
    pub(super) fn writes(&mut self, who: &str, text: &str) {
        let word = self.told(who, text);
        let outbox = self.clients[who].whole.expect("its stream is open");
        self.handle(Event::Client { outbox, word });
    }

    /// A client leaves an exchange.
    pub(super) fn leaves(&mut self, exchange: &str) {
        let outbox = self.outbox(exchange);
        let word = FromClient::Gone;
        self.handle(Event::Client { outbox, word });
        if let Some(exchange) = self.exchanges.get_mut(&outbox) {
            exchange.left = true;
        }
    }

    /// A client has read so much of an exchange.
    pub(super) fn takes(&mut self, exchange: &str, messages: u32, bytes: u64) {
        self.adds(exchange, FromClient::Taken(Load { messages, bytes }));
    }

    /// Somebody asks after the gateway itself.
    pub(super) fn inquires(&mut self, who: &str, report: Report) {
        if !self.clients.contains_key(who) {
            self.come(who, View::Merged);
        }
        self.begin(who, FromClient::Ask(report));
    }

    /// Makes the servers of that name ones with a child for each session.
    pub(super) fn scoped(names: &[&str], own: &[&str]) -> World {
        let mut plan = crate::hub::stories::world::plan(names);
        for server in plan.servers.iter_mut() {
            if own.contains(&server.name.as_str()) {
                server.scope = Scope::Session;
            }
        }
        let mut world = World::new(plan);
        for name in names {
            world.serve(&format!("{name}.1"));
        }
        world.pass(0.2);
        world.forget();
        world
    }
}
