//! What the doors tell the hub of what they write, and when.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::budget::Weight;
use crate::channel::Receiver;
use crate::door::{stdio, writing};
use crate::event::{Event, FromClient, Load, Parcel};
use crate::http::head::Head;
use crate::http::watch::Watching;
use crate::http::{BodyError, Exchange};
use crate::limits;
use crate::mail::pen::Hand;
use crate::mail::{Budgets, Inbox, Letter, Outbox};
use crate::wire::envelope::Message;
use crate::wire::outgoing::Outgoing;

/// A client who notes at each word that it gets what the hub was told until then.
struct Client {
    letters: Receiver<Letter>,
    told: Load,
    noted: Vec<Load>,
    head: Head,
}

impl Client {
    fn get(&mut self) {
        while let Ok(letter) = self.letters.try_recv() {
            if let Letter::Event(Event::Client {
                word: FromClient::Taken(load),
                ..
            }) = letter
            {
                self.told += load;
            }
        }
        self.noted.push(self.told);
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            self.get();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Exchange for Client {
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

    fn write_pieces(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        self.write_all(&pieces.concat())
    }

    fn end_stream(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn watch(&mut self, _: Box<dyn FnOnce() + Send>) -> Watching {
        Watching::blind()
    }

    fn local_addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }

    fn peer_addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], 2).into()
    }
}

/// An outbox in which so many messages lie, and after them the end; and whose client reads them.
fn full(messages: u32) -> (Outbox, Client) {
    let (inbox, letters) = Inbox::new(Budgets::new(1 << 20, 1 << 20));
    let mut outbox = Outbox::open(&inbox, 7, limits::OUTBOX_SLOTS, Box::new(|| {})).unwrap();
    let Ok(Letter::Open { sender, .. }) = letters.try_recv() else {
        panic!("no outbox was opened");
    };
    outbox.begin(FromClient::Patience).unwrap();
    let exchange = outbox.id().exchange;
    for _ in 0..messages {
        let message = Message::parse(br#"{"jsonrpc":"2.0","method":"x"}"#.to_vec()).unwrap();
        let parcel = Parcel::Message {
            message: Outgoing::plain(message.into()),
            event: None,
            last: false,
        };
        sender.put(exchange, parcel, &mut Hand::default()).unwrap();
    }
    sender
        .put(exchange, Parcel::End, &mut Hand::default())
        .unwrap();
    let client = Client {
        letters,
        told: Load::default(),
        noted: Vec::new(),
        head: Head::default(),
    };
    (outbox, client)
}

/// They were written at once, and it was told by then that they lie in the outbox no more.
#[track_caller]
fn assert_told_in_time(client: &Client) {
    let told = Load {
        messages: limits::TAKEN_MESSAGES,
        bytes: 0,
    };
    assert_eq!(client.noted, [told]);
}

#[test]
fn a_stream_has_told_what_it_took_out_before_its_client_can_have_read_it() {
    let (mut outbox, mut client) = full(limits::TAKEN_MESSAGES);
    let hour = Duration::from_hours(1);
    writing::Stream::new(&mut client, &mut outbox, hour, None).run();
    assert_told_in_time(&client);
}

#[test]
fn stdio_has_told_what_it_took_out_before_its_client_can_have_read_it() {
    let (mut outbox, mut client) = full(limits::TAKEN_MESSAGES);
    stdio::write_all(&mut client, &mut outbox, &AtomicBool::new(false));
    assert_told_in_time(&client);
}
