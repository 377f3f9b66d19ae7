//! Calls that end without the answer of their child: it cannot give it, their
//! time is over, or they are given up.

use crate::hub::Hub;
use crate::hub::calls::Asker;
use crate::hub::children::{Child, ChildId};
use crate::hub::leases::Outcome;
use crate::hub::notices::taken_back;
use crate::hub::refusal::Refusal;
use crate::hub::timers::Timer;
use crate::wire::outgoing::Outgoing;
use crate::wire::own_id::OwnId;

impl Hub {
    /// A call that the child will not answer any more.
    pub(super) fn fail_call(&mut self, id: OwnId, refusal: &Refusal) {
        let Some(call) = self.close_call(id) else {
            return;
        };
        if call.abandoned {
            return;
        }
        self.count_error(&call);
        self.refuse_asker(&call.asker, id, refusal);
    }

    /// Tells who waits for a call that there will be no answer.
    pub(super) fn refuse_asker(&mut self, asker: &Asker, id: OwnId, refusal: &Refusal) {
        match asker {
            Asker::Client(caller) => self.refuse_caller(caller, refusal),
            Asker::Fan(fan) => self.fan_failed(*fan, id, refusal),
            Asker::Leased(lease) => self.keep_outcome(*lease, Outcome::Refused(refusal.clone())),
            Asker::Nobody => {}
        }
    }

    /// Why a child does not run.
    pub(super) fn why_down(&self, child: &Child) -> String {
        let why = self.why_unwanted(child.server).or(child.trouble.clone());
        why.unwrap_or_else(|| "it was stopped".to_owned())
    }

    /// Fails every call that waits for a child.
    pub(super) fn fail_held(&mut self, id: ChildId) {
        let Some(held) = self.children.get_mut(id).map(Child::take_held) else {
            return;
        };
        // What comes next may depend on whether anybody still waits.
        let Some(refusal) = self.children.get(id).map(|child| self.down(child)) else {
            return;
        };
        for call in held {
            self.fail_call(call.id, &refusal);
        }
    }

    /// A call has had its time. While its client is being asked something, the
    /// time stands still.
    pub(super) fn call_overdue(&mut self, id: OwnId) {
        let Some(call) = self.calls.get(id) else {
            return;
        };
        if call.abandoned {
            let child = call.child;
            self.close_call(id);
            return self.send_held(child);
        }
        let waits_for_client = call
            .origin
            .as_ref()
            .is_some_and(|session| self.questions.is_open(call.child, session));
        if waits_for_client {
            self.rearm(id);
            return;
        }
        let Some(server) = self.children.get(call.child).map(|c| c.server) else {
            return;
        };
        // One that was never sent says nothing of the child.
        let overdue = call.life.map(|_| call.child);
        let refusal = Refusal::CallTimedOut {
            server: self.server(server).name.clone(),
            after: call.timeout,
        };
        log::warn!("{refusal}");
        self.count_overdue(id);
        if let Some(child) = overdue {
            self.note_overdue(child);
        }
        self.abandon(id, Some(&refusal));
    }

    /// Sets a call's time, where none is set.
    pub(super) fn arm(&mut self, id: OwnId) {
        if self.calls.get(id).is_some_and(|call| call.timer.is_none()) {
            self.rearm(id);
        }
    }

    /// Counts a call's time anew.
    pub(super) fn rearm(&mut self, id: OwnId) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        if call.abandoned {
            return;
        }
        if let Some(timer) = call.timer {
            self.timers.cancel(timer);
        }
        let due = self.now.after(call.timeout);
        call.timer = Some(self.timers.set(due, Timer::Call(id)));
    }

    /// Gives a call up by the gateway's own will.
    pub(super) fn abandon(&mut self, id: OwnId, refusal: Option<&Refusal>) {
        self.give_up(id, refusal, taken_back(id.number()));
    }

    /// Gives a call up: its asker is refused, or told nothing, and the child is
    /// asked to stop by this notice. The call stays in the books until the child
    /// answers it all the same, or for its time once more: a child that stops
    /// says so by silence (2025-11-25, cancellation, "Behavior Requirements"),
    /// and one that does not may still ask and log because of it.
    pub(super) fn give_up(&mut self, id: OwnId, refusal: Option<&Refusal>, notice: Outgoing) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        if call.abandoned {
            return;
        }
        let child = call.child;
        let asker = call.asker.clone();
        if call.life.is_some() {
            call.abandoned = true;
            if let Some(timer) = call.timer.take() {
                self.timers.cancel(timer);
            }
            let due = self.now.after(call.timeout);
            call.timer = Some(self.timers.set(due, Timer::Call(id)));
            if let Some(child) = self.children.get_mut(child) {
                child.used = self.now;
            }
            self.send_child(child, notice);
            self.send_held(child);
            self.look_if_drained(child);
        } else {
            self.close_call(id);
        }
        match (asker, refusal) {
            (asker, Some(refusal)) => self.refuse_asker(&asker, id, refusal),
            (Asker::Client(caller), None) => self.answer_nothing(&caller),
            (Asker::Fan(_) | Asker::Leased(_) | Asker::Nobody, None) => {}
        }
    }

    /// A line of a child was over the limit; it may have been an answer.
    pub(super) fn oversized(&mut self, child: ChildId, id: Option<OwnId>, length: u64) {
        log::warn!(
            "{}: a line of {length} bytes on stdout is over \"max_child_message_size\"; skipped",
            self.label(child)
        );
        self.answer_lost(child, id, |server| Refusal::AnswerTooLong {
            server,
            length,
        });
    }

    /// A line of a child was skipped, for too much is held of what children have
    /// said already; it may have been an answer.
    pub(super) fn unheld(&mut self, child: ChildId, id: Option<OwnId>, length: u64) {
        log::warn!(
            "{}: there is no room for a line of {length} bytes on stdout now; skipped",
            self.label(child)
        );
        self.answer_lost(child, id, |server| Refusal::AnswerUnheld { server, length });
    }

    /// The answer to a request was not kept.
    fn answer_lost(
        &mut self,
        child: ChildId,
        id: Option<OwnId>,
        refusal: impl FnOnce(String) -> Refusal,
    ) {
        let Some(id) = id else { return };
        let refusal = match self.children.get(child) {
            Some(child) => refusal(self.server_of(child).name.clone()),
            None => return,
        };
        if self.calls.get(id).is_some_and(|call| call.child == child) {
            self.fail_call(id, &refusal);
            self.send_held(child);
        } else {
            let why = refusal.to_string();
            self.reply(child, id, crate::event::Reply::Failed(why));
        }
    }
}
