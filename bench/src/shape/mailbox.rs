//! A queue whose one reader sleeps at once where nothing is there, and takes all that is there in
//! one go. Who puts something in wakes the reader only if it sleeps.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use nix::sys::eventfd::EventFd;

use crate::shape::SLOTS;

/// The queue.
#[derive(Debug)]
pub struct Mailbox<T> {
    slots: Mutex<Slots<T>>,
    came: Condvar,
    /// Wakes the reader in place of `came`, where it waits for more than this queue.
    bell: Option<EventFd>,
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
            bell: None,
            went: Condvar::new(),
        }
    }
}

impl<T> Mailbox<T> {
    /// One whose reader, when it sleeps, is woken by this bell, which it awaits among other things.
    pub fn with_bell(bell: EventFd) -> Mailbox<T> {
        Mailbox {
            bell: Some(bell),
            ..Mailbox::default()
        }
    }

    /// Silences the bell, once it has rung.
    pub fn hear(&self) {
        if let Some(bell) = &self.bell {
            // It fails only if it has not rung.
            let _ = bell.read();
        }
    }

    /// Takes all letters that are there. If there are none, the bell rings when one comes. `room` is
    /// as for `take`.
    pub fn take_or_sleep(&self, room: &mut Vec<T>) {
        let mut slots = self.lock();
        slots.sleeps = slots.letters.is_empty();
        std::mem::swap(&mut slots.letters, room);
        if room.len() >= SLOTS {
            self.went.notify_all();
        }
    }

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
            self.wake();
        }
    }

    fn wake(&self) {
        match &self.bell {
            Some(bell) => {
                // It fails only if it has been rung 2^64 times and not been heard.
                let _ = bell.write(1);
            }
            None => self.came.notify_one(),
        }
    }

    /// Waits until there are letters, and takes them all; not for a reader with a bell. `room` is empty, and is kept for those
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
