//! Requests of the stateless era (2026-07-28). Each says of itself who its
//! client is and what it can be asked, so each is entered as a session of one
//! request, which begins with it and ends with its answer: what a child asks or
//! logs because of it finds its way by the same rules as in the handshake era.

use std::sync::Arc;

use crate::event::{SessionKey, Standing, View};
use crate::hub::Hub;
use crate::hub::clients::{Address, caller_of, method_of};
use crate::hub::leasing::may_ask;
use crate::hub::refusal::Refusal;
use crate::hub::requests::Need;
use crate::hub::sessions::{Lone, Session};
use crate::hub::streams::{StreamId, StreamKind};
use crate::wire::envelope::{Kind, Message};
use crate::wire::items::ItemKind;
use crate::wire::method::Method;
use crate::wire::mirrored::{self, Mirrored, Mismatch, Sent};
use crate::wire::outgoing::{Change, Outgoing};
use crate::wire::stateless::{self, RequestMeta};

/// Codes that were given out before the stateless era and are forbidden in it
/// (2026-07-28, basic, "Error Codes"), with those that take their places: of an
/// unknown resource, and of URL elicitations that nobody can read.
const FORBIDDEN_CODES: [(i32, &str); 2] = [(-32002, "-32602"), (-32042, "-32603")];

/// How such a request has come.
struct Way {
    stream: StreamId,
    carrier: Option<SessionKey>,
    mirrored: Vec<Sent>,
}

impl Hub {
    /// Whether this is a request of the stateless era.
    pub(super) fn is_lone(&self, key: &SessionKey) -> bool {
        self.sessions.lone(key).is_some()
    }

    /// A POST that is such a request.
    pub(super) fn post_lone(&mut self, address: Address, message: Arc<Message>, meta: RequestMeta) {
        if self.stopping {
            let id = message.marks.id.map(|span| message.json(span));
            return self.refuse(address.outbox, Standing::Busy, &Refusal::Stopping, id);
        }
        // The session comes before its stream, which is entered with it.
        let key = self.enter_lone(address.view);
        let stream = self.open_stream(&key, address.outbox, StreamKind::Post { owed: 1 });
        let way = Way {
            stream,
            carrier: None,
            mirrored: address.mirrored,
        };
        self.take_lone(&key, way, message, meta);
    }

    /// Such a request on a stream that carries many.
    pub(super) fn take_carried(
        &mut self,
        carrier: &SessionKey,
        stream: StreamId,
        message: Arc<Message>,
        meta: RequestMeta,
    ) {
        let Some(view) = self.view_of(carrier) else {
            return;
        };
        let key = self.enter_lone(view);
        let way = Way {
            stream,
            carrier: Some(carrier.clone()),
            mirrored: Vec::new(),
        };
        self.take_lone(&key, way, message, meta);
    }

    fn enter_lone(&mut self, view: View) -> SessionKey {
        self.lone_serial += 1;
        let key = SessionKey::Lone(self.lone_serial, None);
        self.sessions.insert(key, Session::new(view, self.now))
    }

    fn take_lone(&mut self, key: &SessionKey, way: Way, message: Arc<Message>, meta: RequestMeta) {
        let stream = way.stream;
        let caller = caller_of(key, stream, &message);
        let method = method_of(&message);
        if let Some(session) = self.sessions.get_mut(key) {
            session.lone = Some(Box::new(Lone {
                request: may_ask(&method).then(|| message.clone()),
                lease: None,
                method,
                id: caller.id.clone(),
                stream,
                carrier: way.carrier,
                mirrored: way.mirrored,
                lacks: None,
                wanted: meta.filter,
                filter: None,
            }));
            session.level = meta.level;
            session.hello = Some(meta.hello);
        }
        if let Some(level) = meta.level
            && let Some(view) = self.view_of(key)
        {
            self.listeners.insert(key.clone());
            self.ask_for_level(&view, level);
        }
        self.take_up_request(caller, message, None);
    }

    /// Answers such a request, now or later.
    pub(super) fn lone_request(&mut self, need: Need, method: Method) {
        match method {
            Method::Discover => self.discover(need),
            Method::ToolsList => self.list(need, ItemKind::Tool),
            Method::PromptsList => self.list(need, ItemKind::Prompt),
            Method::ResourcesList => self.list(need, ItemKind::Resource),
            Method::TemplatesList => self.list(need, ItemKind::Template),
            Method::ToolsCall | Method::PromptsGet => self.by_name(need, method),
            Method::ResourcesRead => self.by_uri(need, &method),
            Method::Complete => self.complete(need),
            Method::Listen => self.listen_for(need),
            Method::TasksGet | Method::TasksUpdate | Method::TasksCancel => {
                self.by_task(need, method);
            }
            // What needs a session, or is no request of a client.
            other => {
                let refusal = Refusal::UnknownMethod(other.name().to_owned());
                self.refuse_caller(&need.caller, &refusal);
            }
        }
    }

    /// Whether the headers of a call say what its arguments do. Only where it
    /// came with headers, which is over Streamable HTTP; and only for a tool that
    /// asks for it are arguments read here, key by key.
    pub(super) fn headers_agree(&self, need: &Need, mirrored: &[Mirrored]) -> Result<(), Mismatch> {
        match self.sessions.lone(&need.caller.session) {
            Some(lone) if lone.carrier.is_none() => {
                let arguments = need.message.marks.arguments;
                let arguments = arguments.map(|span| need.message.json(span));
                mirrored::check(mirrored, &lone.mirrored, arguments)
            }
            _ => Ok(()),
        }
    }

    fn discover(&mut self, need: Need) {
        let Some(view) = self.view_of(&need.caller.session) else {
            return;
        };
        // As with `initialize`: what one server alone declares must be known.
        let patience = match self.sole_server(&view) {
            Some(_) => self.plan.connection_timeout,
            None => self.plan.instructions_wait,
        };
        if self.must_wait(&need, &view) && !patience.is_zero() {
            return self.wait(need, patience);
        }
        let result = self.discovery(&view);
        self.answer(&need.caller, Message::result(&result).into());
    }

    /// What a failed call is to its stateless client if it could not be asked
    /// what the child needed to know: a want of capabilities (2026-07-28, basic,
    /// "`_meta`"). A child that can do without goes on without.
    pub(super) fn failed_for_want(&self, key: &SessionKey, answer: &Message) -> Option<Refusal> {
        let lacks = self.sessions.lone(key)?.lacks;
        let lacks = lacks.filter(|_| answer.tells_of_failure())?;
        Some(Refusal::LacksCapability(lacks))
    }

    /// Gives an answer to a stateless client what its era asks for, and no code
    /// that it forbids.
    pub(super) fn fit_to_era(&self, key: &SessionKey, message: &mut Outgoing) {
        let Some(lone) = self.sessions.lone(key) else {
            return;
        };
        let change = match message.message.kind {
            Kind::Answer { failed: false } => stateless::completion(&message.message, &lone.method),
            _ => {
                let code = message.message.error_code();
                let other = FORBIDDEN_CODES.iter().find(|(old, _)| code == Some(*old));
                other
                    .zip(message.message.marks.error_code)
                    .map(|((_, new), span)| Change::Replace(span, (*new).into()))
            }
        };
        message.changes.extend(change);
    }

    /// A stateless request that has its answer is forgotten, unless that answer
    /// asks: then it stays entered until its client comes back, which need not
    /// be on the same stream.
    pub(super) fn end_lone_if_answered(&mut self, key: &SessionKey) {
        let stays = self.awaits_return(key);
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if session.unanswered > 0 {
            return;
        }
        let lone = session.lone.as_mut();
        let carrier = lone.and_then(|lone| lone.carrier.take());
        if !stays {
            self.forget_lone(key);
        }
        if let Some(carrier) = carrier {
            self.end_if_finished(&carrier);
        }
    }

    /// Most have nothing left to end when they are answered.
    fn forget_lone(&mut self, key: &SessionKey) {
        let is_bare = |s: &Session| {
            let is_leased = s.lone.as_ref().is_some_and(|lone| lone.lease.is_some());
            let is_alone = s.subscriptions.is_empty() && s.children.is_empty();
            is_alone && s.streams.is_empty() && !is_leased
        };
        if !self.sessions.get(key).is_some_and(is_bare) {
            return self.end_session(key, None);
        }
        self.sessions.remove(key);
        self.listeners.remove(key);
    }

    /// The requests on a stream that carries many end with it.
    pub(super) fn end_carried(&mut self, carrier: &SessionKey, why: Option<&Refusal>) {
        if self.carries(carrier) {
            for key in self.sessions.keys_where(|s| s.is_carried_by(carrier)) {
                self.end_session(&key, why);
            }
        }
    }

    /// Whether one stream carries all of a session, requests of the stateless
    /// era among it. Only then is the search for these worth it, which looks at
    /// all sessions.
    fn carries(&self, key: &SessionKey) -> bool {
        let session = self.sessions.get(key);
        session.is_some_and(|session| session.whole.is_some())
    }

    /// The request of that id on a stream that carries many.
    pub(super) fn carried_with_id(&self, carrier: &SessionKey, id: &str) -> Option<SessionKey> {
        if !self.carries(carrier) {
            return None;
        }
        let mine = |s: &Session| {
            let lone = s.lone.as_ref().filter(|_| s.is_carried_by(carrier));
            lone.is_some_and(|lone| *lone.id == *id)
        };
        self.sessions.keys_where(mine).into_iter().next()
    }
}
