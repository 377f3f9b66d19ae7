//! Streams for what no request asked for, and streams that broke: what is kept of
//! them, and how a client goes on with one.

use std::sync::Arc;

use crate::event::{Effect, OutboxId, Parcel, SessionKey, Standing};
use crate::hub::Hub;
use crate::hub::answers::refusal_to;
use crate::hub::clients::Address;
use crate::hub::refusal::Refusal;
use crate::hub::sessions::Session;
use crate::hub::streams::{StreamId, StreamKind};
use crate::limits;
use crate::wire::outgoing::Outgoing;
use crate::wire::sse::EventId;

impl Hub {
    /// A Streamable HTTP GET.
    pub(super) fn listen(&mut self, address: &Address, resume: Option<EventId>) {
        let outbox = address.outbox;
        // The rest of a stream that broke is there also where its view is not.
        if let Err(refusal) = self.check_view(&address.view)
            && (resume.is_none() || self.known_session(address).is_err())
        {
            return self.refuse(outbox, Standing::NotFound, &refusal, None);
        }
        let key = match self.known_session(address) {
            Ok(key) => key,
            Err((standing, refusal)) => return self.refuse(outbox, standing, &refusal, None),
        };
        let epoch = self.streams.epoch();
        let foreign = resume.as_ref().filter(|event| event.epoch != epoch);
        if let Some(awaited) = foreign.and_then(|event| event.awaited.as_ref()) {
            return self.end_lost(outbox, &key, &awaited.ids());
        }
        // One that this session has here has its answers, whatever came before;
        // of that the client is told where it listens.
        let is_known = foreign.is_none()
            && resume
                .as_ref()
                .is_some_and(|event| self.has_had(&key, event.stream));
        let has_gap = !is_known && (foreign.is_some() | self.take_gap(&key));
        if let Some(event) = resume.filter(|_| !has_gap) {
            return self.resume(outbox, &key, &event);
        }
        self.bound_streams(&key);
        let stream = self.open_stream(&key, outbox, StreamKind::Listen);
        let prime = self.prime(stream);
        self.opened(outbox, prime, None);
        if has_gap {
            self.tell_gap(&key, stream);
        }
    }

    /// Whether a session has this stream, or had it and may go on with it.
    fn has_had(&self, key: &SessionKey, stream: u64) -> bool {
        let session = self.sessions.get(key);
        session.is_some_and(|session| {
            session.streams.contains(&StreamId(stream))
                || session.ended.iter().any(|&(ended, _)| ended == stream)
        })
    }

    /// Answers requests that another process has taken with it: their client has
    /// come back for the rest of a stream of which nothing is left. It is the
    /// client's own word that they were under way, and nobody else hears the
    /// answers. What it missed beyond them it is told where it listens.
    fn end_lost(&mut self, outbox: OutboxId, key: &SessionKey, ids: &[Arc<str>]) {
        let id = self.open_stream(key, outbox, StreamKind::Post { owed: ids.len() });
        if let Some(stream) = self.streams.get_mut(id) {
            ids.iter().for_each(|id| stream.owes(id));
        }
        self.open_post_stream(id);
        for lost in ids {
            self.count_request(key);
            self.answer_as_is(key, id, refusal_to(&Refusal::GatewayRestarted, lost));
        }
    }

    /// The oldest listening streams of a session make room for a new one.
    fn bound_streams(&mut self, key: &SessionKey) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let listening: Vec<StreamId> = session
            .streams
            .iter()
            .copied()
            .filter(|&id| {
                self.streams
                    .get(id)
                    .is_some_and(|s| s.kind == StreamKind::Listen || s.outbox.is_none())
            })
            .collect();
        let surplus = (listening.len() + 1).saturating_sub(limits::SESSION_STREAMS_MAX);
        for &stream in &listening[..surplus] {
            self.end_stream(stream);
        }
    }

    /// Keeps an event for a client that may come back for it. Past what all
    /// sessions may keep together, the session not heard of for longest loses
    /// what it has.
    pub(super) fn keep_event(&mut self, key: &SessionKey, event: EventId, message: &Outgoing) {
        let total: usize = self.replay_bytes;
        if total > limits::REPLAY_ALL_BYTES_MAX {
            let keeps = |_: &SessionKey, session: &Session| session.replay.bytes() > 0;
            let oldest = self.sessions.longest_unheard(keeps);
            if let Some(session) = oldest.and_then(|key| self.sessions.get_mut(&key)) {
                self.replay_bytes -= session.replay.clear();
            }
        }
        if let Some(session) = self.sessions.get_mut(key) {
            let before = session.replay.bytes();
            session.replay.keep(event, message);
            self.replay_bytes = self.replay_bytes + session.replay.bytes() - before;
        }
    }

    /// Goes on with a stream that broke: what came after the event first.
    pub(super) fn resume(&mut self, outbox: OutboxId, key: &SessionKey, last: &EventId) {
        let id = StreamId(last.stream);
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let open = self.streams.get(id).filter(|s| s.session == *key);
        let ended = session.ended.iter().find(|(stream, _)| *stream == id.0);
        let newest = open
            .map(|s| s.numbered)
            .or(ended.map(|&(_, newest)| newest));
        let is_open = open.is_some();
        let missed = newest.map(|newest| session.replay.after(last, newest));
        let Some(Ok(missed)) = missed else {
            let refusal = Refusal::UnknownEvent;
            return self.refuse(outbox, Standing::BadRequest, &refusal, None);
        };
        if !is_open && missed.is_empty() {
            // It was read to its end. An empty stream would make some clients
            // ask again and again.
            let refusal = Refusal::StreamEnded;
            return self.refuse(outbox, Standing::BadRequest, &refusal, None);
        }
        self.opened(outbox, None, None);
        if is_open && let Some(before) = self.streams.attach(id, outbox) {
            let parcel = Parcel::End;
            self.effects.push(Effect::ToClient {
                outbox: before,
                parcel,
            });
        }
        for (event, message) in missed {
            let length = message.len_max() as u64;
            self.is_crowded |= self.streams.count(id, length, self.now);
            let parcel = Parcel::Message {
                message,
                event: Some(event),
                last: false,
            };
            self.effects.push(Effect::ToClient { outbox, parcel });
        }
        if !is_open {
            let parcel = Parcel::End;
            self.effects.push(Effect::ToClient { outbox, parcel });
        }
    }
}
