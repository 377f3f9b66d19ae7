//! What is remembered of sessions that are not in the book: ended ones, whose
//! ids are good for nothing, those of the processes before this one, and those
//! that had to make room. A book only.
//!
//! What it forgets for want of room it takes for ended, so that no id comes back
//! to life: `forgotten` says up to when.

use std::collections::{BTreeSet, HashMap};

use crate::limits;
use crate::record::{Remembered, SessionName};

/// The absent sessions.
#[derive(Debug, Default)]
pub struct Absent {
    book: HashMap<SessionName, Remembered>,
    /// The same by when they were last heard of.
    order: BTreeSet<(u64, SessionName)>,
    bytes: usize,
    forgotten: Option<u64>,
}

impl Absent {
    /// Those that were kept of the processes before this one, and up to when some
    /// were forgotten already.
    pub fn new(recalled: HashMap<SessionName, Remembered>, forgotten: Option<u64>) -> Absent {
        let mut absent = Absent {
            forgotten,
            ..Absent::default()
        };
        for (name, remembered) in recalled {
            absent.enter(name, remembered);
        }
        absent.make_room();
        absent
    }

    /// What is remembered of a session.
    pub fn get(&self, name: &SessionName) -> Option<&Remembered> {
        self.book.get(name)
    }

    /// What is remembered of a session, which is absent no more.
    pub fn take(&mut self, name: &SessionName) -> Option<Remembered> {
        let remembered = self.book.remove(name)?;
        self.order.remove(&(remembered.heard, name.clone()));
        self.bytes -= bytes_of(&remembered);
        Some(remembered)
    }

    /// Remembers a session. Those whose ids have expired by now, in seconds since
    /// 1970, need not be remembered any more.
    pub fn put(&mut self, name: SessionName, remembered: Remembered, now: u64) {
        let oldest = now.saturating_sub(limits::SESSION_IDLE_MAX.as_secs());
        while let Some((_, expired)) = self.order.first().filter(|(heard, _)| *heard < oldest) {
            let expired = expired.clone();
            self.take(&expired);
        }
        self.take(&name);
        self.enter(name, remembered);
        self.make_room();
    }

    /// Whether a session that began then, in seconds since 1970, and of which
    /// nothing is remembered, may be one that was forgotten.
    pub fn may_have_been(&self, start: u64) -> bool {
        self.forgotten.is_some_and(|until| start <= until)
    }

    fn enter(&mut self, name: SessionName, remembered: Remembered) {
        self.bytes += bytes_of(&remembered);
        self.order.insert((remembered.heard, name.clone()));
        self.book.insert(name, remembered);
    }

    fn make_room(&mut self) {
        while self.book.len() > limits::SESSIONS_ABSENT_MAX
            || self.bytes > limits::SESSIONS_ABSENT_BYTES_MAX
        {
            let Some((heard, name)) = self.order.first().cloned() else {
                return;
            };
            self.take(&name);
            // It began no later than it was heard of.
            self.forgotten = self.forgotten.max(Some(heard));
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
        SessionName(number.to_string().into())
    }

    fn heard(heard: u64) -> Remembered {
        Remembered {
            heard,
            ended: true,
            ..Remembered::default()
        }
    }

    #[test]
    fn what_is_taken_is_there_no_more() {
        let mut absent = Absent::new(HashMap::from([(name(1), heard(7))]), None);
        absent.put(name(2), heard(8), 9);
        assert_eq!(absent.get(&name(1)), Some(&heard(7)));
        assert_eq!(absent.take(&name(1)), Some(heard(7)));
        assert_eq!(absent.take(&name(1)), None);
        assert_eq!(absent.take(&name(2)), Some(heard(8)));
        assert!(absent.order.is_empty());
    }

    #[test]
    fn what_has_expired_is_forgotten_without_a_trace() {
        let mut absent = Absent::default();
        let day = 24 * 3600;
        absent.put(name(1), heard(100), 100);
        absent.put(name(2), heard(101), 101);
        absent.put(name(3), heard(day + 101), day + 101);
        assert_eq!(absent.get(&name(1)), None);
        assert!(absent.get(&name(2)).is_some());
        assert!(!absent.may_have_been(0));
    }

    #[test]
    fn what_is_too_much_is_taken_for_ended() {
        let mut absent = Absent::default();
        for number in 0..limits::SESSIONS_ABSENT_MAX + 2 {
            absent.put(name(number), heard(1_000 + number as u64), 1_000);
        }
        assert_eq!(absent.book.len(), limits::SESSIONS_ABSENT_MAX);
        assert!(absent.get(&name(1)).is_none() && absent.get(&name(2)).is_some());
        assert!(absent.may_have_been(1_001) && !absent.may_have_been(1_002));
    }

    #[test]
    fn what_was_forgotten_before_is_taken_for_ended_as_well() {
        let absent = Absent::new(HashMap::new(), Some(7));
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
        assert!(absent.get(&name(0)).is_none() && absent.get(&name(1)).is_some());
        assert!(absent.may_have_been(1_000));
        absent.put(name(1), heard(1_001), 1_001);
        absent.put(name(2), heard(1_002), 1_002);
        assert_eq!((absent.bytes, absent.book.len()), (0, 2));
    }
}
