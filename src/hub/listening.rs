//! `subscriptions/listen` of stateless clients (2026-07-28, subscriptions): a
//! request that is answered by notifications, for as long as its stream lasts.

use std::sync::Arc;

use crate::catalog::route::Found;
use crate::event::{ServerId, SessionKey};
use crate::hub::Hub;
use crate::hub::calls::Caller;
use crate::hub::children::ChildId;
use crate::hub::lifecycle::Phase;
use crate::hub::refusal::Refusal;
use crate::hub::requests::Need;
use crate::hub::sessions::Session;
use crate::limits;
use crate::sorted::SortedSet;
use crate::wire::envelope::{Kind, Message};
use crate::wire::method::Method;
use crate::wire::outgoing::{Outgoing, Patch};
use crate::wire::stateless::{self, Filter};

impl Hub {
    /// A client wants to be told of changes: what of it can be told is said
    /// first.
    pub(super) fn listen_for(&mut self, need: Need) {
        let key = need.caller.session.clone();
        let Some(view) = self.view_of(&key) else {
            return;
        };
        if self.must_wait(&need, &view) {
            return self.wait(need, self.plan.connection_timeout);
        }
        let lone = self.sessions.get_mut(&key).and_then(|s| s.lone.as_mut());
        let Some(wanted) = lone.and_then(|lone| lone.wanted.take()) else {
            return;
        };
        let (honoured, places) = self.honour(&key, wanted);
        let id = need.caller.id.clone();
        let params = stateless::acknowledged_params(&id, &honoured);
        let message = Message::build(Kind::Notification(Method::Acknowledged), Some(&params));
        // No notification that may be dropped: the client waits for it, and it has
        // the place in the outbox that is kept for the request's answer.
        self.open_post_stream(need.caller.stream);
        self.put(need.caller.stream, Outgoing::plain(message.into()), false);
        if let Some(lone) = self.sessions.get_mut(&key).and_then(|s| s.lone.as_mut()) {
            lone.filter = Some(honoured);
        }
        for (uri, server, child) in places {
            self.listen_at(&key, uri, server, child);
        }
        if self.carrier_is_finished(&key) {
            self.end_session(&key, Some(&Refusal::Stopping));
        }
    }

    /// Whether the client has said its last word while its request waited for
    /// servers: then it has nothing left to take a subscription back with.
    fn carrier_is_finished(&self, key: &SessionKey) -> bool {
        let lone = self.sessions.get(key).and_then(|s| s.lone.as_ref());
        let carrier = lone.and_then(|lone| self.sessions.get(lone.carrier.as_ref()?));
        carrier.is_some_and(|carrier| carrier.finished)
    }

    /// What of a filter can be told, and where each resource is watched. A
    /// resource that no server, or more than one, is known for cannot be. No more
    /// are looked up than could be watched: each look-up may try every template,
    /// and all other clients wait for it.
    fn honour(
        &mut self,
        key: &SessionKey,
        wanted: Filter,
    ) -> (Filter, Vec<(Arc<str>, ServerId, ChildId)>) {
        let has = self.lists_of(key);
        let mut honoured = Filter {
            tools: wanted.tools && has.tools,
            prompts: wanted.prompts && has.prompts,
            resources: wanted.resources && has.resources,
            uris: Vec::new(),
        };
        let mut places = Vec::new();
        let distinct: SortedSet<String> = wanted.uris.into_iter().collect();
        for uri in distinct.into_iter().take(limits::SESSION_SUBSCRIPTIONS_MAX) {
            if let Some((server, child)) = self.watched_at(key, &uri) {
                places.push((uri.as_str().into(), server, child));
                honoured.uris.push(uri);
            }
        }
        (honoured, places)
    }

    /// Which lists a session's view can change: all, but where one server's own
    /// word counts.
    pub(super) fn lists_of(&self, key: &SessionKey) -> Filter {
        let all = Filter {
            tools: true,
            prompts: true,
            resources: true,
            uris: Vec::new(),
        };
        let sole = self
            .view_of(key)
            .and_then(|view| self.sole_server(&view))
            .and_then(|server| self.main_child(server)?.hello.as_ref());
        sole.map_or(all, |hello| Filter {
            tools: hello.has.tools,
            prompts: hello.has.prompts,
            resources: hello.has.resources,
            uris: Vec::new(),
        })
    }

    /// The child that can tell of a resource.
    fn watched_at(&mut self, key: &SessionKey, uri: &str) -> Option<(ServerId, ChildId)> {
        if uri.len() > limits::SUBSCRIPTION_URI_BYTES_MAX {
            return None;
        }
        let found = match self.catalog_of(key).resource(uri) {
            Found::None => self.linked(key, uri),
            found => found,
        };
        let server = match found {
            Found::One(server) => server,
            Found::Several(_) => return None,
            Found::None => match self.servers_with_resources(key).as_slice() {
                [only] => *only,
                _ => return None,
            },
        };
        let child = self.child_for(key, server).ok()?;
        let place = self.children.get(child)?;
        let can = place.hello.as_ref().is_some_and(|h| h.has.subscribe) && !place.hearing.refused;
        (can && self.has_room(child, uri)).then_some((server, child))
    }

    pub(super) fn listen_at(
        &mut self,
        key: &SessionKey,
        uri: Arc<str>,
        server: ServerId,
        child: ChildId,
    ) {
        let Some(place) = self.children.get(child) else {
            return;
        };
        let is_known = place.subscribers.contains_key(&uri);
        let is_ready = place.phase == Phase::Ready;
        self.enter(key, &uri, child);
        // A child that starts is told of all subscriptions when it is ready.
        if !is_known && is_ready {
            self.subscribe_for_all(child, server, uri);
            self.send_held(child);
        }
        self.wake(child);
    }

    /// Nobody will take back the subscriptions on a stream whose client says no
    /// more: they end, so that the stream can.
    pub(super) fn end_listening_on(&mut self, carrier: &SessionKey) {
        let listens = |s: &Session| {
            let lone = s.lone.as_ref().filter(|_| s.is_carried_by(carrier));
            lone.is_some_and(|lone| lone.filter.is_some())
        };
        for key in self.sessions.keys_where(listens) {
            self.end_session(&key, Some(&Refusal::Stopping));
        }
    }

    /// A subscription ends, if that is what the request is: by a result that
    /// says so, where it is the gateway's own will, else in silence.
    pub(super) fn end_listening(&mut self, key: &SessionKey, why: Option<&Refusal>) {
        let session = self.sessions.get(key);
        let lone = session
            .filter(|session| session.unanswered > 0)
            .and_then(|session| session.lone.as_ref())
            .filter(|lone| lone.filter.is_some());
        let Some(lone) = lone else {
            return;
        };
        let caller = Caller {
            session: key.clone(),
            stream: lone.stream,
            id: lone.id.clone(),
            progress_token: None,
        };
        if why.is_none() {
            return self.answer_nothing(&caller);
        }
        let result = Message::result(&stateless::listen_result(&caller.id));
        let mut message = Outgoing::plain(result.into());
        message.id = Some(Patch::Json(caller.id.clone()));
        self.answer_as_is(key, caller.stream, message);
    }
}
