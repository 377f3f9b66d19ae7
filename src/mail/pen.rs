//! Pens that are lent: while the thread of a connection sleeps, the dispatcher
//! may write to its client itself, so that nobody need be woken for it.
//!
//! A pen writes what the kernel takes at once and never waits; the rest, and
//! whatever is not for a pen, comes to the thread as if it had lent none.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use crate::event::{Load, Parcel};
use crate::limits;
use crate::wire::pieces::Pieces;

/// Writes to one client, for one exchange.
pub trait Pen: Send {
    /// Writes a parcel. Must not block. The page is blank, for putting it together.
    fn write(&mut self, parcel: &Parcel, page: &mut Page) -> Written;
}

/// What became of a parcel.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// All of it is on its way.
    All,
    /// The same, and that was the answer: the exchange is over.
    Last,
    /// These bytes must follow before anything else does: the owner finds them
    /// with its pen.
    Part(Vec<u8>),
    /// Nothing was written, for it is not for a pen.
    Nothing,
}

/// Where a pen lies while it is lent, and the count of what leaves an outbox by either way.
#[derive(Default)]
pub struct Desk(Mutex<Lent>);

#[derive(Default)]
struct Lent {
    pen: Option<Box<dyn Pen>>,
    /// The exchange under way, for which it is.
    exchange: u32,
    /// It may be used no more until it is lent anew: its owner has to act first.
    is_spent: bool,
    /// It has written the last parcel of its exchange.
    is_over: bool,
    /// What it could not write of a parcel, and what that weighs.
    rest: Option<(Vec<u8>, Load)>,
    /// In which round it has written last.
    round: Option<u64>,
    /// What was taken out of the outbox, or written with it, that the hub was not told of.
    taken: Load,
}

impl Lent {
    fn can_go_on(&self) -> bool {
        self.is_over && self.pen.is_some()
    }
}

/// The hand of the dispatcher, which guides all pens. It works in rounds, in each
/// of which it opens the letters that are there. A pen writes once in a round:
/// where more is to be written, its owner is woken after all, and does it in few
/// writes.
#[derive(Debug, Default)]
pub struct Hand {
    round: u64,
    /// Kept from one parcel to the next, so that nothing is allocated for one.
    page: Page,
}

/// Where what a pen writes is put together.
#[derive(Debug, Default)]
pub struct Page {
    /// What its transport puts before it.
    pub head: Vec<u8>,
    /// The parcel itself.
    pub body: Pieces,
}

impl Page {
    /// Becomes blank, and keeps no more room than most parcels need.
    fn clear(&mut self) {
        self.head.clear();
        self.head.shrink_to(limits::PEN_PAGE_BYTES);
        self.body.clear(limits::PEN_PAGE_BYTES);
    }
}

impl Hand {
    /// Begins the next round.
    pub fn next_round(&mut self) {
        self.round = self.round.wrapping_add(1);
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// What an owner takes back.
pub struct TakenBack {
    /// The exchange under way, which may be another by now ([`Desk::go_on`]).
    pub exchange: u32,
    /// The pen.
    pub pen: Option<Box<dyn Pen>>,
    /// Whether the exchange is over.
    pub is_over: bool,
    /// What it could not write of a parcel, and what that weighs: to be written
    /// before anything else.
    pub rest: Option<(Vec<u8>, Load)>,
}

impl Desk {
    /// Another exchange is under way, of which nothing was taken yet.
    pub fn begin(&self, exchange: u32) {
        *self.lock() = Lent {
            exchange,
            ..Lent::default()
        };
    }

    /// Lends a pen, for the exchange under way.
    pub fn lend(&self, pen: Option<Box<dyn Pen>>) {
        let mut lent = self.lock();
        *lent = Lent {
            pen,
            exchange: lent.exchange,
            taken: lent.taken,
            ..Lent::default()
        };
    }

    /// Takes the pen back, and waits for a word that is just being written.
    pub fn take_back(&self) -> TakenBack {
        let mut lent = self.lock();
        TakenBack {
            exchange: lent.exchange,
            pen: lent.pen.take(),
            is_over: lent.is_over,
            rest: lent.rest.take(),
        }
    }

    /// Whether the pen has written the last parcel of its exchange, so that the next can begin with the same pen.
    pub fn is_over(&self) -> bool {
        self.lock().can_go_on()
    }

    /// Begins another exchange with the pen that has written the last parcel of the one before, and returns its number;
    /// none if there is no such pen.
    pub fn go_on(&self) -> Option<u32> {
        let mut lent = self.lock();
        if !lent.can_go_on() {
            return None;
        }
        let exchange = lent.exchange.wrapping_add(1);
        *lent = Lent {
            pen: lent.pen.take(),
            exchange,
            ..Lent::default()
        };
        Some(exchange)
    }

    /// Counts what was taken out of the outbox; returns what the hub is to be told,
    /// if that is `enough`.
    pub fn count(&self, load: Load, enough: impl Fn(&Load) -> bool) -> Option<Load> {
        let mut lent = self.lock();
        lent.taken += load;
        enough(&lent.taken).then(|| std::mem::take(&mut lent.taken))
    }

    /// What the hub was not told of yet, and in which exchange. Whoever holds it is
    /// about to count, and is not waited for.
    pub fn untold(&self) -> Option<(u32, Load)> {
        let mut lent = match self.0.try_lock() {
            Ok(lent) => lent,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let taken = std::mem::take(&mut lent.taken);
        (taken != Load::default()).then_some((lent.exchange, taken))
    }

    /// Writes with the pen, if one is lent for that exchange and nothing lies in
    /// the outbox that must be written before. Returns what became of the parcel,
    /// and what the pen has written in all since that was last `enough`.
    pub fn write(
        &self,
        hand: &mut Hand,
        (exchange, parcel): (u32, &Parcel),
        has_turn: impl Fn() -> bool,
        enough: impl Fn(&Load) -> bool,
    ) -> (Written, Option<Load>) {
        // Who holds it is taking it back.
        let mut lent = match self.0.try_lock() {
            Ok(lent) => lent,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return (Written::Nothing, None),
        };
        let lent = &mut *lent;
        let is_ours = lent.exchange == exchange && !lent.is_spent && lent.round != Some(hand.round);
        let Some(pen) = lent.pen.as_mut().filter(|_| is_ours && has_turn()) else {
            return (Written::Nothing, None);
        };
        let mut written = pen.write(parcel, &mut hand.page);
        hand.page.clear();
        lent.round = Some(hand.round);
        lent.is_spent = written != Written::All;
        lent.is_over = written == Written::Last;
        match &mut written {
            Written::All => lent.taken += load_of(parcel),
            Written::Part(rest) => lent.rest = Some((std::mem::take(rest), load_of(parcel))),
            Written::Last => {
                lent.taken += load_of(parcel);
                let taken = std::mem::take(&mut lent.taken);
                return (written, is_awaited(&taken).then_some(taken));
            }
            Written::Nothing => {}
        }
        let told = enough(&lent.taken).then(|| std::mem::take(&mut lent.taken));
        (written, told)
    }

    /// No code that can panic runs while it is held but that of a pen, which leaves
    /// nothing half done here.
    fn lock(&self) -> MutexGuard<'_, Lent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the hub waits for a word that these last parcels of an exchange are
/// written. Little it ceased to count with the answer.
pub fn is_awaited(last: &Load) -> bool {
    last.bytes >= limits::UNREAD_ANSWER_BYTES_LEAST
}

/// What a parcel weighs in an outbox.
pub fn load_of(parcel: &Parcel) -> Load {
    let bytes = match parcel {
        Parcel::Message { message, .. } => message.len_max() as u64,
        _ => 0,
    };
    Load { messages: 1, bytes }
}
