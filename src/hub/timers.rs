//! The deadlines of the hub: a queue ordered by time, from which any deadline
//! can be taken back. Knows no clock.

use std::collections::BTreeMap;

use crate::event::{Life, Moment, SessionKey};
use crate::hub::children::ChildId;
use crate::hub::leases::LeaseId;
use crate::hub::questions::QuestionId;
use crate::wire::items::ItemKind;
use crate::wire::own_id::OwnId;

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timer {
    /// A call has had its time.
    Call(OwnId),
    /// A life has had its time to answer `initialize`.
    Startup(Life),
    /// The next start of a child.
    Retry(ChildId),
    /// A life that serves is looked at: whether it still does, and for anybody.
    Watch(Life),
    /// A life is over though its stdout has not ended, or its process has not.
    Drain(Life),
    /// The calls that a life may finish have had their time.
    Drained(Life),
    /// A life that was asked to go has not gone: SIGTERM.
    Terminate(Life),
    /// Nor after SIGTERM: SIGKILL.
    Kill(Life),
    /// What a child of the stateless era is asked to tell of is looked at again.
    Hearing(ChildId),
    /// A child's list has changed, and the burst is over: read it again.
    Relist(ChildId, ItemKind),
    /// A page of a child's list has not come.
    List(ChildId, ItemKind, OwnId),
    /// Changes of what views show are to be told.
    Tell,
    /// Children that a reload has started have had their time to be there.
    Resettle,
    /// Clients waiting for servers in their first start have waited enough.
    FirstStarts,
    /// A question to a client has had its time.
    Question(QuestionId),
    /// The questions of a leased call are gathered, or its client has not come back.
    Lease(LeaseId),
    /// A child that was put by has been for long enough.
    Spare(ChildId),
    /// A session may have been idle for long enough to be forgotten.
    Idle(SessionKey),
}

/// The name of a deadline, for taking it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerKey {
    at: Moment,
    serial: u64,
}

impl TimerKey {
    /// When it is due.
    pub fn at(self) -> Moment {
        self.at
    }

    /// Its place in the order in which all were set.
    #[cfg(test)]
    pub fn serial(self) -> u64 {
        self.serial
    }
}

/// All deadlines, soonest first.
#[derive(Debug, Default)]
pub struct Timers {
    queue: BTreeMap<TimerKey, Timer>,
    serial: u64,
}

impl Timers {
    /// Sets a deadline.
    pub fn set(&mut self, at: Moment, timer: Timer) -> TimerKey {
        self.serial += 1;
        let key = TimerKey {
            at,
            serial: self.serial,
        };
        self.queue.insert(key, timer);
        key
    }

    /// Takes a deadline back; one that has fired is no fault.
    pub fn cancel(&mut self, key: TimerKey) {
        self.queue.remove(&key);
    }

    /// The soonest deadline.
    pub fn next(&self) -> Option<Moment> {
        self.queue.first_key_value().map(|(key, _)| key.at)
    }

    /// Takes out one deadline that has come, if any has.
    pub fn due(&mut self, now: Moment) -> Option<Timer> {
        let entry = self.queue.first_entry()?;
        (entry.key().at <= now).then(|| entry.remove())
    }

    /// All deadlines, soonest first.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = (TimerKey, &Timer)> {
        self.queue.iter().map(|(&key, timer)| (key, timer))
    }

    /// How many deadlines were ever set.
    #[cfg(test)]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// How many deadlines are set.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn deadlines_come_in_order_of_time_and_then_of_setting() {
        let mut timers = Timers::default();
        timers.set(at(2), Timer::Startup(Life(2)));
        timers.set(at(1), Timer::Startup(Life(1)));
        timers.set(at(2), Timer::Startup(Life(3)));
        assert_eq!(timers.next(), Some(at(1)));
        assert_eq!(timers.due(at(0)), None);
        assert_eq!(timers.due(at(2)), Some(Timer::Startup(Life(1))));
        assert_eq!(timers.due(at(2)), Some(Timer::Startup(Life(2))));
        assert_eq!(timers.due(at(2)), Some(Timer::Startup(Life(3))));
        assert!(timers.is_empty());
    }

    #[test]
    fn a_deadline_taken_back_does_not_come() {
        let mut timers = Timers::default();
        let key = timers.set(at(1), Timer::FirstStarts);
        timers.cancel(key);
        assert_eq!(timers.due(at(9)), None);
    }
}
