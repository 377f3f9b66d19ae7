//! How a process goes: by itself, which is seen by its exit and by the end of
//! its stdout, or asked to, first politely and then by signals. What its end
//! means to its calls is in `upkeep`, when the next one comes in `retrying`.

use std::time::Duration;

use crate::event::{Effect, Life, Signal};
use crate::hub::Hub;
use crate::hub::children::ChildId;
use crate::hub::lifecycle::{Happening, Phase};
use crate::hub::timers::Timer;
use crate::limits;

impl Hub {
    /// Whether this is a life of the child that all share, or that the lists come
    /// from.
    pub fn is_main(&self, life: Life) -> bool {
        let child = self.children.living(life);
        child.is_some_and(|child| !child.is_extra())
    }

    /// Whether this life is asked to go, and not for a fault of its own.
    pub fn excuses(&self, life: Life) -> bool {
        let child = self.children.living(life);
        child.is_some_and(|child| child.phase.is_farewell() && child.phase != Phase::Ousted)
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
        child.process = None;
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
    pub(super) fn dismiss(&mut self, id: ChildId, why: Happening) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let life = child.life;
        // It must not be blamed later for the answer that is not awaited any more.
        if let Some(timer) = child.startup.take() {
            self.timers.cancel(timer);
        }
        let (terminate, kill) = match why {
            Happening::Useless => (Duration::ZERO, limits::USELESS_KILL_WAIT),
            _ if self.stopping => (limits::STOP_TERMINATE_WAIT, limits::STOP_KILL_WAIT),
            Happening::TooSlow => (limits::DISMISS_TERMINATE_WAIT, limits::SLOW_KILL_WAIT),
            _ => (limits::DISMISS_TERMINATE_WAIT, limits::DISMISS_KILL_WAIT),
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
}
