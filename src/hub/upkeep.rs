//! The upkeep of the children: the table in `lifecycle` is looked up and done.
//! What is said to a process that has just started is in `greeting`, what is
//! seen of one that serves in `watching`, how one goes in `going`, when one that
//! failed is started again in `retrying`, and which have none in `resting`.

use crate::config::checked::Protocol;
use crate::event::{Effect, Life, ServerId, SessionKey};
use crate::hub::Hub;
use crate::hub::belonging::is_idle;
use crate::hub::children::{Child, ChildId, Era};
use crate::hub::lifecycle::{Happening, Phase, Step, next};
use crate::hub::refusal::Refusal;
use crate::hub::sessions::Session;
#[cfg(test)]
use crate::hub::stories::simulation::counts;
use crate::hub::timers::Timer;
use crate::limits;
use crate::plan::ServerPlan;
use crate::wire::own_id::OwnId;

impl Hub {
    /// The plan of a server.
    pub(super) fn server(&self, id: ServerId) -> &ServerPlan {
        let server = self.plan.servers.get(id);
        server.expect("a server is known as long as a child of it is")
    }

    /// The plan of a child's server.
    pub(super) fn server_of(&self, child: &Child) -> &ServerPlan {
        self.server(child.server)
    }

    /// What the log calls a child: its server, and whose it is.
    pub(super) fn label(&self, id: ChildId) -> String {
        match self.children.get(id) {
            Some(child) if child.is_extra() => {
                format!("{} (own child {})", self.server_of(child).name, id.serial())
            }
            Some(child) => self.server_of(child).name.clone(),
            None => format!("child {}", id.serial()),
        }
    }

    /// Every server's first start.
    pub(super) fn start_servers(&mut self) {
        let servers: Vec<ServerId> = self.plan.servers.iter().map(|(id, _)| id).collect();
        for id in servers {
            if self.plan.servers.runs(id) {
                self.enter_main(id);
            }
        }
        for child in self.children.ids() {
            self.start_or_sleep(child);
        }
    }

    /// Enters the child of a server that all share, or that its lists come from.
    pub(super) fn enter_main(&mut self, server: ServerId) -> ChildId {
        let mut child = Child::new(server, None, self.now);
        self.recall(&mut child);
        let id = self.children.insert(child);
        self.mains.insert(server, id);
        id
    }

    /// It is time to start a child, or first to find out how it is spoken to.
    pub(super) fn start_due(&mut self, id: ChildId) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        let is_unknown = self.server_of(child).protocol == Protocol::Auto
            && !self.eras.contains_key(&child.server);
        let happening = match is_unknown {
            true => Happening::ProbeDue,
            false => Happening::StartDue,
        };
        self.happen(id, happening);
    }

    /// What is said of a server that no process is there for, nor will be.
    pub(super) fn not_running(&self, server: ServerId) -> Refusal {
        Refusal::ServerDown {
            server: self.server(server).name.clone(),
            why: "it is not running".to_owned(),
        }
    }

    /// A child of a session's own, started by its first need.
    pub(super) fn start_own(
        &mut self,
        server: ServerId,
        session: &SessionKey,
    ) -> Result<ChildId, Refusal> {
        if !self.plan.servers.runs(server) {
            return Err(self.not_running(server));
        }
        let max = self.plan.processes_max;
        if self.own_children() >= max && !self.stop_a_spare() {
            self.evict_own();
        }
        // Those on their way out are gone in a moment; but sessions that come
        // and go faster than that have to wait.
        let all = self.children.iter().filter(|(_, c)| c.is_extra());
        if self.own_children() >= max || all.count() >= 2 * max {
            return Err(Refusal::TooManyProcesses(max));
        }
        let id = self.children.insert(Child::new(server, None, self.now));
        self.give_own(id, server, session);
        self.has_own(session);
        if !self.is_lone(session) {
            self.look_for_idleness(session, self.now.after(limits::OWN_CHILD_IDLE_MAX));
        }
        self.start_due(id);
        Ok(id)
    }

    /// How many children of sessions' own there are, but for those on their way
    /// out.
    fn own_children(&self) -> usize {
        let goes = |child: &Child| matches!(child.phase, Phase::Leaving | Phase::Retiring);
        let counts = |child: &Child| child.is_extra() && !goes(child);
        self.children.iter().filter(|(_, c)| counts(c)).count()
    }

    /// The session that has been idle for longest gives up its children.
    fn evict_own(&mut self) {
        let streams = &self.streams;
        let evictable = |_: &SessionKey, session: &Session| {
            !session.children.is_empty()
                && is_idle(session, streams)
                && self.now.since(session.heard) >= limits::OWN_CHILD_EVICT_AFTER
        };
        if let Some(key) = self.sessions.longest_unheard(evictable) {
            self.stop_own(&key);
        }
    }

    /// Stops the children of a session's own; its next call starts new ones.
    pub(super) fn stop_own(&mut self, key: &SessionKey) {
        let own = match self.sessions.get_mut(key) {
            Some(session) => {
                let own = std::mem::take(&mut session.children);
                let lasts = |child: &ChildId| !own.values().any(|gone| gone == child);
                session.subscriptions.retain(|(_, child)| lasts(child));
                own
            }
            None => return,
        };
        for id in own.into_values() {
            if let Some(child) = self.children.get_mut(id) {
                child.subscribers.clear();
            }
            self.happen(id, Happening::StopAsked);
        }
    }

    /// Looks up the table and does what it says.
    pub(super) fn happen(&mut self, id: ChildId, happening: Happening) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        #[cfg(test)]
        counts::cell(child.phase, happening);
        let (phase, step) = next(child.phase, happening);
        if phase != child.phase {
            if let Some(timer) = child.retry.take() {
                self.timers.cancel(timer);
            }
            if child.is_stable(self.now) {
                child.failures = 0;
            }
            // What was found out of its era does not hold, or not any more.
            if child.phase == Phase::Starting
                && matches!(phase, Phase::Ousted | Phase::Waiting | Phase::Parked)
            {
                self.eras.remove(&child.server);
            }
            child.phase = phase;
            child.since = self.now;
        }
        match step {
            Step::Nothing => {}
            Step::Start => self.begin_life(id),
            Step::Serve => self.serve(id),
            Step::Dismiss => self.dismiss(id, happening),
            Step::Drain => self.drain(id),
            Step::Retry => self.set_retry(id),
            Step::Park => self.park(id),
            Step::Again => self.start_due(id),
            Step::Sleep => self.sleep(id),
            Step::Rest => self.rest(id),
        }
        self.observe(id);
    }

    /// Starts a process: the one that shall serve, or one that only tells its era.
    fn begin_life(&mut self, id: ChildId) {
        let Some(life) = self.children.begin_life(id) else {
            return;
        };
        let child = self.children.get(id).expect("its life has just begun");
        let server = child.server;
        let is_probe = child.phase == Phase::Probing;
        let era = match self.server(server).protocol {
            _ if is_probe => None,
            Protocol::Legacy => Some(Era::Handshake),
            Protocol::Modern => Some(Era::Stateless),
            // What has not said that it is another is of the handshake era.
            Protocol::Auto => Some(*self.eras.entry(server).or_insert(Era::Handshake)),
        };
        let patience = match is_probe {
            true => limits::PROBE_WAIT,
            false => self.server(server).startup_timeout,
        };
        let due = self.now.after(patience);
        let timer = self.timers.set(due, Timer::Startup(life));
        let queue_max = self.plan.queue_max;
        if let Some(child) = self.children.get_mut(id) {
            child.era = era;
            child.startup = Some(timer);
            child.queue_max = queue_max;
        }
        if !is_probe {
            self.count_start(id);
        }
        self.effects.push(Effect::Spawn { life, server });
    }

    /// The process could not be started at all.
    pub(super) fn spawn_failed(&mut self, id: ChildId, why: String) {
        if let Some(child) = self.children.get_mut(id) {
            child.ended = Some(why);
            child.silent = true;
        }
        self.life_over(id);
    }

    /// Notes why a child does not work, and says so in the log.
    pub(super) fn trouble(&mut self, id: ChildId, what: String) {
        log::warn!("{}: {what}", self.label(id));
        if let Some(child) = self.children.get_mut(id) {
            child.trouble = Some(what);
        }
    }

    pub(super) fn server_of_id(&self, id: ChildId) -> &ServerPlan {
        let child = self.children.get(id).expect("the caller has looked it up");
        self.server_of(child)
    }

    /// Its first start is over, for good or ill: nobody waits for it further.
    pub(super) fn settle(&mut self, id: ChildId) {
        self.resettled(id);
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if let Some(timer) = child.startup.take() {
            self.timers.cancel(timer);
        }
        // Its lists are there: what comes of them has its time from here on.
        child.used = self.now;
        if !std::mem::replace(&mut child.settled, true) {
            // From now on the session of an own child sees that one's lists.
            self.offer_changed(id);
            self.observe(id);
            self.first_start_over();
        }
    }

    /// A life is over: its calls fail, its words are dropped, its place stays.
    pub(super) fn life_over(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let life = child.life;
        let was = child.phase;
        let had_served = child.served;
        // What ousted it says more than how it then went.
        let how = match (was, &child.trouble) {
            (Phase::Ousted, Some(trouble)) => trouble.clone(),
            _ => child.ended.clone().unwrap_or_else(|| "ended".to_owned()),
        };
        let is_probe = matches!(was, Phase::Probing | Phase::Parting);
        let under_way = std::mem::take(&mut child.under_way);
        child.reading.clear();
        child.stale.clear();
        if let Some(timer) = child.startup.take() {
            self.timers.cancel(timer);
        }
        let hearing = std::mem::take(&mut child.hearing);
        if let Some(timer) = hearing.timer {
            self.timers.cancel(timer);
        }
        if let Some(child) = self.children.get_mut(id).filter(|_| !is_probe) {
            child.trouble = Some(how.clone());
        }
        let happening = self.end_of(id);
        let next = self.what_follows(id, happening);
        let refusal = self.cut_short(id, (was, how.clone()), next);
        for call in under_way {
            self.fail_call(call, &refusal);
        }
        self.drop_questions_of(life);
        self.children.end_life(life);
        self.effects.push(Effect::Bury { life });
        if matches!(was, Phase::Retiring | Phase::Renewing | Phase::Dozing) {
            log::info!("{}: {how}", self.label(id));
        }
        self.happen(id, happening);
        // One that has served is soon there again; what was to be asked its era,
        // was renewed or dozed off, starts at once, or was needed by nobody.
        if matches!(was, Phase::Starting | Phase::Ousted) && !had_served {
            self.fail_held(id);
        }
    }

    /// It may finish its calls, but not take for ever.
    fn drain(&mut self, id: ChildId) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        let due = self.now.after(limits::DRAIN_CALLS_WAIT);
        self.timers.set(due, Timer::Drained(child.life));
        if child.phase == Phase::Leaving {
            self.fail_held(id);
        }
        self.look_if_drained(id);
    }

    /// A call of a child has ended; perhaps it was the last that it may finish.
    pub(super) fn look_if_drained(&mut self, id: ChildId) {
        let is_drained = |child: &Child| {
            let goes_on = |call: &OwnId| self.calls.get(*call).is_some_and(|call| !call.abandoned);
            matches!(child.phase, Phase::Yielding | Phase::Leaving)
                && child.ended.is_none()
                && !child.under_way.iter().any(goes_on)
        };
        if self.children.get(id).is_some_and(is_drained) {
            self.happen(id, Happening::Drained);
        }
    }

    /// The calls that a child may finish have had their time.
    pub(super) fn drain_over(&mut self, life: Life) {
        if let Some(id) = self.children.of_life(life) {
            self.happen(id, Happening::Drained);
        }
    }

    /// A child is down for good.
    fn rest(&mut self, id: ChildId) {
        self.fail_held(id);
        self.settle(id);
        self.strike_out(id);
        self.finish_if_done();
    }
}
