//! The client against servers that do what is written down for them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use super::*;
use crate::poller::Reports;

/// A server that takes one connection for each of these lists, and on it answers each request
/// with the next of the list, then closes.
fn server(connections: Vec<Vec<&'static str>>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let serve = move || {
        for answers in connections {
            let (mut stream, _) = listener.accept().expect("a client comes");
            for answer in answers {
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).expect("a request") > 0);
                // In pieces, so that the client has to wait for the rest.
                for piece in answer.as_bytes().chunks(7) {
                    stream.write_all(piece).expect("the client reads");
                }
            }
        }
    };
    // No test is fooled by a server that failed: `join` says so.
    (address, thread::spawn(serve))
}

/// Sends a request and reads until its answer is over; the parts as words.
fn exchange(client: &mut HttpClient, poller: &Poller) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    client.send(&[b"GET / ", b"HTTP/1.1\r\n\r\n"], poller)?;
    let mut reports = Reports::default();
    while !client.is_idle() {
        poller.wait(&mut reports, 10_000)?;
        assert!(reports.tokens().count() > 0, "nothing came in 10 s");
        client.ready(poller, &mut |part| {
            parts.push(match part {
                Part::Head(head) => head.status.to_string(),
                Part::Body(body) => string(body),
                Part::Event(name, data) => format!("{}={}", string(name), string(data)),
                Part::End => "end".to_owned(),
            });
            Ok(())
        })?;
    }
    Ok(parts)
}

fn client(address: SocketAddr) -> (HttpClient, Poller) {
    let token = Token {
        session: 0,
        part: 0,
    };
    let poller = Poller::new().expect("a descriptor is left");
    (HttpClient::new(address, token), poller)
}

#[test]
fn answers_of_all_kinds_come_over_one_connection() {
    let (address, server) = server(vec![vec![
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 202 Accepted\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\nAccepted",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
         e\r\nid: 1\ndata: \n\n\r\n8\r\ndata: {}\r\n2\r\n\n\n\r\n0\r\n\r\n",
    ]]);
    let (mut client, poller) = client(address);
    let mut next = || exchange(&mut client, &poller).expect("an answer");
    assert_eq!(next(), ["200", "{}", "end"]);
    assert_eq!(next(), ["202", "end"]);
    assert_eq!(next(), ["202", "Accepted", "end"]);
    assert_eq!(next(), ["200", "{}", "end"]);
    assert_eq!(next(), ["200", "message=", "message={}", "end"]);
    assert_eq!(client.opened(), 1);
    server.join().expect("the server got what it expected");
}

#[test]
fn a_server_may_close_after_each_answer_whether_it_says_so_or_not() {
    let (address, server) = server(vec![
        vec!["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"],
        vec!["HTTP/1.0 200 OK\r\n\r\nuntil the end"],
        vec!["HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"],
        vec!["HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n"],
        vec!["HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"],
    ]);
    let (mut client, poller) = client(address);
    let mut next = || exchange(&mut client, &poller).expect("an answer");
    assert_eq!(next(), ["200", "{}", "end"]);
    assert_eq!(next(), ["200", "until the end", "end"]);
    assert_eq!(next(), ["200", "1", "end"]);
    assert_eq!(next(), ["200", "message=x", "end"]);
    assert_eq!(next(), ["200", "2", "end"]);
    assert_eq!(client.opened(), 5);
    server.join().expect("the server got what it expected");
}

#[test]
fn an_answer_that_is_cut_off_is_an_error_and_is_not_asked_for_again() {
    for cut in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "HTTP/1.1 200",
    ] {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let (address, server) = server(vec![vec![whole, cut]]);
        let (mut client, poller) = client(address);
        exchange(&mut client, &poller).expect("an answer");
        let error = exchange(&mut client, &poller)
            .expect_err("no answer")
            .to_string();
        assert!(error.contains("before the answer was whole"), "{error}");
        server.join().expect("the server got what it expected");
    }
}

#[test]
fn bytes_that_nobody_asked_for_are_an_error() {
    let twice = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK";
    let (address, server) = server(vec![vec![twice]]);
    let (mut client, poller) = client(address);
    // They may come with the answer or after it.
    let outcome = exchange(&mut client, &poller).and_then(|_| exchange(&mut client, &poller));
    assert!(outcome.is_err());
    server.join().expect("the server got what it expected");
}
