//! The post of the program: the inbox of the dispatcher, and the outboxes
//! through which waiting threads are answered, all of them bounded.
//!
//! Arrows in may block, arrows out never do: whoever writes to the inbox waits
//! for a place, and the dispatcher, which alone writes to outboxes and to the
//! queues of children, never waits. So it always drains, and nobody waits for
//! ever.

pub mod hearing;
pub mod pen;
#[cfg(test)]
pub mod tests;

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{RecvTimeoutError, TryRecvError, TrySendError};

use crate::budget::Budget;
use crate::channel::{Alarm, Receiver, Sender, bounded, growing, park_until};
use crate::event::{Event, FromClient, Load, OutboxId, Parcel};
use crate::limits;
use crate::mail::hearing::Deputy;
use crate::mail::pen::{Desk, Hand, Pen, Written};
use crate::plan::Drawn;
use crate::plan::changes::Changes;

/// A bounded channel: its slots are allocated at once.
pub fn channel<T>(slots: usize) -> (crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>) {
    crossbeam_channel::bounded(slots)
}

/// A channel whose slots are made as they are needed, for a queue that is nearly
/// always empty: whoever writes looks first whether its limit is reached.
#[expect(
    clippy::disallowed_methods,
    reason = "each writer keeps the limit: nothing is put in past it"
)]
pub fn growing_channel<T>() -> (crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>) {
    crossbeam_channel::unbounded()
}

/// What the dispatcher finds in its inbox.
#[derive(Debug)]
pub enum Letter {
    /// Something for the hub.
    Event(Event),
    /// A connection wants to be answered here.
    Open {
        /// Which connection.
        connection: u64,
        /// Its outbox.
        sender: OutboxSender,
    },
    /// A connection is over, and with it the last exchange on it.
    Close(OutboxId),
    /// The configuration is another.
    Reload {
        /// What was drawn from it.
        drawn: Box<Drawn>,
        /// Told what that has changed, when it is done; dropped if nothing is.
        told: crossbeam_channel::Sender<Changes>,
    },
}

/// The dispatcher has ended; nothing can be sent to it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended;

/// What the messages count in that are put into the inbox, until the last who
/// needs them lets them go.
#[derive(Debug, Clone)]
pub struct Budgets {
    /// Those of clients.
    pub clients: Arc<Budget>,
    /// Those of children.
    pub children: Arc<Budget>,
}

impl Budgets {
    /// For messages of at most so many bytes, from clients and from children:
    /// whoever allows large ones allows a few of them.
    pub fn new(client_message_max: usize, child_message_max: usize) -> Budgets {
        let of = |least: usize, largest: usize| {
            let several = largest.saturating_mul(limits::BUDGET_MESSAGES_LEAST);
            Budget::new(least.max(several))
        };
        Budgets {
            clients: of(limits::CLIENTS_BYTES_MAX, client_message_max),
            children: of(limits::CHILDREN_BYTES_MAX, child_message_max),
        }
    }

    /// Whether either keeps buffers for messages to come.
    pub fn have_spares(&self) -> bool {
        self.clients.has_spares() || self.children.has_spares()
    }

    /// Has both give back those that nobody has needed since this was last done.
    pub fn air(&self) {
        self.clients.air();
        self.children.air();
    }
}

/// Anyone's way to the dispatcher.
#[derive(Debug, Clone)]
pub struct Inbox {
    sender: Sender<Letter>,
    /// What the messages count in that go this way.
    pub budgets: Budgets,
}

impl Inbox {
    /// The inbox and the dispatcher's end of it.
    pub fn new(budgets: Budgets) -> (Inbox, Receiver<Letter>) {
        let (sender, receiver) = bounded(limits::INBOX_SLOTS);
        (Inbox { sender, budgets }, receiver)
    }

    /// Puts an event in, and waits for a place if it must.
    ///
    /// # Errors
    /// The dispatcher has ended.
    pub fn post(&self, event: Event) -> Result<(), Ended> {
        self.sender.send(Letter::Event(event)).map_err(|_| Ended)
    }

    /// Puts another configuration in the place of the present one, and waits
    /// until that is done. What it means for processes takes its time after that.
    ///
    /// # Errors
    /// The dispatcher has ended, or is about to.
    pub fn reload(&self, drawn: Drawn) -> Result<Changes, Ended> {
        let (told, changes) = channel(limits::SIGNAL_SLOTS);
        let drawn = Box::new(drawn);
        let letter = Letter::Reload { drawn, told };
        self.sender.send(letter).map_err(|_| Ended)?;
        changes.recv().map_err(|_| Ended)
    }
}

/// The dispatcher's end of an outbox.
pub struct OutboxSender {
    sender: Sender<Item>,
    desk: Arc<Desk>,
    cut: Cut,
}

/// Ends the connection of an outbox from outside of its thread, for that may be
/// in the middle of a write. It must not block.
pub type Cut = Box<dyn Fn() + Send>;

impl fmt::Debug for OutboxSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxSender").finish_non_exhaustive()
    }
}

/// What lies in an outbox.
#[derive(Debug)]
enum Item {
    /// A parcel for an exchange.
    Parcel(u32, Box<Parcel>),
    /// The pen that was lent could not write everything: its owner is to look.
    Unwritten,
    /// The peer of that exchange has left.
    Hangup(u32),
    /// The dispatcher has ended.
    Ended,
}

impl OutboxSender {
    /// Has the client get a parcel: writes it with the pen of a thread that has
    /// lent one, or puts it in. Of what was written with the pen the hub is to be
    /// told from time to time: then that is returned.
    ///
    /// # Errors
    /// There is no place: the parcel is lost. The hub's counts make this
    /// impossible while they are right, so it is a fault of the program.
    pub fn put(
        &self,
        exchange: u32,
        parcel: Parcel,
        hand: &mut Hand,
    ) -> Result<Option<Load>, Overflow> {
        let has_turn = || self.sender.is_empty();
        let piece = (exchange, &parcel);
        let (written, taken) = self.desk.write(hand, piece, has_turn, is_worth_telling);
        let item = match written {
            Written::All | Written::Last => return Ok(taken),
            Written::Part(_) => Item::Unwritten,
            Written::Nothing => Item::Parcel(exchange, Box::new(parcel)),
        };
        match self.sender.try_send(item) {
            // Nobody waits there any more; that is the client's loss alone.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(taken),
            Err(TrySendError::Full(_)) => Err(Overflow),
        }
    }

    /// What was taken out and not told of yet, and in which exchange; it is taken
    /// to be told of now.
    pub fn untold(&self) -> Option<(u32, Load)> {
        self.desk.untold()
    }

    /// Ends the connection, and with it whatever lies here.
    pub fn cut(&self) {
        (self.cut)();
    }

    /// Says that the dispatcher has ended. A full outbox need not be told: its
    /// owner is awake, and finds out when it next says something.
    pub fn end(&self) {
        let _ = self.sender.try_send(Item::Ended);
    }
}

/// Whether so much was taken out of an outbox that the hub shall know it.
fn is_worth_telling(taken: &Load) -> bool {
    taken.messages >= limits::TAKEN_MESSAGES || taken.bytes >= limits::TAKEN_BYTES
}

/// An outbox had no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// What a waiting thread finds.
#[derive(Debug)]
pub enum Found {
    /// A parcel for the exchange under way.
    Parcel(Parcel),
    /// What a pen that was lent could not write of a parcel, and what that weighs.
    /// It goes out before anything else.
    Rest(Vec<u8>, Load),
    /// The exchange is over: the pen has written its answer.
    Answered,
    /// The peer has left.
    Hangup,
    /// Nothing within the time.
    Nothing,
    /// The gateway has ended.
    Ended,
}

/// How a thread sleeps that has lent its pen.
pub trait Nap {
    /// Parks until somebody unparks it, who has made `is_called` true before, or it is not to sleep any longer.
    fn sleep(&mut self, is_called: &dyn Fn() -> bool) -> Slept;
}

/// What ended a nap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slept {
    /// Somebody, or nothing at all.
    AWhile,
    /// Its own end: the deadline, or what else was waited for.
    ToTheEnd,
}

/// Sleeps until a deadline.
#[derive(Debug, Clone, Copy)]
pub struct Until(pub Instant);

impl Nap for Until {
    fn sleep(&mut self, _: &dyn Fn() -> bool) -> Slept {
        match park_until(Some(self.0)) {
            Ok(()) => Slept::AWhile,
            Err(_) => Slept::ToTheEnd,
        }
    }
}

/// A connection's outbox, and its way to say things to the hub about the
/// exchange under way. One thread owns it; dropping it tells the dispatcher.
#[derive(Debug)]
pub struct Outbox {
    inbox: Inbox,
    connection: u64,
    exchange: u32,
    receiver: Receiver<Item>,
    sender: Sender<Item>,
    desk: Arc<Desk>,
}

impl Outbox {
    /// Opens an outbox for a connection, whose number must be unique, and which
    /// `cut` ends.
    ///
    /// # Errors
    /// The dispatcher has ended.
    pub fn open(inbox: &Inbox, connection: u64, slots: usize, cut: Cut) -> Result<Outbox, Ended> {
        let (sender, receiver) = growing(slots);
        let desk = Arc::<Desk>::default();
        let letter = Letter::Open {
            connection,
            sender: OutboxSender {
                sender: sender.clone(),
                desk: Arc::clone(&desk),
                cut,
            },
        };
        inbox.sender.send(letter).map_err(|_| Ended)?;
        Ok(Outbox {
            inbox: inbox.clone(),
            connection,
            exchange: 0,
            receiver,
            sender,
            desk,
        })
    }

    /// Begins an exchange with what the client did. What is still in the
    /// outbox belongs to the last exchange, and will be passed over.
    ///
    /// # Errors
    /// The dispatcher has ended.
    pub fn begin(&mut self, word: FromClient) -> Result<(), Ended> {
        self.exchange = self.exchange.wrapping_add(1);
        self.desk.begin(self.exchange);
        self.say(word)
    }

    /// Who can begin exchanges of it while its owner sleeps in [`Outbox::wait_lending`].
    pub fn deputy(&self) -> Deputy {
        Deputy::new(self.connection, Arc::clone(&self.desk))
    }

    /// Says something more about the exchange under way.
    ///
    /// # Errors
    /// The dispatcher has ended.
    pub fn say(&self, word: FromClient) -> Result<(), Ended> {
        let outbox = self.id();
        self.inbox.post(Event::Client { outbox, word })
    }

    /// The address of the exchange under way.
    pub fn id(&self) -> OutboxId {
        OutboxId {
            connection: self.connection,
            exchange: self.exchange,
        }
    }

    /// Waits for a parcel until the deadline.
    pub fn wait_until(&self, deadline: Instant) -> Found {
        loop {
            match self.receiver.recv_deadline(deadline) {
                Ok(item) => {
                    if let Some(found) = self.of_now(item) {
                        return found;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Found::Nothing,
                Err(RecvTimeoutError::Disconnected) => return Found::Ended,
            }
        }
    }

    /// Waits for a parcel until the deadline. Meanwhile the dispatcher may write
    /// with the pen, which is back at the end, and the thread sleeps by `nap`.
    pub fn wait_lending(&mut self, pen: &mut Option<Box<dyn Pen>>, nap: &mut dyn Nap) -> Found {
        loop {
            match self.look() {
                Found::Nothing => {}
                found => return found,
            }
            self.desk.lend(pen.take());
            let alarm = Alarm::Thread(thread::current());
            let slept = self
                .receiver
                .sleep_by(alarm, || nap.sleep(&|| !self.receiver.is_empty()));
            let back = self.desk.take_back();
            // A deputy may have begun others meanwhile.
            self.exchange = back.exchange;
            *pen = back.pen;
            if let Some((rest, load)) = back.rest {
                return Found::Rest(rest, load);
            }
            if back.is_over {
                return Found::Answered;
            }
            if slept == Some(Slept::ToTheEnd) {
                return self.look();
            }
        }
    }

    /// Takes a parcel out if there is one.
    pub fn look(&self) -> Found {
        loop {
            match self.receiver.try_recv() {
                Ok(item) => {
                    if let Some(found) = self.of_now(item) {
                        return found;
                    }
                }
                Err(TryRecvError::Empty) => return Found::Nothing,
                Err(TryRecvError::Disconnected) => return Found::Ended,
            }
        }
    }

    fn of_now(&self, item: Item) -> Option<Found> {
        match item {
            Item::Parcel(exchange, parcel) if exchange == self.exchange => {
                Some(Found::Parcel(*parcel))
            }
            Item::Hangup(exchange) if exchange == self.exchange => Some(Found::Hangup),
            Item::Ended => Some(Found::Ended),
            Item::Parcel(..) | Item::Unwritten | Item::Hangup(_) => None,
        }
    }

    /// Counts parcels of a stream as taken out, before they are written: a client may have read them, and ask for
    /// more, before their writer comes to say so. Returns what is to be counted when they are written.
    ///
    /// # Errors
    /// The dispatcher has ended.
    pub fn count_places(&mut self, load: Load) -> Result<Load, Ended> {
        let Load { messages, bytes } = load;
        self.count_taken(Load { messages, bytes: 0 })?;
        Ok(Load { messages: 0, bytes })
    }

    /// Counts parcels of a stream as written. The hub is told from time to
    /// time only: what it does not know yet it takes to lie here still, which
    /// is the safe side, and less than a threshold's worth.
    ///
    /// # Errors
    /// The dispatcher has ended.
    pub fn count_taken(&mut self, load: Load) -> Result<(), Ended> {
        match self.desk.count(load, is_worth_telling) {
            Some(load) => self.say(FromClient::Taken(load)),
            None => Ok(()),
        }
    }

    /// Counts the last parcels of an exchange as written, or never to be.
    pub fn count_last(&mut self, load: Load) {
        if let Some(load) = self.desk.count(load, pen::is_awaited) {
            // Whoever has ended counts no more.
            let _ = self.say(FromClient::Taken(load));
        }
    }

    /// A bell that another thread rings when the peer of the exchange under
    /// way has left. A full outbox needs no bell: its owner is awake.
    pub fn hangup_bell(&self) -> impl FnOnce() + Send + 'static {
        let (sender, exchange) = (self.sender.clone(), self.exchange);
        move || {
            let _ = sender.try_send(Item::Hangup(exchange));
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let _ = self.inbox.sender.send(Letter::Close(self.id()));
    }
}
