//! Panics, hang-ups and the end of the engine.

use crate::http::pace::now;
use std::net::{Shutdown, TcpStream};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::http::settings::Settings;
use crate::http::tests::{Engine, PATIENCE, SHORT, echo};
use crate::http::{ConnectionId, Cut, Exchange, Handler, Service, server};

#[test]
fn a_panic_costs_its_own_connection_alone() {
    let engine = Engine::start(Settings::default(), |exchange| {
        match exchange.head().path() {
            "/before" => panic!("meant by the test"),
            "/within" => {
                exchange.begin_stream(200, &[]).unwrap();
                exchange.write_chunk(b"half").unwrap();
                panic!("meant by the test");
            }
            _ => echo(exchange),
        }
    });
    let mut other = engine.connect();
    assert_eq!(other.get("/").status, 200);
    let mut client = engine.connect();
    let answer = client.get("/before");
    assert_eq!(
        (answer.status, answer.has("Connection: close")),
        (500, true)
    );
    assert_eq!(client.rest(), "");
    let mut client = engine.connect();
    client.send("GET /within HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(
        client.rest().ends_with("\r\n\r\n4\r\nhalf\r\n"),
        "the end of the body must be missing"
    );
    assert_eq!(other.get("/").status, 200);
}

#[test]
fn a_handler_that_gives_no_answer_gives_a_500() {
    let engine = Engine::start(Settings::default(), |_| {});
    let mut client = engine.connect();
    assert_eq!((client.get("/").status, client.get("/").status), (500, 500));
}

#[test]
fn a_service_that_panics_costs_its_connection_alone() {
    struct Moody;
    impl Service for Moody {
        fn connection(&self, _: ConnectionId, _: Cut) -> Box<dyn Handler> {
            panic!("meant by the test");
        }
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let running = server::start(listener, std::sync::Arc::new(Moody), Settings::default()).unwrap();
    let mut engine = Engine {
        address: running.local_addr(),
        running: Some(running),
    };
    assert_eq!(engine.connect().rest(), "");
    assert_eq!(engine.connect().rest(), "");
    assert_eq!(engine.stop(), 0);
}

/// Each request watches; the test learns of its start and of its end, and says when to answer.
struct Watched {
    engine: Engine,
    /// For each request a way to tell its handler to answer.
    begun: Receiver<Sender<&'static str>>,
    /// What ended the wait of a handler: the test's word, or that the client left.
    heard: Receiver<&'static str>,
}

impl Watched {
    fn begun(&self) -> Sender<&'static str> {
        self.begun.recv_timeout(PATIENCE).unwrap()
    }

    fn heard(&self) -> &'static str {
        self.heard.recv_timeout(PATIENCE).unwrap()
    }
}

fn watched() -> Watched {
    let (begin, begun) = bounded(10);
    let (hear, heard) = bounded(10);
    let engine = Engine::start(Settings::default(), move |exchange: &mut dyn Exchange| {
        let (word, words) = bounded(2);
        let hangup = word.clone();
        let watching = exchange.watch(Box::new(move || hangup.send("left").unwrap()));
        begin.send(word).unwrap();
        let word = words.recv_timeout(PATIENCE).unwrap();
        drop(watching);
        hear.send(word).unwrap();
        // The peer may be gone.
        let _ = exchange.answer(200, &[], b"");
    });
    Watched {
        engine,
        begun,
        heard,
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_client_that_leaves_is_noticed_while_the_handler_waits_elsewhere() {
    let watched = watched();
    for how in [Shutdown::Both, Shutdown::Write] {
        let mut client = watched.engine.connect();
        client.send(GET);
        let _word = watched.begun();
        client.stream.shutdown(how).unwrap();
        assert_eq!(watched.heard(), "left");
    }
}

#[test]
fn a_client_that_left_is_noticed_by_its_next_request_too() {
    let watched = watched();
    let mut client = watched.engine.connect();
    client.send([GET, GET].concat());
    client.stream.shutdown(Shutdown::Write).unwrap();
    for _ in 0..2 {
        let _word = watched.begun();
        assert_eq!(watched.heard(), "left");
    }
}

#[test]
fn pipelined_bytes_are_no_hangup_and_each_request_is_watched_anew() {
    let watched = watched();
    let mut client = watched.engine.connect();
    client.send([GET, GET, GET].concat());
    for _ in 0..2 {
        let word = watched.begun();
        assert!(watched.heard.recv_timeout(SHORT).is_err());
        word.send("answer").unwrap();
        assert_eq!(watched.heard(), "answer");
        assert_eq!(client.answer().status, 200);
    }
    let _word = watched.begun();
    drop(client);
    assert_eq!(watched.heard(), "left");
}

#[test]
fn many_watched_clients_leave_and_all_are_noticed() {
    let watched = watched();
    for _ in 0..5 {
        let mut clients: Vec<_> = (0..10).map(|_| watched.engine.connect()).collect();
        clients.iter_mut().for_each(|client| client.send(GET));
        let words: Vec<_> = clients.iter().map(|_| watched.begun()).collect();
        drop(clients);
        for _ in words {
            assert_eq!(watched.heard(), "left");
        }
    }
}

#[test]
fn a_guard_that_is_gone_is_not_told() {
    let (hangup, hangups) = bounded(10);
    let mut engine = Engine::start(Settings::default(), move |exchange| {
        let hangup = hangup.clone();
        let (word, words) = bounded(1);
        let path = exchange.head().path().to_owned();
        let waits = path == "/waits";
        let watching = exchange.watch(Box::new(move || {
            hangup.send(path).unwrap();
            // Nobody may be waiting.
            let _ = word.send(());
        }));
        if waits {
            words.recv_timeout(PATIENCE).unwrap();
        }
        drop(watching);
        // The peer may be gone.
        let _ = exchange.answer(200, &[], b"");
    });
    let mut early = engine.connect();
    early.get("/early");
    drop(early);
    let mut waiting = engine.connect();
    waiting.send("GET /waits HTTP/1.1\r\nHost: x\r\n\r\n");
    drop(waiting);
    assert_eq!(hangups.recv_timeout(PATIENCE).unwrap(), "/waits");
    // The watch thread sees both in one look, or the early one before; and it ends with the engine.
    engine.stop();
    assert!(hangups.try_recv().is_err());
}

#[test]
fn stop_closes_idle_connections_and_the_port() {
    let settings = Settings {
        stop_grace: PATIENCE,
        ..Settings::default()
    };
    let mut engine = Engine::start(settings, echo);
    let mut silent = engine.connect();
    let mut idle = engine.connect();
    // Accepted in order, so the silent one is in as well.
    assert_eq!(idle.get("/").status, 200);
    let since = now();
    assert_eq!(engine.stop(), 0);
    assert!(since.elapsed() < PATIENCE / 4, "{:?}", since.elapsed());
    assert_eq!((idle.rest(), silent.rest()), (String::new(), String::new()));
    assert!(TcpStream::connect(engine.address).is_err());
}

#[test]
fn who_comes_when_it_hands_over_waits_for_the_next_and_the_others_are_sent_there() {
    // Another process would have the listener, too; here a second engine has it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let start = || {
        let listener = listener.try_clone().unwrap();
        Engine::on(listener, Settings::default(), |_, exchange| echo(exchange))
    };
    let mut engine = start();
    let (mut busy, mut idle) = (engine.connect(), engine.connect());
    assert_eq!(idle.get("/").status, 200);
    let work = move || {
        engine.running.as_mut().unwrap().hand_over();
        engine
    };
    let handing = crate::threads::spawn("handing over", 64 * 1024, work).unwrap();
    let deadline = now() + PATIENCE;
    while !busy.get("/").has("Connection: close") {
        assert!(now() < deadline, "it is never sent away");
    }
    let mut engine = handing.join().unwrap();
    assert_eq!(idle.rest(), "");
    let mut late = engine.connect();
    late.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(engine.stop(), 0);
    let _next = start();
    assert_eq!(late.answer().status, 200);
}

#[test]
fn who_is_parted_with_is_told_so_in_each_answer_and_may_come_again() {
    let (begin, begun) = bounded(1);
    let (go, gone) = bounded(1);
    let mut engine = Engine::start(Settings::default(), move |exchange| {
        if exchange.head().path() == "/waits" {
            begin.send(()).unwrap();
            gone.recv_timeout(PATIENCE).unwrap();
        }
        exchange.answer(200, &[], b"").unwrap();
    });
    let (mut idle, mut waiting) = (engine.connect(), engine.connect());
    assert!(!idle.get("/").has("Connection: close"));
    waiting.send("GET /waits HTTP/1.1\r\nHost: x\r\n\r\n");
    begun.recv_timeout(PATIENCE).unwrap();
    engine.running.as_mut().unwrap().part();
    go.send(()).unwrap();
    assert!(waiting.answer().has("Connection: close"));
    assert!(idle.get("/").has("Connection: close"));
    assert!(engine.connect().get("/").has("Connection: close"));
    drop((idle, waiting));
    assert_eq!(engine.stop(), 0);
}

#[test]
fn stop_lets_a_request_end_and_then_cuts() {
    let mut watched = watched();
    let mut client = watched.engine.connect();
    client.send(GET);
    let _word = watched.begun();
    assert_eq!(watched.engine.stop(), 0);
    assert_eq!(watched.heard.try_recv(), Ok("left"));
}

#[test]
fn stop_waits_for_an_answer_under_way() {
    let settings = Settings {
        stop_grace: PATIENCE,
        ..Settings::default()
    };
    let (begin, begun) = bounded(1);
    let (go, gone) = bounded(1);
    let mut engine = Engine::start(settings, move |exchange| {
        begin.send(()).unwrap();
        gone.recv_timeout(PATIENCE).unwrap();
        exchange.answer(200, &[], b"in time").unwrap();
    });
    let mut client = engine.connect();
    client.send(GET);
    begun.recv_timeout(PATIENCE).unwrap();
    let address = engine.address;
    let stopper = crate::threads::spawn("stopper", 64 * 1024, move || engine.stop()).unwrap();
    let deadline = now() + PATIENCE;
    while TcpStream::connect(address).is_ok() {
        assert!(now() < deadline, "the port is still open");
    }
    go.send(()).unwrap();
    let answer = client.answer();
    assert_eq!(
        (answer.body.as_str(), answer.has("Connection: close")),
        ("in time", true)
    );
    assert_eq!(stopper.join().unwrap(), 0);
}

#[test]
fn stop_does_not_wait_for_a_handler_that_hangs() {
    let settings = Settings {
        stop_wait: SHORT,
        ..Settings::default()
    };
    let (begin, begun) = bounded(1);
    let (go, gone) = bounded::<()>(1);
    let mut engine = Engine::start(settings, move |_| {
        begin.send(()).unwrap();
        let _ = gone.recv_timeout(PATIENCE);
    });
    let mut client = engine.connect();
    client.send(GET);
    begun.recv_timeout(PATIENCE).unwrap();
    assert_eq!(engine.stop(), 1);
    drop(go);
}
