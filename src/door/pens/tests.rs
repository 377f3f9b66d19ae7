//! Pens that write much to a client who does not read: what the kernel does not take is written by the thread that
//! has lent the pen, and all of it arrives in order.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;
use nix::sys::socket::sockopt::{RcvBuf, SndBuf};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage};
use nix::sys::socket::{connect, setsockopt, socket};

use super::*;
use crate::channel;
use crate::event::{Event, FromClient, Load};
use crate::http::settings::Settings;
use crate::http::{ConnectionId, Cut, Handler, Running, Service, server};
use crate::mail::pen::{Hand, load_of};
use crate::mail::tests::Doing;
use crate::mail::{Budgets, Found, Inbox, Letter, Outbox, OutboxSender};
use crate::threads;
use crate::wire::envelope::Message;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// After this a stream would show that it is alive: never, in a test.
const SILENCE: Duration = Duration::from_hours(1);

/// How much either side's kernel takes for a reader who sleeps: as little as it can.
const NARROW: usize = 2 << 10;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

struct Serving<F>(Arc<F>);

impl<F: Fn(&mut dyn Exchange) + Send + Sync + 'static> Service for Serving<F> {
    fn connection(&self, _: ConnectionId, _: Cut) -> Box<dyn Handler> {
        Box::new(Serving(Arc::clone(&self.0)))
    }
}

impl<F: Fn(&mut dyn Exchange) + Send + Sync> Handler for Serving<F> {
    fn serve(&mut self, exchange: &mut dyn Exchange) {
        (self.0)(exchange);
    }
}

/// An engine whose sockets take little, and a client of it, who has sent a request.
fn serving(
    serve: impl Fn(&mut dyn Exchange) + Send + Sync + 'static,
) -> (Box<dyn Running>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // What is accepted has it from here.
    setsockopt(&listener, SndBuf, &NARROW).unwrap();
    let service = Arc::new(Serving(Arc::new(serve)));
    let running = server::start(listener, service, Settings::default()).unwrap();
    let mut client = narrow(running.local_addr());
    client.write_all(GET).unwrap();
    (running, client)
}

fn narrow(address: SocketAddr) -> TcpStream {
    let flags = SockFlag::SOCK_CLOEXEC;
    let client = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    // Before the other side is told how much may be sent.
    setsockopt(&client, RcvBuf, &NARROW).unwrap();
    connect(client.as_raw_fd(), &SockaddrStorage::from(address)).unwrap();
    let client = TcpStream::from(client);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

/// An outbox with an exchange under way, the dispatcher's end of it, and what the hub is told.
fn outbox() -> (Outbox, OutboxSender, channel::Receiver<Letter>) {
    let (inbox, letters) = Inbox::new(Budgets::new(1 << 20, 1 << 20));
    let mut outbox = Outbox::open(&inbox, 7, limits::OUTBOX_SLOTS, Box::new(|| {})).unwrap();
    let Ok(Letter::Open { sender, .. }) = letters.try_recv() else {
        panic!("no outbox was opened");
    };
    outbox.begin(FromClient::Patience).unwrap();
    (outbox, sender, letters)
}

/// What the hub was told that was taken.
fn told(letters: &channel::Receiver<Letter>) -> Load {
    let mut told = Load::default();
    while let Ok(letter) = letters.try_recv() {
        if let Letter::Event(Event::Client {
            word: FromClient::Taken(load),
            ..
        }) = letter
        {
            told += load;
        }
    }
    told
}

/// A message of exactly that many bytes, in which no two places look alike.
fn text(length: usize) -> String {
    let mut text = format!(r#"{{"jsonrpc":"2.0","id":{length},"result":{{"text":""#);
    let mut place = 0;
    while text.len() < length {
        write!(text, "{place}-").unwrap();
        place += 1;
    }
    text.truncate(length - 3);
    text + "\"}}"
}

fn parcel(length: usize, last: bool) -> Parcel {
    let message = Message::parse(text(length).into()).unwrap();
    assert_eq!(message.len(), length);
    Parcel::Message {
        message: Outgoing::plain(message.into()),
        event: None,
        last,
    }
}

/// The longest that a pen writes, and the shortest of which the hub waits to hear that it is written.
fn lengths() -> [usize; 3] {
    let least = limits::UNREAD_ANSWER_BYTES_LEAST as usize;
    [limits::PEN_BYTES_MAX, least, least + 12_345]
}

/// What came of parcels that were put while the thread slept.
#[derive(Debug, PartialEq)]
struct Begun {
    /// What the hub was told of by the dispatcher, or would be if it asked.
    taken: Load,
    /// What the first weighs, as the thread finds it.
    load: Load,
    /// Whether some of it was written, and some not.
    is_part: bool,
}

/// Has parcels put while the pen is lent. Returns what came of it, and what is left to write of the first.
fn lend(
    outbox: &mut Outbox,
    sender: &OutboxSender,
    pen: Option<Box<dyn Pen>>,
    parcels: Vec<Parcel>,
) -> (Begun, Vec<u8>) {
    let (id, length) = (outbox.id().exchange, load_of(&parcels[0]).bytes);
    let mut pen = Some(pen.expect("the engine lends one"));
    let (mut hand, mut taken) = (Hand::default(), Load::default());
    let mut nap = Doing(Some(|| {
        for parcel in parcels {
            taken += sender
                .put(id, parcel, &mut hand)
                .unwrap()
                .unwrap_or_default();
            hand.next_round();
        }
        taken += sender.untold().map_or(Load::default(), |(_, load)| load);
    }));
    let (rest, load) = match outbox.wait_lending(&mut pen, &mut nap) {
        Found::Rest(rest, load) => (rest, load),
        // Of which the test hears.
        _ => (Vec::new(), Load::default()),
    };
    let is_part = (1..length as usize).contains(&rest.len());
    let begun = Begun {
        taken,
        load,
        is_part,
    };
    (begun, rest)
}

/// What must come of it.
fn begun(length: usize) -> Begun {
    Begun {
        taken: Load::default(),
        load: weight(length),
        is_part: true,
    }
}

fn weight(length: usize) -> Load {
    Load {
        messages: 1,
        bytes: length as u64,
    }
}

#[test]
fn of_an_answer_the_rest_follows_and_counts_as_taken_when_it_is_written() {
    for length in lengths() {
        let (tell, heard) = bounded(1);
        let (tell_end, end) = bounded(1);
        let (running, mut client) = serving(move |exchange| {
            let (mut outbox, sender, letters) = outbox();
            let pen = for_answer(exchange, false, &[]);
            let (begun, rest) = lend(&mut outbox, &sender, pen, vec![parcel(length, true)]);
            tell.send((begun, told(&letters))).unwrap();
            exchange.complete(&rest).unwrap();
            outbox.count_last(weight(length));
            tell_end.send(told(&letters)).unwrap();
        });
        // Once more on the same connection, which goes on behind the rest.
        for round in 0..2 {
            let heard = heard.recv_timeout(PATIENCE).unwrap();
            assert_eq!(heard, (begun(length), Load::default()));
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            );
            let mut answer = vec![0; head.len() + length];
            client.read_exact(&mut answer).unwrap();
            assert!(answer == (head + &text(length)).into_bytes(), "{length}");
            assert_eq!(end.recv_timeout(PATIENCE), Ok(weight(length)));
            if round == 0 {
                client.write_all(GET).unwrap();
            }
        }
        drop(client);
        running.stop();
    }
}

#[test]
fn each_answer_of_one_pen_has_the_head_of_its_kind() {
    let answer = |text: &str| Parcel::Message {
        message: Outgoing::plain(Message::parse(text.into()).unwrap().into()),
        event: None,
        last: true,
    };
    let good = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let bad = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"no"}}"#;
    let (running, mut client) = serving(move |exchange| {
        let mut pen = for_answer(exchange, true, &[]).unwrap();
        let verdict = Parcel::Verdict {
            standing: Standing::Accepted,
            message: None,
        };
        for parcel in [answer(good), answer(bad), answer(good), verdict] {
            assert_eq!(pen.write(&parcel, &mut Page::default()), Written::Last);
        }
        exchange.complete(&[]).unwrap();
    });
    let json = "Content-Type: application/json\r\nContent-Length:";
    let good = format!("HTTP/1.1 200 OK\r\n{json} 36\r\n\r\n{good}");
    let bad = format!("HTTP/1.1 404 Not Found\r\n{json} 63\r\n\r\n{bad}");
    let expected = [
        &good,
        &bad,
        &good,
        "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    ];
    let expected = expected.concat();
    let mut sent = vec![0; expected.len()];
    client.read_exact(&mut sent).unwrap();
    assert_eq!(String::from_utf8_lossy(&sent), expected);
    drop(client);
    running.stop();
}

/// The events of a chunked stream, one after the other.
struct Events<R>(BufReader<R>);

impl<R: Read> Events<R> {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    /// What is in the next chunk; nothing at the end.
    fn chunk(&mut self) -> String {
        let length = usize::from_str_radix(self.line().trim_end(), 16).expect("a length");
        let mut chunk = vec![0; length];
        self.0.read_exact(&mut chunk).unwrap();
        assert_eq!(self.line(), "\r\n");
        String::from_utf8(chunk).unwrap()
    }
}

fn event(length: usize) -> String {
    format!("data: {}\n\n", text(length))
}

#[test]
fn of_a_stream_the_rest_comes_before_what_follows() {
    let [first, second, third] = lengths();
    let (tell, heard) = bounded(1);
    let (running, client) = serving(move |exchange| {
        exchange.begin_stream(200, &[]).unwrap();
        let (mut outbox, sender, letters) = outbox();
        let pen = for_stream(exchange, None);
        let parcels = lengths().map(|length| parcel(length, false)).into();
        let (begun, rest) = lend(&mut outbox, &sender, pen, parcels);
        sender
            .put(outbox.id().exchange, Parcel::End, &mut Hand::default())
            .unwrap();
        tell.send((begun, told(&letters))).unwrap();
        exchange.complete(&rest).unwrap();
        writing::Stream::new(exchange, &mut outbox, SILENCE, None).run();
    });
    let heard = heard.recv_timeout(PATIENCE).unwrap();
    assert_eq!(heard, (begun(first), Load::default()));
    let mut events = Events(BufReader::new(client));
    while events.line() != "\r\n" {}
    assert!(events.chunk() == event(first));
    let mut rest = events.chunk();
    rest += &events.chunk();
    // The thread writes both at once, or one by one.
    assert!(rest == event(second) + &event(third));
    drop(events);
    running.stop();
}

#[test]
fn whoever_writes_a_stream_it_is_whole_and_counted() {
    const COUNT: u32 = 60;
    let length = |number: u32| lengths()[number as usize % 3];
    let (tell, heard) = bounded(1);
    let (go, next) = bounded::<()>(COUNT as usize + 1);
    let (running, client) = serving(move |exchange| {
        exchange.begin_stream(200, &[]).unwrap();
        let (mut outbox, sender, letters) = outbox();
        let (id, next) = (outbox.id().exchange, next.clone());
        let putting = threads::spawn("putting", 64 << 10, move || {
            let (mut hand, mut taken) = (Hand::default(), Load::default());
            for number in 0..COUNT {
                // Its thread sleeps by now, or nearly.
                next.recv_timeout(PATIENCE).unwrap();
                hand.next_round();
                let parcel = parcel(length(number), false);
                taken += sender
                    .put(id, parcel, &mut hand)
                    .unwrap()
                    .unwrap_or_default();
            }
            next.recv_timeout(PATIENCE).unwrap();
            sender.put(id, Parcel::End, &mut hand).unwrap();
            (sender, taken)
        });
        writing::Stream::new(exchange, &mut outbox, SILENCE, None).run();
        let (sender, mut taken) = putting.unwrap().join().unwrap();
        taken += told(&letters);
        taken += sender.untold().map_or(Load::default(), |(_, load)| load);
        tell.send(taken).unwrap();
    });
    let mut events = Events(BufReader::new(client));
    while events.line() != "\r\n" {}
    for number in 0..COUNT {
        go.send(()).unwrap();
        assert!(events.chunk() == event(length(number)), "{number}");
    }
    go.send(()).unwrap();
    assert_eq!(events.chunk(), "");
    let bytes = (0..COUNT).map(|number| length(number) as u64).sum();
    let messages = COUNT;
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(Load { messages, bytes }));
    drop(events);
    running.stop();
}
