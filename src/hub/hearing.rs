//! What children of the stateless era are asked to tell of: `subscriptions/listen`
//! (2026-07-28, subscriptions), one request that stays open while the child
//! lives. It names all that any session wants to hear of; when that changes, a
//! new one takes its place.

use std::sync::Arc;
use std::time::Duration;

use crate::hub::Hub;
use crate::hub::calls::{Asker, Caller};
use crate::hub::children::{ChildId, Listening};
use crate::hub::lifecycle::Phase;
use crate::hub::notices::taken_back;
use crate::hub::refusal::Refusal;
use crate::hub::timers::Timer;
use crate::limits;
use crate::wire::envelope::{Message, Span};
use crate::wire::items::ItemKind;
use crate::wire::method::Method;
use crate::wire::own_id::{OwnId, Purpose};
use crate::wire::stateless::{self, Filter};

impl Hub {
    /// Somebody wants to hear of something else than before. It is told to the
    /// child when the burst is over; a look that is due anyway will see it.
    pub(super) fn subscribers_changed(&mut self, id: ChildId) {
        let idle = |timer: &Option<_>| timer.is_none();
        if self
            .children
            .get(id)
            .map(|c| &c.hearing.timer)
            .is_some_and(idle)
        {
            self.review_hearing_in(id, limits::LIST_CHANGED_WAIT);
        }
    }

    fn review_hearing_in(&mut self, id: ChildId, wait: Duration) {
        let timer = self.timers.set(self.now.after(wait), Timer::Hearing(id));
        let before = match self.children.get_mut(id) {
            Some(child) => child.hearing.timer.replace(timer),
            None => Some(timer),
        };
        if let Some(before) = before {
            self.timers.cancel(before);
        }
    }

    /// The time for a look has come; or a request was not acknowledged in time.
    pub(super) fn hearing_due(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.hearing.timer = None;
        match child.hearing.opening.take() {
            Some(silent) => {
                log::debug!("{}: has not acknowledged a subscription", self.label(id));
                self.take_back(id, silent.request);
                self.listen_again(id);
            }
            None => self.review_hearing(id),
        }
    }

    /// Sees that the child is asked for exactly what is wanted of it.
    pub(super) fn review_hearing(&mut self, id: ChildId) {
        if let Some(child) = self.children.get_mut(id) {
            let (hearing, subscribers) = (&mut child.hearing, &child.subscribers);
            hearing
                .unwelcome
                .retain(|uri| subscribers.contains_key(&**uri));
        }
        let Some(wanted) = self.wanted_of(id) else {
            return;
        };
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let asked = child.hearing.open.as_ref().map(|open| &open.filter);
        let is_content = asked.map_or(wanted.is_empty(), |asked| *asked == wanted);
        if is_content || child.hearing.refused || child.hearing.opening.is_some() {
            return;
        }
        if wanted.is_empty() {
            if let Some(open) = child.hearing.open.take() {
                self.take_back(id, open.request);
            }
            return;
        }
        let params = stateless::listen_params(&wanted);
        let request = self.send_own(id, Purpose::Listen, Method::Listen, Some(&params));
        if let Some(child) = self.children.get_mut(id) {
            child.hearing.opening = Some(Listening {
                request,
                filter: wanted,
                since: self.now,
            });
        }
        self.review_hearing_in(id, limits::LISTEN_WAIT);
    }

    /// What a child is to tell of: its lists, where it says that it tells of
    /// them, and what sessions have subscribed to.
    fn wanted_of(&self, id: ChildId) -> Option<Filter> {
        let child = self.children.get(id)?;
        if child.phase != Phase::Ready || !child.is_stateless() {
            return None;
        }
        let has = child.hello.as_ref()?.has;
        let uris = child.subscribers.keys().map(|uri| uri.to_string());
        let uris = uris.filter(|uri| !child.hearing.unwelcome.contains(uri));
        Some(Filter {
            tools: has.tools_changed,
            prompts: has.prompts_changed,
            resources: has.resources_changed,
            uris: uris.collect(),
        })
    }

    fn take_back(&mut self, id: ChildId, request: OwnId) {
        self.send_child(id, taken_back(request.number()));
    }

    /// The child has begun to tell: the request before this one ends.
    pub(super) fn listening_acknowledged(&mut self, id: ChildId, message: &Message) {
        let request = named(message, message.marks.subscription);
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let is_it = |opening: &mut Listening| Some(opening.request) == request;
        let Some(mut opening) = child.hearing.opening.take_if(is_it) else {
            return;
        };
        opening.since = self.now;
        let lists = [
            (opening.filter.tools, ItemKind::Tool),
            (opening.filter.prompts, ItemKind::Prompt),
            (opening.filter.resources, ItemKind::Resource),
            (opening.filter.resources, ItemKind::Template),
        ];
        let before = child.hearing.open.replace(opening);
        let had_gap = std::mem::take(&mut child.hearing.gap);
        if let Some(timer) = child.hearing.timer.take() {
            self.timers.cancel(timer);
        }
        if let Some(before) = before {
            self.take_back(id, before.request);
        }
        for (_, kind) in lists.into_iter().filter(|(told, _)| had_gap && *told) {
            self.list_changed(id, kind);
        }
        self.review_hearing(id);
    }

    /// The child takes a request of ours to be over (2026-07-28, cancellation).
    pub(super) fn child_stops_telling(&mut self, id: ChildId, message: &Message) {
        if let Some(request) = named(message, message.marks.request_id) {
            self.listening_ended(id, request, None);
        }
    }

    /// A request has come to its end. One that ended otherwise than by a refusal
    /// is made again.
    pub(super) fn listening_ended(&mut self, id: ChildId, request: OwnId, refused: Option<&str>) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let is_it = |listening: &mut Listening| listening.request == request;
        if let Some(opening) = child.hearing.opening.take_if(is_it) {
            if let Some(timer) = child.hearing.timer.take() {
                self.timers.cancel(timer);
            }
            match refused {
                Some(why) => {
                    log::debug!("{}: does not tell of changes: {why}", self.label(id));
                    self.listening_refused(id, opening.filter);
                }
                None => self.listen_again(id),
            }
        } else if let Some(open) = child.hearing.open.take_if(is_it) {
            child.hearing.gap = true;
            if self.now.since(open.since) >= limits::STABLE_LIFE {
                child.hearing.failures = 0;
            }
            if child.hearing.opening.is_none() {
                self.listen_again(id);
            }
        }
    }

    /// A request was refused: for the resources that it was the first to name,
    /// or else for good, in this life.
    fn listening_refused(&mut self, id: ChildId, filter: Filter) {
        let Some(hearing) = self.children.get_mut(id).map(|child| &mut child.hearing) else {
            return;
        };
        let granted = hearing.open.as_ref().map(|open| &open.filter.uris);
        let is_new = |uri: &String| granted.is_none_or(|granted| !granted.contains(uri));
        let new: Vec<String> = filter.uris.into_iter().filter(is_new).collect();
        hearing.refused = new.is_empty();
        hearing.unwelcome.extend(new);
        self.review_hearing(id);
    }

    /// Sets the time at which a child is asked anew.
    fn listen_again(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.hearing.gap |= child.hearing.open.is_none();
        let doublings = child.hearing.failures.min(limits::RECONNECT_DOUBLINGS_MAX);
        child.hearing.failures = child.hearing.failures.saturating_add(1);
        let delay = self.plan.reconnect_delay * 2_u32.pow(doublings);
        self.review_hearing_in(id, delay.min(limits::RECONNECT_DELAY_MAX));
    }

    /// Whether this is told under a request that another has taken the place of,
    /// under which it is told as well.
    pub(super) fn is_told_twice(&self, id: ChildId, message: &Message) -> bool {
        let request = named(message, message.marks.subscription);
        let child = self.children.get(id).filter(|child| child.is_stateless());
        let (Some(request), Some(child)) = (request, child) else {
            return false;
        };
        let ours = [&child.hearing.open, &child.hearing.opening];
        !ours
            .into_iter()
            .flatten()
            .any(|listening| listening.request == request)
    }

    /// Whether the call that a child could be sent now is a subscription that
    /// its era does not know: then the gateway answers it, and asks the child to
    /// tell of that resource as well.
    pub(super) fn subscribes_by_hearing(&mut self, id: ChildId, call: OwnId) -> bool {
        let Some(child) = self.children.get(id).filter(|child| child.is_stateless()) else {
            return false;
        };
        let declared = child
            .hello
            .as_ref()
            .is_some_and(|hello| hello.has.subscribe);
        let serves = declared && !child.hearing.refused;
        let is_subscription = |id: &OwnId| {
            let method = self.calls.get(*id).map(|call| &call.method);
            method == Some(&Method::ResourcesSubscribe)
        };
        let Some(call) = Some(call).filter(is_subscription) else {
            return false;
        };
        if let Some(call) = self.close_call(call)
            && let (Asker::Client(caller), Some(uri)) = (call.asker, call.uri)
        {
            self.subscribe_by_hearing(id, &caller, &uri, serves);
        }
        true
    }

    fn subscribe_by_hearing(&mut self, id: ChildId, caller: &Caller, uri: &Arc<str>, serves: bool) {
        if !serves {
            let method = Method::ResourcesSubscribe.name().to_owned();
            self.refuse_caller(caller, &Refusal::UnknownMethod(method));
        } else if !self.has_room(id, uri) {
            self.refuse_caller(caller, &Refusal::TooManySubscriptions);
        } else {
            self.grant(&caller.session, uri, id);
            self.subscribers_changed(id);
            self.answer(caller, Message::result("{}").into());
        }
    }
}

/// The request of ours that a notification names.
fn named(message: &Message, part: Option<Span>) -> Option<OwnId> {
    let number = message.json(part?).trim_matches('"').parse().ok()?;
    OwnId::from_number(number)
}
