//! Requests that are heard while the thread of the connection sleeps, and those that wake it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use nix::sys::eventfd::EventFd;

use crate::budget::Weight;
use crate::http::answer::Opening;
use crate::http::courier::{Courier, Sent};
use crate::http::ear::{self, Hearer};
use crate::http::head::Head;
use crate::http::pace::now;
use crate::http::settings::Settings;
use crate::http::tests::{Client, Engine, PATIENCE, SHORT};
use crate::limits;
use crate::threads;

/// More than any test lets lie.
const SOME: usize = 64;

const STACK: usize = 64 << 10;

/// An engine whose threads sleep after each POST, and somebody who listens meanwhile.
struct Hall {
    engine: Engine,
    /// How often a thread has begun to serve.
    served: Arc<AtomicUsize>,
    /// Whether what woke a thread that slept was its peer, or the end of its time.
    woken: Receiver<bool>,
    /// The thread that has answered last, and then goes to sleep.
    sleeper: Arc<Mutex<Option<Thread>>>,
    heard: Receiver<String>,
    alarm: Arc<EventFd>,
    listening: Option<JoinHandle<()>>,
    /// Ends the listening when it is dropped.
    over: Option<Sender<()>>,
}

/// Answers with what it hears; but not to what says so. To "how often" it says how many heads it was asked of.
struct Echo(Courier, usize);

impl Hearer<String> for Echo {
    fn admit(&mut self, head: &Head) -> bool {
        self.1 += 1;
        head.get("X-No").is_none()
    }

    fn hear(&mut self, _: &Head, body: &[u8]) -> Option<String> {
        let mut text = String::from_utf8(body.to_vec()).unwrap();
        assert_ne!(text, "panic", "as the test wants it");
        if text == "no" {
            return None;
        }
        if text == "how often" {
            text = self.1.to_string();
        }
        assert_eq!(answer(&self.0, &text), Sent::All);
        Some(text)
    }
}

fn answer(courier: &Courier, text: &str) -> Sent {
    let text = format!("heard {text}");
    let opening = Opening::of(200, &[]).unwrap();
    courier.answer(&mut Vec::new(), &opening, &[text.as_bytes()])
}

impl Hall {
    /// Where threads sleep for so long.
    fn open(sleep: Duration) -> Hall {
        let (ear, mut listener) = ear::open::<String>().unwrap();
        let alarm = Arc::clone(listener.alarm());
        let (tell, heard) = bounded(SOME);
        let (over, is_over) = bounded::<()>(SOME);
        let listening = threads::spawn("listener", STACK, move || {
            while is_over.try_recv() != Err(TryRecvError::Disconnected) {
                listener.wait(None);
                while let Some(heard) = listener.next_request() {
                    tell.send(heard).unwrap();
                }
            }
        });
        let served = Arc::<AtomicUsize>::default();
        let sleeper = Arc::<Mutex<Option<Thread>>>::default();
        let (wake, woken) = bounded(SOME);
        let (count, place) = (Arc::clone(&served), Arc::clone(&sleeper));
        let engine = Engine::start(Settings::default(), move |exchange| {
            count.fetch_add(1, Ordering::SeqCst);
            let body = exchange.read_body(1 << 20, &mut Weight::default()).unwrap();
            let body = String::from_utf8(body).unwrap();
            let Some(courier) = exchange.courier() else {
                return exchange.answer(200, &[], b"alone").unwrap();
            };
            *place.lock().unwrap() = Some(std::thread::current());
            assert_eq!(answer(&courier, &body[..body.len().min(9)]), Sent::All);
            let hearer = (body != "deaf").then(|| Box::new(Echo(courier, 0)) as Box<dyn Hearer<_>>);
            let line = exchange.line().unwrap();
            let woken = ear.sleep(line, hearer, now() + sleep, &|| false);
            exchange.take_in(&woken.unread);
            let _ = wake.send(woken.is_over);
            exchange.complete(&[]).unwrap();
        });
        Hall {
            engine,
            served,
            woken,
            sleeper,
            heard,
            alarm,
            listening: Some(listening.unwrap()),
            over: Some(over),
        }
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    fn heard(&self) -> String {
        self.heard.recv_timeout(PATIENCE).unwrap()
    }

    /// Hears something of a client whose connection's thread sleeps.
    fn hear(&self, client: &mut Client) {
        assert_eq!(post(client, "x"), "heard x");
        assert_eq!(self.heard(), "x");
    }

    /// A client whose connection's thread sleeps, or is about to.
    fn client(&self) -> Client {
        let mut client = self.engine.connect();
        assert_eq!(post(&mut client, "first"), "heard first");
        client
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        self.engine.stop();
        self.over = None;
        self.alarm.write(1).unwrap();
        if let Some(listening) = self.listening.take() {
            listening.join().unwrap();
        }
    }
}

fn request(body: &str) -> String {
    let length = body.len();
    format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn post(client: &mut Client, body: &str) -> String {
    client.send(request(body));
    client.answer().body
}

#[test]
fn who_sleeps_is_not_woken_for_an_ordinary_request() {
    let hall = Hall::open(PATIENCE);
    let mut clients = [hall.client(), hall.client()];
    for (number, client) in [0, 1, 1, 0].into_iter().zip([0, 1, 0, 1]) {
        let text = format!("{number}");
        assert_eq!(post(&mut clients[client], &text), format!("heard {text}"));
        assert_eq!(hall.heard(), text);
    }
    assert_eq!(hall.served(), 2, "each thread has served its first request");
}

#[test]
fn a_head_and_its_body_may_come_one_after_the_other() {
    let hall = Hall::open(PATIENCE);
    let mut client = hall.client();
    let whole = request("in two");
    let (head, body) = whole.split_at(whole.len() - 6);
    for _ in 0..3 {
        client.send(head);
        client.send(body);
        assert_eq!(client.answer().body, "heard in two");
        assert_eq!(hall.heard(), "in two");
    }
    client.send("\r\n");
    client.send(request("behind an empty line"));
    assert_eq!(client.answer().body, "heard behind an empty line");
    assert_eq!(hall.served(), 1);
}

#[test]
fn of_a_head_that_comes_again_the_hearer_is_asked_once() {
    let hall = Hall::open(PATIENCE);
    let mut client = hall.client();
    for _ in 0..3 {
        assert_eq!(post(&mut client, "how often"), "heard 1");
        assert_eq!(post(&mut client, "other txt"), "heard other txt");
    }
    let other = request("how often").replace("Host", "A: b\r\nHost");
    client.send(&other);
    assert_eq!(client.answer().body, "heard 2");
    assert_eq!(
        post(&mut client, "a text of more digits"),
        "heard a text of more digits"
    );
    assert_eq!(post(&mut client, "how often"), "heard 4");
    // A long head is not kept.
    let long = format!("A: {}\r\nHost", "x".repeat(limits::EAR_HEAD_BYTES_KEPT));
    for asked in [5, 6] {
        client.send(request("how often").replace("Host", &long));
        assert_eq!(client.answer().body, format!("heard {asked}"));
    }
    assert_eq!(post(&mut client, "how often"), "heard 7");
    // What was admitted lets nothing else in.
    client.send(request("how often").replace("Host", "X-No: 1\r\nHost"));
    assert_eq!(client.answer().body, "heard how often");
    assert_eq!(hall.served(), 2);
}

#[test]
fn what_is_not_ordinary_wakes_the_thread_with_all_its_bytes() {
    let long = "x".repeat(limits::EAR_REQUEST_BYTES_MAX);
    let head = "POST / HTTP/1.1\r\nHost: x\r\n";
    for (sent, answered) in [
        (request("no"), "heard no"),
        (request(&long), "heard xxxxxxxxx"),
        (request("a").replace("Host", "X-No: 1\r\nHost"), "heard a"),
        (
            request(&long[..50_000]).replace("Host", "X-No: 1\r\nHost"),
            "heard xxxxxxxxx",
        ),
        (
            format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            "heard abc",
        ),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "heard "),
        (
            format!("{head}Connection: close\r\nContent-Length: 1\r\n\r\nc"),
            "alone",
        ),
    ] {
        let hall = Hall::open(PATIENCE);
        let mut client = hall.client();
        client.send(sent);
        assert_eq!(client.answer().body, answered);
        assert_eq!(
            (hall.served(), hall.heard.try_recv().ok()),
            (2, None),
            "{answered}"
        );
        assert_eq!(hall.woken.recv_timeout(PATIENCE), Ok(true));
    }
}

#[test]
fn of_two_requests_at_once_neither_is_lost() {
    let hall = Hall::open(PATIENCE);
    let mut client = hall.client();
    client.send(request("a") + &request("b") + &request("c")[..9]);
    assert_eq!(client.answer().body, "alone", "the next is at hand already");
    assert_eq!(client.answer().body, "alone");
    client.send(&request("c")[9..]);
    assert_eq!(client.answer().body, "heard c");
}

#[test]
fn a_request_that_comes_in_many_pieces_is_the_threads() {
    let hall = Hall::open(PATIENCE);
    let (mut other, mut client) = (hall.client(), hall.client());
    // Both sleep when what they send is heard.
    hall.hear(&mut other);
    hall.hear(&mut client);
    let request = request("slow");
    client.send(&request[..5]);
    // Whoever has heard this has read that; else the two pieces may be read as one.
    hall.hear(&mut other);
    assert_eq!(hall.woken.try_recv().ok(), None);
    client.send(&request[5..9]);
    assert_eq!(hall.woken.recv_timeout(PATIENCE / 2), Ok(true));
    client.send(&request[9..]);
    assert_eq!(client.answer().body, "heard slow");
    assert_eq!(hall.served(), 3);
}

#[test]
fn who_leaves_wakes_the_thread() {
    let hall = Hall::open(PATIENCE);
    drop(hall.client());
    assert_eq!(hall.woken.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn where_nobody_hears_the_thread_is_woken_for_each_request() {
    let hall = Hall::open(PATIENCE);
    let mut client = hall.engine.connect();
    for _ in 0..3 {
        assert_eq!(post(&mut client, "deaf"), "heard deaf");
    }
    assert_eq!(hall.served(), 3);
}

#[test]
fn a_panic_is_the_fault_of_one_connection() {
    let hall = Hall::open(PATIENCE);
    let (mut bad, mut good) = (hall.client(), hall.client());
    bad.send(request("panic"));
    assert_eq!(bad.rest(), "");
    assert_eq!(post(&mut good, "good"), "heard good");
    assert_eq!((hall.heard(), hall.served()), ("good".to_owned(), 2));
}

#[test]
fn a_thread_can_be_woken_by_others() {
    let hall = Hall::open(PATIENCE);
    let mut client = hall.client();
    // It sleeps when what is sent is heard.
    hall.hear(&mut client);
    hall.sleeper.lock().unwrap().as_ref().unwrap().unpark();
    assert_eq!(hall.woken.recv_timeout(PATIENCE), Ok(false));
    assert_eq!(post(&mut client, "again"), "heard again");
    assert_eq!(hall.served(), 2);
}

#[test]
fn who_hears_nothing_wakes_in_the_end_and_goes_on() {
    let hall = Hall::open(SHORT);
    let mut client = hall.client();
    assert_eq!(hall.woken.recv_timeout(PATIENCE), Ok(true));
    assert_eq!(post(&mut client, "late"), "heard late");
    assert_eq!(hall.served(), 2);
}

#[test]
fn who_is_parted_with_is_served_by_the_thread() {
    let mut hall = Hall::open(PATIENCE);
    let mut client = hall.client();
    hall.engine.running.as_mut().unwrap().part();
    client.send(request("last"));
    let answer = client.answer();
    assert_eq!(answer.body, "alone");
    assert!(answer.has("Connection: close"));
}

#[test]
fn a_beginning_that_was_read_ends_the_sleep_by_whatever_the_thread_is_woken() {
    let hall = Hall::open(PATIENCE);
    let (mut other, mut client) = (hall.client(), hall.client());
    // Both sleep when what they send is heard.
    hall.hear(&mut other);
    hall.hear(&mut client);
    let request = request("in two");
    let (head, body) = request.split_at(request.len() - 6);
    client.send(head);
    // Whoever has heard this has read that.
    hall.hear(&mut other);
    hall.sleeper.lock().unwrap().as_ref().unwrap().unpark();
    // Else the ear would take the body for a request of its own.
    assert_eq!(hall.woken.recv_timeout(PATIENCE), Ok(true));
    client.send(body);
    assert_eq!(client.answer().body, "heard in two");
    assert_eq!(hall.served(), 3);
}
