//! What is remembered of sessions that are not in the book: ended ones, whose
//! ids are good for nothing, those of the processes before this one, and those
//! that had to make room. A book only.
//!
//! What it forgets for want of room it takes for ended, so that no id comes back
//! to life: `forgotten` says up to when. Of what the process before has lost on
//! its way to the disk nothing is known, so no session of then goes on: `lost`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::limits;
use crate::record::ended::Ended;
use crate::record::{Remembered, SessionName};

/// The absent sessions.
#[derive(Debug, Default)]
pub struct Absent {
    ended: Ended,
    /// Those that have not ended. No hash map: where as many come as go, one
    /// grows to twice what it needs.
    book: BTreeMap<SessionName, Remembered>,
    /// The same by when they were last heard of.
    order: BTreeSet<(u64, SessionName)>,
    bytes: usize,
    forgotten: Option<u64>,
    lost: Option<u64>,
}

impl Absent {
    /// Those that were kept of the processes before this one, up to when some were
    /// forgotten already, and up to when something was lost.
    pub fn new(
        recalled: HashMap<SessionName, Remembered>,
        forgotten: Option<u64>,
        lost: Option<u64>,
    ) -> Absent {
        let mut absent = Absent {
            forgotten,
            lost,
            ..Absent::default()
        };
        let mut recalled: Vec<_> = recalled.into_iter().collect();
        // What is forgotten first must come first.
        recalled.sort_by_key(|(name, remembered)| (remembered.heard, *name));
        for (name, remembered) in recalled {
            match remembered.ended {
                true => absent.ended.insert(name, remembered.heard),
                false => absent.enter(name, remembered),
            }
        }
        absent.make_room();
        absent
    }

    /// What is remembered of a session.
    pub fn get(&self, name: SessionName) -> Option<Remembered> {
        let ended = self.ended.heard(name).map(|heard| Remembered {
            heard,
            ended: true,
            ..Remembered::default()
        });
        ended.or_else(|| self.book.get(&name).cloned())
    }

    /// What is remembered of a session that has not ended, and is absent no more.
    pub fn take(&mut self, name: SessionName) -> Option<Remembered> {
        let remembered = self.book.remove(&name)?;
        self.order.remove(&(remembered.heard, name));
        self.bytes -= bytes_of(&remembered);
        Some(remembered)
    }

    /// Remembers a session that has not ended. Those whose ids have expired by
    /// now, in seconds since 1970, need not be remembered any more.
    pub fn put(&mut self, name: SessionName, remembered: Remembered, now: u64) {
        self.expire(now);
        self.take(name);
        self.enter(name, remembered);
        self.make_room();
    }

    /// Remembers that a session has ended now, in seconds since 1970.
    pub fn end(&mut self, name: SessionName, now: u64) {
        self.expire(now);
        self.take(name);
        self.ended.insert(name, now);
        self.make_room();
    }

    /// How many are remembered.
    #[cfg(test)]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.book.len()
    }

    /// Whether a session that began then, in seconds since 1970, and of which
    /// nothing is remembered, may be one that was forgotten.
    pub fn may_have_been(&self, start: u64) -> bool {
        self.forgotten.is_some_and(|until| start <= until)
    }

    /// Whether what is remembered of a session that began then, in seconds since
    /// 1970, may be less than there was to remember.
    pub fn may_lack_words(&self, start: u64) -> bool {
        self.lost.is_some_and(|until| start <= until)
    }

    fn enter(&mut self, name: SessionName, remembered: Remembered) {
        self.bytes += bytes_of(&remembered);
        self.order.insert((remembered.heard, name));
        self.book.insert(name, remembered);
    }

    fn expire(&mut self, now: u64) {
        let oldest = now.saturating_sub(limits::SESSION_IDLE_MAX.as_secs());
        self.ended.expire(oldest);
        while let Some((_, expired)) = self.order.first().filter(|(heard, _)| *heard < oldest) {
            let expired = *expired;
            self.take(expired);
        }
    }

    fn make_room(&mut self) {
        while self.book.len() > limits::SESSIONS_ABSENT_MAX
            || self.bytes > limits::SESSIONS_ABSENT_BYTES_MAX
        {
            let Some((heard, name)) = self.order.first().copied() else {
                break;
            };
            self.take(name);
            // It began no later than it was heard of.
            self.forgotten = self.forgotten.max(Some(heard));
        }
        while self.ended.len() > limits::SESSIONS_ENDED_MAX {
            let forgotten = self.ended.forget_first();
            self.forgotten = self.forgotten.max(forgotten);
        }
    }
}

/// How many bytes are kept of a session, its name aside.
fn bytes_of(remembered: &Remembered) -> usize {
    let subscriptions = remembered.subscriptions.iter();
    subscriptions
        .map(|(server, uri)| server.len() + uri.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> SessionName {
        SessionName((number as u128).to_be_bytes())
    }

    fn heard(heard: u64) -> Remembered {
        Remembered {
            heard,
            ..Remembered::default()
        }
    }

    fn ended(heard: u64) -> Remembered {
        Remembered {
            heard,
            ended: true,
            ..Remembered::default()
        }
    }

    #[test]
    fn what_is_taken_is_there_no_more() {
        let mut absent = Absent::new(HashMap::from([(name(1), heard(7))]), None, None);
        absent.put(name(2), heard(8), 9);
        assert_eq!(absent.get(name(1)), Some(heard(7)));
        assert_eq!(absent.take(name(1)), Some(heard(7)));
        assert_eq!(absent.take(name(1)), None);
        assert_eq!(absent.take(name(2)), Some(heard(8)));
        assert!(absent.order.is_empty());
    }

    #[test]
    fn what_has_ended_is_there_and_cannot_be_taken() {
        let mut absent = Absent::new(
            HashMap::from([(name(1), ended(7)), (name(2), heard(8))]),
            None,
            None,
        );
        absent.end(name(2), 9);
        absent.end(name(3), 10);
        for (number, at) in [(1, 7), (2, 9), (3, 10)] {
            assert_eq!(absent.get(name(number)), Some(ended(at)));
            assert_eq!(absent.take(name(number)), None);
        }
        assert!(absent.order.is_empty());
    }

    #[test]
    fn what_has_expired_is_forgotten_without_a_trace() {
        let mut absent = Absent::default();
        let day = 24 * 3600;
        absent.put(name(1), heard(100), 100);
        absent.end(name(11), 100);
        absent.put(name(2), heard(101), 101);
        absent.end(name(12), 101);
        absent.put(name(3), heard(day + 101), day + 101);
        assert_eq!([absent.get(name(1)), absent.get(name(11))], [None, None]);
        assert!(absent.get(name(2)).is_some() && absent.get(name(12)).is_some());
        assert!(!absent.may_have_been(0));
    }

    #[test]
    fn what_is_too_much_is_taken_for_ended() {
        let mut absent = Absent::default();
        for number in 0..limits::SESSIONS_ABSENT_MAX + 2 {
            absent.put(name(number), heard(1_000 + number as u64), 1_000);
        }
        assert_eq!(absent.book.len(), limits::SESSIONS_ABSENT_MAX);
        assert!(absent.get(name(1)).is_none() && absent.get(name(2)).is_some());
        assert!(absent.may_have_been(1_001) && !absent.may_have_been(1_002));
    }

    #[test]
    fn an_end_that_is_forgotten_is_taken_for_one() {
        let mut absent = Absent::default();
        for number in 0..limits::SESSIONS_ENDED_MAX {
            absent.end(name(number), 1_000 + number as u64);
        }
        assert!(absent.get(name(0)).is_some() && !absent.may_have_been(0));
        let last = limits::SESSIONS_ENDED_MAX;
        absent.end(name(last), 1_000 + last as u64);
        let first_kept = limits::SESSIONS_ENDED_BATCH;
        assert!(absent.get(name(first_kept - 1)).is_none());
        assert!(absent.get(name(first_kept)).is_some());
        let forgotten = 1_000 + first_kept as u64 - 1;
        assert!(absent.may_have_been(forgotten) && !absent.may_have_been(forgotten + 1));
    }

    #[test]
    fn of_what_was_kept_the_first_to_end_is_forgotten_first() {
        let count = limits::SESSIONS_ENDED_MAX + 1;
        let recalled = (0..count).map(|number| (name(number), ended(1_000 + number as u64)));
        let absent = Absent::new(recalled.collect(), None, None);
        assert!(absent.get(name(0)).is_none() && absent.get(name(count - 1)).is_some());
    }

    #[test]
    fn what_was_forgotten_before_is_taken_for_ended_as_well() {
        let absent = Absent::new(HashMap::new(), Some(7), None);
        assert!(absent.may_have_been(7) && !absent.may_have_been(8));
    }

    #[test]
    fn subscriptions_count_by_their_bytes() {
        let mut absent = Absent::default();
        let uri = "u".repeat(limits::SESSIONS_ABSENT_BYTES_MAX / 2);
        for number in 0..3 {
            let mut remembered = heard(1_000 + number as u64);
            remembered
                .subscriptions
                .insert((String::new(), uri.as_str().into()));
            absent.put(name(number), remembered, 1_000);
        }
        assert!(absent.get(name(0)).is_none() && absent.get(name(1)).is_some());
        assert!(absent.may_have_been(1_000));
        absent.put(name(1), heard(1_001), 1_001);
        absent.put(name(2), heard(1_002), 1_002);
        assert_eq!((absent.bytes, absent.book.len()), (0, 2));
    }
}
