//! How long is waited for the last of several exchanges.

use std::net::SocketAddr;

use super::*;
use crate::budget::Weight;
use crate::channel::Receiver;
use crate::event::Standing;
use crate::http::courier::Line;
use crate::http::head::Head;
use crate::http::watch::Watching;
use crate::http::{BodyError, ear};
use crate::mail::hearing::Deputy;
use crate::mail::pen::{Hand, Page, Written};
use crate::mail::{Budgets, Letter, OutboxSender};

/// Answers everything.
struct Ready;

impl Pen for Ready {
    fn write(&mut self, _: &Parcel, _: &mut Page) -> Written {
        Written::Last
    }
}

/// An exchange whose thread is about to sleep: the first is answered, and only when its time is over another begins.
struct Drowsy {
    head: Head,
    sender: OutboxSender,
    exchange: u32,
    deputy: Deputy,
    deadline: Instant,
}

impl Drowsy {
    fn begin_another(&self) {
        let verdict = Parcel::Verdict {
            standing: Standing::Accepted,
            message: None,
        };
        let hand = &mut Hand::default();
        self.sender.put(self.exchange, verdict, hand).unwrap();
        while writing::now() < self.deadline {
            std::thread::yield_now();
        }
        assert!(self.deputy.begin(FromClient::Patience).is_some());
    }
}

impl Exchange for Drowsy {
    fn head(&self) -> &Head {
        &self.head
    }

    fn read_body(&mut self, _: usize, _: &mut Weight) -> Result<Vec<u8>, BodyError> {
        Ok(Vec::new())
    }

    fn answer_pieces(&mut self, _: u16, _: &[(&str, &str)], _: &[&[u8]]) -> io::Result<()> {
        Ok(())
    }

    fn begin_stream(&mut self, _: u16, _: &[(&str, &str)]) -> io::Result<()> {
        Ok(())
    }

    fn write_pieces(&mut self, _: &[&[u8]]) -> io::Result<()> {
        Ok(())
    }

    fn end_stream(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn watch(&mut self, _: Box<dyn FnOnce() + Send>) -> Watching {
        Watching::blind()
    }

    /// Asked for when the thread goes to sleep.
    fn line(&self) -> Option<Line> {
        self.begin_another();
        None
    }

    fn local_addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }

    fn peer_addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], 2).into()
    }
}

/// A connection with an exchange under way, the dispatcher's end of its outbox, and its letters.
fn connection() -> (Connection, OutboxSender, Receiver<Letter>) {
    let (inbox, letters) = Inbox::new(Budgets::new(1 << 20, 1 << 20));
    let door = Door {
        inbox,
        guard: Guard {
            allow_origins: Vec::new(),
            allow_hosts: Vec::new(),
            bound_host: String::new(),
            token: None,
        },
        message_max: 1 << 20,
        keepalive: Duration::from_hours(1),
        ear: ear::open().unwrap().0,
    };
    let mut connection = Connection {
        door: Arc::new(door),
        id: ConnectionId(7),
        cut: Some(Box::new(|| {})),
        outbox: None,
        place: Place::take(&Arc::default()),
    };
    connection.begin(FromClient::Patience).unwrap();
    let Ok(Letter::Open { sender, .. }) = letters.try_recv() else {
        panic!("no outbox was opened");
    };
    (connection, sender, letters)
}

#[test]
fn an_exchange_that_was_heard_has_as_much_time_as_the_first() {
    const TIME: Duration = Duration::from_millis(50);
    let (mut connection, sender, _letters) = connection();
    let outbox = connection.outbox().unwrap();
    let (exchange, deputy) = (outbox.id().exchange, outbox.deputy());
    let deadline = writing::now() + TIME;
    let mut drowsy = Drowsy {
        head: Head::default(),
        sender,
        exchange,
        deputy,
        deadline,
    };
    let found = connection.wait_lending(&mut drowsy, Some(Box::new(Ready)), Form::Single, deadline);
    assert!(matches!(found, Found::Nothing));
    assert_ne!(connection.outbox().unwrap().id().exchange, exchange);
    // It has begun at the deadline of the first.
    assert!(writing::now() >= deadline + TIME / 2);
}
