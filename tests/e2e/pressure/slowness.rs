//! A byte a second, in every place where a client can send or read one. Each has its time, and
//! the time of one is not that of another.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::{alone, gateway};
use crate::e2e::scene::{Bystander, client, fault};
use crate::harness::client::Client;
use crate::harness::engine::{Exemption, exempts};
use crate::harness::http::{Http, Pace};
use crate::harness::{Deadline, spawn};

/// Longer than a slow transfer may take: 30 s of grace, a quarter of it until it is noticed, and
/// what a busy machine adds.
const TOO_LONG: Duration = Duration::from_secs(120);

/// Sends a byte a second of an endless head or body, until an answer comes; its status.
fn drip(mut http: Http, begin: &[u8]) -> u16 {
    http.send_raw(begin).expect("the gateway listens");
    let mut sending = http.closer().expect("a second handle");
    let deadline = Deadline::after(TOO_LONG);
    http.patience = Duration::from_secs(1);
    loop {
        match http.read_head(false) {
            Ok(head) => return head.status,
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(error) => panic!("the connection ended without a word: {error}"),
        }
        deadline.remaining("the end of patience").expect("it ends");
        send_byte(&mut sending);
    }
}

fn send_byte(stream: &mut TcpStream) {
    use std::io::Write;
    // A gateway that has answered may have closed.
    let _ = stream.write_all(b"x");
}

/// A byte a second of a large answer, until the gateway has had enough.
fn sip(mut http: Http, request: &crate::harness::http::Request) {
    http.narrow().expect("its buffer can be made small");
    http.send(request).expect("it is taken");
    http.pace = Some(Pace {
        bytes: 1,
        pause: Duration::from_secs(1),
    });
    http.patience = Duration::from_secs(3);
    let watched = http.closer().expect("a second handle");
    let deadline = Deadline::after(TOO_LONG);
    while !is_cut(&watched) {
        deadline.remaining("the end of patience").expect("it ends");
        // One byte; what is read is not looked at.
        let _ = http.read_head(false);
    }
}

/// Whether the other side has closed, whatever still waits to be read. The kernel shows it in the
/// state of the connection: `CLOSE_WAIT` is 8, and 7 is closed.
fn is_cut(stream: &TcpStream) -> bool {
    let port = stream.local_addr().expect("it has an address").port();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let mine = format!(":{port:04X}");
    let line = table.lines().find(|line| {
        line.split_whitespace()
            .nth(1)
            .is_some_and(|local| local.ends_with(&mine))
    });
    let state = line.and_then(|line| line.split_whitespace().nth(3));
    state.is_none_or(|state| state == "08" || state == "07")
}

#[test]
fn a_byte_a_second_is_too_slow_for_a_head_a_body_and_an_answer() {
    let _alone = alone();
    if exempts(Exemption::Attacks) {
        return;
    }
    let gateway = gateway(&json!({}), &[fault("good", &[])]);
    let bystander = Bystander::of(&gateway);
    let mut client = client(&gateway, "/mcp");
    let head = client.connect();
    let head = spawn(move || drip(head, b"POST /mcp HTTP/1.1\r\nHost: x\r\nX-Slow: "));
    let address = gateway.address;
    let posts = [
        "Content-Length: 1000000".to_owned(),
        // Much at once, and then little: what came fast earns no time for what comes slowly.
        format!("Content-Length: 1000000\r\n\r\n{}", " ".repeat(900_000)),
    ];
    let bodies: Vec<_> = posts
        .into_iter()
        .map(|length| {
            let begin = format!(
                "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
                 Accept: application/json, text/event-stream\r\n{length}"
            );
            let begin = match begin.contains("\r\n\r\n") {
                true => begin,
                false => begin + "\r\n\r\n",
            };
            let http = client.connect();
            spawn(move || drip(http, begin.as_bytes()))
        })
        .collect();
    let params = json!({"name": "good__long_line", "arguments": {"bytes": 15_000_000}});
    let request = client.book().request("tools/call", &params);
    let answer = (client.connect(), client.http_post(request.to_string()));
    let answer = spawn(move || sip(answer.0, &answer.1));
    assert_eq!(head.join().expect("it is refused"), 408);
    for body in bodies {
        assert_eq!(body.join().expect("it is refused"), 408);
    }
    answer.join().expect("it is cut off");
    bystander.assert_unharmed();
}
