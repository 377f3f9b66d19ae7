//! What is changed in a request of one era for a child of the other. It is done
//! when the request is sent, for a request may wait for a child whose era is not
//! known yet.

use crate::hub::Hub;
use crate::hub::children::{Child, ChildId};
use crate::hub::greeting::OWN_INFO;
use crate::hub::tasks::without_tasks;
use crate::wire::log_level::LogLevel;
use crate::wire::outgoing::{Change, Outgoing};
use crate::wire::own_id::OwnId;
use crate::wire::stateless;

impl Hub {
    /// Gives a request what its child's era asks for, and takes from it what
    /// that era forbids.
    pub(super) fn fit_to_child(&mut self, id: ChildId, call: OwnId, message: Outgoing) -> Outgoing {
        let is_stateless = self.children.get(id).is_some_and(Child::is_stateless);
        match (is_stateless, message.message.marks.version) {
            // A pipe that has begun with a handshake stays in that era: there
            // are servers that refuse whatever names another version.
            (false, Some(version)) => message.with(Change::Drop(version)),
            (false, None) => message,
            // It says already who asks.
            (true, Some(_)) => message,
            (true, None) => {
                if let Some(call) = self.calls.get_mut(call) {
                    call.repeatable = Some(Box::new(message.clone()));
                }
                self.introduce(call, message)
            }
        }
    }

    /// Says in a request for a stateless child who asks: the session that it is
    /// asked for, with what it declared in its `initialize`.
    fn introduce(&self, call: OwnId, mut message: Outgoing) -> Outgoing {
        let origin = self.calls.get(call).and_then(|call| call.origin.as_ref());
        let session = origin.and_then(|key| self.sessions.get(key));
        let hello = session.and_then(|session| session.hello.as_ref());
        let capabilities = hello.map_or("{}".into(), |h| without_tasks(&h.capabilities));
        let info = hello.map_or(OWN_INFO, |hello| &hello.info);
        // Who has asked for no level gets all, as from a server that decides for
        // itself (2025-11-25, logging, "Setting Log Level").
        let level = session.map(|session| session.level.unwrap_or(LogLevel::Debug));
        let introduction = stateless::introduction(&message.message, &capabilities, info, level);
        message.changes.extend(introduction);
        message
    }
}
