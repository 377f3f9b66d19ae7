//! What nobody answers: progress, cancellations, log messages, changes, in
//! both directions.

use std::sync::Arc;

use crate::event::{SessionKey, View};
use crate::hub::Hub;
use crate::hub::calls::{Asker, Call};
use crate::hub::children::{Child, ChildId, Era};
use crate::hub::lifecycle::Phase;
use crate::hub::streams::{StreamId, StreamKind};
use crate::sorted::SortedSet;
use crate::wire::envelope::{Kind, Message};
use crate::wire::input::InputRequired;
use crate::wire::items::ItemKind;
use crate::wire::log_level::LogLevel;
use crate::wire::method::Method;
use crate::wire::outgoing::{Change, Outgoing, Patch};
use crate::wire::own_id::{OwnId, Purpose};

impl Hub {
    /// A message of a child that is no answer to the gateway's own requests.
    pub(super) fn child_message(
        &mut self,
        id: ChildId,
        message: Arc<Message>,
        links: &[String],
        input: Option<Result<InputRequired, String>>,
    ) {
        // A throw-away process is heard on its era alone.
        let is_heard = |c: &Child| !matches!(c.phase, Phase::Probing | Phase::Parting);
        if !self.children.get(id).is_some_and(is_heard) {
            return;
        }
        match &message.kind {
            Kind::Answer { .. } => self.call_answered(id, message, links, input),
            Kind::Request(method) => {
                let method = method.clone();
                self.child_asks(id, &method, message);
            }
            Kind::Notification(method) => {
                let method = method.clone();
                self.child_notice(id, &method, message);
            }
        }
    }

    fn child_notice(&mut self, id: ChildId, method: &Method, message: Arc<Message>) {
        match method {
            Method::Progress => self.progress_of_child(id, message),
            Method::LogMessage => self.log_of_child(id, &message),
            Method::ResourceUpdated => self.resource_updated(id, &message),
            Method::ToolsChanged => self.list_changed(id, ItemKind::Tool),
            Method::PromptsChanged => self.list_changed(id, ItemKind::Prompt),
            Method::ResourcesChanged => {
                self.list_changed(id, ItemKind::Resource);
                self.list_changed(id, ItemKind::Template);
            }
            Method::Cancelled => {
                self.child_takes_back(id, &message);
                self.child_stops_telling(id, &message);
            }
            Method::Acknowledged => self.listening_acknowledged(id, &message),
            Method::ElicitComplete => self.elicitation_complete(id, &message),
            other => log::debug!("{}: {:?} is not passed on", self.label(id), other.name()),
        }
    }

    /// Progress of a call: its time counts anew, and its client hears of it
    /// under the token it gave.
    fn progress_of_child(&mut self, child: ChildId, message: Arc<Message>) {
        let call = message
            .marks
            .progress_token
            .and_then(|span| message.json(span).parse().ok())
            .and_then(OwnId::from_number)
            .filter(|&id| self.calls.get(id).is_some_and(|call| call.child == child));
        let Some(id) = call else {
            return; // a call that has its answer, or never was
        };
        self.rearm(id);
        let Some(call) = self.calls.get(id).filter(|call| !call.abandoned) else {
            return;
        };
        let Asker::Client(caller) = &call.asker else {
            return;
        };
        let (stream, token) = (caller.stream, caller.progress_token.clone());
        if let Some(token) = token {
            let mut message = Outgoing::plain(message);
            message.progress_token = Some(Patch::Json(token));
            self.notify(stream, message);
        }
    }

    /// The sessions that have a call under way on a child, in the order of
    /// their keys. Abandoned calls count, until the child is done with them.
    pub(super) fn origins(&self, id: ChildId) -> Vec<SessionKey> {
        self.origins_of(id, |_| true)
    }

    /// The same, of such calls alone.
    pub(super) fn origins_of(
        &self,
        id: ChildId,
        counts: impl Fn(&Call) -> bool,
    ) -> Vec<SessionKey> {
        let Some(child) = self.children.get(id) else {
            return Vec::new();
        };
        if let Some(owner) = &child.owner {
            return vec![owner.clone()];
        }
        let origins: SortedSet<SessionKey> = child
            .under_way
            .iter()
            .filter_map(|&call| self.calls.get(call).filter(|call| counts(call)))
            .filter_map(|call| call.origin.clone())
            .collect();
        origins.into_iter().collect()
    }

    /// The stream on which something that a child does for a session is told:
    /// that of its newest call there that is still waited for, else the
    /// session's standing one.
    pub(super) fn stream_towards(&self, id: ChildId, session: &SessionKey) -> Option<StreamId> {
        let of_call = self.children.get(id).and_then(|child| {
            child.under_way.iter().rev().find_map(|&call| {
                let call = self.calls.get(call).filter(|call| !call.abandoned)?;
                match &call.asker {
                    Asker::Client(caller) if caller.session == *session => {
                        let stream = self.streams.get(caller.stream)?;
                        stream.outbox.map(|_| caller.stream)
                    }
                    _ => None,
                }
            })
        });
        of_call.or_else(|| self.standing_stream(session))
    }

    /// The newest POST of a session whose client still waits for its answer.
    pub(super) fn open_post_of(&self, session: &SessionKey) -> Option<StreamId> {
        let streams = &self.sessions.get(session)?.streams;
        let is_open = |id: &StreamId| {
            let stream = self.streams.get(*id);
            stream.is_some_and(|s| s.outbox.is_some() && matches!(s.kind, StreamKind::Post { .. }))
        };
        streams.iter().rev().copied().find(is_open)
    }

    /// A log message goes to the one session it can come from; with none or
    /// several, to the sessions that have asked for a level.
    fn log_of_child(&mut self, id: ChildId, message: &Arc<Message>) {
        let level = message
            .marks
            .level
            .and_then(|span| message.text(span))
            .and_then(|name| LogLevel::from_name(&name));
        let Some(level) = level else {
            return;
        };
        let origins = self.origins(id);
        let sessions = match (origins.as_slice(), self.children.get(id)) {
            ([_], _) => origins,
            (_, Some(child)) => {
                let server = child.server;
                let sees = |key: &&SessionKey| {
                    let session = self.sessions.get(key);
                    // A stateless request hears of nothing but itself.
                    session.is_some_and(|session| {
                        session.lone.is_none() && self.shows(&session.view, server)
                    })
                };
                self.listeners.iter().filter(sees).cloned().collect()
            }
            (_, None) => return,
        };
        for key in sessions {
            // One that has asked for no level gets them all, as from a server
            // that decides for itself (2025-11-25, logging, "Setting Log Level");
            // in the stateless era it gets none (2026-07-28, logging).
            let wants = self.sessions.get(&key).is_some_and(|s| match s.level {
                Some(wanted) => level >= wanted,
                None => s.lone.is_none(),
            });
            if let (true, Some(stream)) = (wants, self.stream_towards(id, &key)) {
                self.notify(stream, Outgoing::plain(message.clone()));
            }
        }
    }

    fn resource_updated(&mut self, id: ChildId, message: &Arc<Message>) {
        let Some(uri) = message.marks.uri.and_then(|span| message.text(span)) else {
            return;
        };
        if self.is_told_twice(id, message) {
            return;
        }
        let subscribers: Vec<SessionKey> = self
            .children
            .get(id)
            .and_then(|child| child.subscribers.get(&*uri))
            .map(|sessions| sessions.iter().cloned().collect())
            .unwrap_or_default();
        for session in subscribers {
            self.tell_session(&session, Outgoing::plain(message.clone()));
        }
    }

    /// A notification of a client.
    pub(super) fn client_notice(
        &mut self,
        key: &SessionKey,
        method: &Method,
        message: &Arc<Message>,
    ) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.heard = self.now;
        }
        match method {
            Method::Cancelled => self.client_takes_back(key, message),
            Method::Progress => self.progress_of_client(key, message),
            Method::RootsChanged => {
                let own: Vec<ChildId> = self
                    .sessions
                    .get(key)
                    .map(|s| s.children.values().copied().collect())
                    .unwrap_or_default();
                for child in own {
                    let era = self.children.get(child).and_then(|child| child.era);
                    if era == Some(Era::Handshake) {
                        self.send_child(child, Outgoing::plain(message.clone()));
                    }
                }
            }
            other => log::trace!("a client's {:?} is not passed on", other.name()),
        }
    }

    /// A client takes a request back: the child is told under the id it knows,
    /// in the client's words, and nobody is answered. An unknown id is dropped
    /// in silence, for the answer may have crossed it.
    fn client_takes_back(&mut self, key: &SessionKey, message: &Arc<Message>) {
        let Some(span) = message.marks.request_id else {
            return;
        };
        let id = message.json(span);
        if let Some(lone) = self.carried_with_id(key, id) {
            self.end_session(&lone, None);
        } else if let Some(caller) = self.forget_waiter(key, id) {
            self.answer_nothing(&caller);
        } else if let Some(call) = self.calls.of_client(key, id) {
            let own_id = Change::Replace(span, call.number().to_string().into());
            let notice = Outgoing::plain(message.clone()).with(own_id);
            self.give_up(call, None, notice);
        } else if let Some(round) = self.rounds.of_client(key, id) {
            self.drop_round(round, None);
        } else if let Some(fan) = self.fans.of_client(key, id) {
            self.drop_fan(fan, None);
        }
    }

    /// Progress of a client's work on a question.
    fn progress_of_client(&mut self, key: &SessionKey, message: &Arc<Message>) {
        let question = message
            .marks
            .progress_token
            .and_then(|span| message.json(span).parse().ok())
            .map(crate::hub::questions::QuestionId)
            .and_then(|id| self.questions.get(id))
            .filter(|question| question.session == *key);
        let Some(question) = question else {
            return;
        };
        let child = question.child;
        if let Some(token) = question.progress_token.clone() {
            let mut message = Outgoing::plain(message.clone());
            message.progress_token = Some(Patch::Json(token));
            self.send_child(child, message);
        }
    }

    /// Sends a child a request whose answer says nothing.
    pub(super) fn errand(&mut self, child: ChildId, method: Method, params: &str) {
        self.send_own(child, Purpose::Errand, method, Some(params));
    }

    /// Sets each child to the most verbose level that a session which sees it
    /// has asked for.
    pub(super) fn adjust_levels(&mut self) {
        for id in self.children.ids() {
            let Some(child) = self.children.get(id) else {
                continue;
            };
            if !takes_levels(child) {
                continue;
            }
            let wanted = self
                .listeners
                .iter()
                .filter_map(|key| Some((key, self.sessions.get(key)?)))
                .filter(|(key, session)| match &child.owner {
                    Some(owner) => owner == *key,
                    None => self.shows(&session.view, child.server),
                })
                .filter_map(|(_, session)| session.level)
                .min();
            if let Some(level) = wanted.filter(|_| wanted != child.level) {
                self.set_level_of(id, level);
            }
        }
    }

    /// Sets each child that a view shows to a level, unless it tells as much
    /// already. This is for requests of the stateless era, which can name another
    /// level each: nothing is set back when they end, for that would be two
    /// messages to each child for each request. Nobody is told more for it than
    /// has been asked for; see `log_of_child`.
    pub(super) fn ask_for_level(&mut self, view: &View, level: LogLevel) {
        for server in self.servers_of_view(view) {
            if let Some(id) = self.main_of(server) {
                self.ask_child_for_level(id, level);
            }
        }
    }

    /// Sets one child so.
    pub(super) fn ask_child_for_level(&mut self, id: ChildId, level: LogLevel) {
        let is_too_quiet = self.children.get(id).is_some_and(|child| {
            let is_enough = child.level.is_some_and(|known| known <= level);
            takes_levels(child) && !is_enough
        });
        if is_too_quiet {
            self.set_level_of(id, level);
        }
    }

    fn set_level_of(&mut self, id: ChildId, level: LogLevel) {
        if let Some(child) = self.children.get_mut(id) {
            child.level = Some(level);
        }
        let params = format!(r#"{{"level":"{}"}}"#, level.name());
        self.errand(id, Method::SetLevel, &params);
    }
}

/// Whether a child can be told how much to log. In the stateless era each
/// request names a level for itself.
fn takes_levels(child: &Child) -> bool {
    let logs = child.hello.as_ref().is_some_and(|hello| hello.has.logging);
    child.phase == Phase::Ready && logs && !child.is_stateless()
}

/// The gateway's own word that the request of that id is taken back.
pub(super) fn taken_back(id: u64) -> Outgoing {
    let params = format!(r#"{{"requestId":{id}}}"#);
    let message = Message::build(Kind::Notification(Method::Cancelled), Some(&params));
    Outgoing::plain(message.into())
}
