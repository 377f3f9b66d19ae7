//! Large buffers between two messages: bounded in number and bytes, and given back
//! when nobody has needed them for a while. What is in them means nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::limits;

/// Empty buffers.
#[derive(Debug, Default)]
pub struct Pool {
    spares: Mutex<Spares>,
    /// Whether there are any, for those who only ask.
    has_some: AtomicBool,
}

#[derive(Debug, Default)]
struct Spares {
    /// The last one was used last, and is the likeliest to be in a cache.
    buffers: Vec<Vec<u8>>,
    bytes: usize,
    /// How many were not needed since the last airing: the fewest there were.
    unneeded: usize,
}

impl Pool {
    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        !self.has_some.load(Ordering::Relaxed)
    }

    /// An empty buffer for so many bytes, which is not much larger.
    pub fn take(&self, bytes: usize) -> Option<Vec<u8>> {
        if bytes < limits::SPARE_BYTES_LEAST || self.is_empty() {
            return None;
        }
        let mut spares = self.lock();
        let fits = |spare: &Vec<u8>| (bytes..=2 * bytes).contains(&spare.capacity());
        let found = spares.buffers.iter().rposition(fits)?;
        let buffer = spares.buffers.remove(found);
        spares.bytes -= buffer.capacity();
        spares.unneeded = spares.unneeded.min(spares.buffers.len());
        self.note(&spares);
        Some(buffer)
    }

    /// Takes a buffer in, if it is large and there is room.
    pub fn put(&self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        if !(limits::SPARE_BYTES_LEAST..=limits::SPARE_BYTES_MOST).contains(&bytes) {
            return;
        }
        let mut spares = self.lock();
        if spares.bytes + bytes <= limits::SPARES_BYTES_MAX {
            buffer.clear();
            spares.bytes += bytes;
            spares.buffers.push(buffer);
            self.note(&spares);
        }
    }

    /// Gives back what nobody has needed since this was last done.
    pub fn air(&self) {
        let mut spares = self.lock();
        let unneeded = spares.unneeded;
        let gone: Vec<_> = spares.buffers.drain(..unneeded).collect();
        spares.bytes -= gone.iter().map(Vec::capacity).sum::<usize>();
        spares.unneeded = spares.buffers.len();
        self.note(&spares);
        // To free them takes the system a while, in which others shall not wait.
        drop(spares);
        drop(gone);
    }

    fn note(&self, spares: &Spares) {
        let has_some = !spares.buffers.is_empty();
        self.has_some.store(has_some, Ordering::Relaxed);
    }

    /// No code runs while it is held that can panic half way.
    fn lock(&self) -> MutexGuard<'_, Spares> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: usize = limits::SPARE_BYTES_LEAST;

    fn put(pool: &Pool, bytes: usize) {
        pool.put(Vec::with_capacity(bytes));
    }

    #[test]
    fn what_fits_is_taken_and_comes_empty() {
        let pool = Pool::default();
        pool.put(vec![1; 3 * LEAST]);
        put(&pool, 9 * LEAST);
        assert_eq!(
            pool.take(4 * LEAST),
            None,
            "one is too small, one too large"
        );
        let taken = pool.take(2 * LEAST).unwrap();
        assert_eq!((taken.len(), taken.capacity()), (0, 3 * LEAST));
        assert_eq!(pool.take(2 * LEAST), None);
        assert!(pool.take(9 * LEAST).is_some() && pool.is_empty());
    }

    #[test]
    fn neither_small_nor_huge_nor_too_many_are_kept() {
        let pool = Pool::default();
        put(&pool, LEAST - 1);
        put(&pool, limits::SPARE_BYTES_MOST + 1);
        assert!(pool.is_empty());
        for _ in 0..2 * limits::SPARES_BYTES_MAX / LEAST {
            put(&pool, LEAST);
        }
        let kept = std::iter::from_fn(|| pool.take(LEAST)).count();
        assert_eq!(kept, limits::SPARES_BYTES_MAX / LEAST);
    }

    #[test]
    fn what_is_not_needed_between_two_airings_goes() {
        let pool = Pool::default();
        for _ in 0..3 {
            put(&pool, LEAST);
        }
        pool.air();
        for _ in 0..5 {
            // One at a time is needed.
            pool.put(pool.take(LEAST).unwrap());
        }
        pool.air();
        let kept: Vec<_> = std::iter::from_fn(|| pool.take(LEAST)).collect();
        assert_eq!(kept.len(), 1);
        kept.into_iter().for_each(|kept| pool.put(kept));
        pool.air();
        pool.air();
        assert!(pool.is_empty());
    }
}
