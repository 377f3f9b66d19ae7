//! What clients ask: each request is answered here, or sent to the child whom
//! it concerns.

use std::sync::Arc;
use std::time::Duration;

use crate::event::{Effect, Moment, Parcel, SessionKey, View};
use crate::hub::Hub;
use crate::hub::calls::Caller;
use crate::hub::clients::method_of;
use crate::hub::refusal::Refusal;
use crate::hub::timers::Timer;
use crate::record::SessionWord;
use crate::wire::envelope::Message;
use crate::wire::handshake::{ClientHello, Revision};
use crate::wire::items::ItemKind;
use crate::wire::log_level::LogLevel;
use crate::wire::method::Method;
use crate::wire::outgoing::{Outgoing, Patch};

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

#[cfg(test)]
impl Waiter {
    /// Who waits.
    pub fn caller(&self) -> &Caller {
        &self.need.caller
    }

    /// When it has waited enough.
    pub fn deadline(&self) -> Moment {
        self.deadline
    }
}

impl Hub {
    /// Answers a request, now or later.
    pub(super) fn request(&mut self, need: Need) {
        let method = method_of(&need.message);
        if self.is_lone(&need.caller.session) {
            return self.lone_request(need, method);
        }
        let initialized = self
            .sessions
            .get(&need.caller.session)
            .is_some_and(|session| session.revision.is_some());
        if !initialized && method != Method::Initialize && method != Method::Ping {
            if self.awaits_initialize(&need.caller.session) {
                return self.wait(need, self.plan.connection_timeout);
            }
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
                self.by_uri(need, &method);
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
            | Method::Acknowledged
            // Methods of the stateless era, which has no sessions.
            | Method::Discover
            | Method::Listen
            | Method::TasksGet
            | Method::TasksUpdate
            | Method::TasksCancel
            | Method::Other(_) => {
                let refusal = Refusal::UnknownMethod(method.name().to_owned());
                self.refuse_caller(&need.caller, &refusal);
            }
        }
    }

    /// Whether the session's `initialize` waits for first starts, so that what
    /// was sent behind it has to wait as well.
    fn awaits_initialize(&self, session: &SessionKey) -> bool {
        self.greeting_of(session).is_some()
    }

    /// The session's `initialize`, while it waits.
    fn greeting_of(&self, session: &SessionKey) -> Option<&Waiter> {
        let mine = |w: &&Waiter| w.need.hello.is_some() && w.need.caller.session == *session;
        self.waiters.iter().find(mine)
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
        let patience = match self.sole_server(&view) {
            Some(_) => self.plan.connection_timeout,
            None => self.plan.instructions_wait,
        };
        if self.must_wait(&need, &view) && !patience.is_zero() {
            // What one server alone declares must be known first. A merged view
            // declares the same whatever its servers are; it waits a little, so
            // that a client which starts the gateway itself hears what its
            // servers say of themselves.
            return self.wait(need, patience);
        }
        let Some(hello) = need.hello.take() else {
            let refusal = Refusal::BadParameter {
                method: "initialize",
                needs: "its parameters to be an object",
            };
            return self.refuse_caller(&need.caller, &refusal);
        };
        let revision = Revision::agreed(&hello.version);
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
        let stream = self.streams.get(caller.stream);
        let Some(stream) = stream.filter(|stream| stream.outbox.is_some()) else {
            // Its client has left without ever hearing its name.
            return self.end_session(&caller.session, None);
        };
        if stream.opened {
            // The head has gone out, and named the session.
            return self.answer(caller, message);
        }
        let mut message = Outgoing::plain(message);
        message.id = Some(Patch::Json(caller.id.clone()));
        if let Some(session) = self.sessions.get_mut(&caller.session) {
            session.unanswered = session.unanswered.saturating_sub(1);
        }
        if let Some(outbox) = self.close_stream(caller.stream) {
            let parcel = Parcel::Welcome {
                session: caller.session.clone(),
                message,
            };
            self.effects.push(Effect::ToClient { outbox, parcel });
        }
    }

    pub(super) fn must_wait(&self, need: &Need, view: &View) -> bool {
        need.patient && self.waits_until(view, asks(need)).is_some()
    }

    /// Lets a request wait for servers in their first start.
    pub(super) fn wait(&mut self, need: Need, patience: Duration) {
        let latest = self.now.after(patience);
        let view = self.view_of(&need.caller.session);
        let end = view.and_then(|view| self.waits_until(&view, asks(&need)));
        let deadline = end.map_or(latest, |end| end.min(latest));
        // Nothing of a session is answered before its `initialize`.
        let greeting = self.greeting_of(&need.caller.session);
        let deadline = greeting.map_or(deadline, |w| w.deadline.max(deadline));
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
        if waiter.need.hello.is_none() && self.awaits_initialize(&waiter.need.caller.session) {
            return self.waiters.push(waiter);
        }
        let view = self
            .sessions
            .get(&waiter.need.caller.session)
            .map(|session| session.view.clone());
        let Some(view) = view else { return };
        if patient && self.waits_until(&view, asks(&waiter.need)).is_some() {
            self.waiters.push(waiter);
        } else {
            let mut need = waiter.need;
            need.patient = false;
            self.request(need);
        }
    }

    /// A waiting request is taken back by its client; `initialize` cannot be.
    pub(super) fn forget_waiter(&mut self, session: &SessionKey, id: &str) -> Option<Caller> {
        let mine = |w: &Waiter| {
            let caller = &w.need.caller;
            w.need.hello.is_none() && caller.session == *session && *caller.id == *id
        };
        let place = self.waiters.iter().position(mine)?;
        Some(self.waiters.remove(place).need.caller)
    }

    /// The session of waiting requests has ended.
    pub(super) fn drop_waiters_of(&mut self, session: &SessionKey, why: Option<&Refusal>) {
        let (mine, others) = std::mem::take(&mut self.waiters)
            .into_iter()
            .partition(|w| w.need.caller.session == *session);
        self.waiters = others;
        for waiter in mine {
            match why {
                Some(why) => self.refuse_caller(&waiter.need.caller, why),
                None => self.answer_nothing(&waiter.need.caller),
            }
        }
    }

    pub(super) fn list(&mut self, need: Need, kind: ItemKind) {
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
            return self.wait(need, self.plan.connection_timeout);
        }
        let list = self.catalog_of(&need.caller.session).list(kind).clone();
        self.answer(&need.caller, list);
    }

    pub(super) fn view_of(&self, session: &SessionKey) -> Option<View> {
        self.sessions
            .get(session)
            .map(|session| session.view.clone())
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
            self.listeners.insert(need.caller.session.clone());
        }
        self.tell_of(&need.caller.session, SessionWord::Level(level));
        self.adjust_levels();
        self.answer(&need.caller, Message::result("{}").into());
    }
}

/// What a request asks for, as far as it matters to its waiting for servers in
/// their first start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asks {
    /// A list: what is remembered from an earlier gateway will do, and clients are
    /// told of what a reload has added when that is there.
    List,
    /// What a view can: what is remembered will do.
    Greeting,
    /// Anything else, which may be for what is new.
    Other,
}

fn asks(need: &Need) -> Asks {
    let method = method_of(&need.message);
    match method {
        Method::Initialize | Method::Discover => Asks::Greeting,
        _ if ItemKind::ALL.iter().any(|kind| kind.method() == method) => Asks::List,
        _ => Asks::Other,
    }
}
