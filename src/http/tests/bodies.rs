//! Request bodies: read, refused, left unread; and what handlers may not do.

use std::sync::Arc;

use crate::budget::{Budget, Weight};
use crate::http::settings::Settings;
use crate::http::tests::{Engine, PATIENCE, SHORT, echo};
use crate::http::{BodyError, Exchange};

const EXPECTING: &str =
    "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";

fn refuse(exchange: &mut dyn Exchange) {
    exchange.answer(403, &[], b"no").unwrap();
}

#[test]
fn continue_is_said_when_the_body_is_wanted() {
    let engine = Engine::start(Settings::default(), echo);
    let mut client = engine.connect();
    for _ in 0..2 {
        client.send(EXPECTING);
        assert_eq!(
            client.read_until("\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n"
        );
        client.send("abc");
        assert_eq!(client.answer().body, "POST / abc");
    }
    client.send([EXPECTING, "abc"].concat());
    assert_eq!(
        client.answer().body,
        "POST / abc",
        "who did not wait is not told to go on"
    );
}

#[test]
fn a_refusal_without_the_body_says_no_continue_and_closes() {
    let engine = Engine::start(Settings::default(), refuse);
    let mut client = engine.connect();
    client.send(EXPECTING);
    assert_eq!(
        client.rest(),
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    );
}

#[test]
fn a_small_unread_body_is_drained() {
    let engine = Engine::start(Settings::default(), refuse);
    let mut client = engine.connect();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{}",
        "GET / ".repeat(10_000)
    ));
    assert!(!client.answer().has("Connection: close"));
    client.send(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nGET \r\n0\r\n\r\n",
    );
    assert!(!client.answer().has("Connection: close"));
    assert_eq!(client.get("/").status, 403);
}

#[test]
fn a_refusal_of_a_large_body_is_seen_by_a_client_that_looks_only_after_sending() {
    let engine = Engine::start(Settings::default(), echo);
    let mut client = engine.connect();
    let length = 8 << 20;
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    ));
    client.send(vec![b'x'; length]);
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.has("Connection: close")),
        (413, true)
    );
    assert_eq!(client.rest(), "");
}

#[test]
fn a_declared_length_costs_nothing_and_is_refused_before_the_body() {
    let engine = Engine::start(Settings::default(), echo);
    for length in [
        "50000000000",
        "18446744073709551615",
        "99999999999999999999999999",
    ] {
        let mut client = engine.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        ));
        assert_eq!(
            client.answer().body,
            "the request body is larger than 1048576 bytes"
        );
    }
}

#[test]
fn a_chunked_body_is_refused_where_it_exceeds_the_limit() {
    let engine = Engine::start(Settings::default(), echo);
    let mut client = engine.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n");
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.has("Connection: close")),
        (413, true)
    );
}

#[test]
fn a_malformed_chunk_is_answered_and_ends_the_connection() {
    let engine = Engine::start(Settings::default(), echo);
    let mut client = engine.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.has("Connection: close")),
        (400, true)
    );
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest(), "");
}

#[test]
fn a_body_that_does_not_come_is_a_timeout() {
    let engine = Engine::start(
        Settings {
            body_grace: SHORT,
            ..Settings::default()
        },
        echo,
    );
    for framing in [
        "Content-Length: 9\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
    ] {
        let mut client = engine.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: x\r\n{framing}"));
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (408, "the request body came too slowly")
        );
        assert!(answer.has("Connection: close"));
    }
}

#[test]
fn a_client_that_leaves_inside_its_body_is_closed() {
    let (seen, results) = crossbeam_channel::bounded(1);
    let engine = Engine::start(Settings::default(), move |exchange| {
        seen.send(exchange.read_body(100, &mut Weight::default()))
            .unwrap();
    });
    let mut client = engine.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
    drop(client);
    assert_eq!(
        results.recv_timeout(PATIENCE).unwrap(),
        Err(BodyError::Closed)
    );
}

#[test]
fn large_bodies_arrive_whole_and_a_second_reading_is_empty() {
    let engine = Engine::start(Settings::default(), |exchange| {
        let body = exchange.read_body(1 << 20, &mut Weight::default()).unwrap();
        let sum: u64 = body.iter().map(|&byte| u64::from(byte)).sum();
        assert!(
            exchange
                .read_body(1 << 20, &mut Weight::default())
                .unwrap()
                .is_empty()
        );
        exchange
            .answer(200, &[], format!("{} {sum}", body.len()).as_bytes())
            .unwrap();
    });
    let mut client = engine.connect();
    let body: Vec<u8> = (0..1_000_000u32).map(|i| (i % 7) as u8).collect();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    client.send(&body);
    assert_eq!(client.answer().body, "1000000 2999997");
    client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in body.chunks(70_000) {
        client.send(format!("{:x}\r\n", chunk.len()));
        client.send(chunk);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.answer().body, "1000000 2999997");
}

#[test]
fn an_impossible_answer_is_an_error_and_writes_nothing() {
    let engine = Engine::start(Settings::default(), |exchange| {
        let kinds = [
            exchange
                .answer(200, &[("X", "a\r\nSet-Cookie: b")], b"")
                .unwrap_err()
                .kind(),
            exchange.answer(100, &[], b"").unwrap_err().kind(),
            exchange.begin_stream(204, &[]).unwrap_err().kind(),
            exchange.write_chunk(b"x").unwrap_err().kind(),
            exchange.end_stream().unwrap_err().kind(),
        ];
        exchange
            .answer(200, &[], format!("{kinds:?}").as_bytes())
            .unwrap();
        exchange.answer(200, &[], b"again").unwrap_err();
    });
    let mut client = engine.connect();
    let expected = format!("[{}]", ["InvalidInput"; 5].join(", "));
    assert_eq!(client.get("/").body, expected);
    assert_eq!(client.get("/").body, expected);
}

#[test]
fn a_body_counts_while_it_is_read_and_one_that_finds_no_room_is_told_so() {
    let budget = Budget::new(1 << 20);
    let shared = Arc::clone(&budget);
    let engine = Engine::start(Settings::default(), move |exchange| {
        let mut weight = shared.nothing();
        let (status, text) = match exchange.read_body(1 << 20, &mut weight) {
            Ok(body) => (200, format!("{} {}", body.len(), shared.held())),
            Err(error) => (error.status(), error.to_string()),
        };
        // Before the client can ask again.
        drop(weight);
        exchange.answer(status, &[], text.as_bytes()).unwrap();
    });
    let ask = |head: &str, body: &str| {
        let mut client = engine.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n{body}"
        ));
        let answer = client.answer();
        (answer.status, answer.body)
    };
    let body = "b".repeat(300_000);
    let declared = format!("Content-Length: {}", body.len());
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert_eq!(ask("Content-Length: 5", "small"), (200, "5 5".into()));
    let (status, counted) = ask(&declared, &body);
    assert_eq!((status, counted.as_str()), (200, "300000 300000"));
    assert_eq!(ask("Transfer-Encoding: chunked", &chunked).0, 200);
    let others = budget.weigh(600_000);
    let refused = "there is no room for the request body now; try again later";
    assert_eq!(ask(&declared, &body), (503, refused.into()));
    assert_eq!(ask("Transfer-Encoding: chunked", &chunked).0, 503);
    assert_eq!(ask("Content-Length: 5", "small").0, 200);
    drop(others);
    assert_eq!(ask(&declared, &body).0, 200);
    assert_eq!(budget.held(), 0);
}
