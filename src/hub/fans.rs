//! Questions put to several servers at once: a resource that no list and no
//! template names may be known to any of them. A book only.

use std::sync::Arc;

use crate::event::{ServerId, SessionKey};
use crate::hub::calls::Caller;
use crate::hub::refusal::Refusal;
use crate::sorted::SortedMap;
use crate::wire::envelope::Message;
use crate::wire::own_id::OwnId;

/// A question to several servers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FanId(pub u64);

/// What has come of it so far.
#[derive(Debug)]
pub struct Fan {
    /// Who waits for it.
    pub caller: Caller,
    /// The URI in question.
    pub uri: Arc<str>,
    /// What is asked.
    pub message: Arc<Message>,
    /// Servers that are asked only if no other knows the resource, for they would
    /// have to be started.
    pub asleep: Vec<ServerId>,
    /// The calls not yet answered.
    pub open: Vec<OwnId>,
    /// Whether calls are still being added.
    pub placing: bool,
    /// Why a server could not be asked, or did not answer.
    pub failure: Option<Refusal>,
    /// The servers that know the resource, with their answers.
    pub found: Vec<(ServerId, Arc<Message>)>,
}

/// All such questions.
#[derive(Debug, Default)]
pub struct Fans {
    book: SortedMap<FanId, Fan>,
    serial: u64,
}

impl Fans {
    /// Enters a question; its calls are added as they are made.
    pub fn insert(&mut self, fan: Fan) -> FanId {
        self.serial += 1;
        let id = FanId(self.serial);
        self.book.insert(id, fan);
        id
    }

    /// The question of that id.
    pub fn get(&self, id: FanId) -> Option<&Fan> {
        self.book.get(&id)
    }

    /// The question of that id, to change it.
    pub fn get_mut(&mut self, id: FanId) -> Option<&mut Fan> {
        self.book.get_mut(&id)
    }

    /// Strikes a question out.
    pub fn remove(&mut self, id: FanId) -> Option<Fan> {
        self.book.remove(&id)
    }

    /// Forgets a server that is gone, and what it has answered.
    pub fn forget(&mut self, server: ServerId) {
        for fan in self.book.values_mut() {
            fan.found.retain(|(from, _)| *from != server);
            fan.asleep.retain(|asleep| *asleep != server);
        }
    }

    /// The questions of a session.
    pub fn of_session(&self, session: &SessionKey) -> Vec<FanId> {
        let mine = |fan: &Fan| fan.caller.session == *session;
        let ids = self.book.iter();
        ids.filter_map(|(&id, fan)| mine(fan).then_some(id))
            .collect()
    }

    /// The question a client knows by this id of its own.
    pub fn of_client(&self, session: &SessionKey, id: &str) -> Option<FanId> {
        self.book.iter().find_map(|(&key, fan)| {
            (fan.caller.session == *session && *fan.caller.id == *id).then_some(key)
        })
    }

    /// The servers whose answers are kept, or that may still be asked.
    #[cfg(test)]
    pub fn servers(&self) -> impl Iterator<Item = ServerId> {
        let fans = self.book.values();
        fans.flat_map(|fan| {
            let found = fan.found.iter().map(|(server, _)| *server);
            found.chain(fan.asleep.iter().copied())
        })
    }

    /// Who waits for each.
    #[cfg(test)]
    pub fn callers(&self) -> impl Iterator<Item = &Caller> {
        self.book.values().map(|fan| &fan.caller)
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
