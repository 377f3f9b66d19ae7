//! The upkeep of the children: starts, ends, and new starts, by the table in
//! `lifecycle`. What is said to a process that has just started is in
//! `greeting`.

use std::time::Duration;

use crate::config::checked::Protocol;
use crate::event::{Effect, Life, Moment, ServerId, SessionKey, Signal};
use crate::hub::Hub;
use crate::hub::belonging::is_idle;
use crate::hub::children::{Child, ChildId, Era};
use crate::hub::lifecycle::{Happening, Phase, Step, next};
use crate::hub::refusal::Refusal;
use crate::hub::sessions::Session;
use crate::hub::timers::Timer;
use crate::limits;
use crate::plan::{Readiness, ServerPlan};
use crate::wire::own_id::OwnId;

/// Whether a child has been ready for so long that its failures are forgotten.
fn is_stable(child: &Child, now: Moment) -> bool {
    child.phase == Phase::Ready && now.since(child.since) >= limits::STABLE_LIFE
}

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
                format!("{} (own child {})", self.server_of(child).name, id.0)
            }
            Some(child) => self.server_of(child).name.clone(),
            None => format!("child {}", id.0),
        }
    }

    /// Every server's first start.
    pub(super) fn start_servers(&mut self) {
        for (id, server) in self.plan.servers.iter() {
            if server.readiness == Readiness::Enabled {
                let child = self.children.insert(Child::new(id, None, self.now));
                self.mains.insert(id, child);
            }
        }
        for child in self.children.ids() {
            self.start_due(child);
        }
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

    /// A child of a session's own, started by its first need.
    pub(super) fn start_own(
        &mut self,
        server: ServerId,
        session: &SessionKey,
    ) -> Result<ChildId, Refusal> {
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
        if !self.is_lone(session) {
            self.look_for_idleness(session, self.now.after(limits::OWN_CHILD_IDLE_MAX));
        }
        self.start_due(id);
        Ok(id)
    }

    /// How many children of sessions' own there are, but for those on their way
    /// out.
    fn own_children(&self) -> usize {
        let counts = |child: &Child| child.is_extra() && child.phase != Phase::Retiring;
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
        let (phase, step) = next(child.phase, happening);
        if phase != child.phase {
            if let Some(timer) = child.retry.take() {
                self.timers.cancel(timer);
            }
            if is_stable(child, self.now) {
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
        if let Some(child) = self.children.get_mut(id) {
            child.era = era;
            child.startup = Some(timer);
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
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if let Some(timer) = child.startup.take() {
            self.timers.cancel(timer);
        }
        if !std::mem::replace(&mut child.settled, true) {
            // From now on the session of an own child sees that one's lists.
            self.offer_changed(id);
            self.observe(id);
            self.first_start_over();
        }
    }

    /// Its process has closed stdout. Most then end by themselves; if it does
    /// not, it is of no use.
    pub(super) fn output_ended(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.silent = true;
        let life = child.life;
        if child.ended.is_some() {
            self.life_over(id);
        } else {
            let due = self.now.after(limits::CHILD_DRAIN_WAIT);
            self.timers.set(due, Timer::Drain(life));
        }
    }

    /// Its process has ended. What it had written is read to its end first.
    pub(super) fn exited(&mut self, id: ChildId, how: String, last_words: Option<String>) {
        let hint = self.hint(id);
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        // Some servers of the other era end at a greeting that they do not know.
        let hint = match child.phase {
            Phase::Starting => hint,
            _ => "",
        };
        child.ended = Some(match last_words {
            Some(words) => format!("{how} (last line on stderr: {words:?}){hint}"),
            None => how + hint,
        });
        let life = child.life;
        if child.silent {
            self.life_over(id);
        } else {
            let due = self.now.after(limits::CHILD_DRAIN_WAIT);
            self.timers.set(due, Timer::Drain(life));
        }
    }

    /// Exit and end of stdout have not come together in time.
    pub(super) fn drain_overdue(&mut self, life: Life) {
        let Some(id) = self.children.of_life(life) else {
            return;
        };
        match self.children.get(id) {
            Some(child) if child.ended.is_some() => self.life_over(id),
            Some(_) => {
                self.trouble(id, "has closed its stdout but has not exited".to_owned());
                self.happen(id, Happening::Useless);
            }
            None => {}
        }
    }

    /// It has not taken a message for `message_timeout`.
    pub(super) fn not_reading(&mut self, id: ChildId) {
        self.trouble(
            id,
            "does not read its stdin (\"message_timeout\")".to_owned(),
        );
        self.happen(id, Happening::Useless);
    }

    /// Asks the process to go: politely by closing its stdin, then by signals.
    /// One that does not even read gets the signal at once.
    fn dismiss(&mut self, id: ChildId, why: Happening) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let life = child.life;
        // It must not be blamed later for the answer that is not awaited any more.
        if let Some(timer) = child.startup.take() {
            self.timers.cancel(timer);
        }
        let (terminate, kill) = if why == Happening::Useless {
            (Duration::ZERO, limits::USELESS_KILL_WAIT)
        } else if self.stopping {
            (limits::STOP_TERMINATE_WAIT, limits::STOP_KILL_WAIT)
        } else {
            (limits::DISMISS_TERMINATE_WAIT, limits::DISMISS_KILL_WAIT)
        };
        self.effects.push(Effect::CloseInput { life });
        self.timers
            .set(self.now.after(terminate), Timer::Terminate(life));
        self.timers.set(self.now.after(kill), Timer::Kill(life));
    }

    /// The polite request was not followed.
    pub(super) fn terminate_due(&mut self, life: Life) {
        if self.children.of_life(life).is_some() {
            let signal = Signal::Terminate;
            self.effects.push(Effect::Signal { life, signal });
        }
    }

    /// Nor was SIGTERM.
    pub(super) fn kill_due(&mut self, life: Life) {
        if let Some(id) = self.children.of_life(life) {
            log::warn!("{}: has not ended when asked; killed", self.label(id));
            let signal = Signal::Kill;
            self.effects.push(Effect::Signal { life, signal });
        }
    }

    /// A life is over: its calls fail, its words are dropped, its place stays.
    fn life_over(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let life = child.life;
        let was = child.phase;
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
        let server = self.server_of_id(id).name.clone();
        if let Some(child) = self.children.get_mut(id).filter(|_| !is_probe) {
            child.trouble = Some(how.clone());
        }
        for call in under_way {
            let refusal = Refusal::ServerGone {
                server: server.clone(),
                how: how.clone(),
            };
            self.fail_call(call, &refusal);
        }
        self.drop_questions_of(life);
        self.children.end_life(life);
        self.effects.push(Effect::Bury { life });
        if matches!(was, Phase::Retiring | Phase::Renewing | Phase::Dozing) {
            log::info!("{}: {how}", self.label(id));
        }
        let happening = self.end_of(id);
        self.happen(id, happening);
        // A ready child is soon there again; what was to be asked its era, was
        // renewed or dozed off, starts at once, or was needed by nobody.
        if matches!(was, Phase::Starting | Phase::Ousted) {
            self.fail_held(id);
        }
    }

    /// Whether the end of a child's life is one of those that are retried soon.
    fn end_of(&self, id: ChildId) -> Happening {
        let lives = |child: &Child| match is_stable(child, self.now) {
            true => 1,
            false => child.failures.saturating_add(1),
        };
        match self.children.get(id).map(lives) {
            Some(failed) if failed >= self.plan.reconnect_attempts_max => Happening::LastStraw,
            _ => Happening::LifeOver,
        }
    }

    fn set_retry(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.failures = child.failures.saturating_add(1);
        let doublings = (child.failures - 1).min(limits::RECONNECT_DOUBLINGS_MAX);
        let delay =
            (self.plan.reconnect_delay * 2_u32.pow(doublings)).min(limits::RECONNECT_DELAY_MAX);
        let trouble = child.trouble.clone().unwrap_or_default();
        self.start_later(id, delay);
        log::warn!(
            "{}: {trouble}; starting again in {} s",
            self.label(id),
            delay.as_secs_f64()
        );
    }

    fn start_later(&mut self, id: ChildId, wait: Duration) {
        let timer = self.timers.set(self.now.after(wait), Timer::Retry(id));
        let before = self
            .children
            .get_mut(id)
            .and_then(|child| child.retry.replace(timer));
        if let Some(before) = before {
            self.timers.cancel(before);
        }
    }

    /// It has failed too often: calls are refused, and one start is tried now
    /// and then.
    fn park(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.failures = child.failures.saturating_add(1);
        child.parked = true;
        let failures = child.failures;
        let trouble = child.trouble.clone().unwrap_or_default();
        let wait = limits::PARKED_RETRY_WAIT;
        self.start_later(id, wait);
        log::warn!(
            "{}: {trouble}; parked (failures in a row: {failures}), tried again in {} s",
            self.label(id),
            wait.as_secs()
        );
        self.fail_held(id);
        self.settle(id);
    }

    /// It went because nobody needed it.
    fn sleep(&mut self, id: ChildId) {
        let is_needed = |child: &Child| !child.held.is_empty();
        if self.children.get(id).is_some_and(is_needed) {
            self.start_due(id);
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
        if self.children.get(id).is_some_and(Child::is_extra) {
            let spare = self.children.remove(id).and_then(|child| child.spare);
            if let Some(spare) = spare {
                self.timers.cancel(spare.timer);
            }
        }
        self.finish_if_done();
    }
}
