//! Handing requests to children: which child it is, whether it can take one
//! more, and who waits when it cannot.

use std::sync::Arc;

use crate::config::checked::Scope;
use crate::event::{Effect, Load, ServerId, SessionKey};
use crate::hub::Hub;
use crate::hub::calls::{Asker, Call};
use crate::hub::children::{Child, ChildId, Held};
use crate::hub::lifecycle::Phase;
use crate::hub::refusal::Refusal;
use crate::hub::requests::Need;
use crate::hub::timers::Timer;
use crate::limits;
use crate::wire::envelope::{Kind, Message};
use crate::wire::method::Method;
use crate::wire::outgoing::{Outgoing, Patch};
use crate::wire::own_id::{OwnId, Purpose};

/// Where a request goes, and what is replaced in it on the way.
pub(super) struct Passage {
    pub(super) server: ServerId,
    pub(super) method: Method,
    /// The name the server knows, as JSON text, where the client's was another.
    pub(super) name: Option<Arc<str>>,
    pub(super) uri: Option<Arc<str>>,
}

impl Hub {
    /// The child that a session's requests to a server go to.
    pub(super) fn child_for(
        &mut self,
        session: &SessionKey,
        server: ServerId,
    ) -> Result<ChildId, Refusal> {
        let main = |hub: &Hub| {
            let main = hub.main_of(server);
            main.ok_or_else(|| hub.not_running(server))
        };
        match self.server(server).scope {
            Scope::Shared => main(self),
            Scope::Session if self.is_lone(session) => {
                let main = main(self)?;
                self.lend(session, server, main)
            }
            Scope::Session => match self.child_so_far(session, server) {
                Some(child) => Ok(child),
                None if self.sessions.get(session).is_none() => Err(Refusal::UnknownSession),
                None => self.start_own(server, session),
            },
        }
    }

    /// The child that a session's requests to a server would go to, or that would
    /// lend it one, if it is entered already.
    pub(super) fn child_so_far(&self, session: &SessionKey, server: ServerId) -> Option<ChildId> {
        match self.server(server).scope {
            Scope::Session if !self.is_lone(session) => {
                let session = self.sessions.get(session)?;
                session.children.get(&server).copied()
            }
            Scope::Session | Scope::Shared => self.main_of(server),
        }
    }

    /// Passes a client's request on to a server.
    pub(super) fn pass(&mut self, need: Need, passage: Passage) {
        let session = need.caller.session.clone();
        match self.child_for(&session, passage.server) {
            Ok(child) => {
                let asker = Asker::Client(need.caller);
                let call = self.call(child, asker, Some(session), &passage);
                self.place(call, need.message, passage.name);
            }
            Err(refusal) => {
                self.count_refused(passage.server);
                self.refuse_caller(&need.caller, &refusal);
            }
        }
    }

    pub(super) fn call(
        &self,
        child: ChildId,
        asker: Asker,
        origin: Option<SessionKey>,
        passage: &Passage,
    ) -> Call {
        Call {
            child,
            server: passage.server,
            life: None,
            began: self.now,
            asker,
            origin,
            method: passage.method.clone(),
            uri: passage.uri.clone(),
            timeout: self.server(passage.server).timeout,
            timer: None,
            abandoned: false,
            repeatable: None,
            rounds: 0,
        }
    }

    /// Takes a call on, and sends it if its child can take it now. Returns its
    /// id, unless it was refused.
    pub(super) fn place(
        &mut self,
        call: Call,
        message: Arc<Message>,
        name: Option<Arc<str>>,
    ) -> Option<OwnId> {
        self.place_outgoing(call, to_be_named(message, name))
    }

    /// The same with a message whose name is replaced already.
    pub(super) fn place_outgoing(&mut self, call: Call, message: Outgoing) -> Option<OwnId> {
        let child = call.child;
        self.count_call(&call);
        let admitted = self.admit_call(child);
        let id = self.hold(call, message);
        if let Err(refusal) = admitted {
            self.fail_call(id, &refusal);
            return None;
        }
        if self.children.get(child)?.phase == Phase::Ready {
            self.send_held(child);
            self.arm(id);
        } else {
            self.wait_for_start(id, child);
            self.wake(child);
        }
        Some(id)
    }

    /// Enters a call among those that wait for its child.
    pub(super) fn hold(&mut self, call: Call, mut message: Outgoing) -> OwnId {
        let id = self.calls.mint(Purpose::Call);
        message.id = Some(Patch::Number(id.number()));
        if message.message.marks.progress_token.is_some() {
            message.progress_token = Some(Patch::Number(id.number()));
        }
        if let Some(child) = self.children.get_mut(call.child) {
            child.hold(Held { id, message });
            child.used = self.now;
            child.was_called = true;
        }
        self.calls.insert(id, call);
        id
    }

    /// Whether a child can have one more call: in its queue, under way, or held
    /// back for it.
    fn admit_call(&self, child: ChildId) -> Result<(), Refusal> {
        let Some(place) = self.children.get(child) else {
            return Err(Refusal::ClientLeft);
        };
        let server = self.server_of(place);
        let is_closed = matches!(place.phase, Phase::Leaving | Phase::Retiring | Phase::Down);
        if is_closed || place.parked {
            return Err(self.down(place));
        }
        // A limit that has become smaller counts for what waits here at once; in
        // its queue lies, as far as is known, what that was made for.
        let max = self.plan.queue_max;
        let queued = match place.load.messages as usize {
            queued if queued < place.queue_max => queued.min(max - 1),
            queued => queued,
        };
        let waiting = place.held.len().max(queued);
        // Given-up calls that the child has not answered count here alone.
        let unanswered = place.under_way.len().saturating_sub(server.concurrent_max);
        let bytes = place.load.bytes + place.held_bytes;
        if waiting.max(unanswered) >= max || !self.has_room_for_calls(bytes) {
            return Err(Refusal::ServerBusy {
                server: server.name.clone(),
                waiting: waiting.max(unanswered),
            });
        }
        Ok(())
    }

    /// Whether a child's queue takes no more calls.
    pub(super) fn is_queue_full(&self, child: &Child) -> bool {
        child.load.messages as usize >= child.queue_max
            || child.load.bytes >= limits::CHILD_QUEUE_BYTES_MAX
    }

    /// Whether a child that has so many bytes in its queue, and among the calls
    /// held back for it, may have one more call.
    fn has_room_for_calls(&self, bytes: u64) -> bool {
        let left = || limits::CHILD_QUEUES_BYTES_MAX.saturating_sub(self.queued_bytes());
        bytes < limits::CHILD_QUEUE_BYTES_LEAST
            || bytes < limits::CHILD_QUEUE_BYTES_MAX && bytes < left()
    }

    /// How many bytes lie in the queues of all children, and among the calls held
    /// back for them. A sum over all of them: it is asked for only when one of
    /// them has much.
    pub(super) fn queued_bytes(&self) -> u64 {
        let children = self.children.iter();
        children
            .map(|(_, child)| child.load.bytes + child.held_bytes)
            .sum()
    }

    /// Whether a child has as many calls under way as it may have. One that was
    /// given up takes no place: a child that stops it never answers it.
    fn is_occupied(&self, child: &Child) -> bool {
        let max = self.server_of(child).concurrent_max;
        // The plain count first: only a child with many calls is worth the
        // look at each.
        child.under_way.len() >= max && {
            let goes_on = |id: &&OwnId| self.calls.get(**id).is_some_and(|call| !call.abandoned);
            child.under_way.iter().filter(goes_on).count() >= max
        }
    }

    /// Whether a call can be sent to a child at once.
    pub(super) fn takes_calls(&self, child: &Child) -> bool {
        // Of a process that has ended, or says no more, only what it had said is
        // still to come: what it is not asked yet is for the next life.
        let is_over = child.ended.is_some() || child.silent;
        // What is in its queue is on its way; more would only wait there.
        let can_take = !self.is_queue_full(child) && !self.is_occupied(child);
        child.phase == Phase::Ready && !is_over && can_take
    }

    /// A call that waits for its child's start gets the time of a start on top.
    pub(super) fn wait_for_start(&mut self, id: OwnId, child: ChildId) {
        let Some(child) = self.children.get(child) else {
            return;
        };
        let mut startup = self.server_of(child).startup_timeout;
        match child.phase {
            Phase::Probing | Phase::Parting => {
                startup += limits::PROBE_WAIT + limits::DISMISS_KILL_WAIT;
            }
            Phase::Dozing | Phase::Ousted => startup += limits::DISMISS_KILL_WAIT,
            Phase::Yielding | Phase::Renewing => {
                startup += limits::DRAIN_CALLS_WAIT + limits::DISMISS_KILL_WAIT;
            }
            _ => {}
        }
        if let Some(call) = self.calls.get_mut(id) {
            let due = self.now.after(startup).after(call.timeout);
            call.timer = Some(self.timers.set(due, Timer::Call(id)));
        }
    }

    /// Sends a child the calls that wait for it, as many as it may have.
    pub(super) fn send_held(&mut self, child: ChildId) {
        loop {
            let Some(place) = self.children.get(child) else {
                return;
            };
            if place.held.is_empty() || !self.takes_calls(place) {
                return;
            }
            let life = place.life;
            let place = self.children.get_mut(child);
            let Some(Held { id, message }) = place.and_then(Child::begin_next) else {
                return;
            };
            if self.subscribes_by_hearing(child, id) {
                continue;
            }
            let Some(call) = self.calls.get_mut(id) else {
                continue;
            };
            call.life = Some(life);
            self.rearm(id);
            let message = self.fit_to_child(child, id, message);
            self.enqueue(child, message);
        }
    }

    /// Sends a child a request of the gateway's own; `params` is JSON text.
    pub(super) fn send_own(
        &mut self,
        child: ChildId,
        purpose: Purpose,
        method: Method,
        params: Option<&str>,
    ) -> OwnId {
        let id = self.calls.mint(purpose);
        let message = Message::build(Kind::Request(method), params);
        let mut message = Outgoing::plain(message.into());
        message.id = Some(Patch::Number(id.number()));
        let introduction = self.own_introduction(child, &message.message);
        message.changes.extend(introduction);
        self.send_child(child, message);
        id
    }

    /// The child has taken messages from its queue.
    pub(super) fn taken_by_child(&mut self, id: ChildId, load: Load) {
        if let Some(child) = self.children.get_mut(id) {
            child.is_flooded = false;
            child.load.messages = child.load.messages.saturating_sub(load.messages);
            child.load.bytes = child.load.bytes.saturating_sub(load.bytes);
        }
        self.send_words(id);
        self.send_held(id);
    }

    /// Sends a child what is no call. It has places of its own beyond those of the
    /// calls, and as many bytes again; past those the child is not reading and
    /// soon found out.
    pub(super) fn send_child(&mut self, id: ChildId, message: Outgoing) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        let slots = child.queue_max + limits::CHILD_QUEUE_RESERVE;
        if !child.has_process() || child.phase.is_farewell() {
            return;
        }
        let bytes = child.load.bytes;
        let is_full = child.load.messages as usize >= slots
            || bytes >= 2 * limits::CHILD_QUEUE_BYTES_MAX
            || bytes >= limits::CHILD_QUEUE_BYTES_LEAST
                && self.queued_bytes() >= 2 * limits::CHILD_QUEUES_BYTES_MAX;
        if is_full {
            let Some(child) = self.children.get_mut(id) else {
                return;
            };
            // Told once for each time that it does not read.
            if !std::mem::replace(&mut child.is_flooded, true) {
                log::warn!(
                    "{}: its queue is full; messages are dropped",
                    self.label(id)
                );
            }
            return;
        }
        self.enqueue(id, message);
    }

    /// Puts a message into a child's queue, where it has a place.
    fn enqueue(&mut self, id: ChildId, message: Outgoing) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.load.messages += 1;
        child.load.bytes += message.len_max() as u64;
        let life = child.life;
        self.effects.push(Effect::ToChild { life, message });
    }
}

/// A request, and the name (JSON text) that the server knows instead of its own.
pub(super) fn to_be_named(message: Arc<Message>, name: Option<Arc<str>>) -> Outgoing {
    let mut message = Outgoing::plain(message);
    message.name = name.map(Patch::Json);
    message
}
