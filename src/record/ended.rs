//! Which sessions have ended, in 20 bytes each: their ids must stay dead until
//! they would have expired, and a busy gateway ends thousands a day. A book only.
//!
//! The names lie sorted in batches, each filled before the next is begun. What is
//! asked for is searched in every batch, which are few; what is too much is
//! forgotten by the batch, those first that ended first.

use std::collections::VecDeque;

use crate::limits;
use crate::record::SessionName;

/// Ended sessions, and when each was last heard of, in seconds since 1970.
#[derive(Debug, Default)]
pub struct Ended {
    batches: VecDeque<Batch>,
    count: usize,
}

#[derive(Debug)]
struct Batch {
    /// Sorted. The times are good until 2106, and later ones count as that.
    names: Vec<(SessionName, u32)>,
    /// No time is before this.
    earliest: u32,
}

fn seconds(heard: u64) -> u32 {
    u32::try_from(heard).unwrap_or(u32::MAX)
}

impl Ended {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// When a session was last heard of that has ended; `None` for any other.
    pub fn heard(&self, name: SessionName) -> Option<u64> {
        self.batches.iter().rev().find_map(|batch| {
            let place = batch.place_of(name).ok()?;
            Some(u64::from(batch.names[place].1))
        })
    }

    /// A session has ended. One that had before stays as it is.
    pub fn insert(&mut self, name: SessionName, heard: u64) {
        if self.heard(name).is_some() {
            return;
        }
        let is_full = |batch: &Batch| batch.names.len() >= limits::SESSIONS_ENDED_BATCH;
        if self.batches.back().is_none_or(is_full) {
            self.batches.push_back(Batch {
                names: Vec::with_capacity(limits::SESSIONS_ENDED_BATCH),
                earliest: u32::MAX,
            });
        }
        if let Some(batch) = self.batches.back_mut()
            && let Err(place) = batch.place_of(name)
        {
            let heard = seconds(heard);
            batch.names.insert(place, (name, heard));
            batch.earliest = batch.earliest.min(heard);
            self.count += 1;
        }
    }

    /// Forgets those that were last heard of before this.
    pub fn expire(&mut self, oldest: u64) {
        let oldest = seconds(oldest);
        if self.batches.iter().all(|batch| batch.earliest >= oldest) {
            return;
        }
        for batch in &mut self.batches {
            batch.names.retain(|(_, heard)| *heard >= oldest);
            batch.earliest = batch.earliest.max(oldest);
        }
        self.batches.retain(|batch| !batch.names.is_empty());
        self.count = self.batches.iter().map(|batch| batch.names.len()).sum();
    }

    /// Forgets the batch that was begun first. Tells the latest time that any of
    /// it was heard of; `None` if there was none.
    pub fn forget_first(&mut self) -> Option<u64> {
        let batch = self.batches.pop_front()?;
        self.count -= batch.names.len();
        let latest = batch.names.iter().map(|(_, heard)| *heard).max();
        latest.map(u64::from)
    }

    /// None was heard of later than now.
    pub fn set_time(&mut self, now: u64) {
        let now = seconds(now);
        for batch in &mut self.batches {
            for (_, heard) in &mut batch.names {
                *heard = now.min(*heard);
            }
            batch.earliest = now.min(batch.earliest);
        }
    }

    /// All of them, by batches in the order of their beginning.
    pub fn iter(&self) -> impl Iterator<Item = (SessionName, u64)> {
        let all = self.batches.iter().flat_map(|batch| &batch.names);
        all.map(|(name, heard)| (*name, u64::from(*heard)))
    }
}

impl Batch {
    fn place_of(&self, name: SessionName) -> Result<usize, usize> {
        self.names.binary_search_by_key(&name, |(known, _)| *known)
    }
}

// What a session costs is what this file is for.
const _: () = assert!(size_of::<(SessionName, u32)>() == 20);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    fn name(number: u16) -> SessionName {
        // Scattered, as random ones are.
        SessionName((u128::from(number) * 0x9E37_79B9_7F4A_7C15).to_be_bytes())
    }

    proptest! {
        #[test]
        fn it_says_what_a_map_says(steps in prop::collection::vec(
            (0..4_000_u16, 0..1_000_u64), 0..3_000,
        )) {
            let (mut ended, mut model) = (Ended::default(), BTreeMap::new());
            for (number, heard) in &steps {
                ended.insert(name(*number), *heard);
                model.entry(name(*number)).or_insert(*heard);
            }
            for oldest in [300, 600] {
                ended.expire(oldest);
                model.retain(|_, heard| *heard >= oldest);
                prop_assert_eq!(ended.len(), model.len());
                prop_assert_eq!(ended.iter().collect::<BTreeMap<_, _>>(), model.clone());
            }
            for (number, _) in &steps {
                let name = name(*number);
                prop_assert_eq!(ended.heard(name), model.get(&name).copied());
            }
        }
    }

    #[test]
    fn what_is_too_much_is_forgotten_by_the_batch_in_the_order_of_the_ends() {
        let mut ended = Ended::default();
        let batch = u16::try_from(limits::SESSIONS_ENDED_BATCH).expect("it is small");
        for number in 0..=batch {
            ended.insert(name(number), 100 + u64::from(number % 7));
        }
        assert_eq!(ended.forget_first(), Some(106));
        assert_eq!(
            ended.iter().collect::<Vec<_>>(),
            [(name(batch), { 100 + u64::from(batch % 7) })]
        );
        assert_eq!(ended.len(), 1);
        assert!(ended.forget_first().is_some() && ended.is_empty());
        assert_eq!(ended.forget_first(), None);
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nobody_longer() {
        let mut ended = Ended::default();
        ended.insert(name(1), 900);
        ended.insert(name(2), 100);
        ended.insert(name(1), 50);
        ended.set_time(500);
        assert_eq!(
            [ended.heard(name(1)), ended.heard(name(2))],
            [Some(500), Some(100)]
        );
        ended.expire(501);
        assert!(ended.is_empty());
        ended.insert(name(3), u64::MAX);
        ended.expire(u64::from(u32::MAX));
        assert_eq!(ended.len(), 1, "the end of time");
    }
}
