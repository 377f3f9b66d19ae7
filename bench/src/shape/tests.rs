//! Each design passes on what it is asked, over both transports. The child is `cat`, which gives
//! back what it is given: so the answer to a request is that request, with the client's own id, and
//! only if the id was another on the way can two clients that use the same one be told apart.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const DESIGNS: [Design; 6] = [
    Design::Queues,
    Design::Pens,
    Design::Ears,
    Design::EarsLent,
    Design::Loop,
    Design::Locked,
];

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(20);

/// A port that nobody listens on. Listening there for a moment would not find one: a child that
/// another test starts just then has that listener too, and keeps it open until it has become `cat`.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Below those that the system gives to clients; tests that run elsewhere begin elsewhere.
    let first = 20_000 + (process::id() % 10_000) as u16;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return port;
        }
    }
}

/// Has a design serve in front of `cat`, as long as this process is there.
fn serving(design: Design) -> u16 {
    let port = free_port();
    thread::spawn(move || serve(design, port, &["cat".to_owned()]));
    port
}

fn connect(port: u16) -> TcpStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                let set = stream.set_read_timeout(Some(PATIENCE));
                set.expect("a socket that waits so long");
                return stream;
            }
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn post(stream: &mut TcpStream, target: &str, body: &str) {
    let length = body.len();
    let text = format!("POST {target} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).expect("it is read");
}

/// Reads until what was read ends so.
fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    while !read.ends_with(end.as_bytes()) {
        let length = stream.read(&mut piece).expect("it says more");
        assert!(length > 0, "ended after {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&piece[..length]);
    }
    String::from_utf8(read).expect("text")
}

#[test]
fn each_design_answers_every_client_what_it_has_asked() {
    for design in DESIGNS {
        let port = serving(design);
        // Long ones go other ways than short ones.
        for length in [10, 300_000] {
            let mut clients: Vec<TcpStream> = (0..3).map(|_| connect(port)).collect();
            let body = |client: usize| {
                let text = char::from(b'a' + client as u8).to_string().repeat(length);
                format!(r#"{{"text":"{text}","id":"mine","method":"x"}}"#)
            };
            for (number, client) in clients.iter_mut().enumerate() {
                post(client, "/mcp", &body(number));
            }
            for (number, client) in clients.iter_mut().enumerate() {
                let answer = read_to(client, &body(number));
                let head = format!("Content-Length: {}\r\n\r\n", body(number).len());
                assert!(answer.contains(&head), "{design:?}");
            }
        }
    }
}

#[test]
fn each_design_needs_no_answer_to_what_has_no_id() {
    for design in DESIGNS {
        let mut client = connect(serving(design));
        post(&mut client, "/mcp", r#"{"method":"notifications/x"}"#);
        read_to(&mut client, "Content-Length: 0\r\n\r\n");
        post(&mut client, "/mcp", r#"{"id":7}"#);
        let answer = read_to(&mut client, r#"{"id":7}"#);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{design:?}: {answer}");
    }
}

#[test]
fn each_design_answers_over_the_stream_of_the_session() {
    for design in DESIGNS {
        let port = serving(design);
        let mut sessions = Vec::new();
        for _ in 0..2 {
            let mut stream = connect(port);
            let get = b"GET /sse HTTP/1.1\r\n\r\n";
            stream.write_all(get).expect("it is read");
            let head = read_to(&mut stream, "\n\n");
            let target = head.lines().find_map(|line| line.strip_prefix("data: "));
            let target = target.expect("a place for messages").to_owned();
            sessions.push((stream, target));
        }
        let mut posts = connect(port);
        for (number, (_, target)) in sessions.iter().enumerate().rev() {
            let text = "y".repeat(if number == 0 { 1 } else { 100_000 });
            post(
                &mut posts,
                target,
                &format!(r#"{{"id":1,"of":{number},"t":"{text}"}}"#),
            );
            let accepted = read_to(&mut posts, "Content-Length: 0\r\n\r\n");
            assert!(accepted.starts_with("HTTP/1.1 202 "), "{design:?}");
        }
        for (number, (stream, _)) in sessions.iter_mut().enumerate() {
            let event = read_to(stream, "\"}\n\n");
            let start = format!("event: message\ndata: {{\"id\":1,\"of\":{number},");
            assert!(event.starts_with(&start), "{design:?}");
        }
    }
}

#[test]
fn each_design_writes_on_where_a_socket_was_full() {
    for design in DESIGNS {
        let mut client = connect(serving(design));
        // More than a socket holds of what is not read yet.
        let text = "z".repeat(20_000_000);
        let body = format!(r#"{{"text":"{text}","id":"mine"}}"#);
        post(&mut client, "/mcp", &body);
        let answer = read_to(&mut client, r#"z","id":"mine"}"#);
        assert!(answer.ends_with(&body), "{design:?}");
    }
}
