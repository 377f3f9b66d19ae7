//! The post of the program: the inbox of the dispatcher, and the outboxes
//! through which waiting threads are answered, all of them bounded.
//!
//! Arrows in may block, arrows out never do: whoever writes to the inbox waits
//! for a place, and the dispatcher, which alone writes to outboxes and to the
//! queues of children, never waits. So it always drains, and nobody waits for
//! ever.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError};

use crate::budget::Budget;
use crate::event::{Event, FromClient, Load, OutboxId, Parcel};
use crate::limits;
use crate::plan::Drawn;
use crate::plan::changes::Changes;

/// A bounded channel: its slots are allocated at once.
pub fn channel<T>(slots: usize) -> (Sender<T>, Receiver<T>) {
    crossbeam_channel::bounded(slots)
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
        told: Sender<Changes>,
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
        let (sender, receiver) = channel(limits::INBOX_SLOTS);
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
    /// The peer of that exchange has left.
    Hangup(u32),
    /// The dispatcher has ended.
    Ended,
}

impl OutboxSender {
    /// Puts a parcel in.
    ///
    /// # Errors
    /// There is no place: the parcel is lost. The hub's counts make this
    /// impossible while they are right, so it is a fault of the program.
    pub fn put(&self, exchange: u32, parcel: Parcel) -> Result<(), Overflow> {
        match self
            .sender
            .try_send(Item::Parcel(exchange, Box::new(parcel)))
        {
            // Nobody waits there any more; that is the client's loss alone.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
            Err(TrySendError::Full(_)) => Err(Overflow),
        }
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

/// An outbox had no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// What a waiting thread finds.
#[derive(Debug)]
pub enum Found {
    /// A parcel for the exchange under way.
    Parcel(Parcel),
    /// The peer has left.
    Hangup,
    /// Nothing within the time.
    Nothing,
    /// The gateway has ended.
    Ended,
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
    /// Parcels taken out and not yet reported.
    taken: Load,
}

impl Outbox {
    /// Opens an outbox for a connection, whose number must be unique, and which
    /// `cut` ends.
    ///
    /// # Errors
    /// The dispatcher has ended.
    pub fn open(inbox: &Inbox, connection: u64, slots: usize, cut: Cut) -> Result<Outbox, Ended> {
        let (sender, receiver) = channel(slots);
        let letter = Letter::Open {
            connection,
            sender: OutboxSender {
                sender: sender.clone(),
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
            taken: Load::default(),
        })
    }

    /// Begins an exchange with what the client did. What is still in the
    /// outbox belongs to the last exchange, and will be passed over.
    ///
    /// # Errors
    /// The dispatcher has ended.
    pub fn begin(&mut self, word: FromClient) -> Result<(), Ended> {
        self.exchange = self.exchange.wrapping_add(1);
        self.taken = Load::default();
        self.say(word)
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
            Item::Parcel(..) | Item::Hangup(_) => None,
        }
    }

    /// Counts parcels of a stream as written. The hub is told from time to
    /// time only: what it does not know yet it takes to lie here still, which
    /// is the safe side, and less than a threshold's worth.
    ///
    /// # Errors
    /// The dispatcher has ended.
    pub fn count_taken(&mut self, load: Load) -> Result<(), Ended> {
        self.taken.messages += load.messages;
        self.taken.bytes += load.bytes;
        if self.taken.messages < limits::TAKEN_MESSAGES && self.taken.bytes < limits::TAKEN_BYTES {
            return Ok(());
        }
        let load = std::mem::take(&mut self.taken);
        self.say(FromClient::Taken(load))
    }

    /// Counts the last parcels of an exchange as written, or never to be. Of
    /// little the hub expects no word: it ceased to count that with its answer.
    pub fn count_last(&mut self, load: Load) {
        self.taken.messages += load.messages;
        self.taken.bytes += load.bytes;
        let load = std::mem::take(&mut self.taken);
        if load.bytes >= limits::UNREAD_ANSWER_BYTES_LEAST {
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
