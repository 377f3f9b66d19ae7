//! The ear: who waits for other things as well listens to connections whose threads sleep, and takes ordinary requests
//! out of their sockets, so that nobody need be woken for one.
//!
//! Ordinary is a POST that is short, has come by itself and whole, and that its [`Hearer`] takes. All else goes back to
//! the thread of the connection, with the bytes that were read: slow peers, deadlines, refusals and long bodies are its
//! work alone. Nothing here waits for a peer.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{MsgFlags, recv};

use crate::http::courier::Line;
use crate::http::head::{BodyFraming, Head};
use crate::http::pace;
use crate::http::peer::lock;
use crate::limits;
use crate::seats::{Seat, Seats};

/// Makes something of the requests of one connection.
pub trait Hearer<T>: Send {
    /// Whether requests with this head are for it, whatever length they have. Asked once for as long as the same head
    /// comes again ([`Head::take_again`]).
    fn admit(&mut self, head: &Head) -> bool;

    /// Takes a request with the head that was admitted last, whose answer comes by another way; or does nothing at all
    /// with it, and then it is for the thread of the connection. Must not block.
    fn hear(&mut self, head: &Head, body: &[u8]) -> Option<T>;
}

/// The ear, as the threads of connections have it.
pub struct Ear<T> {
    epoll: Epoll,
    /// Those of the connections that are listened to.
    sleepers: Mutex<Seats<Arc<Sleeper<T>>>>,
    alarm: Arc<EventFd>,
}

/// The same, as the one has it who listens.
pub struct Listener<T> {
    ear: Arc<Ear<T>>,
    events: Vec<EpollEvent>,
    /// Which of these are looked at next, and behind the last.
    stirred: Range<usize>,
    /// How many bytes were read since the last wait.
    read: usize,
    /// The bytes of a request that is looked at.
    bytes: Box<[u8]>,
}

/// Where the thread of a connection sleeps.
struct Sleeper<T> {
    line: Line,
    thread: Thread,
    lent: Mutex<Lent<T>>,
}

struct Lent<T> {
    /// Without one, it is listened for whether the peer stirs.
    hearer: Option<Box<dyn Hearer<T>>>,
    /// The head of the last request.
    head: Head,
    /// Whether the hearer has admitted that.
    is_admitted: bool,
    /// What was read and not taken.
    unread: Vec<u8>,
    /// Whether a request was taken since the thread has last looked.
    has_heard: bool,
    /// The thread has its connection back, or is to take it back.
    is_over: bool,
}

/// What a thread finds when it wakes.
pub struct Woken<T> {
    /// Lent for the time of the sleep.
    pub hearer: Option<Box<dyn Hearer<T>>>,
    /// What was read of the peer and is for the thread to read.
    pub unread: Vec<u8>,
    /// Whether the peer has stirred, or the deadline is past; else somebody has woken the thread, and nothing was read.
    pub is_over: bool,
}

/// What has come of a look at a connection.
enum Heard<T> {
    Request(T),
    /// Nothing yet, or the beginning of a request.
    Nothing,
    /// What the thread is to look at.
    Other,
}

/// What stands for the alarm among the numbers of seats.
const ALARM: u64 = 0;

/// An ear, and its end for the one who listens.
///
/// # Errors
/// No descriptors are left.
pub fn open<T>() -> io::Result<(Arc<Ear<T>>, Listener<T>)> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let alarm = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    // Each ring is told of by itself, so that nobody need silence it.
    let rings = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
    epoll.add(&alarm, EpollEvent::new(rings, ALARM))?;
    let ear = Arc::new(Ear {
        epoll,
        sleepers: Mutex::default(),
        alarm: Arc::new(alarm),
    });
    let listener = Listener {
        ear: Arc::clone(&ear),
        events: vec![EpollEvent::empty(); limits::EAR_EVENTS_AT_ONCE],
        stirred: 0..0,
        read: 0,
        bytes: vec![0; limits::EAR_REQUEST_BYTES_MAX].into(),
    };
    Ok((ear, listener))
}

impl<T> fmt::Debug for Ear<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ear").finish_non_exhaustive()
    }
}

impl<T> Ear<T> {
    /// Has the calling thread sleep until somebody unparks it, its peer does what is not for the hearer, or nothing is
    /// heard for as long as it is now until the deadline. Whoever unparks it has made `is_called` true before.
    pub fn sleep(
        &self,
        line: Line,
        hearer: Option<Box<dyn Hearer<T>>>,
        deadline: Instant,
        is_called: &dyn Fn() -> bool,
    ) -> Woken<T> {
        let sleeper = Arc::new(Sleeper::new(line, hearer));
        // The one who listens may still look at that seat for who sat there before, and must not part with this one before
        // he is listened to: nobody would cease to, then.
        let lent = lock(&sleeper.lent);
        let seat = lock(&self.sleepers).insert_with(|_| Arc::clone(&sleeper));
        let stirs = EpollEvent::new(EpollFlags::EPOLLIN, seat.number());
        let is_heard = self.epoll.add(&sleeper.line.peer.stream, stirs).is_ok();
        drop(lent);
        let in_time = is_heard && sleeper.park_until(deadline, is_called);
        let mut lent = lock(&sleeper.lent);
        if !lent.is_over {
            self.forget(&sleeper);
        }
        lock(&self.sleepers).remove(seat);
        let unread = std::mem::take(&mut lent.unread);
        // Whoever has the beginning of a request reads its end, too: to the ear that would look like a request of its own.
        let is_begun = !unread.is_empty();
        Woken {
            hearer: lent.hearer.take(),
            unread,
            is_over: std::mem::replace(&mut lent.is_over, true) || is_begun || !in_time,
        }
    }

    fn forget(&self, sleeper: &Sleeper<T>) {
        // It fails where it was never heard.
        let _ = self.epoll.delete(&sleeper.line.peer.stream);
    }
}

impl<T> Lent<T> {
    /// What bytes are; their head is kept.
    fn look_at(&mut self, bytes: &[u8]) -> Found {
        let start = match self.head.take_again(bytes) {
            Some(start) => start,
            None => {
                self.is_admitted = false;
                match self.head.parse(bytes) {
                    Ok(Some(start)) => start,
                    Ok(None) => return Found::Headless,
                    Err(_) => return Found::Other,
                }
            }
        };
        body_of(&self.head, start, bytes.len())
    }

    /// What the hearer makes of a body that came with the head that is kept.
    fn offer(&mut self, body: &[u8]) -> Option<T> {
        let hearer = self.hearer.as_mut()?;
        self.is_admitted = self.is_admitted || hearer.admit(&self.head);
        self.is_admitted.then(|| hearer.hear(&self.head, body))?
    }
}

impl<T> Sleeper<T> {
    /// The calling thread.
    fn new(line: Line, hearer: Option<Box<dyn Hearer<T>>>) -> Sleeper<T> {
        Sleeper {
            line,
            thread: thread::current(),
            lent: Mutex::new(Lent {
                hearer,
                head: Head::default(),
                is_admitted: false,
                unread: Vec::new(),
                has_heard: false,
                is_over: false,
            }),
        }
    }

    /// Parks the thread, and again each time that the deadline has passed, something was heard meanwhile and nobody has
    /// called; whether it was woken before.
    fn park_until(&self, mut deadline: Instant, is_called: &dyn Fn() -> bool) -> bool {
        let span = deadline.saturating_duration_since(pace::now());
        loop {
            thread::park_timeout(deadline.saturating_duration_since(pace::now()));
            // The end of the time may have hidden a call, but only one that can be asked for: whoever calls from here on
            // finds the thread parked again, or about to be.
            if pace::now() < deadline || is_called() {
                return true;
            }
            let mut lent = lock(&self.lent);
            if lent.is_over || !std::mem::take(&mut lent.has_heard) {
                return false;
            }
            deadline += span;
        }
    }
}

impl<T> Listener<T> {
    /// What ends a wait.
    pub fn alarm(&self) -> &Arc<EventFd> {
        &self.ear.alarm
    }

    /// Waits until a peer stirs, the alarm rings, or the time is over, which may be nothing, or none; in whole
    /// milliseconds, and rather too long than too short.
    pub fn wait(&mut self, time: Option<Duration>) {
        let timeout = match time {
            None => EpollTimeout::NONE,
            Some(Duration::ZERO) => EpollTimeout::ZERO,
            Some(time) => EpollTimeout::try_from(time.as_millis() + 1).unwrap_or(EpollTimeout::MAX),
        };
        // The only failure is a signal.
        let count = self.ear.epoll.wait(&mut self.events, timeout);
        self.stirred = 0..count.unwrap_or(0);
        self.read = 0;
    }

    /// The next request of those who had stirred when the last wait ended; none if that was all. Who is left out where
    /// much is read is found by the next wait.
    pub fn next_request(&mut self) -> Option<T> {
        while self.read < limits::EAR_BYTES_AT_ONCE {
            let stirred = self.events[self.stirred.next()?].data();
            // The alarm has no seat.
            if let Some(request) = Seat::of_number(stirred).and_then(|seat| self.attend(seat)) {
                return Some(request);
            }
        }
        None
    }

    /// Looks at who has stirred in a seat. If another sits there by now, nothing has come of him, or he looks for
    /// himself.
    fn attend(&mut self, seat: Seat) -> Option<T> {
        let sleeper = Arc::clone(lock(&self.ear.sleepers).get(seat)?);
        let mut lent = match sleeper.lent.try_lock() {
            Ok(lent) => lent,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            // Its thread has woken, or does not sleep yet.
            Err(TryLockError::WouldBlock) => return None,
        };
        if lent.is_over {
            return None;
        }
        // A fault met in a request is that connection's alone.
        let heard = catch_unwind(AssertUnwindSafe(|| self.hear(&sleeper, &mut lent)));
        match heard {
            Ok(Heard::Request(request)) => {
                lent.has_heard = true;
                return Some(request);
            }
            Ok(Heard::Nothing) => return None,
            Ok(Heard::Other) => {}
            Err(_) => {
                let id = sleeper.line.peer.id;
                log::error!("http: {id}: a request has led to a panic; the connection is closed");
                sleeper.line.peer.cut();
            }
        }
        lent.is_over = true;
        self.ear.forget(&sleeper);
        sleeper.thread.unpark();
        None
    }

    /// Looks at what has come. Whatever the hearer does not take stays unread.
    fn hear(&mut self, sleeper: &Sleeper<T>, lent: &mut Lent<T>) -> Heard<T> {
        if lent.hearer.is_none() {
            return Heard::Other;
        }
        let had = lent.unread.len();
        self.bytes[..had].copy_from_slice(&lent.unread);
        let mut count = match self.read(sleeper, had..limits::HTTP_HEAD_BYTES_MAX) {
            Ok(count @ 1..) => had + count,
            Err(Errno::EAGAIN) => return Heard::Nothing,
            Ok(_) | Err(_) => return Heard::Other,
        };
        let mut found = lent.look_at(&self.bytes[..count]);
        // There is more only if there was no room for it. Never past the end of the request, so that no more is held here
        // than one has announced.
        if let Found::Unfinished { start, more } = found
            && count == limits::HTTP_HEAD_BYTES_MAX
        {
            let read = self.read(sleeper, count..count + more).unwrap_or(0);
            count += read;
            if read == more {
                found = Found::Whole(start);
            }
        }
        let bytes = &self.bytes[..count];
        match found {
            Found::Whole(start) => {
                if let Some(request) = lent.offer(&bytes[start..]) {
                    lent.unread = Vec::new();
                    if start > limits::EAR_HEAD_BYTES_KEPT {
                        lent.head.release();
                    }
                    return Heard::Request(request);
                }
            }
            // Head and body are often sent by themselves; who sends more pieces is slow.
            Found::Headless | Found::Unfinished { .. }
                if had == 0 && count < limits::HTTP_HEAD_BYTES_MAX =>
            {
                lent.unread = bytes.to_vec();
                return Heard::Nothing;
            }
            Found::Headless | Found::Unfinished { .. } | Found::Other => {}
        }
        lent.unread = bytes.to_vec();
        Heard::Other
    }

    /// Reads what is there to a part of the buffer; nothing once clients are parted with.
    fn read(&mut self, sleeper: &Sleeper<T>, part: Range<usize>) -> Result<usize, Errno> {
        let peer = &sleeper.line.peer;
        // Before it is read: whoever cuts idle connections sees either that this one is not, or that bytes lie there.
        let was_idle = peer.swap_idle(false);
        if sleeper.line.parting.load(Ordering::SeqCst) {
            return Ok(0);
        }
        let (socket, flags) = (peer.stream.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let read = recv(socket, &mut self.bytes[part], flags);
        if read == Err(Errno::EAGAIN) {
            peer.set_idle(was_idle);
        }
        self.read += read.unwrap_or(0);
        read
    }
}

/// What bytes are.
#[derive(Clone, Copy)]
enum Found {
    /// One ordinary request, whose body begins here.
    Whole(usize),
    /// One whose body begins here, and to which so many bytes are missing.
    Unfinished {
        start: usize,
        more: usize,
    },
    /// The beginning of a head.
    Headless,
    Other,
}

/// What so many bytes are that begin with this head, whose body begins at `start`.
fn body_of(head: &Head, start: usize, count: usize) -> Found {
    let BodyFraming::Length(length) = head.body() else {
        return Found::Other;
    };
    let goes_on = !head.is_http_1_0() && head.keep_alive() && !head.expects_continue();
    let end = length.saturating_add(start as u64);
    let is_short = end <= limits::EAR_REQUEST_BYTES_MAX as u64;
    if !goes_on || !is_short || head.method() != "POST" {
        return Found::Other;
    }
    match (end as usize).checked_sub(count) {
        Some(0) => Found::Whole(start),
        Some(more) => Found::Unfinished { start, more },
        None => Found::Other,
    }
}
