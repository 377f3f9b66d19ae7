//! A bounded channel with one reader, who sleeps as soon as nothing is there.
//!
//! The slots are crossbeam's; the waiting is our own. A reader of crossbeam's
//! spins and yields for some microseconds of processor time before it sleeps,
//! which a call pays for at each of its stations, and which on few cores it takes
//! from the very thread that it waits for. `docs/performance.md` has the figures.
//!
//! Nobody is woken who is awake: a writer looks whether the reader sleeps, and
//! only then asks the system to wake it.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, SendError, TryRecvError, TrySendError};
use nix::sys::eventfd::EventFd;

/// A channel of so many slots, which are allocated at once.
pub fn bounded<T>(slots: usize) -> (Sender<T>, Receiver<T>) {
    with_bed(crossbeam_channel::bounded(slots), usize::MAX)
}

/// A channel of at most so many slots, which are allocated as they are needed: for
/// one of many channels that are nearly always empty. Nobody can wait for a slot;
/// and where several fill slots at once, a few more than these may be full.
#[expect(
    clippy::disallowed_methods,
    reason = "the limit is kept here: nothing is put in past it"
)]
pub fn growing<T>(slots: usize) -> (Sender<T>, Receiver<T>) {
    with_bed(crossbeam_channel::unbounded(), slots)
}

fn with_bed<T>(
    (sender, receiver): (crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>),
    most: usize,
) -> (Sender<T>, Receiver<T>) {
    let bed = Arc::new(Bed::default());
    let sender = Sender {
        slots: Some(sender),
        most,
        bed: Arc::clone(&bed),
    };
    let receiver = Receiver {
        slots: receiver,
        bed,
    };
    (sender, receiver)
}

/// How a reader that sleeps is woken.
#[derive(Debug, Clone)]
pub enum Alarm {
    /// It is parked.
    Thread(Thread),
    /// It polls this for input, beside something else.
    Event(Arc<EventFd>),
}

impl Alarm {
    fn ring(&self) {
        match self {
            Alarm::Thread(thread) => thread.unpark(),
            // It fails only if it has been rung 2^64 times and not been heard.
            Alarm::Event(event) => drop(event.write(1)),
        }
    }
}

/// Where the reader sleeps.
#[derive(Debug, Default)]
struct Bed {
    /// Whether somebody lies here, or is about to.
    is_taken: AtomicBool,
    alarm: Mutex<Option<Alarm>>,
}

impl Bed {
    /// Says that the reader is about to sleep. Whatever is put into a slot from
    /// here on wakes it; what was put there before it must look for once more.
    fn lie_down(&self, alarm: Alarm) {
        *lock(&self.alarm) = Some(alarm);
        // Released, so that whoever sees it finds this alarm and no older one.
        self.is_taken.store(true, Ordering::Release);
        // Pairs with that of `wake`: of two threads, of which one fills a slot and
        // looks whether a reader sleeps, and the other says that it sleeps and
        // looks for a full slot, one at least sees what the other did.
        fence(Ordering::SeqCst);
    }

    fn get_up(&self) {
        self.is_taken.store(false, Ordering::Relaxed);
    }

    /// Wakes the reader, if it sleeps and nobody has woken it yet.
    fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.is_taken.load(Ordering::Relaxed) && self.is_taken.swap(false, Ordering::Acquire) {
            let alarm = lock(&self.alarm).take();
            if let Some(alarm) = alarm {
                alarm.ring();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A writer's end.
#[derive(Debug)]
pub struct Sender<T> {
    /// There until it is dropped.
    slots: Option<crossbeam_channel::Sender<T>>,
    /// How many of them may be full, where they are not made beforehand.
    most: usize,
    bed: Arc<Bed>,
}

impl<T> Sender<T> {
    fn slots(&self) -> &crossbeam_channel::Sender<T> {
        match &self.slots {
            Some(slots) => slots,
            None => unreachable!("it is taken out only where this is dropped"),
        }
    }

    /// Puts something in, and waits for a slot if it must. Not for a channel that
    /// grows.
    ///
    /// # Errors
    /// The reader has left.
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.slots().send(item)?;
        self.bed.wake();
        Ok(())
    }

    /// Puts something in if there is a slot.
    ///
    /// # Errors
    /// There is none, or the reader has left.
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        if self.most != usize::MAX && self.len() >= self.most {
            return Err(TrySendError::Full(item));
        }
        self.slots().try_send(item)?;
        self.bed.wake();
        Ok(())
    }

    /// Whether no slot is full.
    pub fn is_empty(&self) -> bool {
        self.slots().is_empty()
    }

    /// How many slots are full.
    pub fn len(&self) -> usize {
        self.slots().len()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender {
            slots: self.slots.clone(),
            most: self.most,
            bed: Arc::clone(&self.bed),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // The last writer who leaves wakes the reader, to find that out.
        self.slots = None;
        self.bed.wake();
    }
}

/// The reader's end.
#[derive(Debug)]
pub struct Receiver<T> {
    slots: crossbeam_channel::Receiver<T>,
    bed: Arc<Bed>,
}

impl<T> Receiver<T> {
    /// Takes out what is there.
    ///
    /// # Errors
    /// Nothing is; or nothing ever will be, for all writers have left.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.slots.try_recv()
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How much is there.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Waits for something.
    ///
    /// # Errors
    /// All writers have left.
    pub fn recv(&self) -> Result<T, RecvTimeoutError> {
        self.wait(None)
    }

    /// Waits for something, but not beyond the deadline.
    ///
    /// # Errors
    /// Nothing has come in time, or all writers have left.
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.wait(Some(deadline))
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        loop {
            if let Some(ended) = self.look() {
                return ended;
            }
            self.bed.lie_down(Alarm::Thread(thread::current()));
            let ended = self.look().or_else(|| park_until(deadline).err().map(Err));
            self.bed.get_up();
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    /// What ends a wait, if it is there.
    fn look(&self) -> Option<Result<T, RecvTimeoutError>> {
        match self.slots.try_recv() {
            Ok(item) => Some(Ok(item)),
            Err(TryRecvError::Disconnected) => Some(Err(RecvTimeoutError::Disconnected)),
            Err(TryRecvError::Empty) => None,
        }
    }

    /// Has `sleep` wait, unless something is there already; the alarm goes off as
    /// soon as something is. For a reader that waits for other things as well.
    pub fn sleep_by<R>(&self, alarm: Alarm, sleep: impl FnOnce() -> R) -> Option<R> {
        self.bed.lie_down(alarm);
        let slept = self.slots.is_empty().then(sleep);
        self.bed.get_up();
        slept
    }
}

/// Parks this thread until somebody wakes it, or, as threads do, for no reason.
///
/// # Errors
/// The deadline is past.
#[expect(
    clippy::disallowed_methods,
    reason = "a wait that was handed its deadline must see when that is"
)]
pub fn park_until(deadline: Option<Instant>) -> Result<(), RecvTimeoutError> {
    match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
        None => thread::park(),
        Some(Duration::ZERO) => return Err(RecvTimeoutError::Timeout),
        Some(left) => thread::park_timeout(left),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;
    use crate::threads;

    const STACK: usize = 64 << 10;

    #[expect(clippy::disallowed_methods, reason = "tests wait in real time")]
    fn in_time() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn no_wake_up_is_lost() {
        let (there, ear) = bounded::<u32>(2);
        let (back, heard) = bounded::<u32>(1);
        let echo = threads::spawn("echo", STACK, move || {
            while let Ok(number) = ear.recv() {
                back.send(number).unwrap();
            }
        });
        // Each waits for the other each time: the first wake-up that is lost is the last of all.
        for number in 0..50_000 {
            there.send(number).unwrap();
            assert_eq!(heard.recv_deadline(in_time()), Ok(number));
        }
        drop(there);
        echo.unwrap().join().unwrap();
        assert_eq!(
            heard.recv_deadline(in_time()),
            Err(RecvTimeoutError::Disconnected)
        );
    }

    #[test]
    fn many_writers_fill_few_slots() {
        let (sender, receiver) = bounded::<u64>(3);
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let sender = sender.clone();
                threads::spawn("writer", STACK, move || {
                    (1..=5_000).for_each(|number| sender.send(number).unwrap());
                })
            })
            .collect();
        drop(sender);
        let mut sum = 0;
        while let Ok(number) = receiver.recv_deadline(in_time()) {
            sum += number;
        }
        assert_eq!(sum, 4 * 5_000 * 5_001 / 2);
        writers
            .into_iter()
            .for_each(|writer| writer.unwrap().join().unwrap());
    }

    #[test]
    fn a_deadline_ends_a_wait_and_what_is_there_is_taken_even_past_it() {
        let (sender, receiver) = bounded(1);
        #[expect(clippy::disallowed_methods, reason = "tests wait in real time")]
        let past = Instant::now();
        assert_eq!(receiver.recv_deadline(past), Err(RecvTimeoutError::Timeout));
        sender.try_send(1).unwrap();
        assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
        assert_eq!(receiver.recv_deadline(past), Ok(1));
    }

    #[test]
    fn one_that_grows_has_its_end() {
        let (sender, receiver) = growing(3);
        (1..=3).for_each(|number| sender.try_send(number).unwrap());
        assert_eq!(sender.try_send(4), Err(TrySendError::Full(4)));
        assert_eq!(receiver.recv_deadline(in_time()), Ok(1));
        sender.try_send(5).unwrap();
        assert_eq!(sender.try_send(6), Err(TrySendError::Full(6)));
        drop(receiver);
        assert_eq!(sender.try_send(7), Err(TrySendError::Disconnected(7)));
    }

    #[test]
    fn an_alarm_goes_off_once_for_whoever_sleeps_otherwise() {
        let (sender, receiver) = bounded(4);
        let event = Arc::new(EventFd::new().unwrap());
        let rings = || {
            let mut set = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
            poll(&mut set, PollTimeout::ZERO).unwrap() == 1
        };
        let alarm = Alarm::Event(Arc::clone(&event));
        let slept = receiver.sleep_by(alarm.clone(), || {
            assert!(!rings());
            sender.try_send(1).unwrap();
            sender.try_send(2).unwrap();
            assert!(rings());
            event.read().unwrap()
        });
        assert_eq!(slept, Some(1), "the second found nobody asleep");
        assert_eq!(receiver.sleep_by(alarm, || ()), None, "there is something");
        sender.try_send(3).unwrap();
        assert!(!rings());
    }
}
