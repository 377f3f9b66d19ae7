//! Streams that broke: what is kept of them, and how a client goes on with one.

use crate::event::{Effect, OutboxId, Parcel, SessionKey, Standing};
use crate::hub::Hub;
use crate::hub::refusal::Refusal;
use crate::hub::sessions::Session;
use crate::hub::streams::StreamId;
use crate::limits;
use crate::wire::outgoing::Outgoing;
use crate::wire::sse::EventId;

impl Hub {
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
    pub(super) fn resume(&mut self, outbox: OutboxId, key: &SessionKey, last: EventId) {
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
