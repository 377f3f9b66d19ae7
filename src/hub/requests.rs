//! What clients ask: each request is answered here, or sent to the child whom
//! it concerns.

use std::sync::Arc;

use crate::catalog::route::Found;
use crate::event::{Effect, Moment, Parcel, ServerId, SessionKey};
use crate::hub::Hub;
use crate::hub::calls::{Asker, Call, Caller};
use crate::hub::children::ChildId;
use crate::hub::clients::method_of;
use crate::hub::fans::{Fan, FanId};
use crate::hub::lifecycle::Phase;
use crate::hub::refusal::Refusal;
use crate::hub::timers::Timer;
use crate::limits;
use crate::wire::envelope::{Kind, Message, Outgoing, Patch, Span};
use crate::wire::handshake::{ClientHello, Revision};
use crate::wire::items::ItemKind;
use crate::wire::log_level::LogLevel;
use crate::wire::method::Method;
use crate::wire::own_id::{OwnId, Purpose};

/// A request that wants its answer.
#[derive(Debug)]
pub struct Need {
    /// Who asks.
    pub caller: Caller,
    /// The request.
    pub message: Arc<Message>,
    /// Its parameters, if it is `initialize`.
    pub hello: Option<Box<ClientHello>>,
    /// Whether it would rather wait for a server in its first start than be
    /// answered without it.
    pub patient: bool,
}

/// A request that waits for servers in their first start.
#[derive(Debug)]
pub struct Waiter {
    need: Need,
    deadline: Moment,
}

/// Where a request goes, and what is replaced in it on the way.
struct Passage {
    server: ServerId,
    method: Method,
    /// The name the server knows, where the client's was another.
    name: Option<Arc<str>>,
    uri: Option<Arc<str>>,
}

impl Hub {
    /// Answers a request, now or later.
    pub(super) fn request(&mut self, need: Need) {
        let method = method_of(&need.message);
        let initialized = self
            .sessions
            .get(&need.caller.session)
            .is_some_and(|session| session.revision.is_some());
        if !initialized && method != Method::Initialize && method != Method::Ping {
            let refusal = Refusal::NotInitialized(method.name().to_owned());
            return self.refuse_caller(&need.caller, &refusal);
        }
        match method {
            Method::Initialize => self.initialize(need),
            Method::Ping => self.answer(&need.caller, Message::result("{}").into()),
            Method::ToolsList => self.list(need, ItemKind::Tool),
            Method::PromptsList => self.list(need, ItemKind::Prompt),
            Method::ResourcesList => self.list(need, ItemKind::Resource),
            Method::TemplatesList => self.list(need, ItemKind::Template),
            Method::ToolsCall | Method::PromptsGet => self.by_name(need, method),
            Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                self.by_uri(need, method);
            }
            Method::Complete => self.complete(need),
            Method::SetLevel => self.set_level(&need),
            // Requests of servers to clients, notifications sent as requests,
            // and what this gateway has never heard of.
            Method::CreateMessage
            | Method::Elicit
            | Method::RootsList
            | Method::Initialized
            | Method::Cancelled
            | Method::Progress
            | Method::ToolsChanged
            | Method::PromptsChanged
            | Method::ResourcesChanged
            | Method::ResourceUpdated
            | Method::LogMessage
            | Method::ElicitComplete
            | Method::RootsChanged
            | Method::Other(_) => {
                let refusal = Refusal::UnknownMethod(method.name().to_owned());
                self.refuse_caller(&need.caller, &refusal);
            }
        }
    }

    fn initialize(&mut self, mut need: Need) {
        let key = need.caller.session.clone();
        let Some(session) = self.sessions.get(&key) else {
            return;
        };
        if session.revision.is_some() {
            return self.refuse_caller(&need.caller, &Refusal::InitializedTwice);
        }
        let view = session.view.clone();
        // What one server alone declares and says must be known first; a
        // merged view declares the same whatever its servers are.
        if self.sole_server(&view).is_some() && self.must_wait(&need, &view) {
            return self.wait(need);
        }
        let Some(hello) = need.hello.take() else {
            let refusal = Refusal::BadParameter {
                method: "initialize",
                needs: "its parameters to be an object",
            };
            return self.refuse_caller(&need.caller, &refusal);
        };
        let revision = Revision::from_name(&hello.version).unwrap_or(Revision::LATEST);
        let message = Arc::new(Message::result(&self.welcome(&view, revision)));
        log::debug!("session {key:?}: {} at {}", hello.info, revision.name());
        if let Some(session) = self.sessions.get_mut(&key) {
            session.revision = Some(revision);
            session.hello = Some(hello);
        }
        let caller = &need.caller;
        let is_whole = self.sessions.get(&key).is_some_and(|s| s.whole.is_some());
        if is_whole {
            return self.answer(caller, message);
        }
        self.answer_with_session(caller, message);
    }

    /// The answer that tells a Streamable HTTP client its session id. It ends
    /// the POST that asked.
    fn answer_with_session(&mut self, caller: &Caller, message: Arc<Message>) {
        let mut message = Outgoing::plain(message);
        message.id = Some(Patch::Json(caller.id.clone()));
        if let Some(session) = self.sessions.get_mut(&caller.session) {
            session.unanswered = session.unanswered.saturating_sub(1);
        }
        let Some(outbox) = self.close_stream(caller.stream) else {
            return;
        };
        let parcel = Parcel::Welcome {
            session: caller.session.clone(),
            message,
        };
        self.effects.push(Effect::ToClient { outbox, parcel });
    }

    fn must_wait(&self, need: &Need, view: &crate::event::View) -> bool {
        need.patient && self.is_starting(view)
    }

    /// Lets a request wait for servers in their first start.
    fn wait(&mut self, need: Need) {
        let deadline = self.now.after(self.plan.connection_timeout);
        self.timers.set(deadline, Timer::FirstStarts);
        self.waiters.push(Waiter { need, deadline });
    }

    /// A server's first start is over: who waited for it is looked at again.
    pub(super) fn first_start_over(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            self.look_again(waiter, true);
        }
    }

    /// Who has waited long enough is answered without.
    pub(super) fn first_starts_overdue(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            let patient = waiter.deadline > self.now;
            self.look_again(waiter, patient);
        }
    }

    fn look_again(&mut self, waiter: Waiter, patient: bool) {
        let view = self
            .sessions
            .get(&waiter.need.caller.session)
            .map(|session| session.view.clone());
        let Some(view) = view else { return };
        if patient && self.is_starting(&view) {
            self.waiters.push(waiter);
        } else {
            let mut need = waiter.need;
            need.patient = false;
            self.request(need);
        }
    }

    /// A waiting request is taken back by its client.
    pub(super) fn forget_waiter(&mut self, session: &SessionKey, id: &str) -> Option<Caller> {
        let mine = |w: &Waiter| w.need.caller.session == *session && *w.need.caller.id == *id;
        let place = self.waiters.iter().position(mine)?;
        Some(self.waiters.remove(place).need.caller)
    }

    /// The session of waiting requests has ended.
    pub(super) fn fail_waiters_of(&mut self, session: &SessionKey, why: &Refusal) {
        let (mine, others) = std::mem::take(&mut self.waiters)
            .into_iter()
            .partition(|w| w.need.caller.session == *session);
        self.waiters = others;
        for waiter in mine {
            self.refuse_caller(&waiter.need.caller, why);
        }
    }

    fn list(&mut self, need: Need, kind: ItemKind) {
        if let Some(cursor) = need.message.marks.cursor {
            let cursor = need.message.json(cursor);
            if cursor != "null" {
                let refusal = Refusal::UnknownCursor(cursor.chars().take(80).collect());
                return self.refuse_caller(&need.caller, &refusal);
            }
        }
        let Some(view) = self.view_of(&need.caller.session) else {
            return;
        };
        if self.must_wait(&need, &view) {
            return self.wait(need);
        }
        let list = self.catalog_of(&need.caller.session).list(kind).clone();
        self.answer(&need.caller, list);
    }

    fn view_of(&self, session: &SessionKey) -> Option<crate::event::View> {
        self.sessions
            .get(session)
            .map(|session| session.view.clone())
    }

    /// A tool or a prompt: its name leads to its server.
    fn by_name(&mut self, need: Need, method: Method) {
        let is_tool = method == Method::ToolsCall;
        let Some(name) = text(&need.message, need.message.marks.name) else {
            let refusal = Refusal::BadParameter {
                method: if is_tool { "tools/call" } else { "prompts/get" },
                needs: "\"name\", a string",
            };
            return self.refuse_caller(&need.caller, &refusal);
        };
        let catalog = self.catalog_of(&need.caller.session);
        let route = if is_tool {
            catalog.tool(&name)
        } else {
            catalog.prompt(&name)
        };
        match route {
            Some(route) => {
                let passage = Passage {
                    server: route.server,
                    method,
                    name: (*route.original != *name).then_some(route.original),
                    uri: None,
                };
                self.pass(need, passage);
            }
            None => self.not_found(need, |_| match is_tool {
                true => Refusal::UnknownTool(name.to_string()),
                false => Refusal::UnknownPrompt(name.to_string()),
            }),
        }
    }

    /// Refuses what no server offers, unless one is still in its first start.
    fn not_found(&mut self, need: Need, refusal: impl FnOnce(&Hub) -> Refusal) {
        let waits = self
            .view_of(&need.caller.session)
            .is_some_and(|view| self.must_wait(&need, &view));
        if waits {
            self.wait(need);
        } else {
            let refusal = refusal(self);
            self.refuse_caller(&need.caller, &refusal);
        }
    }

    /// A resource: its URI leads to its server, by the lists, by the templates,
    /// by the links that tools have returned; else every server that has
    /// resources is asked, for not all are listed.
    fn by_uri(&mut self, need: Need, method: Method) {
        let Some(uri) = text(&need.message, need.message.marks.uri) else {
            let refusal = Refusal::BadParameter {
                method: match method {
                    Method::ResourcesRead => "resources/read",
                    Method::ResourcesSubscribe => "resources/subscribe",
                    _ => "resources/unsubscribe",
                },
                needs: "\"uri\", a string",
            };
            return self.refuse_caller(&need.caller, &refusal);
        };
        let session = need.caller.session.clone();
        let found = match self.catalog_of(&session).resource(&uri) {
            Found::None => self.linked(&session, &uri),
            found => found,
        };
        let passage = |server| Passage {
            server,
            method: method.clone(),
            name: None,
            uri: Some(uri.clone()),
        };
        match found {
            Found::One(server) => self.pass_uri(need, passage(server)),
            Found::Several(servers) => {
                let refusal = self.ambiguous(&uri, &servers);
                self.refuse_caller(&need.caller, &refusal);
            }
            Found::None => match self.servers_with_resources(&session).as_slice() {
                [] => self.not_found(need, |_| Refusal::UnknownResource(uri.to_string())),
                [only] => self.pass_uri(need, passage(*only)),
                several if method == Method::ResourcesRead => self.fan_out(&need, &uri, several),
                _ => self.not_found(need, |_| Refusal::UnknownResource(uri.to_string())),
            },
        }
    }

    /// The servers of the session's view that a link in a tool's result came
    /// from.
    fn linked(&self, session: &SessionKey, uri: &str) -> Found {
        let Some(view) = self.view_of(session) else {
            return Found::None;
        };
        let shown = |server: &ServerId| self.shows(&view, *server);
        match self.links.find(uri) {
            Found::One(server) if shown(&server) => Found::One(server),
            Found::Several(servers) => {
                let servers: Vec<ServerId> = servers.into_iter().filter(shown).collect();
                match servers.as_slice() {
                    [] => Found::None,
                    [only] => Found::One(*only),
                    _ => Found::Several(servers),
                }
            }
            Found::One(_) | Found::None => Found::None,
        }
    }

    fn ambiguous(&self, uri: &str, servers: &[ServerId]) -> Refusal {
        Refusal::AmbiguousResource {
            uri: uri.to_owned(),
            servers: servers
                .iter()
                .map(|&server| self.server(server).name.clone())
                .collect(),
        }
    }

    fn servers_with_resources(&self, session: &SessionKey) -> Vec<ServerId> {
        let Some(view) = self.view_of(session) else {
            return Vec::new();
        };
        let has = |server: &ServerId| {
            self.main_of(*server)
                .and_then(|child| self.children.get(child)?.hello.as_ref())
                .is_some_and(|hello| hello.has.resources)
        };
        self.servers_of_view(&view)
            .into_iter()
            .filter(has)
            .collect()
    }

    fn pass_uri(&mut self, need: Need, passage: Passage) {
        match passage.method {
            Method::ResourcesSubscribe => self.subscribe(need, passage),
            Method::ResourcesUnsubscribe => self.take_back(&need, &passage),
            _ => self.pass(need, passage),
        }
    }

    /// Subscriptions are counted: the child hears of the first and of the end
    /// of the last.
    fn subscribe(&mut self, need: Need, passage: Passage) {
        let session = need.caller.session.clone();
        let Some(uri) = passage.uri.clone() else {
            return;
        };
        let child = match self.child_for(&session, passage.server) {
            Ok(child) => child,
            Err(refusal) => return self.refuse_caller(&need.caller, &refusal),
        };
        let held = self
            .sessions
            .get(&session)
            .map_or(0, |s| s.subscriptions.len());
        if held >= limits::SESSION_SUBSCRIPTIONS_MAX {
            let refusal = Refusal::SessionBusy(limits::SESSION_SUBSCRIPTIONS_MAX);
            return self.refuse_caller(&need.caller, &refusal);
        }
        let Some(place) = self.children.get_mut(child) else {
            return;
        };
        let subscribers = place.subscribers.entry(uri.clone()).or_default();
        let first = subscribers.is_empty();
        subscribers.insert(session.clone());
        if let Some(session) = self.sessions.get_mut(&session) {
            session.subscriptions.insert((uri, child));
        }
        if first {
            self.pass(need, passage);
        } else {
            self.answer(&need.caller, Message::result("{}").into());
        }
    }

    fn take_back(&mut self, need: &Need, passage: &Passage) {
        let session = &need.caller.session;
        if let (Some(uri), Ok(child)) = (&passage.uri, self.child_for(session, passage.server)) {
            self.unsubscribe(session, uri, child);
        }
        self.answer(&need.caller, Message::result("{}").into());
    }

    /// A completion: of a prompt's argument by the prompt's name, of a
    /// template's variable by the template.
    fn complete(&mut self, need: Need) {
        let catalog = self.catalog_of(&need.caller.session);
        let marks = need.message.marks;
        if let Some(name) = text(&need.message, marks.name) {
            return match catalog.prompt(&name) {
                Some(route) => {
                    let passage = Passage {
                        server: route.server,
                        method: Method::Complete,
                        name: (*route.original != *name).then_some(route.original),
                        uri: None,
                    };
                    self.pass(need, passage);
                }
                None => self.not_found(need, |_| Refusal::UnknownPrompt(name.to_string())),
            };
        }
        let Some(uri) = text(&need.message, marks.uri) else {
            let refusal = Refusal::BadParameter {
                method: "completion/complete",
                needs: "\"ref\", with the \"name\" of a prompt or the \"uri\" of a template",
            };
            return self.refuse_caller(&need.caller, &refusal);
        };
        match catalog.template(&uri) {
            Found::One(server) => {
                let passage = Passage {
                    server,
                    method: Method::Complete,
                    name: None,
                    uri: Some(uri),
                };
                self.pass(need, passage);
            }
            Found::Several(servers) => {
                let refusal = self.ambiguous(&uri, &servers);
                self.refuse_caller(&need.caller, &refusal);
            }
            Found::None => self.not_found(need, |_| Refusal::UnknownResource(uri.to_string())),
        }
    }

    fn set_level(&mut self, need: &Need) {
        let level = need
            .message
            .marks
            .level
            .and_then(|span| need.message.text(span))
            .and_then(|name| LogLevel::from_name(&name));
        let Some(level) = level else {
            let refusal = Refusal::BadParameter {
                method: "logging/setLevel",
                needs: "\"level\", one of debug, info, notice, warning, error, critical, alert, \
                        emergency",
            };
            return self.refuse_caller(&need.caller, &refusal);
        };
        if let Some(session) = self.sessions.get_mut(&need.caller.session) {
            session.level = Some(level);
        }
        self.adjust_levels();
        self.answer(&need.caller, Message::result("{}").into());
    }

    /// The child that a session's requests to a server go to.
    fn child_for(&mut self, session: &SessionKey, server: ServerId) -> Result<ChildId, Refusal> {
        let down = |hub: &Hub| Refusal::ServerDown {
            server: hub.server(server).name.clone(),
            why: "it is not running".to_owned(),
        };
        match self.server(server).scope {
            crate::config::checked::Scope::Shared => self.main_of(server).ok_or_else(|| down(self)),
            crate::config::checked::Scope::Session => {
                let own = self.sessions.get(session).map(|s| s.children.get(&server));
                match own {
                    Some(Some(&child)) => Ok(child),
                    Some(None) => self.start_own(server, session),
                    None => Err(Refusal::UnknownSession),
                }
            }
        }
    }

    /// Passes a client's request on to a server.
    fn pass(&mut self, need: Need, passage: Passage) {
        let session = need.caller.session.clone();
        match self.child_for(&session, passage.server) {
            Ok(child) => {
                let asker = Asker::Client(need.caller);
                let call = self.call(child, asker, Some(session), &passage);
                self.place(call, need.message, passage.name);
            }
            Err(refusal) => self.refuse_caller(&need.caller, &refusal),
        }
    }

    fn call(
        &self,
        child: ChildId,
        asker: Asker,
        origin: Option<SessionKey>,
        passage: &Passage,
    ) -> Call {
        Call {
            child,
            life: None,
            message: None,
            asker,
            origin,
            method: passage.method.clone(),
            uri: passage.uri.clone(),
            timeout: self.server(passage.server).timeout,
            timer: None,
            abandoned: false,
        }
    }

    /// Enters a call, and sends it if its child can take it now. Returns its
    /// id, unless it was refused.
    fn place(
        &mut self,
        mut call: Call,
        message: Arc<Message>,
        name: Option<Arc<str>>,
    ) -> Option<OwnId> {
        let id = self.calls.mint(Purpose::Call);
        let mut message = Outgoing::plain(message);
        message.id = Some(Patch::Number(id.number()));
        message.name = name.map(|name| Patch::Json(json_string(&name)));
        if message.message.marks.progress_token.is_some() {
            message.progress_token = Some(Patch::Number(id.number()));
        }
        call.message = Some(message);
        let child = call.child;
        self.calls.insert(id, call);
        let queue_max = self.plan.queue_max;
        let place = self.children.get_mut(child)?;
        let waiting = place.held.len().max(place.load.messages as usize);
        if place.phase == Phase::Down || place.phase == Phase::Retiring {
            place.held.push_back(id);
            self.fail_held(child);
            return None;
        }
        if waiting >= queue_max || place.load.bytes >= limits::CHILD_QUEUE_BYTES_MAX {
            let server = self.children.get(child)?.server;
            let refusal = Refusal::ServerBusy {
                server: self.server(server).name.clone(),
                waiting,
            };
            self.fail_call(id, &refusal);
            return None;
        }
        place.held.push_back(id);
        if place.phase == Phase::Ready {
            self.rearm(id);
            self.send_held(child);
        } else {
            self.wait_for_start(id, child);
        }
        Some(id)
    }

    /// A call that waits for its child's start gets the time of a start on top.
    fn wait_for_start(&mut self, id: OwnId, child: ChildId) {
        let Some(startup) = self
            .children
            .get(child)
            .map(|child| self.server_of(child).startup_timeout)
        else {
            return;
        };
        if let Some(call) = self.calls.get_mut(id) {
            let due = self.now.after(startup).after(call.timeout);
            call.timer = Some(self.timers.set(due, Timer::Call(id)));
        }
    }

    /// Sends a child the calls that wait for it, as many as it may have.
    pub(super) fn send_held(&mut self, child: ChildId) {
        loop {
            let Some(place) = self.children.get(child) else {
                return;
            };
            let max = self.server_of(place).concurrent_max;
            if place.phase != Phase::Ready || place.under_way.len() >= max {
                return;
            }
            let life = place.life;
            let Some(place) = self.children.get_mut(child) else {
                return;
            };
            let Some(id) = place.held.pop_front() else {
                return;
            };
            place.under_way.insert(id);
            let Some(call) = self.calls.get_mut(id) else {
                continue;
            };
            call.life = Some(life);
            let message = call.message.take();
            self.rearm(id);
            if let Some(message) = message {
                self.to_child(child, message);
            }
        }
    }

    /// Asks several servers for a resource that none of them lists.
    fn fan_out(&mut self, need: &Need, uri: &Arc<str>, servers: &[ServerId]) {
        let session = need.caller.session.clone();
        let fan = self.fans.insert(Fan {
            caller: need.caller.clone(),
            uri: uri.clone(),
            open: Vec::new(),
            placing: true,
            found: Vec::new(),
        });
        for &server in servers {
            let passage = Passage {
                server,
                method: Method::ResourcesRead,
                name: None,
                uri: Some(uri.clone()),
            };
            let Ok(child) = self.child_for(&session, server) else {
                continue;
            };
            let call = self.call(child, Asker::Fan(fan), Some(session.clone()), &passage);
            let placed = self.place(call, need.message.clone(), None);
            if let (Some(id), Some(fan)) = (placed, self.fans.get_mut(fan)) {
                fan.open.push(id);
            }
        }
        if let Some(fan) = self.fans.get_mut(fan) {
            fan.placing = false;
        }
        self.settle_fan(fan);
    }

    /// One of the servers asked has answered, or never will.
    pub(super) fn fan_answered(
        &mut self,
        id: FanId,
        call: OwnId,
        child: ChildId,
        message: Option<Arc<Message>>,
    ) {
        let server = self.children.get(child).map(|child| child.server);
        let Some(fan) = self.fans.get_mut(id) else {
            return;
        };
        fan.open.retain(|&open| open != call);
        if let (Some(server), Some(message)) = (server, message)
            && message.kind == (Kind::Answer { failed: false })
        {
            fan.found.push((server, message));
        }
        self.settle_fan(id);
    }

    /// When all have answered: the one that knows the resource is right; two
    /// that do are one too many.
    fn settle_fan(&mut self, id: FanId) {
        let done = |fan: &mut Fan| fan.open.is_empty() && !fan.placing;
        if !self.fans.get_mut(id).is_some_and(done) {
            return;
        }
        let Some(fan) = self.fans.remove(id) else {
            return;
        };
        match fan.found.as_slice() {
            [] => {
                let refusal = Refusal::UnknownResource(fan.uri.to_string());
                self.refuse_caller(&fan.caller, &refusal);
            }
            [(_, message)] => self.answer(&fan.caller, message.clone()),
            several => {
                let servers: Vec<ServerId> = several.iter().map(|(server, _)| *server).collect();
                let refusal = self.ambiguous(&fan.uri, &servers);
                self.refuse_caller(&fan.caller, &refusal);
            }
        }
    }
}

/// The text of a part, if it is there and a string.
fn text(message: &Message, part: Option<Span>) -> Option<Arc<str>> {
    message.text(part?).map(|text| Arc::from(&*text))
}

/// A text as a JSON string.
pub(super) fn json_string(text: &str) -> Arc<str> {
    serde_json::Value::from(text).to_string().into()
}
