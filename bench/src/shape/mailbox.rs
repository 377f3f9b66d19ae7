//! A queue whose one reader sleeps at once where nothing is there, and takes all that is there in
//! one go. Who puts something in wakes the reader only if it sleeps.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::shape::SLOTS;

/// The queue.
#[derive(Debug)]
pub struct Mailbox<T> {
    slots: Mutex<Slots<T>>,
    came: Condvar,
    went: Condvar,
}

#[derive(Debug)]
struct Slots<T> {
    letters: Vec<T>,
    sleeps: bool,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Mailbox<T> {
        let slots = Slots {
            letters: Vec::new(),
            sleeps: false,
        };
        Mailbox {
            slots: Mutex::new(slots),
            came: Condvar::new(),
            went: Condvar::new(),
        }
    }
}

impl<T> Mailbox<T> {
    /// Puts letters in, once there is room for one at least.
    pub fn put(&self, letters: impl IntoIterator<Item = T>) {
        let mut slots = self.lock();
        while slots.letters.len() >= SLOTS {
            let waited = self.went.wait(slots);
            slots = waited.unwrap_or_else(PoisonError::into_inner);
        }
        slots.letters.extend(letters);
        let sleeps = std::mem::take(&mut slots.sleeps);
        drop(slots);
        if sleeps {
            self.came.notify_one();
        }
    }

    /// Waits until there are letters, and takes them all. `room` is empty, and is kept for those
    /// that come.
    pub fn take(&self, room: &mut Vec<T>) {
        let mut slots = self.lock();
        while slots.letters.is_empty() {
            slots.sleeps = true;
            let waited = self.came.wait(slots);
            slots = waited.unwrap_or_else(PoisonError::into_inner);
        }
        slots.sleeps = false;
        std::mem::swap(&mut slots.letters, room);
        if room.len() >= SLOTS {
            self.went.notify_all();
        }
    }

    /// Nothing here panics while it is held.
    fn lock(&self) -> MutexGuard<'_, Slots<T>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
