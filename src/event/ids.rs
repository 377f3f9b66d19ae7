//! Tables by keys that the gateway gives out itself: ids that count up, and
//! keys that bring a hash of their own. Nobody from outside chooses what is
//! entered, so nobody can choose keys that fall into one place, and the hasher
//! need not defend itself as SipHash does, which costs ten times as much: one
//! call looks such keys up some twenty times. Never for texts of others.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table by such keys.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Mixes each number in by one multiplication.
#[derive(Debug, Default)]
pub struct IdHasher(u64);

/// Odd, and its bits without a pattern: 2⁶⁴ divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    #[inline]
    fn write_u64(&mut self, number: u64) {
        // Of the product's two halves one depends on all low bits, one on all high.
        let product = u128::from(self.0 ^ number) * u128::from(FACTOR);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::IdHasher;
    use crate::event::OutboxId;
    use crate::wire::own_id::{OwnId, Purpose};

    /// How many of 1024 places, chosen by `bits` of the hash, these keys take,
    /// of which there are as many.
    fn places<K: std::hash::Hash>(keys: impl Iterator<Item = K>, shift: u32) -> usize {
        let hasher = BuildHasherDefault::<IdHasher>::default();
        let place = |key| (hasher.hash_one(key) >> shift) & 1023;
        keys.take(1024).map(place).collect::<BTreeSet<_>>().len()
    }

    #[test]
    fn keys_that_count_up_are_spread_over_the_places_of_a_table() {
        // Dice would take some 647; a table looks at the lowest bits, and at the highest.
        for shift in [0, 54] {
            assert!(places(0_u64.., shift) > 550);
            let calls = (1..).map(|serial| OwnId::new(serial, Purpose::Call));
            assert!(places(calls, shift) > 550);
            let outboxes = (1..).map(|connection| OutboxId {
                connection,
                exchange: 1,
            });
            assert!(places(outboxes, shift) > 550);
            let exchanges = (1..).map(|exchange| OutboxId {
                connection: 7,
                exchange,
            });
            assert!(places(exchanges, shift) > 550);
        }
    }
}
