//! The end of the gateway: its sessions end, its children are asked to go, and
//! when the last is gone, it is over.

use crate::event::{Effect, Life, Signal};
use crate::hub::Hub;
use crate::hub::lifecycle::{Happening, Phase};
use crate::hub::refusal::Refusal;
use crate::hub::timers::Timer;
use crate::limits;

impl Hub {
    /// Everything ends.
    pub(super) fn stop(&mut self) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.hear_the_connected();
        self.shorten_farewells();
        for session in self.sessions.keys_where(|_| true) {
            self.end_session(&session, Some(&Refusal::Stopping));
        }
        for child in self.children.ids() {
            self.happen(child, Happening::StopAsked);
        }
        if self.children.ids().is_empty() {
            self.effects.push(Effect::Finished);
        }
    }

    /// Asked twice: who is still there is killed.
    pub(super) fn hurry(&mut self) {
        self.stop();
        for life in self.lives() {
            let signal = Signal::Kill;
            self.effects.push(Effect::Signal { life, signal });
        }
    }

    /// Who was asked to go before the stop gets no more time than the others.
    fn shorten_farewells(&mut self) {
        let leaving = self.children.iter().filter(|(_, c)| c.phase.is_farewell());
        for life in leaving.map(|(_, child)| child.life) {
            let terminate = self.now.after(limits::STOP_TERMINATE_WAIT);
            self.timers.set(terminate, Timer::Terminate(life));
            let kill = self.now.after(limits::STOP_KILL_WAIT);
            self.timers.set(kill, Timer::Kill(life));
        }
    }

    fn lives(&self) -> Vec<Life> {
        self.children
            .iter()
            .filter(|(_, child)| child.has_process())
            .map(|(_, child)| child.life)
            .collect()
    }

    pub(super) fn finish_if_done(&mut self) {
        if self.stopping && self.children.iter().all(|(_, c)| c.phase == Phase::Down) {
            self.effects.push(Effect::Finished);
        }
    }
}
