//! Asking around: a resource that no list, no template and no link names may
//! still be known to one of the servers.
//!
//! First those are asked that run. One that sleeps is started for it only if none
//! of these knows the resource: the others' answer must not wait for a start, nor
//! each such question cost a process for every server. But it is asked then, also
//! if its remembered lists hold nothing alike: a server may serve what it does not
//! list, and that it sleeps may cost its clients time, but never an answer.

use std::sync::Arc;

use crate::event::{ServerId, SessionKey};
use crate::hub::Hub;
use crate::hub::calls::{Asker, Call};
use crate::hub::children::ChildId;
use crate::hub::fans::{Fan, FanId};
use crate::hub::lifecycle::Phase;
use crate::hub::passing::Passage;
use crate::hub::refusal::Refusal;
use crate::hub::requests::Need;
use crate::wire::envelope::{Kind, Message};
use crate::wire::method::Method;
use crate::wire::outgoing::Outgoing;
use crate::wire::own_id::OwnId;

impl Hub {
    /// Asks several servers for a resource that none of them lists.
    pub(super) fn fan_out(&mut self, need: &Need, uri: &Arc<str>, servers: &[ServerId]) {
        let session = &need.caller.session;
        let sleeps = |server: &ServerId| self.would_be_started(session, *server);
        let (asleep, awake) = servers.iter().partition(|server| sleeps(server));
        let fan = self.fans.insert(Fan {
            caller: need.caller.clone(),
            uri: uri.clone(),
            message: need.message.clone(),
            asleep,
            open: Vec::new(),
            placing: true,
            failure: None,
            found: Vec::new(),
        });
        self.ask_in_fan(fan, awake);
    }

    /// Whether there is no process for what a session asks a server, and none
    /// that is about to be there.
    fn would_be_started(&self, session: &SessionKey, server: ServerId) -> bool {
        let child = self.child_so_far(session, server);
        let child = child.and_then(|child| self.children.get(child));
        child.is_none_or(|child| matches!(child.phase, Phase::Asleep | Phase::Dozing))
    }

    /// Puts the question to these servers.
    fn ask_in_fan(&mut self, fan: FanId, servers: Vec<ServerId>) {
        let Some(asked) = self.fans.get_mut(fan) else {
            return;
        };
        asked.placing = true;
        let session = asked.caller.session.clone();
        let (uri, message) = (asked.uri.clone(), asked.message.clone());
        for server in servers {
            let passage = Passage {
                server,
                method: Method::ResourcesRead,
                name: None,
                uri: Some(uri.clone()),
            };
            let child = match self.child_for(&session, server) {
                Ok(child) => child,
                Err(refusal) => {
                    self.count_refused(server);
                    self.note_failure(fan, &refusal);
                    continue;
                }
            };
            let call = self.call(child, Asker::Fan(fan), Some(session.clone()), &passage);
            let placed = self.place(call, message.clone(), None);
            if let (Some(id), Some(fan)) = (placed, self.fans.get_mut(fan)) {
                fan.open.push(id);
            }
        }
        if let Some(fan) = self.fans.get_mut(fan) {
            fan.placing = false;
        }
        self.settle_fan(fan);
    }

    /// One of the servers asked is asked once more, with a client's answers.
    pub(super) fn repeat_in_fan(
        &mut self,
        id: FanId,
        before: OwnId,
        call: Call,
        request: Outgoing,
    ) {
        let Some(fan) = self.fans.get_mut(id) else {
            return;
        };
        fan.open.retain(|&open| open != before);
        fan.placing = true;
        let placed = self.place_outgoing(call, request);
        if let Some(fan) = self.fans.get_mut(id) {
            fan.open.extend(placed);
            fan.placing = false;
        }
        self.settle_fan(id);
    }

    /// One of the servers asked has answered.
    pub(super) fn fan_answered(
        &mut self,
        id: FanId,
        call: OwnId,
        child: ChildId,
        message: Arc<Message>,
    ) {
        let server = self.children.get(child).map(|child| child.server);
        let Some(fan) = self.fans.get_mut(id) else {
            return;
        };
        fan.open.retain(|&open| open != call);
        if let Some(server) = server
            && message.kind == (Kind::Answer { failed: false })
        {
            fan.found.push((server, message));
        }
        self.settle_fan(id);
    }

    /// One of the servers asked will never answer.
    pub(super) fn fan_failed(&mut self, id: FanId, call: OwnId, refusal: &Refusal) {
        self.note_failure(id, refusal);
        if let Some(fan) = self.fans.get_mut(id) {
            fan.open.retain(|&open| open != call);
        }
        self.settle_fan(id);
    }

    fn note_failure(&mut self, id: FanId, refusal: &Refusal) {
        if let Some(fan) = self.fans.get_mut(id) {
            fan.failure.get_or_insert_with(|| refusal.clone());
        }
    }

    /// Gives a question up: nobody waits for it any more.
    pub(super) fn drop_fan(&mut self, id: FanId, why: Option<&Refusal>) {
        let Some(fan) = self.fans.remove(id) else {
            return;
        };
        for call in fan.open {
            self.abandon(call, None);
            self.forget_round(call);
        }
        match why {
            Some(why) => self.refuse_caller(&fan.caller, why),
            None => self.answer_nothing(&fan.caller),
        }
    }

    /// When all have answered: the one that knows the resource is right; two
    /// that do are one too many; where none does, those are asked that sleep.
    fn settle_fan(&mut self, id: FanId) {
        let Some(fan) = self.fans.get_mut(id) else {
            return;
        };
        if fan.placing || !fan.open.is_empty() {
            return;
        }
        if fan.found.is_empty() && !fan.asleep.is_empty() {
            let mut asleep = std::mem::take(&mut fan.asleep);
            asleep.retain(|server| self.plan.servers.runs(*server));
            return self.ask_in_fan(id, asleep);
        }
        let Some(fan) = self.fans.remove(id) else {
            return;
        };
        match fan.found.as_slice() {
            // A server that could not say may be the one that knows it.
            [] => {
                let unknown = || Refusal::UnknownResource(fan.uri.to_string());
                let refusal = fan.failure.clone().unwrap_or_else(unknown);
                self.refuse_caller(&fan.caller, &refusal);
            }
            [(_, message)] => self.answer(&fan.caller, message.clone()),
            several => {
                let servers: Vec<ServerId> = several.iter().map(|(server, _)| *server).collect();
                let refusal = self.ambiguous(&fan.uri, &servers);
                self.refuse_caller(&fan.caller, &refusal);
            }
        }
    }
}
