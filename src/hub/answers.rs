//! The way to the clients: answers, refusals and notifications into the
//! streams, and the calls that a child has answered.

use std::sync::Arc;

use crate::event::{Effect, Load, OutboxId, Parcel, SessionKey, Standing};
use crate::hub::Hub;
use crate::hub::calls::{Asker, Call, Caller};
use crate::hub::children::{Child, ChildId};
use crate::hub::leases::Outcome;
use crate::hub::refusal::Refusal;
use crate::hub::streams::{Stream, StreamId, StreamKind};
use crate::limits;
use crate::wire::envelope::Message;
use crate::wire::handshake::Revision;
use crate::wire::input::InputRequired;
use crate::wire::method::Method;
use crate::wire::outgoing::{Change, Outgoing, Patch};
use crate::wire::own_id::OwnId;
use crate::wire::sse::EventId;
use crate::wire::stateless;

impl Hub {
    /// Ends an exchange with a verdict. On a stream that carries a whole
    /// session there is no such end: what there is to tell is told on it.
    pub(super) fn verdict(
        &mut self,
        outbox: OutboxId,
        standing: Standing,
        message: Option<Outgoing>,
    ) {
        if let Some(stream) = self.streams.of_outbox(outbox) {
            let has_room =
                |s: &Stream| (s.load.messages as usize) < s.slots - limits::OUTBOX_RESERVE;
            let has_room = self.streams.get(stream).is_some_and(has_room);
            if let Some(message) = message.filter(|_| has_room) {
                self.put(stream, message, false);
            }
            return;
        }
        let parcel = Parcel::Verdict { standing, message };
        self.effects.push(Effect::ToClient { outbox, parcel });
    }

    /// Ends an exchange with a refusal, which answers the request of that id,
    /// or none in particular.
    pub(super) fn refuse(
        &mut self,
        outbox: OutboxId,
        standing: Standing,
        refusal: &Refusal,
        id: Option<&str>,
    ) {
        let message = refusal_to(refusal, id.unwrap_or("null"));
        self.verdict(outbox, standing, Some(message));
    }

    /// Answers a request on its stream, with the id the client gave it.
    pub(super) fn answer(&mut self, caller: &Caller, message: Arc<Message>) {
        let mut message = Outgoing::plain(message);
        message.id = Some(Patch::Json(caller.id.clone()));
        self.fit_to_era(&caller.session, &mut message);
        self.answer_as_is(&caller.session, caller.stream, message);
    }

    /// The same with the answer of a stateless child, which has all that the era
    /// of any client asks for.
    fn answer_verbatim(&mut self, caller: &Caller, message: Arc<Message>) {
        let mut message = Outgoing::plain(message);
        message.id = Some(Patch::Json(caller.id.clone()));
        self.answer_as_is(&caller.session, caller.stream, message);
    }

    /// Puts a finished answer on its stream.
    pub(super) fn answer_as_is(
        &mut self,
        session: &SessionKey,
        stream: StreamId,
        message: Outgoing,
    ) {
        self.answered(session);
        let last = match &message.id {
            Some(Patch::Json(id)) => self.pay(stream, id),
            Some(Patch::Number(_)) | None => self.pay(stream, "null"),
        };
        self.put(stream, message, last);
        if last {
            self.close_stream(stream);
        }
        self.end_if_finished(session);
    }

    /// A request of the session has its answer, or its end.
    fn answered(&mut self, session: &SessionKey) {
        let Some(session) = self.sessions.get_mut(session) else {
            return;
        };
        session.unanswered = session.unanswered.saturating_sub(1);
        session.heard = self.now;
        // One on a stream that carries many counts for that one, too.
        let lone = session.lone.as_ref();
        if let Some(carrier) = lone.and_then(|lone| lone.carrier.clone()) {
            self.answered(&carrier);
        }
    }

    /// One answer less is owed on a POST's stream, that to the request of this id;
    /// whether it was the last.
    fn pay(&mut self, stream: StreamId, id: &str) -> bool {
        let Some(stream) = self.streams.get_mut(stream) else {
            return false;
        };
        stream.owes_no_more(id);
        match &mut stream.kind {
            StreamKind::Post { owed } => {
                *owed = owed.saturating_sub(1);
                *owed == 0
            }
            StreamKind::Listen | StreamKind::Whole => false,
        }
    }

    /// A request will have no answer: its client took it back.
    pub(super) fn answer_nothing(&mut self, caller: &Caller) {
        self.answered(&caller.session);
        if self.pay(caller.stream, &caller.id) {
            self.end_stream(caller.stream);
        }
        self.end_if_finished(&caller.session);
    }

    /// Answers a request with a refusal.
    pub(super) fn refuse_caller(&mut self, caller: &Caller, refusal: &Refusal) {
        log::debug!("refused: {refusal}");
        let message = refusal.message_to(self.is_lone(&caller.session));
        self.answer(caller, message.into());
    }

    /// Puts a message on a stream, numbered and kept where the stream can be
    /// resumed.
    pub(super) fn put(&mut self, id: StreamId, message: Outgoing, last: bool) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        let event = stream.next_event(id);
        let outbox = stream.outbox;
        // What lay there before counts: one answer of any size goes out.
        let overfull = stream.load.bytes > limits::STREAM_BYTES_MAX
            || stream.load.messages as usize + 2 >= stream.slots;
        self.is_crowded |= stream.count(message.len_max() as u64, self.now);
        if let Some(event) = &event {
            let session = stream.session.clone();
            self.keep_event(&session, event.clone(), &message);
        }
        let Some(outbox) = outbox else {
            return; // kept for its return, or lost with its client
        };
        if overfull {
            log::warn!("a client does not read its answers; it is cut off");
            self.drop_outbox(outbox);
            return;
        }
        let parcel = Parcel::Message {
            message,
            event,
            last,
        };
        self.effects.push(Effect::ToClient { outbox, parcel });
    }

    /// If too much lies in all outboxes together, asks whether it does: what the
    /// doors have written and not told of is little for each, and much for many.
    pub(super) fn look_at_the_sum(&mut self) {
        if self.streams.unread_bytes() > limits::OUTBOXES_BYTES_MAX {
            self.effects.push(Effect::Recount);
        }
    }

    /// All was told of that is written. If too much lies in all outboxes together
    /// nevertheless, parts with the slowest of those who do not read.
    pub(super) fn recounted(&mut self, untold: &[(OutboxId, Load)]) {
        for &(outbox, load) in untold {
            self.streams.recounted(outbox, load);
        }
        while self.streams.unread_bytes() > limits::OUTBOXES_BYTES_MAX {
            let Some(outbox) = self.streams.slowest() else {
                return;
            };
            log::warn!("all clients together do not read their answers; the slowest is cut off");
            self.drop_outbox(outbox);
        }
    }

    /// Tells something on a stream that is no answer. It is dropped if the
    /// client reads too slowly.
    pub(super) fn notify(&mut self, id: StreamId, message: Outgoing) {
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        if !stream.has_room_for_notice() {
            log::debug!("a client reads slowly; a notification is dropped");
            return;
        }
        self.open_post_stream(id);
        self.put(id, message, false);
    }

    /// Turns the answer to a POST into a stream, for there is something to say
    /// before the answer.
    pub(super) fn open_post_stream(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        if stream.opened {
            return;
        }
        stream.begin();
        stream.load.messages += 1;
        let outbox = stream.outbox;
        let key = stream.session.clone();
        let prime = self.prime(id);
        // The head of the answer to `initialize` names the session.
        let is_new = self
            .sessions
            .get(&key)
            .is_some_and(|s| s.revision.is_none() && s.lone.is_none());
        if let Some(outbox) = outbox {
            let parcel = Parcel::Opened {
                prime,
                session: is_new.then_some(key),
            };
            self.effects.push(Effect::ToClient { outbox, parcel });
        }
    }

    /// The priming event of a stream, for clients that know such events: those
    /// of 2025-11-25; older ones take its empty data for a broken message.
    pub(super) fn prime(&self, id: StreamId) -> Option<EventId> {
        let stream = self.streams.get(id)?;
        let session = self.sessions.get(&stream.session)?;
        let knows = session.revision? >= Revision::V2025_11_25;
        (knows && stream.resumable).then(|| stream.last_event(id))
    }

    /// Tells a session something that belongs to none of its requests: on the
    /// stream that carries it, or on its newest listening stream. Without one
    /// it is not told. A stateless client is told under its subscription.
    pub(super) fn tell_session(&mut self, key: &SessionKey, mut message: Outgoing) {
        if let Some(stream) = self.standing_stream(key) {
            if let Some(lone) = self.sessions.lone(key) {
                let subscription = stateless::of_subscription(&message.message, &lone.id);
                message = message.with(subscription);
            } else if let Some(subscription) = message.message.marks.subscription {
                // The gateway's own, of which this client knows nothing.
                message = message.with(Change::Drop(subscription));
            }
            self.notify(stream, message);
        }
    }

    /// The stream for what belongs to no request: an attached one first, else
    /// one whose client may come back for it.
    pub(super) fn standing_stream(&self, key: &SessionKey) -> Option<StreamId> {
        let session = self.sessions.get(key)?;
        if session.whole.is_some() {
            return session.whole;
        }
        if let Some(lone) = &session.lone {
            return lone.filter.as_ref().map(|_| lone.stream);
        }
        let listening = |attached: bool| {
            session.streams.iter().rev().copied().find(|&id| {
                self.streams
                    .get(id)
                    .is_some_and(|s| s.kind == StreamKind::Listen && s.outbox.is_some() == attached)
            })
        };
        listening(true).or_else(|| listening(false))
    }

    /// Ends a stream without a further word.
    pub(super) fn end_stream(&mut self, id: StreamId) {
        if let Some(outbox) = self.close_stream(id) {
            let parcel = Parcel::End;
            self.effects.push(Effect::ToClient { outbox, parcel });
        }
    }

    /// Strikes a stream out of the books; returns the outbox it had.
    pub(super) fn close_stream(&mut self, id: StreamId) -> Option<OutboxId> {
        let closed = self.streams.close(id);
        let stream = closed.as_ref()?;
        if let Some(session) = self.sessions.get_mut(&stream.session) {
            session.streams.retain(|&other| other != id);
            if stream.numbered > 0 {
                session.ended.push_back((id.0, stream.numbered));
            }
            if session.ended.len() > limits::REPLAY_EVENTS_MAX {
                session.ended.pop_front();
            }
        }
        stream.outbox
    }

    /// Parts with a client that does not take its answers.
    fn drop_outbox(&mut self, outbox: OutboxId) {
        self.effects.push(Effect::ToClient {
            outbox,
            parcel: Parcel::Cut,
        });
        self.gone(outbox);
    }

    /// A door has written parcels to its client.
    pub(super) fn taken_by_client(&mut self, outbox: OutboxId, load: Load) {
        self.streams.taken(outbox, load, self.now);
    }

    /// Strikes a call out of the books, and returns it.
    pub(super) fn close_call(&mut self, id: OwnId) -> Option<Call> {
        let closed = self.calls.remove(id);
        if let Some(call) = &closed {
            if let Some(timer) = call.timer {
                self.timers.cancel(timer);
            }
            if let Some(child) = self.children.get_mut(call.child) {
                child.under_way.remove(&id);
                if !call.abandoned {
                    child.used = self.now;
                }
                if call.life.is_none() {
                    child.drop_held(id);
                }
            }
            self.look_if_drained(call.child);
        }
        closed
    }

    /// A child has answered a call.
    pub(super) fn call_answered(
        &mut self,
        child: ChildId,
        message: Arc<Message>,
        links: &[String],
        input: Option<Result<InputRequired, String>>,
    ) {
        let Some(id) = message.own_id() else {
            log::debug!("{}: an answer to no request of ours", self.label(child));
            return;
        };
        let asked = self.calls.get(id).filter(|call| call.child == child);
        if asked.is_none_or(|call| call.life.is_none()) {
            log::debug!("{}: an answer nobody waits for", self.label(child));
            return;
        }
        let Some(mut call) = self.close_call(id) else {
            return;
        };
        self.count_answer(&call, &message);
        self.learn(&call, &message, links);
        if let (Some(request), Some(input)) = (call.repeatable.take(), input) {
            if !call.abandoned {
                self.input_required(id, call, request, input);
            }
        } else if !call.abandoned {
            let is_stateless = self.children.get(child).is_some_and(Child::is_stateless);
            match &call.asker {
                Asker::Client(caller) if is_stateless => self.answer_verbatim(caller, message),
                Asker::Client(caller) => self.answer_call(child, caller, message),
                Asker::Fan(fan) => self.fan_answered(*fan, id, call.child, message),
                Asker::Leased(lease) => self.keep_outcome(*lease, Outcome::Answered(message)),
                Asker::Nobody => {}
            }
        }
        self.send_held(child);
    }

    /// What an answer tells the gateway itself.
    fn learn(&mut self, call: &Call, message: &Message, links: &[String]) {
        match call.method {
            Method::ToolsCall => {
                let task = message.created_task();
                if links.is_empty() && task.is_none() {
                    return; // as nearly all
                }
                // One that is turned off, and only finishes its calls, is asked no more.
                let server = call.server;
                if !self.plan.servers.runs(server) {
                    return;
                }
                links.iter().for_each(|uri| self.links.learn(uri, server));
                if let Some(task) = task {
                    self.tasks.learn(&task, server);
                }
            }
            Method::ResourcesSubscribe => self.subscription_answered(call, message),
            _ => {}
        }
    }
}

/// A refusal as the answer to the request of that id (JSON text).
pub(super) fn refusal_to(refusal: &Refusal, id: &str) -> Outgoing {
    let mut message = Outgoing::plain(refusal.message().into());
    message.id = Some(Patch::Json(id.into()));
    message
}
