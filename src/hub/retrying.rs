//! When a child that has failed is started again: later and later, and after too
//! many failures in a row only now and then. Then it is *parked*: its calls are
//! refused at once.

use std::time::Duration;

use crate::hub::Hub;
use crate::hub::children::{Child, ChildId};
use crate::hub::lifecycle::{Happening, Phase};
use crate::hub::parked::{Parked, Retry};
use crate::hub::refusal::Refusal;
use crate::hub::timers::Timer;
use crate::limits;

impl Hub {
    /// Whether the end of a child's life is one of those that are retried soon.
    pub(super) fn end_of(&self, id: ChildId) -> Happening {
        let lives = |child: &Child| match child.is_stable(self.now) {
            true => 1,
            false => child.failures.saturating_add(1),
        };
        match self.children.get(id).map(lives) {
            Some(failed) if failed >= self.plan.reconnect_attempts_max => Happening::LastStraw,
            _ => Happening::LifeOver,
        }
    }

    /// What is said to those whose calls an end of a life has cut short.
    pub(super) fn what_follows(&self, id: ChildId, end: Happening) -> &'static str {
        let Some(child) = self.children.get(id) else {
            return "it is not started again";
        };
        match child.phase {
            Phase::Leaving | Phase::Retiring | Phase::Down => "it is not started again",
            Phase::Starting | Phase::Ready | Phase::Ousted if end == Happening::LastStraw => {
                "it has failed too often and is parked"
            }
            _ if child.is_extra() || self.is_needed(child) => "it is being restarted",
            _ => "the next call starts it again",
        }
    }

    /// It has failed: the next start is later than the last.
    pub(super) fn set_retry(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.failures = child.failures.saturating_add(1);
        let doublings = (child.failures - 1).min(limits::RECONNECT_DOUBLINGS_MAX);
        let trouble = child.trouble.clone().unwrap_or_default();
        let label = self.label(id);
        // Servers that fail together, for what one machine lacks, are not
        // started together again.
        let doubled = self.plan.reconnect_delay * 2_u32.pow(doublings);
        let wait = self.dice.spread(doubled.min(limits::RECONNECT_DELAY_MAX));
        let wait = wait.min(limits::RECONNECT_DELAY_MAX);
        self.start_later(id, wait);
        log::warn!("{label}: {trouble}; starting again in {} s", seconds(wait));
    }

    /// It has failed too often: calls are refused, and one start is tried now
    /// and then.
    pub(super) fn park(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.failures = child.failures.saturating_add(1);
        let is_new = !std::mem::replace(&mut child.parked, true);
        let failures = child.failures;
        let trouble = child.trouble.clone().unwrap_or_default();
        self.start_later(id, limits::PARKED_RETRY_WAIT);
        if let Some(child) = self.children.get(id) {
            let retry = self.retry_of(child);
            log::warn!(
                "{}: {trouble}; parked (failures in a row: {failures}), it {retry}",
                self.label(id)
            );
        }
        self.fail_held(id);
        self.settle(id);
        if is_new {
            self.hiding_changed(id);
        }
        // One that was put by was for whoever comes next, who gets another.
        let is_spare = |child: &Child| child.spare.is_some();
        if self.children.get(id).is_some_and(is_spare) {
            self.happen(id, Happening::StopAsked);
        }
    }

    /// It serves: calls are taken again. That its failures are forgotten is
    /// another matter, and takes a stable life.
    pub(super) fn unpark(&mut self, id: ChildId) {
        let was_parked = |child: &mut Child| std::mem::take(&mut child.parked);
        if self.children.get_mut(id).is_some_and(was_parked) {
            log::info!("{}: serves again, and is parked no more", self.label(id));
            self.hiding_changed(id);
        }
    }

    /// Whether what a server offers is not shown for now.
    pub(super) fn is_hidden(&self, child: &Child) -> bool {
        child.parked && !self.server_of(child).listed_when_parked
    }

    /// It was parked, or is no more.
    fn hiding_changed(&mut self, id: ChildId) {
        let hides = |child: &Child| !self.server_of(child).listed_when_parked;
        if self.children.get(id).is_some_and(hides) {
            self.offer_changed(id);
        }
    }

    fn start_later(&mut self, id: ChildId, wait: Duration) {
        let timer = self.timers.set(self.now.after(wait), Timer::Retry(id));
        if let Some(child) = self.children.get_mut(id) {
            child.retry = Some(timer);
        }
    }

    /// The next start has its time. What nobody waits for by then is left to the
    /// call that needs it.
    pub(super) fn retry_due(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        child.retry = None;
        let Some(child) = self.children.get(id) else {
            return;
        };
        if self.is_retried(child) {
            self.start_due(id);
        } else if child.is_extra() {
            self.give_up_own(id);
        } else {
            self.happen(id, Happening::Unneeded);
        }
    }

    /// Whether a child without a process is started though nobody calls it.
    fn is_retried(&self, child: &Child) -> bool {
        match child.is_extra() {
            true => child.phase != Phase::Parked || !child.subscribers.is_empty(),
            false => self.is_needed(child),
        }
    }

    /// A session's own child is parked, and its session does not wait for it: the
    /// next call starts another.
    fn give_up_own(&mut self, id: ChildId) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        let (server, owner) = (child.server, child.owner.clone());
        let owner = owner.and_then(|owner| self.sessions.get_mut(&owner));
        if let Some(session) = owner {
            session.children.remove(&server);
        }
        self.happen(id, Happening::StopAsked);
    }

    /// Why a child takes no calls.
    pub(super) fn down(&self, child: &Child) -> Refusal {
        let server = self.server_of(child).name.clone();
        let why = self.why_down(child);
        if !child.parked {
            return Refusal::ServerDown { server, why };
        }
        Refusal::ServerParked(Parked {
            server,
            failures: child.failures,
            last: why,
            retry: self.retry_of(child),
        })
    }

    /// When a child that is parked is tried again.
    pub(super) fn retry_of(&self, child: &Child) -> Retry {
        let Some(timer) = child.retry else {
            return Retry::Now;
        };
        let left = timer.at().since(self.now);
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        match self.is_retried(child) {
            true => Retry::In(seconds),
            false => Retry::ByCall(seconds),
        }
    }
}

/// A wait in seconds, to the millisecond. Printed it has three decimals at most,
/// where a sum of seconds and their fraction would show its rounding error.
fn seconds(wait: Duration) -> f64 {
    wait.as_millis() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_without_noise() {
        for (ms, told) in [(1_122, "1.122"), (1_000, "1"), (60_000, "60"), (80, "0.08")] {
            assert_eq!(seconds(Duration::from_millis(ms)).to_string(), told);
        }
        for ms in 0..100_000 {
            let told = seconds(Duration::from_millis(ms)).to_string();
            let decimals = told.split_once('.').map_or("", |(_, decimals)| decimals);
            assert!(decimals.len() <= 3 && !decimals.ends_with('0'), "{told}");
        }
    }
}
