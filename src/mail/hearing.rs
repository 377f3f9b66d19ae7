//! How the dispatcher hears a client whose thread sleeps, and begins an exchange in
//! its name.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::Alarm;
use crate::event::{Event, FromClient, OutboxId};
use crate::mail::pen::Desk;

/// What the dispatcher sleeps at, beside its inbox: it hears what clients do whose threads sleep.
pub trait Poller: Send {
    /// What wakes it.
    fn alarm(&self) -> Alarm;

    /// Waits until there may be something to hear, the alarm goes off, or the time is over; without one, until then.
    fn wait(&mut self, time: Option<Duration>);

    /// What a client has done whose thread sleeps, of those that had stirred when the last wait ended; none if that was
    /// all for now.
    fn next_event(&mut self) -> Option<Event>;
}

/// What can begin the next exchange of an outbox while its owner sleeps and the pen has answered.
#[derive(Debug)]
pub struct Deputy {
    connection: u64,
    desk: Arc<Desk>,
}

impl Deputy {
    /// For the outbox of a connection, whose desk this is.
    pub fn new(connection: u64, desk: Arc<Desk>) -> Deputy {
        Deputy { connection, desk }
    }

    /// Whether the next exchange can begin.
    pub fn is_free(&self) -> bool {
        self.desk.is_over()
    }

    /// Begins it with what the client did; none if it cannot.
    pub fn begin(&self, word: FromClient) -> Option<Event> {
        let exchange = self.desk.go_on()?;
        let outbox = OutboxId {
            connection: self.connection,
            exchange,
        };
        Some(Event::Client { outbox, word })
    }
}
