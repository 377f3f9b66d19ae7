//! Children for stateless requests to servers whose sessions have children of
//! their own. Such a request is a session of one: while it is under way it has a
//! child to itself, so that what this child asks is asked of its client and no
//! other. When it is over, the child is put by for the next.

use crate::event::{ServerId, SessionKey};
use crate::hub::Hub;
use crate::hub::children::{Child, ChildId, Spare};
use crate::hub::leasing::may_ask;
use crate::hub::lifecycle::{Happening, Phase};
use crate::hub::refusal::Refusal;
use crate::hub::timers::Timer;
use crate::limits;

/// Whether a child has nothing to do.
fn is_free(child: &Child) -> bool {
    child.under_way.is_empty() && child.held.is_empty()
}

impl Hub {
    /// The child for a stateless request: the template if it is free, one that
    /// was put by, or a new one. Where no further process may be started the
    /// template is shared, and the one-origin rule holds there.
    pub(super) fn lend(
        &mut self,
        key: &SessionKey,
        server: ServerId,
        main: ChildId,
    ) -> Result<ChildId, Refusal> {
        let session = self.sessions.get(key).ok_or(Refusal::ClientLeft)?;
        if let Some(&own) = session.children.get(&server) {
            return Ok(own);
        }
        let asks = session.lone.as_ref().is_some_and(|l| may_ask(&l.method));
        // One that is starting is waited for; it is not busy yet. What a stateless
        // child asks is an answer, and so for the right client anyway.
        let serves =
            |child: &Child| child.phase != Phase::Ready || child.is_stateless() || is_free(child);
        if !asks || self.children.get(main).is_none_or(serves) {
            return Ok(main);
        }
        if let Some(spare) = self.spare_of(server) {
            self.lend_again(spare, server, key);
            return Ok(spare);
        }
        Ok(self.start_own(server, key).unwrap_or(main))
    }

    fn spare_of(&self, server: ServerId) -> Option<ChildId> {
        let fits = |child: &Child| {
            let is_ready = child.phase == Phase::Ready && is_free(child);
            child.spare.is_some() && child.server == server && is_ready
        };
        self.children
            .iter()
            .find_map(|(id, child)| fits(child).then_some(id))
    }

    /// Makes a child the own one of a session.
    pub(super) fn give_own(&mut self, id: ChildId, server: ServerId, key: &SessionKey) {
        if let (Some(session), Some(child)) =
            (self.sessions.get_mut(key), self.children.get_mut(id))
        {
            child.owner = Some(key.clone());
            session.children.insert(server, id);
        }
    }

    /// A request is taken up by another: its children go with it, and what its
    /// client could not be asked.
    pub(super) fn hand_over(&mut self, from: &SessionKey, to: &SessionKey) {
        let Some(before) = self.sessions.get_mut(from) else {
            return;
        };
        let children = std::mem::take(&mut before.children);
        let lacks = before.lone.as_ref().and_then(|lone| lone.lacks);
        let after = self.sessions.get_mut(to);
        if let Some(lone) = after.and_then(|session| session.lone.as_mut()) {
            lone.lacks = lacks;
        }
        for (server, id) in children {
            self.give_own(id, server, to);
        }
    }

    /// The request that a child was lent to is over.
    pub(super) fn put_by(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let due = self.now.after(limits::OWN_CHILD_IDLE_MAX);
        child.owner = None;
        child.spare = Some(Spare {
            since: self.now,
            timer: self.timers.set(due, Timer::Spare(id)),
        });
        if self.stopping {
            self.happen(id, Happening::StopAsked);
        }
    }

    /// Lends a child that was put by. It logs as the request wants it to.
    fn lend_again(&mut self, id: ChildId, server: ServerId, key: &SessionKey) {
        if let Some(spare) = self.children.get_mut(id).and_then(|c| c.spare.take()) {
            self.timers.cancel(spare.timer);
        }
        self.give_own(id, server, key);
        if let Some(level) = self.sessions.get(key).and_then(|session| session.level) {
            self.ask_child_for_level(id, level);
        }
    }

    /// A child that was put by has been there for long enough.
    pub(super) fn spare_due(&mut self, id: ChildId) {
        self.happen(id, Happening::StopAsked);
    }

    /// Stops the child that was put by longest ago, to make room; says whether
    /// there was one.
    pub(super) fn stop_a_spare(&mut self) -> bool {
        let stays = |child: &Child| child.phase != Phase::Retiring;
        let oldest = self
            .children
            .iter()
            .filter(|(_, child)| stays(child))
            .filter_map(|(id, child)| Some((child.spare?.since, id)))
            .min();
        if let Some((_, id)) = oldest {
            self.happen(id, Happening::StopAsked);
        }
        oldest.is_some()
    }
}
