//! What the doors pass on: posts, streams that open and break, sessions that
//! begin and end.

use std::borrow::Cow;
use std::sync::Arc;

use crate::event::{Body, ClientMessage, Effect, OutboxId, Parcel, SessionKey, Standing, View};
use crate::hub::Hub;
use crate::hub::answers::refusal_to;
use crate::hub::calls::Caller;
use crate::hub::refusal::Refusal;
use crate::hub::requests::Need;
use crate::hub::sessions::Session;
use crate::hub::streams::{Stream, StreamId, StreamKind};
use crate::limits;
use crate::wire::envelope::{INVALID_PARAMS, Kind, Malformed, Message};
use crate::wire::handshake::{ClientHello, Revision};
use crate::wire::method::Method;
use crate::wire::mirrored::Sent;
use crate::wire::outgoing::{Outgoing, Patch};
use crate::wire::session_id::Nonce;
use crate::wire::sse::EventId;
use crate::wire::stateless;

/// Where a request to a door was addressed, and where its answer goes.
pub(super) struct Address {
    pub(super) outbox: OutboxId,
    pub(super) view: View,
    pub(super) session: Option<SessionKey>,
    pub(super) version: Option<Cow<'static, str>>,
    /// What the headers repeat of a stateless call's arguments.
    pub(super) mirrored: Vec<Sent>,
}

impl Hub {
    /// A Streamable HTTP POST.
    pub(super) fn post(&mut self, address: Address, fresh: Option<Nonce>, body: Body) {
        let outbox = address.outbox;
        // Where a reload has taken the view away, what is under way may be answered
        // for, and taken back.
        if let Err(refusal) = self.check_view(&address.view)
            && (wants_answers(&body) || self.known_session(&address).is_err())
        {
            return self.refuse(outbox, Standing::NotFound, &refusal, body_id(&body));
        }
        match (body, fresh) {
            (Body::Single(ClientMessage::Malformed(malformed)), _) => {
                self.verdict(
                    outbox,
                    Standing::BadRequest,
                    Some(malformed_answer(&malformed)),
                );
            }
            // A session id that comes with it is one the client has given up.
            (Body::Single(ClientMessage::Initialize(message, hello)), Some(fresh)) => {
                self.post_initialize(address, fresh, message, hello);
            }
            (Body::Single(ClientMessage::Stateless(message, meta)), _) => {
                self.post_lone(address, message, meta);
            }
            // That era has none over HTTP that mean anything.
            (Body::Single(ClientMessage::Message(message)), _)
                if matches!(message.kind, Kind::Notification(_))
                    && address.version.as_deref() == Some(stateless::VERSION) =>
            {
                self.verdict(outbox, Standing::Accepted, None);
            }
            (body, _) => match self.known_session(&address) {
                Ok(session) => self.post_body(outbox, &session, body),
                // It is known, but cannot be entered again now.
                Err((Standing::Busy, refusal)) if body_id(&body).is_some() => {
                    self.refuse(outbox, Standing::Answered, &refusal, body_id(&body));
                }
                Err((standing, refusal)) => {
                    self.refuse(outbox, standing, &refusal, body_id(&body));
                }
            },
        }
    }

    fn post_initialize(
        &mut self,
        address: Address,
        fresh: Nonce,
        message: Arc<Message>,
        hello: Box<ClientHello>,
    ) {
        let outbox = address.outbox;
        // All that its id says is known before it is entered: it has one name
        // from the beginning.
        let (key, kept) = self.sealed_id(&address.view, fresh, &hello);
        let key = match self.begin_session(key, address.view) {
            Ok(key) => key,
            Err(refusal) => {
                let id = message.marks.id.map(|span| message.json(span));
                return self.refuse(outbox, Standing::Busy, &refusal, id);
            }
        };
        if let Some(session) = self.sessions.get_mut(&key) {
            session.kept = Some(Box::new(kept));
        }
        self.look_for_idleness(&key, self.now.after(limits::SESSION_IDLE_MAX));
        let kind = StreamKind::Post { owed: 1 };
        let stream = self.open_stream(&key, outbox, kind);
        self.take_request(&key, stream, message, Some(hello));
    }

    pub(super) fn open_stream(
        &mut self,
        key: &SessionKey,
        outbox: OutboxId,
        kind: StreamKind,
    ) -> StreamId {
        let session = self.sessions.get_mut(key);
        // Streams are resumed since 2025-03-26, and never where one stream is
        // the session itself.
        let resumable = kind != StreamKind::Whole
            && session
                .as_ref()
                .and_then(|s| s.revision)
                .is_some_and(|revision| revision >= Revision::V2025_03_26);
        let stream = self.streams.open(key.clone(), outbox, kind, resumable);
        if let Some(session) = session {
            session.streams.push(stream);
            session.heard = self.now;
        }
        stream
    }

    fn post_body(&mut self, outbox: OutboxId, key: &SessionKey, body: Body) {
        if let Err((standing, refusal)) = self.admit(key, 0, &body) {
            let id = body_id(&body);
            // Inside a session a busy gateway is no fault of the request: some
            // clients give up the whole session at any status but 200.
            let standing = match (standing, id) {
                (Standing::Busy, Some(_)) => Standing::Answered,
                _ => standing,
            };
            return self.refuse(outbox, standing, &refusal, id);
        }
        let owed = owed_in(&body);
        if owed == 0 {
            body.each(|message| self.take_quiet(key, message));
            return self.verdict(outbox, Standing::Accepted, None);
        }
        let stream = self.open_stream(key, outbox, StreamKind::Post { owed });
        body.each(|message| self.take(key, stream, message));
    }

    /// Whether a session may have all these messages taken up: all or none.
    fn admit(
        &self,
        key: &SessionKey,
        unread: usize,
        body: &Body,
    ) -> Result<(), (Standing, Refusal)> {
        let Some(session) = self.sessions.get(key) else {
            return Err((Standing::NotFound, Refusal::UnknownSession));
        };
        if let Body::Batch(messages) = body {
            let revision = session.revision.unwrap_or(Revision::LATEST);
            // The schema of 2024-11-05 knows single messages only, the changelog of
            // 2025-06-18 takes arrays out again.
            if revision != Revision::V2025_03_26 {
                let refusal = Refusal::BatchNotAllowed(revision.name());
                return Err((Standing::BadRequest, refusal));
            }
            // Their headers could say nothing of each.
            let is_stateless = |m: &ClientMessage| matches!(m, ClientMessage::Stateless(..));
            if messages.iter().any(is_stateless) {
                let refusal = Refusal::BatchNotAllowed(stateless::VERSION);
                return Err((Standing::BadRequest, refusal));
            }
            let initialize = |m: &ClientMessage| matches!(m, ClientMessage::Initialize(..));
            if messages.iter().any(initialize) {
                return Err((Standing::BadRequest, Refusal::InitializeInBatch));
            }
        }
        let owed = owed_in(body);
        let max = session.unanswered_max;
        if owed > 0 && session.unanswered + unread + owed > max {
            return Err((Standing::Busy, Refusal::SessionBusy(max)));
        }
        Ok(())
    }

    /// Takes up one message of a client; `stream` takes its answer.
    fn take(&mut self, key: &SessionKey, stream: StreamId, message: ClientMessage) {
        match message {
            ClientMessage::Malformed(malformed) => {
                self.count_request(key);
                self.answer_as_is(key, stream, malformed_answer(&malformed));
            }
            ClientMessage::Initialize(message, hello) => {
                self.take_request(key, stream, message, Some(hello));
            }
            ClientMessage::Message(message) if matches!(message.kind, Kind::Request(_)) => {
                self.take_request(key, stream, message, None);
            }
            ClientMessage::Stateless(message, meta) => {
                self.count_request(key);
                self.take_carried(key, stream, message, meta);
            }
            other => self.take_quiet(key, other),
        }
    }

    /// Takes up a message that wants no answer.
    fn take_quiet(&mut self, key: &SessionKey, message: ClientMessage) {
        if let ClientMessage::Message(message) = message {
            match &message.kind {
                Kind::Notification(method) => {
                    let method = method.clone();
                    self.client_notice(key, &method, &message);
                }
                Kind::Answer { .. } => self.client_answer(key, message),
                Kind::Request(_) => {}
            }
        }
    }

    pub(super) fn count_request(&mut self, key: &SessionKey) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.unanswered += 1;
            session.heard = self.now;
        }
    }

    pub(super) fn take_request(
        &mut self,
        key: &SessionKey,
        stream: StreamId,
        message: Arc<Message>,
        hello: Option<Box<ClientHello>>,
    ) {
        let caller = caller_of(key, stream, &message);
        self.take_up_request(caller, message, hello);
    }

    pub(super) fn take_up_request(
        &mut self,
        caller: Caller,
        message: Arc<Message>,
        hello: Option<Box<ClientHello>>,
    ) {
        self.count_request(&caller.session);
        if let Some(stream) = self.streams.get_mut(caller.stream) {
            stream.owes(&caller.id);
        }
        self.request(Need {
            caller,
            message,
            hello,
            patient: true,
        });
    }

    pub(super) fn opened(
        &mut self,
        outbox: OutboxId,
        prime: Option<EventId>,
        session: Option<SessionKey>,
    ) {
        let parcel = Parcel::Opened { prime, session };
        self.effects.push(Effect::ToClient { outbox, parcel });
    }

    /// A Streamable HTTP DELETE.
    pub(super) fn delete(&mut self, address: &Address) {
        let outbox = address.outbox;
        match self.known_session(address) {
            Ok(key) => {
                self.outlaw(&key);
                self.end_session(&key, None);
                self.verdict(outbox, Standing::Ended, None);
            }
            Err((standing, refusal)) => self.refuse(outbox, standing, &refusal, None),
        }
    }

    /// A stream that carries a whole session opens.
    pub(super) fn open(&mut self, outbox: OutboxId, view: View, fresh: SessionKey, slots: usize) {
        let begun = self
            .check_view(&view)
            .map_err(|refusal| (Standing::NotFound, refusal))
            .and_then(|()| {
                self.begin_session(fresh, view)
                    .map_err(|refusal| (Standing::Busy, refusal))
            });
        let fresh = match begun {
            Ok(fresh) => fresh,
            Err((standing, refusal)) => return self.refuse(outbox, standing, &refusal, None),
        };
        let stream = self.open_stream(&fresh, outbox, StreamKind::Whole);
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.slots = slots;
        }
        if let Some(session) = self.sessions.get_mut(&fresh) {
            session.whole = Some(stream);
            let kept = limits::OUTBOX_RESERVE + limits::OUTBOX_DOUBT;
            session.unanswered_max = slots.saturating_sub(kept);
        }
        self.opened(outbox, None, Some(fresh));
    }

    /// A message for a session that one stream carries.
    pub(super) fn tell(&mut self, outbox: OutboxId, view: &View, key: &SessionKey, body: Body) {
        let entered = self.sessions.entry(key);
        let told = entered
            .filter(|(_, session)| session.view == *view)
            .and_then(|(key, session)| Some((key.clone(), session.whole?)));
        let Some((key, stream)) = told else {
            let refusal = Refusal::UnknownSession;
            return self.refuse(outbox, Standing::NotFound, &refusal, body_id(&body));
        };
        if let Body::Single(ClientMessage::Malformed(malformed)) = &body
            && !is_answerable(malformed)
        {
            let message = malformed_answer(malformed);
            return self.verdict(outbox, Standing::BadRequest, Some(message));
        }
        if let (Err(refusal), true) = (self.check_view(view), wants_answers(&body))
            && let Some(id) = body_id(&body)
        {
            // On its stream, as below.
            self.verdict(outbox, Standing::Accepted, None);
            return self.put(stream, refusal_to(&refusal, id), false);
        }
        let unread = self.streams.get(stream).map_or(0, Stream::surely_unread);
        match (self.admit(&key, unread, &body), body_id(&body)) {
            (Ok(()), _) => {
                self.verdict(outbox, Standing::Accepted, None);
                body.each(|message| self.take(&key, stream, message));
            }
            // Some clients are deaf for ever after a status that is no success.
            (Err((Standing::Busy, refusal)), Some(id)) => {
                self.verdict(outbox, Standing::Accepted, None);
                self.put(stream, refusal_to(&refusal, id), false);
            }
            (Err((standing, refusal)), id) => self.refuse(outbox, standing, &refusal, id),
        }
    }

    /// The input of a stream that carries a whole session has ended. Nobody will
    /// answer questions any more.
    pub(super) fn input_finished(&mut self, outbox: OutboxId) {
        let stream = self.streams.of_outbox(outbox);
        let Some(key) = stream.and_then(|id| Some(self.streams.get(id)?.session.clone())) else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&key) {
            session.finished = true;
        }
        self.drop_questions_to(&key);
        self.end_listening_on(&key);
        self.end_if_finished(&key);
    }

    /// Ends a session whose client says no more, once all is answered; a
    /// stateless request with its answer.
    pub(super) fn end_if_finished(&mut self, key: &SessionKey) {
        if self.is_lone(key) {
            return self.end_lone_if_answered(key);
        }
        let done = |session: &Session| session.finished && session.unanswered == 0;
        if self.sessions.get(key).is_some_and(done) {
            self.end_session(key, None);
        }
    }

    /// A door would rather have a stream than wait further for an answer.
    pub(super) fn patience(&mut self, outbox: OutboxId) {
        if let Some(stream) = self.streams.of_outbox(outbox) {
            self.open_post_stream(stream);
        }
    }

    /// A client has left. That is no cancellation in the handshake era
    /// (2025-11-25, transports, "Sending Messages to the Server"): its calls go
    /// on, and what can be resumed is kept for its return. In the stateless era
    /// it is one (2026-07-28, transports, "Cancellation").
    pub(super) fn gone(&mut self, outbox: OutboxId) {
        let Some(id) = self.streams.detach(outbox) else {
            return;
        };
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        let key = stream.session.clone();
        // Until now somebody was connected for it.
        self.hear(&key);
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        match stream.kind {
            StreamKind::Whole => self.end_session(&key, None),
            _ if self.is_lone(&key) => self.end_session(&key, None),
            StreamKind::Listen if !stream.resumable => {
                self.close_stream(id);
            }
            // The answers it owes are still counted.
            StreamKind::Post { .. } | StreamKind::Listen => {}
        }
    }
}

/// Who asks with this request.
pub(super) fn caller_of(key: &SessionKey, stream: StreamId, message: &Message) -> Caller {
    let text = |span| Arc::from(message.json(span));
    Caller {
        session: key.clone(),
        stream,
        id: message.marks.id.map_or_else(|| "null".into(), text),
        progress_token: message.marks.progress_token.map(text),
    }
}

/// Whether a message must be answered.
fn is_owed(message: &ClientMessage) -> bool {
    match message {
        ClientMessage::Message(message) => matches!(message.kind, Kind::Request(_)),
        ClientMessage::Initialize(..)
        | ClientMessage::Stateless(..)
        | ClientMessage::Malformed(_) => true,
    }
}

/// How many messages in it must be answered.
fn owed_in(body: &Body) -> usize {
    match body {
        Body::Single(message) => usize::from(is_owed(message)),
        Body::Batch(messages) => messages.iter().filter(|m| is_owed(m)).count(),
    }
}

/// Whether there is anything in it that wants an answer.
fn wants_answers(body: &Body) -> bool {
    owed_in(body) > 0
}

/// Whether this is a request for all that, with nothing wrong but its
/// parameters: its client waits for the answer where answers come.
fn is_answerable(malformed: &Malformed) -> bool {
    let is_understood = matches!(
        malformed.code,
        INVALID_PARAMS | stateless::UNSUPPORTED_VERSION
    );
    is_understood && malformed.id.is_some()
}

/// The id of the request that a body is, if it is one.
fn body_id(body: &Body) -> Option<&str> {
    match body {
        Body::Single(
            ClientMessage::Message(message)
            | ClientMessage::Initialize(message, _)
            | ClientMessage::Stateless(message, _),
        ) if matches!(message.kind, Kind::Request(_)) => {
            message.marks.id.map(|span| message.json(span))
        }
        Body::Single(ClientMessage::Malformed(malformed)) => malformed.id.as_deref(),
        Body::Single(_) | Body::Batch(_) => None,
    }
}

/// What is told of bytes that are no JSON-RPC message.
fn malformed_answer(malformed: &Malformed) -> Outgoing {
    let message = Message::error(
        malformed.code,
        &malformed.sentence,
        malformed.data.as_deref(),
    );
    let mut message = Outgoing::plain(message.into());
    message.id = Some(Patch::Json(
        malformed.id.as_deref().unwrap_or("null").into(),
    ));
    message
}

/// The method of a request, for the log and for refusals.
pub(super) fn method_of(message: &Message) -> Method {
    match &message.kind {
        Kind::Request(method) | Kind::Notification(method) => method.clone(),
        Kind::Answer { .. } => Method::Other("an answer".into()),
    }
}
