//! How many bytes of other people's messages are in memory: counted from the
//! first that is read until the last who needs them lets them go. There is one
//! budget for what clients send and one for what children do; so the sum of all
//! queues, tables and buffers that hold messages has a limit, whoever forgot to
//! count what. What is done past it is decided where bytes are read.
//!
//! Large buffers that messages have left are kept for the next for a while: an
//! allocator asks the system for such anew each time, page by page.

pub mod pool;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::budget::pool::Pool;

/// How much may be held.
#[derive(Debug)]
pub struct Budget {
    max: usize,
    held: AtomicUsize,
    /// Beyond what is held, and bounded by itself.
    pool: Pool,
}

/// There is no room for so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Budget {
    /// A budget of so many bytes.
    pub fn new(max: usize) -> Arc<Budget> {
        Arc::new(Budget {
            max,
            held: AtomicUsize::new(0),
            pool: Pool::default(),
        })
    }

    /// A weight of nothing, which may grow.
    pub fn nothing(self: &Arc<Budget>) -> Weight {
        Weight {
            budget: Some(Arc::clone(self)),
            bytes: 0,
        }
    }

    /// The weight of what is there already, asked for or not.
    pub fn weigh(self: &Arc<Budget>, bytes: usize) -> Weight {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Weight {
            budget: Some(Arc::clone(self)),
            bytes,
        }
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether buffers are kept for messages to come.
    pub fn has_spares(&self) -> bool {
        !self.pool.is_empty()
    }

    /// Gives back those buffers that nobody has needed since this was last done.
    pub fn air(&self) {
        self.pool.air();
    }

    /// Counts `more` bytes for somebody who then holds `total`. Nobody may hold more
    /// than is left for all others, so that what is small has room for longest.
    fn take(&self, more: usize, total: usize) -> Result<(), Full> {
        let held = self.held.fetch_add(more, Ordering::Relaxed) + more;
        if held.saturating_add(total) <= self.max {
            return Ok(());
        }
        self.held.fetch_sub(more, Ordering::Relaxed);
        Err(Full)
    }
}

/// Bytes that are held; given back when this is dropped.
#[derive(Debug, Default)]
pub struct Weight {
    /// None counts for nobody: the gateway's own words, and tests.
    budget: Option<Arc<Budget>>,
    bytes: usize,
}

impl Weight {
    /// Grows to so many bytes; never shrinks.
    ///
    /// # Errors
    /// There is no room. The weight is as it was.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), Full> {
        if let Some(budget) = &self.budget
            && bytes > self.bytes
        {
            budget.take(bytes - self.bytes, bytes)?;
            self.bytes = bytes;
        }
        Ok(())
    }

    /// Makes room in a buffer for `more` bytes, as much as it weighs then beyond
    /// `free` bytes. The buffer doubles, but not beyond `most` if that is enough,
    /// or becomes another that a message has left.
    ///
    /// # Errors
    /// There is no room. Buffer and weight are as they were.
    pub fn reserve(
        &mut self,
        buffer: &mut Vec<u8>,
        more: usize,
        most: usize,
        free: usize,
    ) -> Result<(), Full> {
        let needed = buffer.len() + more;
        if needed > buffer.capacity() {
            let capacity = needed.max((2 * buffer.capacity()).min(most));
            if let Some(mut spare) = self.budget.as_ref().and_then(|it| it.pool.take(capacity))
                && self.grow_to(spare.capacity().saturating_sub(free)).is_ok()
            {
                spare.extend_from_slice(buffer);
                self.keep(std::mem::replace(buffer, spare));
                return Ok(());
            }
            self.grow_to(capacity.saturating_sub(free))?;
            buffer.reserve_exact(capacity - buffer.len());
        }
        Ok(())
    }

    /// Keeps a buffer that is needed no more, if it is large, for whoever needs one.
    pub fn keep(&self, buffer: Vec<u8>) {
        if let Some(budget) = &self.budget {
            budget.pool.put(buffer);
        }
    }

    /// Gives all back.
    pub fn clear(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if let (Some(budget), 1..) = (&self.budget, bytes) {
            budget.held.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back() {
        let budget = Budget::new(100);
        let mut one = budget.nothing();
        let other = budget.weigh(20);
        assert_eq!(one.grow_to(30), Ok(()));
        assert_eq!(one.grow_to(10), Ok(()), "it does not shrink");
        assert_eq!(budget.held(), 50);
        drop(other);
        assert_eq!(budget.held(), 30);
        one.clear();
        one.clear();
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn nobody_holds_more_than_is_left_and_the_small_have_room_for_longest() {
        let budget = Budget::new(100);
        let mut large = budget.nothing();
        assert_eq!(large.grow_to(51), Err(Full));
        assert_eq!(large.grow_to(50), Ok(()));
        let mut next = budget.nothing();
        assert_eq!(next.grow_to(26), Err(Full));
        assert_eq!(next.grow_to(25), Ok(()));
        assert_eq!(next.grow_to(26), Err(Full), "and is as it was");
        assert_eq!(budget.held(), 75);
        let small: Vec<Weight> = std::iter::from_fn(|| {
            let mut small = budget.nothing();
            small.grow_to(1).is_ok().then_some(small)
        })
        .collect();
        assert_eq!((small.len(), budget.held()), (24, 99));
    }

    #[test]
    fn what_is_there_already_is_never_refused() {
        let budget = Budget::new(10);
        let there = budget.weigh(1_000);
        assert_eq!(budget.nothing().grow_to(1), Err(Full));
        drop(there);
        assert_eq!(budget.nothing().grow_to(1), Ok(()));
    }

    #[test]
    fn a_buffer_weighs_what_it_can_hold() {
        let budget = Budget::new(1_000);
        let mut weight = budget.nothing();
        let mut buffer = Vec::new();
        for _ in 0..100 {
            weight.reserve(&mut buffer, 1, 150, 50).unwrap();
            buffer.push(b'x');
            assert!(budget.held() >= buffer.capacity().saturating_sub(50));
        }
        assert!((50..=100).contains(&budget.held()), "{}", budget.held());
        assert_eq!(weight.reserve(&mut buffer, 900, 2_000, 50), Err(Full));
        let mut free = Weight::default();
        assert_eq!(free.reserve(&mut buffer, 9_000, 1, 0), Ok(()));
    }

    #[test]
    fn what_a_message_has_left_is_room_for_the_next() {
        let budget = Budget::new(1_000_000);
        let mut weight = budget.nothing();
        let mut buffer = Vec::new();
        weight.reserve(&mut buffer, 100_000, 1_000_000, 0).unwrap();
        let place = buffer.as_ptr();
        weight.keep(buffer);
        weight.clear();
        let mut next = b"a beginning".to_vec();
        weight.reserve(&mut next, 90_000, 1_000_000, 0).unwrap();
        assert_eq!(
            (next.as_ptr(), next.as_slice()),
            (place, &b"a beginning"[..])
        );
        assert_eq!(budget.held(), 100_000, "it weighs what it is");
        assert!(!budget.has_spares());
        // There is room for what is needed, not for what is kept.
        weight.keep(next);
        weight.clear();
        let others = budget.weigh(810_000);
        let mut small = Vec::new();
        weight.reserve(&mut small, 90_000, 1_000_000, 0).unwrap();
        assert_eq!(small.capacity(), 90_000);
        drop(others);
    }

    #[test]
    fn many_threads_leave_nothing_behind() {
        let budget = Budget::new(1_000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for bytes in 0..2_000 {
                        let mut weight = budget.nothing();
                        let _ = weight.grow_to(bytes);
                        let _there = budget.weigh(bytes);
                    }
                });
            }
        });
        assert_eq!(budget.held(), 0);
    }
}
