//! Subscriptions to resources: counted per child and URI, so that the child
//! hears of the first and of the end of the last, and told anew to each life.

use std::sync::Arc;

use crate::event::{ServerId, SessionKey};
use crate::hub::Hub;
use crate::hub::calls::{Asker, Call};
use crate::hub::children::{Child, ChildId};
use crate::hub::lifecycle::Phase;
use crate::hub::passing::Passage;
use crate::hub::refusal::Refusal;
use crate::hub::requests::Need;
use crate::limits;
use crate::wire::envelope::{Kind, Message, quoted};
use crate::wire::method::Method;
use crate::wire::outgoing::Outgoing;
use crate::wire::own_id::OwnId;

impl Hub {
    /// A session subscribes. Only what the child has granted counts: a session
    /// that comes while the first is still being asked for asks as well.
    pub(super) fn subscribe(&mut self, need: Need, passage: Passage) {
        let session = need.caller.session.clone();
        let Some(uri) = passage.uri.clone() else {
            return;
        };
        let child = match self.child_for(&session, passage.server) {
            Ok(child) => child,
            Err(refusal) => return self.refuse_caller(&need.caller, &refusal),
        };
        let held = self.sessions.get(&session).map(|s| s.subscriptions.len());
        if held.is_none_or(|held| !self.has_room_beside(held))
            || uri.len() > limits::SUBSCRIPTION_URI_BYTES_MAX
        {
            return self.refuse_caller(&need.caller, &Refusal::TooManySubscriptions);
        }
        let Some(place) = self.children.get(child) else {
            return;
        };
        if place.subscribers.contains_key(&uri) {
            self.grant(&session, &uri, child);
            self.answer(&need.caller, Message::result("{}").into());
        } else if self.has_room(child, &uri) {
            self.pass(need, passage);
        } else {
            self.refuse_caller(&need.caller, &Refusal::TooManySubscriptions);
        }
    }

    /// A session has subscribed, and its child has agreed.
    pub(super) fn grant(&mut self, session: &SessionKey, uri: &Arc<str>, child: ChildId) {
        self.enter(session, uri, child);
        if let Some(server) = self.children.get(child).map(|child| child.server) {
            self.subscription_word(session, server, uri, true);
        }
    }

    /// Whether a session that has so many subscriptions may have one more. A sum
    /// over all sessions: it is asked for only by those that have many.
    fn has_room_beside(&self, held: usize) -> bool {
        let all = || {
            let sessions = self.sessions.iter();
            sessions.map(|(_, s)| s.subscriptions.len()).sum::<usize>()
        };
        held < limits::SESSION_SUBSCRIPTIONS_LEAST
            || held < limits::SESSION_SUBSCRIPTIONS_MAX && all() < limits::SUBSCRIPTIONS_MAX
    }

    pub(super) fn enter(&mut self, session: &SessionKey, uri: &Arc<str>, child: ChildId) {
        if let (Some(session_entry), Some(child_entry)) =
            (self.sessions.get_mut(session), self.children.get_mut(child))
        {
            // All who have subscribed to it share the text.
            let known = child_entry.subscribers.get_key_value(uri);
            let uri = known.map_or(uri, |(known, _)| known).clone();
            session_entry.subscriptions.insert((uri.clone(), child));
            let subscribers = child_entry.subscribers.entry(uri).or_default();
            subscribers.insert(session.clone());
        }
    }

    /// A child has answered a subscription. If nobody wants it any more, it is
    /// taken back.
    pub(super) fn subscription_answered(&mut self, call: &Call, answer: &Message) {
        let Some(uri) = &call.uri else {
            return;
        };
        if answer.kind != (Kind::Answer { failed: false }) {
            return;
        }
        let asker = call.origin.as_ref().filter(|_| !call.abandoned);
        match asker.filter(|session| self.sessions.get(session).is_some()) {
            Some(session) if self.has_room(call.child, uri) => {
                let session = session.clone();
                self.grant(&session, uri, call.child);
            }
            _ if self.is_subscribed(call.child, uri) => {}
            _ => {
                let params = uri_params(uri);
                self.errand(call.child, Method::ResourcesUnsubscribe, &params);
            }
        }
    }

    /// Whether a child's table has a place for one more subscriber.
    pub(super) fn has_room(&self, child: ChildId, uri: &str) -> bool {
        self.children.get(child).is_some_and(|child| {
            child.subscribers.contains_key(uri)
                || child.subscribers.len() < limits::CHILD_SUBSCRIPTIONS_MAX
        })
    }

    fn is_subscribed(&self, child: ChildId, uri: &Arc<str>) -> bool {
        let child = self.children.get(child);
        child.is_some_and(|child| child.subscribers.contains_key(uri))
    }

    /// Where a session has subscribed to a resource.
    pub(super) fn subscribed_at(&self, session: &SessionKey, uri: &str) -> Option<ChildId> {
        let subscriptions = &self.sessions.get(session)?.subscriptions;
        let mine = subscriptions.iter().find(|(held, _)| **held == *uri);
        mine.map(|(_, child)| *child)
    }

    /// A session is no longer interested in a resource.
    pub(super) fn unsubscribe(&mut self, key: &SessionKey, uri: &Arc<str>, child: ChildId) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.subscriptions.remove(&(uri.clone(), child));
        }
        let Some(place) = self.children.get_mut(child) else {
            return;
        };
        let Some(subscribers) = place.subscribers.get_mut(uri) else {
            return;
        };
        subscribers.remove(key);
        if subscribers.is_empty() {
            place.subscribers.remove(uri);
            if place.is_stateless() {
                self.subscribers_changed(child);
            } else if place.phase == Phase::Ready {
                self.errand(child, Method::ResourcesUnsubscribe, &uri_params(uri));
            }
        }
    }

    /// Tells a new life of a child what its sessions had asked of the last. The
    /// subscriptions go the way of calls, so that they do not flood its queue.
    pub(super) fn restore(&mut self, id: ChildId) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        let server = child.server;
        let is_ours = |id: &OwnId| {
            let call = self.calls.get(*id);
            call.is_some_and(|call| matches!(call.asker, Asker::Nobody))
        };
        // What the last life was not even sent would be asked for twice.
        let held = child.held.iter().map(|held| held.id);
        let unsent: Vec<OwnId> = held.filter(is_ours).collect();
        let uris: Vec<Arc<str>> = child.subscribers.keys().cloned().collect();
        for call in unsent {
            self.close_call(call);
        }
        for uri in uris {
            self.subscribe_for_all(id, server, uri);
        }
        self.adjust_levels();
    }

    /// Asks a child for news of a resource, for all who want them.
    pub(super) fn subscribe_for_all(&mut self, id: ChildId, server: ServerId, uri: Arc<str>) {
        if self.children.get(id).is_some_and(Child::is_stateless) {
            return self.subscribers_changed(id);
        }
        let method = Method::ResourcesSubscribe;
        let message = Message::build(Kind::Request(method.clone()), Some(&uri_params(&uri)));
        let passage = Passage {
            server,
            method,
            name: None,
            uri: Some(uri),
        };
        let call = self.call(id, Asker::Nobody, None, &passage);
        let call = self.hold(call, Outgoing::plain(message.into()));
        self.rearm(call);
    }
}

fn uri_params(uri: &str) -> String {
    format!(r#"{{"uri":{}}}"#, quoted(uri))
}
