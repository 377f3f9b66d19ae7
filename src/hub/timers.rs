//! The deadlines of the hub: a queue ordered by time, from which any deadline
//! can be taken back. Knows no clock.

use std::collections::{BTreeMap, VecDeque};

use crate::event::{Life, Moment, SessionKey};
use crate::hub::children::ChildId;
use crate::hub::leases::LeaseId;
use crate::hub::questions::QuestionId;
use crate::limits;
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

/// All deadlines.
///
/// Those of calls come and go by far the most often, each but a little later than the one before: they stand in a row,
/// where setting one and taking one back costs next to nothing. All others, and those of calls that are due before one
/// that is there already, are in a tree.
#[derive(Debug, Default)]
pub struct Timers {
    /// Soonest first; the first and the last are not taken back.
    row: VecDeque<(TimerKey, Option<Timer>)>,
    /// How many in the row are taken back.
    gone: usize,
    tree: BTreeMap<TimerKey, Timer>,
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
        let is_last = self.row.back().is_none_or(|(last, _)| *last < key);
        if is_last && matches!(timer, Timer::Call(_)) {
            self.row.push_back((key, Some(timer)));
        } else {
            self.tree.insert(key, timer);
        }
        key
    }

    /// Takes a deadline back; one that has fired is no fault.
    pub fn cancel(&mut self, key: TimerKey) {
        let Ok(place) = self.row.binary_search_by_key(&key, |(key, _)| *key) else {
            self.tree.remove(&key);
            return;
        };
        if self.row[place].1.take().is_some() {
            self.gone += 1;
            self.tidy();
        }
    }

    /// Rids the row of those that were taken back at either end; and of all of them, should they be the most.
    fn tidy(&mut self) {
        while let Some((_, None)) = self.row.front() {
            self.row.pop_front();
            self.gone -= 1;
        }
        while let Some((_, None)) = self.row.back() {
            self.row.pop_back();
            self.gone -= 1;
        }
        if self.gone > limits::TIMERS_GONE_LEAST && self.gone > self.row.len() / 2 {
            self.row.retain(|(_, timer)| timer.is_some());
            self.gone = 0;
        }
        // What a crowd has taken is given back, also where some stay.
        let room = limits::TIMERS_KEPT.max(2 * self.row.len());
        if self.row.capacity() > 2 * room {
            self.row.shrink_to(room);
        }
    }

    /// The soonest of the row and the soonest of the tree.
    fn firsts(&self) -> (Option<TimerKey>, Option<TimerKey>) {
        let row = self.row.front().map(|(key, _)| *key);
        (row, self.tree.first_key_value().map(|(key, _)| *key))
    }

    /// The soonest deadline.
    pub fn next(&self) -> Option<Moment> {
        let (row, tree) = self.firsts();
        row.into_iter().chain(tree).min().map(TimerKey::at)
    }

    /// Takes out one deadline that has come, if any has.
    pub fn due(&mut self, now: Moment) -> Option<Timer> {
        let (row, tree) = self.firsts();
        let soonest = row.into_iter().chain(tree).min()?;
        if soonest.at > now {
            return None;
        }
        if Some(soonest) == tree {
            return self.tree.pop_first().map(|(_, timer)| timer);
        }
        let timer = self.row.pop_front().and_then(|(_, timer)| timer);
        self.tidy();
        timer
    }

    /// All deadlines, soonest first.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = (TimerKey, &Timer)> {
        let row = self.row.iter();
        let row = row.filter_map(|(key, timer)| Some((*key, timer.as_ref()?)));
        let tree = self.tree.iter().map(|(&key, timer)| (key, timer));
        row.chain(tree).collect::<BTreeMap<_, _>>().into_iter()
    }

    /// How many deadlines were ever set.
    #[cfg(test)]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// How many deadlines are set.
    pub fn len(&self) -> usize {
        self.row.len() - self.gone + self.tree.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::own_id::Purpose;

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

    #[test]
    fn of_calls_that_come_and_go_beside_one_that_stays_nothing_is_kept() {
        let mut timers = Timers::default();
        let call = |n| Timer::Call(OwnId::new(n, Purpose::Call));
        timers.set(at(1), call(0));
        let mut last = timers.set(at(1), call(1));
        for n in 2..10_000 {
            let next = timers.set(at(n), call(n));
            timers.cancel(last);
            last = next;
            assert!(timers.row.len() <= 2 * limits::TIMERS_GONE_LEAST + 4);
            assert_eq!(timers.len(), 2);
        }
        timers.cancel(last);
        assert_eq!(timers.due(at(20_000)), Some(call(0)));
        assert!(timers.is_empty() && timers.row.is_empty());
    }

    #[test]
    fn the_room_of_a_crowd_is_given_back_also_while_one_stays() {
        let mut timers = Timers::default();
        let call = |n| Timer::Call(OwnId::new(n, Purpose::Call));
        timers.set(at(1), call(0));
        let keys: Vec<_> = (1..100_000).map(|n| timers.set(at(n), call(n))).collect();
        keys.into_iter().for_each(|key| timers.cancel(key));
        assert_eq!(timers.len(), 1);
        assert!(timers.row.capacity() <= 4 * limits::TIMERS_KEPT);
    }

    /// What is done to the deadlines.
    #[derive(Debug, Clone)]
    enum Step {
        Call(u64),
        Other(u64),
        /// Of those ever set, the one of this number from the end.
        Cancel(usize),
        Due(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..40u64).prop_map(Step::Call),
            1 => (0..40u64).prop_map(Step::Other),
            4 => (0..40usize).prop_map(Step::Cancel),
            1 => (0..40u64).prop_map(Step::Due),
        ]
    }

    proptest! {
        /// Against a plain list, out of which the soonest is searched.
        #[test]
        fn whatever_is_set_and_taken_back_the_soonest_comes_first(
            steps in prop::collection::vec(step(), 0..400),
        ) {
            let mut timers = Timers::default();
            let mut list: Vec<(TimerKey, Timer)> = Vec::new();
            let mut keys = Vec::new();
            for (n, step) in steps.into_iter().enumerate() {
                let n = n as u64;
                match step {
                    Step::Call(time) | Step::Other(time) => {
                        let timer = match step {
                            Step::Call(_) => Timer::Call(OwnId::new(n, Purpose::Call)),
                            _ => Timer::Startup(Life(n)),
                        };
                        // Later and later, but for some.
                        let key = timers.set(at(n / 10 + time), timer.clone());
                        list.push((key, timer));
                        keys.push(key);
                    }
                    Step::Cancel(back) => {
                        if let Some(place) = keys.len().checked_sub(back + 1) {
                            timers.cancel(keys[place]);
                            list.retain(|(key, _)| *key != keys[place]);
                        }
                    }
                    Step::Due(time) => {
                        let now = at(n / 10 + time);
                        list.sort_by_key(|(key, _)| (key.at, key.serial));
                        let is_due = list.first().is_some_and(|(key, _)| key.at <= now);
                        let expected = is_due.then(|| list.remove(0).1);
                        prop_assert_eq!(timers.due(now), expected);
                    }
                }
                prop_assert_eq!(timers.len(), list.len());
                prop_assert_eq!(timers.next(), list.iter().map(|(key, _)| key.at).min());
                prop_assert!(timers.row.len() <= 2 * list.len() + 2 * limits::TIMERS_GONE_LEAST + 2);
            }
            list.sort_by_key(|(key, _)| *key);
            let left: Vec<_> = timers.iter().map(|(key, timer)| (key, timer.clone())).collect();
            prop_assert_eq!(left, list);
        }
    }
}
