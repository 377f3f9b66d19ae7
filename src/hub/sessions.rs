//! The sessions of the handshake era: who a client is, what it can be asked,
//! what it has subscribed to, and the events kept for it in case its
//! connection breaks. A request of the stateless era, which says all this of
//! itself, is entered as a session of one request: a *lone* one. A book only.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::catalog::merge::Catalog;
use crate::event::ids::IdMap;
use crate::event::session_id::SessionId;
use crate::event::{Moment, ServerId, SessionKey, View};
use crate::hub::children::ChildId;
use crate::hub::leases::LeaseId;
use crate::hub::streams::StreamId;
use crate::hub::timers::TimerKey;
use crate::limits;
use crate::record::SessionName;
use crate::seats::{Seat, Seats};
use crate::sorted::{SortedMap, SortedSet};
use crate::wire::envelope::Message;
use crate::wire::handshake::{ClientHello, Revision};
use crate::wire::items::ItemKind;
use crate::wire::log_level::LogLevel;
use crate::wire::method::Method;
use crate::wire::mirrored::Sent;
use crate::wire::outgoing::Outgoing;
use crate::wire::sse::EventId;
use crate::wire::stateless::Filter;

/// One session.
#[derive(Debug)]
pub struct Session {
    /// What it sees.
    pub view: View,
    /// The revision agreed on; none before `initialize`.
    pub revision: Option<Revision>,
    /// What the client said of itself; none before `initialize`.
    pub hello: Option<Box<ClientHello>>,
    /// What sets it apart if it is a single request of the stateless era. In a
    /// box, so that sessions of the handshake era have no place for it.
    pub lone: Option<Box<Lone>>,
    /// The stream that carries all of it, where one does.
    pub whole: Option<StreamId>,
    /// Its open streams, oldest first; those of POSTs that have not become
    /// streams on the wire included.
    pub streams: Vec<StreamId>,
    /// How many of its requests are not yet answered.
    pub unanswered: usize,
    /// How many may be.
    pub unanswered_max: usize,
    /// Whether its client says no more, so that the session ends with the last
    /// answer.
    pub finished: bool,
    /// The log level it asked for.
    pub level: Option<LogLevel>,
    /// The children of its own, for servers with `scope: session`.
    pub children: SortedMap<ServerId, ChildId>,
    /// What it sees, once it has children of its own: these may offer something
    /// else than the template does.
    pub overlay: Option<Arc<Catalog>>,
    /// The resources it has subscribed to, and where.
    pub subscriptions: SortedSet<(Arc<str>, ChildId)>,
    /// The events kept for a client that comes back.
    pub replay: Replay,
    /// The last of its streams that have ended, with the number of each one's
    /// last event.
    pub ended: VecDeque<(u64, u32)>,
    /// When it was last heard of.
    pub heard: Moment,
    /// When it is next looked at whether it is idle.
    pub idle: Option<TimerKey>,
    /// What is known of it beyond the process, if its id is sealed: over
    /// Streamable HTTP, in the handshake era.
    pub kept: Option<Box<Kept>>,
}

/// What is known of a session for those who may go on with it in another
/// process.
#[derive(Debug)]
pub struct Kept {
    /// What it is called there.
    pub name: SessionName,
    /// When it was last told that it was heard of, in seconds since 1970; when
    /// it began, if that was never told, for its id says so.
    pub told: u64,
    /// Whether anything was ever told of it.
    pub is_known: bool,
    /// Whether it has had children of its own, which no other process has.
    pub own: bool,
    /// Whether it was entered again, and its client may have missed changes of
    /// lists.
    pub gap: bool,
}

impl Session {
    /// A session of that view, before its `initialize`.
    pub fn new(view: View, now: Moment) -> Session {
        Session {
            view,
            revision: None,
            hello: None,
            lone: None,
            whole: None,
            streams: Vec::new(),
            unanswered: 0,
            unanswered_max: limits::SESSION_UNANSWERED_MAX,
            finished: false,
            level: None,
            children: SortedMap::new(),
            overlay: None,
            subscriptions: SortedSet::new(),
            replay: Replay::default(),
            ended: VecDeque::new(),
            heard: now,
            idle: None,
            kept: None,
        }
    }

    /// Lets go of what the request said that comes again with a retry, so that
    /// a call that is held open keeps little of its client's. The retry is held
    /// against the digest, and says anew who its client is.
    pub fn forget_what_a_retry_says(&mut self) {
        if let Some(lone) = &mut self.lone {
            lone.request = None;
            lone.mirrored = Vec::new();
        }
        if let Some(hello) = &mut self.hello {
            hello.capabilities = "{}".into();
            hello.info = "{}".into();
        }
    }
}

/// A request of the stateless era, which is a session of its own.
#[derive(Debug)]
pub struct Lone {
    /// Its method.
    pub method: Method,
    /// The id that its client gave it, as JSON text.
    pub id: Arc<str>,
    /// The stream that takes its answer.
    pub stream: StreamId,
    /// The session whose stream that is, where it carries many requests.
    pub carrier: Option<SessionKey>,
    /// What the headers of its POST repeat of its arguments.
    pub mirrored: Vec<Sent>,
    /// The request itself, while it may be answered with questions.
    pub request: Option<Arc<Message>>,
    /// The lease of its call, where that is kept open.
    pub lease: Option<LeaseId>,
    /// What its client would have had to declare to be asked what a child
    /// wanted to know, as JSON text.
    pub lacks: Option<&'static str>,
    /// What it wants to be told, until it listens.
    pub wanted: Option<Filter>,
    /// What it is told, once it listens.
    pub filter: Option<Filter>,
}

impl Session {
    /// Whether this is a request of the stateless era on the stream that
    /// another session carries.
    pub fn is_carried_by(&self, carrier: &SessionKey) -> bool {
        let lone = self.lone.as_ref();
        lone.is_some_and(|lone| lone.carrier.as_ref() == Some(carrier))
    }

    /// Whether its client has to be told that a list of this kind has changed.
    pub fn hears_of(&self, kind: ItemKind) -> bool {
        match self.lone.as_ref().map(|lone| &lone.filter) {
            // Nothing is told before the handshake; on a stream that carries
            // stateless requests there is none.
            None => self.revision.is_some(),
            Some(None) => false,
            Some(Some(filter)) => match kind {
                ItemKind::Tool => filter.tools,
                ItemKind::Prompt => filter.prompts,
                ItemKind::Resource | ItemKind::Template => filter.resources,
            },
        }
    }
}

/// The last events of a session's resumable streams, oldest first.
#[derive(Debug, Default)]
pub struct Replay {
    kept: VecDeque<(EventId, Outgoing)>,
    bytes: usize,
}

/// What a stream had to say after an event is no longer all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap;

impl Replay {
    /// Keeps an event; the oldest make room for it. One that is larger than
    /// all the room is not kept.
    pub fn keep(&mut self, event: EventId, message: &Outgoing) {
        let length = message.len_max();
        if length > limits::REPLAY_BYTES_MAX {
            return;
        }
        self.kept.push_back((event, message.clone()));
        self.bytes += length;
        while self.kept.len() > limits::REPLAY_EVENTS_MAX || self.bytes > limits::REPLAY_BYTES_MAX {
            let Some((_, oldest)) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= oldest.len_max();
        }
    }

    /// What a stream had to say after an event, up to its event `newest`.
    ///
    /// # Errors
    /// Some of it is not kept, or not any more.
    pub fn after(&self, last: &EventId, newest: u32) -> Result<Vec<(EventId, Outgoing)>, Gap> {
        let missed: Vec<_> = self
            .kept
            .iter()
            .filter(|(event, _)| event.stream == last.stream && event.number > last.number)
            .cloned()
            .collect();
        let expected = newest.saturating_sub(last.number);
        if missed.len() == expected as usize {
            Ok(missed)
        } else {
            Err(Gap)
        }
    }

    /// How many events are kept.
    #[cfg(test)]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// How many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets everything; returns how many bytes that were.
    pub fn clear(&mut self) -> usize {
        self.kept = VecDeque::new();
        std::mem::take(&mut self.bytes)
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    /// Where those sit that have ids.
    book: IdMap<SessionId, Seat>,
    /// Boxed: there is room for twice as many as there were at most, and sessions
    /// are large.
    seats: Seats<(SessionKey, Box<Session>)>,
}

impl Sessions {
    /// Enters a session; its key from now on, which says where it sits. A lone one
    /// is found by that key only.
    #[must_use = "any other key is looked up by its text, each time"]
    pub fn insert(&mut self, key: SessionKey, session: Session) -> SessionKey {
        self.remove(&key);
        let entered = |seat| (key.clone().at(seat), Box::new(session));
        let seat = self.seats.insert_with(entered);
        if let SessionKey::Id(id) = &key {
            self.book.insert(id.clone(), seat);
        }
        key.at(seat)
    }

    /// Where the session of that key sits: where the key says, unless it has come
    /// from outside, or its session has ended.
    fn seat(&self, key: &SessionKey) -> Option<Seat> {
        let told = key.seat().filter(|&seat| {
            let there = self.seats.get(seat);
            there.is_some_and(|(there, _)| there.is_clone_of(key))
        });
        told.or_else(|| self.seat_by_id(key))
    }

    /// The same for a key that does not say it, as that of a request does not.
    #[cold]
    fn seat_by_id(&self, key: &SessionKey) -> Option<Seat> {
        match key {
            SessionKey::Id(id) => self.book.get(id).copied(),
            SessionKey::Lone(..) => None,
        }
    }

    /// The session of that key.
    pub fn get(&self, key: &SessionKey) -> Option<&Session> {
        self.entry(key).map(|(_, session)| session)
    }

    /// What sets the session of that key apart, if it is a request of the stateless
    /// era. Of the handshake era none is looked up: its key says already that it is none.
    pub fn lone(&self, key: &SessionKey) -> Option<&Lone> {
        match key {
            SessionKey::Id(_) => None,
            SessionKey::Lone(..) => self.get(key)?.lone.as_deref(),
        }
    }

    /// The session of that key, and the key as it was entered: to hold this is to
    /// share its text, and to know where the session sits.
    pub fn entry(&self, key: &SessionKey) -> Option<(&SessionKey, &Session)> {
        let (key, session) = self.seats.get(self.seat(key)?)?;
        Some((key, session))
    }

    /// The session of that key, to change it.
    pub fn get_mut(&mut self, key: &SessionKey) -> Option<&mut Session> {
        let (_, session) = self.seats.get_mut(self.seat(key)?)?;
        Some(session)
    }

    /// Strikes a session out.
    pub fn remove(&mut self, key: &SessionKey) -> Option<Session> {
        let (key, session) = self.seats.remove(self.seat(key)?)?;
        if let SessionKey::Id(id) = key {
            self.book.remove(&id);
        }
        Some(*session)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&SessionKey, &Session)> {
        self.seats
            .iter()
            .map(|(key, session)| (key, session.as_ref()))
    }

    /// All of them, in no order, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&SessionKey, &mut Session)> {
        (self.seats.iter_mut()).map(|(key, session)| (&*key, session.as_mut()))
    }

    /// The keys that pass a test, in the order of the keys, so that what is
    /// done to many sessions is done in an order that can be repeated.
    pub fn keys_where(&self, mut test: impl FnMut(&Session) -> bool) -> Vec<SessionKey> {
        let mut keys: Vec<SessionKey> = self
            .iter()
            .filter(|(_, session)| test(session))
            .map(|(key, _)| key.clone())
            .collect();
        keys.sort_unstable();
        keys
    }

    /// Of the sessions that pass a test, the one not heard of for longest.
    pub fn longest_unheard(
        &self,
        mut test: impl FnMut(&SessionKey, &Session) -> bool,
    ) -> Option<SessionKey> {
        self.iter()
            .filter(|(key, session)| test(key, session))
            .min_by_key(|(key, session)| (session.heard, *key))
            .map(|(key, _)| key.clone())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(unanswered: usize) -> Session {
        Session {
            unanswered,
            ..Session::new(View::Merged, Moment::default())
        }
    }

    fn unanswered(sessions: &Sessions, key: &SessionKey) -> Option<usize> {
        sessions.get(key).map(|session| session.unanswered)
    }

    #[test]
    fn a_key_leads_to_no_other_session_that_sits_in_the_same_seat() {
        let mut sessions = Sessions::default();
        let before = sessions.insert(SessionKey::of_id("a"), session(1));
        assert_eq!(unanswered(&sessions, &SessionKey::of_id("a")), Some(1));
        assert!(sessions.remove(&before).is_some());
        let other = sessions.insert(SessionKey::of_id("b"), session(2));
        assert_eq!(other.seat(), before.seat());
        assert_eq!(unanswered(&sessions, &before), None);
        // Entered again, it is found by the key of its first time, too.
        let again = sessions.insert(SessionKey::of_id("a"), session(3));
        assert_eq!(unanswered(&sessions, &again), Some(3));
        assert_eq!(unanswered(&sessions, &before), Some(3));
        assert!(sessions.remove(&other).is_some());
        let lone = sessions.insert(SessionKey::Lone(1, None), session(4));
        assert_eq!(lone.seat(), other.seat());
        assert_eq!(unanswered(&sessions, &other), None);
        assert!(sessions.remove(&lone).is_some());
        let next = sessions.insert(SessionKey::Lone(2, None), session(5));
        assert_eq!(next.seat(), lone.seat());
        assert_eq!(unanswered(&sessions, &lone), None);
        assert_eq!(sessions.len(), 2);
    }
}
