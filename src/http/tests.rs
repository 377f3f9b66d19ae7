//! The real engine on a port of its own, driven by raw sockets.
//!
//! Here: the harness, and how a well-behaved client is served. The submodules hold the rest.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::budget::Weight;
use crate::http::settings::Settings;
use crate::http::{ConnectionId, Cut, Exchange, Handler, Running, Service, server};

mod bodies;
mod couriers;
mod ears;
mod limits;
mod lives;
mod splits;
#[cfg(feature = "tiny_http")]
mod tiny;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

type Serve = dyn Fn(ConnectionId, &mut dyn Exchange) + Send + Sync;

struct TestService(Arc<Serve>);

struct TestHandler(ConnectionId, Arc<Serve>);

impl Service for TestService {
    fn connection(&self, id: ConnectionId, _: Cut) -> Box<dyn Handler> {
        Box::new(TestHandler(id, Arc::clone(&self.0)))
    }
}

impl Handler for TestHandler {
    fn serve(&mut self, exchange: &mut dyn Exchange) {
        (self.1)(self.0, exchange);
    }
}

struct Engine {
    running: Option<Box<dyn Running>>,
    address: SocketAddr,
}

impl Engine {
    fn start(
        settings: Settings,
        serve: impl Fn(&mut dyn Exchange) + Send + Sync + 'static,
    ) -> Engine {
        Engine::start_with_ids(settings, move |_, exchange| serve(exchange))
    }

    fn start_with_ids(
        settings: Settings,
        serve: impl Fn(ConnectionId, &mut dyn Exchange) + Send + Sync + 'static,
    ) -> Engine {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Engine::on(listener, settings, serve)
    }

    fn on(
        listener: TcpListener,
        settings: Settings,
        serve: impl Fn(ConnectionId, &mut dyn Exchange) + Send + Sync + 'static,
    ) -> Engine {
        let running =
            server::start(listener, Arc::new(TestService(Arc::new(serve))), settings).unwrap();
        Engine {
            address: running.local_addr(),
            running: Some(running),
        }
    }

    fn connect(&self) -> Client {
        connect(self.address)
    }

    fn stop(&mut self) -> usize {
        self.running.take().map_or(0, |running| running.stop())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let left = self.stop();
        assert!(
            left == 0 || std::thread::panicking(),
            "{left} connections did not end"
        );
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    /// With the status line.
    head: String,
    body: String,
}

impl Answer {
    fn has(&self, line: &str) -> bool {
        self.head.lines().any(|found| found == line)
    }
}

struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// A GET of a path.
    fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        self.answer()
    }

    fn read_more(&mut self) -> usize {
        let mut piece = [0; 4096];
        let count = self
            .stream
            .read(&mut piece)
            .expect("the engine answers or closes in time");
        self.unread.extend(&piece[..count]);
        count
    }

    fn read_until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self
                .unread
                .windows(end.len())
                .position(|bytes| bytes == end.as_bytes())
            {
                return self.take(at + end.len());
            }
            assert!(
                self.read_more() > 0,
                "closed after {:?}",
                self.unread.escape_ascii().to_string()
            );
        }
    }

    fn take(&mut self, count: usize) -> String {
        while self.unread.len() < count {
            assert!(
                self.read_more() > 0,
                "closed after {:?}",
                self.unread.escape_ascii().to_string()
            );
        }
        String::from_utf8(self.unread.drain(..count).collect()).unwrap()
    }

    /// The next answer, with a body of a declared length or none.
    fn answer(&mut self) -> Answer {
        let head = self.read_until("\r\n\r\n");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let body = self.take(length.map_or(0, |digits| digits.parse().unwrap()));
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body,
        }
    }

    /// All that comes until the engine closes.
    fn rest(&mut self) -> String {
        while self.read_more() > 0 {}
        let count = self.unread.len();
        self.take(count)
    }
}

fn connect(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    Client {
        stream,
        unread: Vec::new(),
    }
}

/// Answers with what it was asked.
fn echo(exchange: &mut dyn Exchange) {
    let answer = match exchange.read_body(1 << 20, &mut Weight::default()) {
        Ok(body) => (
            200,
            format!(
                "{} {} {}",
                exchange.head().method(),
                exchange.head().path(),
                body.escape_ascii()
            ),
        ),
        Err(error) => (error.status(), error.to_string()),
    };
    exchange
        .answer(answer.0, &[("X-Test", "yes")], answer.1.as_bytes())
        .unwrap();
}

#[test]
fn requests_are_answered_one_after_the_other() {
    let engine = Engine::start_with_ids(Settings::default(), |id, exchange| {
        exchange
            .answer(200, &[], id.to_string().as_bytes())
            .unwrap();
    });
    let (mut first, mut second) = (engine.connect(), engine.connect());
    let (a, b) = (first.get("/"), second.get("/"));
    assert_ne!(a.body, b.body);
    assert_eq!((first.get("/"), second.get("/")), (a, b));
}

#[test]
fn an_answer_is_exactly_this() {
    let engine = Engine::start(Settings::default(), echo);
    let mut client = engine.connect();
    client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
    let expected = "HTTP/1.1 200 OK\r\nX-Test: yes\r\nContent-Length: 11\r\nConnection: close\r\n\r\nPOST /a abc";
    assert_eq!(client.rest(), expected);
}

#[test]
fn an_address_is_known_on_both_sides() {
    let engine = Engine::start(Settings::default(), |exchange| {
        let text = format!("{} {}", exchange.local_addr(), exchange.peer_addr());
        exchange.answer(200, &[], text.as_bytes()).unwrap();
    });
    let mut client = engine.connect();
    let expected = format!("{} {}", engine.address, client.stream.local_addr().unwrap());
    assert_eq!(client.get("/").body, expected);
}

#[test]
fn pipelined_requests_are_all_answered_in_order() {
    let engine = Engine::start(Settings::default(), echo);
    let mut client = engine.connect();
    let chunked =
        "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let sized = "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nyo";
    let plain = "\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    client.send([plain, sized, chunked, plain].concat());
    let bodies = [(); 4].map(|()| client.answer().body);
    assert_eq!(bodies, ["GET /a ", "POST /b yo", "POST /c hi", "GET /a "]);
}

#[test]
fn an_answer_to_head_has_no_body() {
    let engine = Engine::start(Settings::default(), |exchange| {
        if exchange.head().path() == "/stream" {
            exchange.begin_stream(200, &[]).unwrap();
            exchange.write_chunk(b"unseen").unwrap();
            exchange.end_stream().unwrap();
        } else {
            exchange.answer(200, &[], b"unseen").unwrap();
        }
    });
    let mut client = engine.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let expected = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    assert_eq!(client.rest(), expected);
}

fn two_chunks(exchange: &mut dyn Exchange) {
    exchange
        .begin_stream(200, &[("Content-Type", "text/event-stream")])
        .unwrap();
    exchange.write_chunk(b"data: 0123456789\n").unwrap();
    exchange.write_chunk(b"").unwrap();
    exchange.write_chunk(b"\n").unwrap();
    exchange.end_stream().unwrap();
}

#[test]
fn a_stream_goes_out_in_chunks_and_the_connection_lives_on() {
    let engine = Engine::start(Settings::default(), two_chunks);
    let mut client = engine.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(client.read_until("\r\n\r\n"), head);
        assert_eq!(
            client.read_until("\r\n0\r\n\r\n"),
            "11\r\ndata: 0123456789\n\r\n1\r\n\n\r\n0\r\n\r\n"
        );
    }
}

#[test]
fn the_old_version_gets_its_stream_unframed() {
    let engine = Engine::start(Settings::default(), two_chunks);
    let mut client = engine.connect();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    assert_eq!(client.rest(), format!("{head}data: 0123456789\n\n"));
}

#[test]
fn the_old_version_keeps_a_connection_only_if_it_asks() {
    let engine = Engine::start(Settings::default(), echo);
    let mut client = engine.connect();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(client.answer().has("Connection: keep-alive"));
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert!(client.rest().contains("Connection: close"));
}

#[test]
fn a_chunk_is_seen_before_the_next_one_is_written() {
    let (go, gone) = crossbeam_channel::bounded(1);
    let engine = Engine::start(Settings::default(), move |exchange| {
        exchange.begin_stream(200, &[]).unwrap();
        for _ in 0..3 {
            gone.recv_timeout(PATIENCE).unwrap();
            exchange.write_chunk(b"tick").unwrap();
        }
        exchange.end_stream().unwrap();
    });
    let mut client = engine.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client.read_until("\r\n\r\n");
    for _ in 0..3 {
        go.send(()).unwrap();
        assert_eq!(client.read_until("tick\r\n"), "4\r\ntick\r\n");
    }
    assert_eq!(client.read_until("\r\n\r\n"), "0\r\n\r\n");
}

#[test]
fn a_half_closing_client_gets_its_answer() {
    let engine = Engine::start(Settings::default(), echo);
    let mut client = engine.connect();
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(client.rest().ends_with("GET /a "));
}
