//! A plan takes the place of another while the gateway runs: each server keeps
//! its processes, changes them or loses them, as `plan::changes` says. Clients
//! are told of what they see otherwise once, when what the reload has started
//! is there.
//!
//! Reading the file is not done here, nor how a process goes and comes
//! (`upkeep`, by the table in `lifecycle`).

use std::sync::Arc;

use crate::catalog::merge::Catalog;
use crate::config::checked::Scope;
use crate::event::{Effect, Moment, ServerId, SessionKey};
use crate::hub::Hub;
use crate::hub::children::{Child, ChildId};
use crate::hub::lifecycle::{Happening, Phase};
use crate::hub::refusal::Refusal;
use crate::hub::sessions::Session;
use crate::hub::timers::Timer;
use crate::limits;
use crate::plan::changes::{Changes, Fate};
use crate::plan::{Plan, Readiness};
use crate::sorted::SortedMap;

/// What is still to be told of reloads.
#[derive(Debug, Default)]
pub struct Resettling {
    /// The children that reloads have started or renewed and that are not there
    /// yet, with the time that each has for it. No change is told meanwhile.
    awaited: SortedMap<ChildId, Moment>,
    /// What sessions with children of their own saw before, as far as they were
    /// told.
    overlays: SortedMap<SessionKey, Arc<Catalog>>,
}

impl Resettling {
    /// Whether changes are to be told later.
    pub fn is_awaiting(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Takes out what such a session saw when it was last told.
    pub fn take_overlay(&mut self, session: &SessionKey) -> Option<Arc<Catalog>> {
        self.overlays.remove(session)
    }

    /// Whoever is still there knows what it sees.
    pub fn all_told(&mut self) {
        self.overlays.clear();
    }

    /// The children that are awaited.
    #[cfg(test)]
    pub fn awaited(&self) -> impl Iterator<Item = ChildId> {
        self.awaited.keys().copied()
    }

    /// Whether nothing is to be told any more.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.awaited.is_empty() && self.overlays.is_empty()
    }
}

impl Hub {
    /// Puts a plan in the place of the present one, and appends what shall be
    /// done about it. Lives that start from now on are of the new plan. Returns
    /// what has changed, or nothing if the gateway is stopping and nothing has.
    pub fn reload(
        &mut self,
        now: Moment,
        plan: Plan,
        effects: &mut Vec<Effect>,
    ) -> Option<Changes> {
        let mut changes = None;
        self.thinking(now, effects, |hub| {
            if !hub.stopping {
                changes = Some(hub.replace_plan(plan));
            }
        });
        changes
    }

    fn replace_plan(&mut self, plan: Plan) -> Changes {
        let changes = Changes::between(&self.plan, &plan);
        let before = std::mem::replace(&mut self.plan, plan);
        let was_lazy = |id: &ServerId| before.servers.get(*id).is_some_and(|s| s.is_lazy);
        let changed = changes.fates().filter(|(_, fate)| *fate == Fate::Adjusted);
        let were_lazy: Vec<ServerId> = changed.map(|(id, _)| id).filter(was_lazy).collect();
        self.note_what_is_off(&before.servers);
        let gone = self.plan.servers.succeed(before.servers);
        // Before any child is touched, so that what clients saw is remembered
        // and what is called from here on is found in the new lists.
        self.shelve_what_was_told();
        // Who waits is looked at when all of the plan holds: the lists of sessions
        // with children of their own still name servers that are gone.
        let waiters = std::mem::take(&mut self.waiters);
        for (id, fate) in changes.fates() {
            match fate {
                Fate::Started => self.start_server(id),
                Fate::Renewed => self.renew_server(id),
                Fate::Stopped => self.leave_server(id),
                Fate::Adjusted | Fate::Kept | Fate::Idle | Fate::Unchanged => {}
            }
        }
        for id in gone {
            self.forget_server_if_gone(id);
        }
        for id in were_lazy {
            self.wake_if_needed(id);
        }
        self.rebuild_overlays();
        self.tell_soon();
        // Who waited for a server that is gone, or for a place under a limit that
        // has grown, waits no longer.
        self.waiters.splice(0..0, waiters);
        self.first_start_over();
        for child in self.children.ids() {
            self.send_held(child);
            self.observe(child);
        }
        changes
    }

    /// What each view showed so far is what its clients know until they are told.
    fn shelve_what_was_told(&mut self) {
        for (view, catalog) in std::mem::take(&mut self.shelf) {
            self.outdated.entry(view).or_insert(catalog);
        }
    }

    /// The same for sessions with children of their own: they see at once what
    /// there is now.
    fn rebuild_overlays(&mut self) {
        for key in self.sessions.keys_where(|s| s.overlay.is_some()) {
            let Some(view) = self.view_of(&key) else {
                continue;
            };
            let now = Arc::new(self.build_catalog(&view, Some(&key)));
            let session = self.sessions.get_mut(&key);
            if let Some(before) = session.and_then(|session| session.overlay.replace(now)) {
                self.resettling.overlays.entry(key).or_insert(before);
            }
        }
    }

    /// A server that did not run runs from now on. Where a process of it is still
    /// on its way out, that place is filled again when it is gone: a server that
    /// all share never has two.
    fn start_server(&mut self, id: ServerId) {
        match self.main_of(id) {
            Some(main) => self.renew(main),
            None => {
                let main = self.enter_main(id);
                if let Some(child) = self.children.get_mut(main) {
                    child.is_added = true;
                }
                self.start_or_sleep(main);
                self.await_settling(main);
            }
        }
    }

    /// A server that is lazy no more does not sleep until its first call.
    fn wake_if_needed(&mut self, id: ServerId) {
        let sleeps = |child: &Child| child.phase == Phase::Asleep;
        let main = self.main_of(id).filter(|_| !self.server(id).is_lazy);
        if let Some(main) = main
            && self.children.get(main).is_some_and(sleeps)
        {
            self.start_due(main);
        }
    }

    /// The processes of a server are out of date.
    fn renew_server(&mut self, id: ServerId) {
        self.eras.remove(&id);
        self.forget_complaints(id);
        for child in self.extras_of(id) {
            self.renew_extra(child);
        }
        if let Some(main) = self.main_of(id) {
            self.renew(main);
        }
    }

    /// Fills the place of a child anew, when it has finished its calls. Those that
    /// wait for it are for its next life.
    fn renew(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        // What failed was another; this one's first start is still to come.
        child.failures = 0;
        child.parked = false;
        if child.hello.is_none() {
            child.settled = false;
            child.awaited = self.now;
            child.is_added = true;
        }
        let held: Vec<_> = child.held.iter().map(|held| held.id).collect();
        self.happen(id, Happening::RenewAsked);
        for call in held {
            let timer = self.calls.get_mut(call).and_then(|call| call.timer.take());
            if let Some(timer) = timer {
                self.timers.cancel(timer);
                self.wait_for_start(call, id);
            }
        }
        self.await_settling(id);
    }

    /// A session's own child of a server that is out of date. One that is in use
    /// gets its next life in the same place, for calls wait for it and
    /// subscriptions are told anew; of one that is not, the session's next call
    /// starts another.
    fn renew_extra(&mut self, id: ChildId) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        let is_own = self.server_of(child).scope == Scope::Session;
        let in_use = |child: &Child| {
            let has_calls = !child.under_way.is_empty() || !child.held.is_empty();
            has_calls || !child.subscribers.is_empty()
        };
        let goes = matches!(child.phase, Phase::Leaving | Phase::Retiring | Phase::Down);
        if is_own && child.owner.is_some() && in_use(child) && !goes {
            self.renew(id);
        } else {
            self.leave(id);
        }
    }

    /// A server is not wanted any more. What it has under way may be finished.
    fn leave_server(&mut self, id: ServerId) {
        self.links.forget(id);
        self.tasks.forget(id);
        self.end_rounds_of(id);
        for child in self.extras_of(id).into_iter().chain(self.main_of(id)) {
            self.leave(child);
        }
    }

    fn leave(&mut self, id: ChildId) {
        self.detach(id);
        self.happen(id, Happening::LeaveAsked);
        // Nobody waits for its first start any more, nor for a place.
        self.fail_held(id);
        self.settle(id);
    }

    /// Takes a child that goes for good from the sessions that know it: its owner
    /// gets another when it next needs one, and nobody is subscribed to it. A
    /// request of the stateless era keeps what it was lent to its end.
    fn detach(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let server = child.server;
        let owner = child.owner.clone();
        for (uri, sessions) in std::mem::take(&mut child.subscribers) {
            for key in sessions {
                if let Some(session) = self.sessions.get_mut(&key) {
                    session.subscriptions.remove(&(uri.clone(), id));
                }
            }
        }
        let owner = owner.and_then(|owner| self.sessions.get_mut(&owner));
        let goes = |session: &&mut Session| {
            session.children.get(&server) == Some(&id) && session.lone.is_none()
        };
        if let Some(session) = owner.filter(goes) {
            session.children.remove(&server);
        }
    }

    /// A child is down. If it was one of a session's own, or of a server that is
    /// not wanted any more, its place is struck out.
    pub(super) fn strike_out(&mut self, id: ChildId) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        let server = child.server;
        if !child.is_extra() && self.plan.servers.runs(server) {
            return;
        }
        self.detach(id);
        let Some(child) = self.children.remove(id) else {
            return;
        };
        let spare = child.spare.map(|spare| spare.timer);
        for timer in spare.into_iter().chain(child.hearing.timer) {
            self.timers.cancel(timer);
        }
        let owner = child.owner.and_then(|owner| self.sessions.get_mut(&owner));
        if let Some(owner) = owner {
            owner.children.retain(|_, own| *own != id);
        }
        if self.main_of(server) == Some(id) {
            self.mains.remove(&server);
        }
        self.forget_server_if_gone(server);
    }

    /// Of a server that does not run and has no process left, nothing is kept.
    fn forget_server_if_gone(&mut self, id: ServerId) {
        let is_left = self.children.iter().any(|(_, child)| child.server == id);
        let is_known = self.plan.servers.get(id).is_some();
        if is_left || !is_known || self.plan.servers.runs(id) {
            return;
        }
        self.end_rounds_of(id);
        self.links.forget(id);
        self.tasks.forget(id);
        self.eras.remove(&id);
        self.fans.forget(id);
        self.forget_complaints(id);
        if !self.plan.servers.names(id) {
            self.figures.forget(id);
            self.plan.servers.forget(id);
        }
    }

    /// What was said once of a server's lists is said again of those to come.
    fn forget_complaints(&mut self, id: ServerId) {
        let Some(server) = self.plan.servers.get(id) else {
            return;
        };
        let starts = [
            format!("server {:?}: ", server.name),
            format!("{}: ", server.name),
            format!("{} (own child ", server.name),
        ];
        let is_of_it = |sentence: &String| starts.iter().any(|start| sentence.starts_with(start));
        self.complaints.retain(|sentence| !is_of_it(sentence));
    }

    /// Calls that wait for their clients' answers will not be made once more.
    fn end_rounds_of(&mut self, id: ServerId) {
        let refusal = self.why_unwanted(id).map(|why| Refusal::ServerDown {
            server: self.server(id).name.clone(),
            why,
        });
        for round in self.rounds.of_server(id) {
            self.drop_round(round, refusal.as_ref());
        }
    }

    /// Why a server does not run, if that is by its configuration.
    pub(super) fn why_unwanted(&self, id: ServerId) -> Option<String> {
        if !self.plan.servers.names(id) {
            return Some("it was taken out of the configuration".to_owned());
        }
        match &self.plan.servers.get(id)?.readiness {
            Readiness::Enabled => None,
            Readiness::Disabled => Some("it is disabled in the configuration".to_owned()),
            Readiness::Misconfigured(why) => Some(why.clone()),
        }
    }

    /// What those are told whose calls are cut short by the end of a child, which
    /// was in this phase.
    pub(super) fn cut_short(
        &self,
        id: ChildId,
        (was, how): (Phase, String),
        next: &'static str,
    ) -> Refusal {
        let server = self.server_of_id(id);
        let server_id = self.children.get(id).map(|child| child.server);
        let unwanted = server_id.and_then(|id| self.why_unwanted(id));
        let name = server.name.clone();
        match (was, unwanted) {
            (Phase::Retiring, Some(why)) => Refusal::ServerDown { server: name, why },
            (Phase::Renewing, _) => Refusal::ServerGone {
                server: name,
                how: "was given a new configuration".to_owned(),
                next,
            },
            _ => Refusal::ServerGone {
                server: name,
                how,
                next,
            },
        }
    }

    /// The children of a server beside its main one.
    fn extras_of(&self, id: ServerId) -> Vec<ChildId> {
        let is_extra = |child: &Child| child.server == id && child.is_extra();
        let children = self.children.iter();
        children
            .filter_map(|(id, child)| is_extra(child).then_some(id))
            .collect()
    }

    /// Lets clients be told only when this child is there, or has had its time.
    fn await_settling(&mut self, id: ChildId) {
        // One that sleeps until it is needed is as much there as it will be.
        if self.children.get(id).is_some_and(Child::has_process) {
            let due = self.now.after(limits::RELOAD_SETTLE_WAIT);
            self.resettling.awaited.insert(id, due);
            self.timers.set(due, Timer::Resettle);
        }
    }

    /// A child has read its lists, or has failed for good.
    pub(super) fn resettled(&mut self, id: ChildId) {
        // While others are awaited, it is told with the last of them.
        if self.resettling.awaited.remove(&id).is_some() {
            self.tell_soon();
        }
    }

    /// Children that a reload has started have had their time: clients are told
    /// what there is. What comes later is told then.
    pub(super) fn resettle_due(&mut self) {
        let count = self.resettling.awaited.len();
        let now = self.now;
        self.resettling.awaited.retain(|_, due| *due > now);
        if self.resettling.awaited.len() < count {
            self.tell_all();
        }
    }
}
