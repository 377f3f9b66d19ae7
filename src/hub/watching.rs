//! What is seen of a child that serves: whether it still lives, by pings, and
//! whether anybody needs it.
//!
//! Nothing here is done for each call. A child knows when it was last heard and
//! last used; one deadline for each life looks at that and sets itself anew.

use std::time::Duration;

use crate::event::{Life, Moment};
use crate::hub::Hub;
use crate::hub::children::{Child, ChildId};
use crate::hub::lifecycle::{Happening, Phase};
use crate::hub::timers::Timer;
use crate::limits;
use crate::wire::method::Method;
use crate::wire::own_id::Purpose;

impl Hub {
    /// A word of a child, whatever it says, is a sign of life.
    pub(super) fn hear_child(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.heard = self.now;
        child.answers_pings |= child.pinged.take().is_some();
        let was_overdue = child.overdue.take().is_some();
        if std::mem::take(&mut child.missed) > 0 || was_overdue {
            self.observe(id);
        }
    }

    /// Sets when a child that serves is next looked at.
    pub(super) fn watch(&mut self, id: ChildId) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        // It may be quiet or unneeded from any moment on, and a reload may want
        // another wait: so each is looked for as often as it lasts.
        let waits = [
            Some(limits::WATCH_WAIT_MAX),
            Some(self.plan.ping_interval),
            self.idle_max(child),
        ];
        let wait = waits.into_iter().flatten().min().unwrap_or_default();
        let looks = [
            Some(self.now.after(wait)),
            self.ping_at(id, child),
            self.unneeded_at(id, child),
            self.stuck_at(child),
        ];
        if let Some(at) = looks.into_iter().flatten().min() {
            self.timers.set(at, Timer::Watch(child.life));
        }
    }

    /// A child is looked at.
    pub(super) fn watch_due(&mut self, life: Life) {
        let Some(id) = self.children.of_life(life) else {
            return;
        };
        // Other phases have their own deadlines, and end with the life.
        let serves = |child: &&Child| child.phase == Phase::Ready;
        let Some(child) = self.children.get(id).filter(serves) else {
            return;
        };
        let unneeded = self.unneeded_at(id, child);
        if unneeded.is_some_and(|at| at <= self.now) {
            log::info!("{}: stopped, for nobody needs it now", self.label(id));
            return self.happen(id, Happening::Unneeded);
        }
        if self.stuck_at(child).is_some_and(|at| at <= self.now) {
            let what = "has answered no call in time, and said nothing since";
            self.trouble(id, what.to_owned());
            return self.happen(id, Happening::Useless);
        }
        match self.ping_at(id, child) {
            Some(at) if at <= self.now => self.ping(id),
            Some(_) => {}
            None => self.forget_misses(id),
        }
        if self.children.get(id).as_ref().is_some_and(serves) {
            self.watch(id);
        }
    }

    /// A call of a child has had its time. What waits for a client's answer may
    /// well be silent.
    pub(super) fn note_overdue(&mut self, id: ChildId) {
        if self.questions.count_of(id) > 0 || self.leases.count_of(id) > 0 {
            return;
        }
        let now = self.now;
        if let Some(child) = self.children.get_mut(id) {
            child.overdue.get_or_insert(now);
            self.observe(id);
        }
    }

    /// When a child that answers no call in time and says nothing has done so for
    /// long enough, though new calls keep it busy: as long as it would take to see
    /// that by pings if none came.
    fn stuck_at(&self, child: &Child) -> Option<Moment> {
        let server = self.server_of(child);
        let overdue = child.overdue.filter(|_| server.is_pinged)?;
        let pings = self.plan.ping_interval * (u32::from(limits::PINGS_MISSED_MAX) + 1);
        Some(overdue.after(server.timeout).after(pings))
    }

    /// When a child is pinged, or has missed a ping, if nothing happens; none if
    /// it is not pinged now. A busy child is judged by its calls' deadlines alone:
    /// many servers do one thing at a time, and go on with a call that was given up.
    fn ping_at(&self, id: ChildId, child: &Child) -> Option<Moment> {
        let is_busy = !child.held.is_empty()
            || !child.reading.is_empty()
            || !child.under_way.is_empty()
            || self.questions.count_of(id) > 0;
        let is_hopeless = child.lost_to_pings > limits::LIVES_LOST_TO_PINGS_MAX;
        let is_pinged = self.server_of(child).is_pinged && !is_hopeless && !is_busy;
        is_pinged.then(|| {
            let quiet_since = child.heard.max(child.used);
            let since = child.pinged.map_or(quiet_since, |at| at.max(quiet_since));
            since.after(self.plan.ping_interval)
        })
    }

    /// It has been idle and silent for long enough to be asked whether it lives;
    /// or it was asked, and has not answered.
    fn ping(&mut self, id: ChildId) {
        let interval = self.plan.ping_interval.as_secs_f64();
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        match child.pinged {
            Some(at) if at >= child.used => child.missed += 1,
            // It was busy since, and may not have come to it.
            Some(_) | None => child.missed = 0,
        }
        if child.missed >= limits::PINGS_MISSED_MAX {
            if !child.answers_pings {
                child.lost_to_pings += 1;
            }
            // It works, or seems to, but for this: it is not ended for that again
            // and again.
            if child.lost_to_pings > limits::LIVES_LOST_TO_PINGS_MAX {
                log::warn!(
                    "{}: has never answered a ping, and is not pinged any more",
                    self.label(id)
                );
                return self.forget_misses(id);
            }
            self.trouble(
                id,
                format!("has not answered two pings, {interval} s apart (\"keepalive_interval\")"),
            );
            return self.happen(id, Happening::Useless);
        }
        child.pinged = Some(self.now);
        let method = match child.is_stateless() {
            true => Method::Discover,
            false => Method::Ping,
        };
        self.observe(id);
        self.send_own(id, Purpose::Errand, method, None);
    }

    fn forget_misses(&mut self, id: ChildId) {
        if let Some(child) = self.children.get_mut(id) {
            child.pinged = None;
            child.missed = 0;
        }
        self.observe(id);
    }

    /// After how long without a call a child is stopped, if ever.
    fn idle_max(&self, child: &Child) -> Option<Duration> {
        let server = self.server_of(child);
        let for_its_lists = server.is_lazy && !child.was_called;
        let waits = [
            for_its_lists.then_some(limits::LEARNED_WAIT),
            server.idle_stop,
        ];
        waits.into_iter().flatten().min()
    }

    /// When nobody will have needed a child for long enough, if nothing happens.
    /// Children of sessions' own go with their sessions instead.
    fn unneeded_at(&self, id: ChildId, child: &Child) -> Option<Moment> {
        let idle_max = self.idle_max(child)?;
        let is_known = child.learned == Some(self.server_of(child).fingerprint);
        let is_needed = child.is_extra()
            || !is_known
            || child.offer.is_empty()
            || !child.settled
            || !child.reading.is_empty()
            || !child.held.is_empty()
            || !child.under_way.is_empty()
            || !child.subscribers.is_empty()
            || self.questions.count_of(id) > 0
            || self.leases.count_of(id) > 0
            || self.rounds.iter().any(|(_, round)| round.call.child == id);
        (!is_needed).then(|| child.used.max(child.since).after(idle_max))
    }
}
