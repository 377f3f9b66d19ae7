//! The book of calls: every request that the gateway has sent, or will send,
//! to a child, from the moment it is taken on to the child's answer or end.
//! A book only; what to do with an answer is decided elsewhere.

use std::sync::Arc;
use std::time::Duration;

use crate::event::ids::IdMap;
use crate::event::{Life, Moment, ServerId, SessionKey};
use crate::hub::children::ChildId;
use crate::hub::fans::FanId;
use crate::hub::leases::LeaseId;
use crate::hub::streams::StreamId;
use crate::hub::timers::TimerKey;
use crate::wire::method::Method;
use crate::wire::outgoing::Outgoing;
use crate::wire::own_id::{OwnId, Purpose};

/// Who waits for the answer to a call.
#[derive(Debug, Clone)]
pub enum Asker {
    /// A client.
    Client(Caller),
    /// A question to several servers at once.
    Fan(FanId),
    /// A client that was told what the child asks, and is to come back.
    Leased(LeaseId),
    /// Nobody: the gateway wants it done, and does not mind.
    Nobody,
}

/// The client that waits for an answer.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its session.
    pub session: SessionKey,
    /// The stream that takes the answer.
    pub stream: StreamId,
    /// The id it gave the request, as JSON text.
    pub id: Arc<str>,
    /// The progress token it gave, as JSON text.
    pub progress_token: Option<Arc<str>>,
}

/// A request to a child.
#[derive(Debug)]
pub struct Call {
    /// The child it goes to.
    pub child: ChildId,
    /// The server that this is a process of.
    pub server: ServerId,
    /// The incarnation it was sent to; none while it is held back.
    pub life: Option<Life>,
    /// When it was taken on.
    pub began: Moment,
    /// Who waits for it.
    pub asker: Asker,
    /// The session it was made for, if any: it counts as an origin of what
    /// the child asks and logs, whoever the answer goes to.
    pub origin: Option<SessionKey>,
    /// What is asked.
    pub method: Method,
    /// The URI, for methods that name one.
    pub uri: Option<Arc<str>>,
    /// How long it may take.
    pub timeout: Duration,
    /// Its deadline.
    pub timer: Option<TimerKey>,
    /// Whether its asker has had an end already (it timed out, or was
    /// cancelled), though the child may still be at it.
    pub abandoned: bool,
    /// The request once more, where the child may ask the gateway to come again
    /// with answers to its questions.
    pub repeatable: Option<Box<Outgoing>>,
    /// How often the gateway has come again.
    pub rounds: u32,
}

/// All calls.
#[derive(Debug, Default)]
pub struct Calls {
    book: IdMap<OwnId, Call>,
    serial: u64,
}

impl Calls {
    /// A new id; ids never repeat in the life of the program.
    pub fn mint(&mut self, purpose: Purpose) -> OwnId {
        self.serial += 1;
        OwnId::new(self.serial, purpose)
    }

    /// Enters a call.
    pub fn insert(&mut self, id: OwnId, call: Call) {
        let before = self.book.insert(id, call);
        assert!(before.is_none(), "call ids are minted once");
    }

    /// The call of that id.
    pub fn get(&self, id: OwnId) -> Option<&Call> {
        self.book.get(&id)
    }

    /// The call of that id, to change it.
    pub fn get_mut(&mut self, id: OwnId) -> Option<&mut Call> {
        self.book.get_mut(&id)
    }

    /// Strikes a call out.
    pub fn remove(&mut self, id: OwnId) -> Option<Call> {
        self.book.remove(&id)
    }

    /// The call that a client knows by this id of its own, if it is under way.
    /// The oldest, if it gave the id twice. A search through all calls:
    /// cancellations are rare.
    pub fn of_client(&self, session: &SessionKey, id: &str) -> Option<OwnId> {
        let mine = |call: &Call| match &call.asker {
            Asker::Client(caller) => {
                !call.abandoned && caller.session == *session && *caller.id == *id
            }
            Asker::Fan(_) | Asker::Leased(_) | Asker::Nobody => false,
        };
        let ids = self.book.iter();
        ids.filter_map(|(&key, call)| mine(call).then_some(key))
            .min()
    }

    /// The ids of a session's calls, whatever their state.
    pub fn of_session(&self, session: &SessionKey) -> Vec<OwnId> {
        let mut ids: Vec<OwnId> = self
            .book
            .iter()
            .filter(|(_, call)| call.origin.as_ref() == Some(session))
            .map(|(&id, _)| id)
            .collect();
        ids.sort_unstable();
        ids
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.book.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.book.is_empty()
    }
}
