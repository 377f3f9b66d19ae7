//! Answers that a courier sends in the place of the thread of the connection.

use crate::http::Exchange;
use crate::http::answer::Opening;
use crate::http::courier::Sent;
use crate::http::settings::Settings;
use crate::http::tests::Engine;
use crate::threads;

const STACK: usize = 64 << 10;

/// Has a courier answer with the path, from another thread; by itself where there is no courier.
fn by_courier(exchange: &mut dyn Exchange) {
    let path = exchange.head().path().to_owned();
    let Some(courier) = exchange.courier() else {
        return exchange.answer(200, &[], b"by itself").unwrap();
    };
    let sending = threads::spawn("courier", STACK, move || {
        let opening = Opening::of(200, &[]).unwrap();
        courier.answer(&mut Vec::new(), &opening, &[path.as_bytes()])
    });
    assert_eq!(sending.unwrap().join().unwrap(), Sent::All);
    exchange.complete(&[]).unwrap();
}

#[test]
fn a_connection_goes_on_after_each_answer() {
    let engine = Engine::start(Settings::default(), by_courier);
    let mut client = engine.connect();
    for path in ["/a", "/b", "/c"] {
        let answer = client.get(path);
        assert_eq!((answer.status, &*answer.body), (200, path));
    }
}

#[test]
fn who_has_the_next_request_at_hand_does_not_wait_for_it() {
    let engine = Engine::start(Settings::default(), by_courier);
    let mut client = engine.connect();
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.answer().body, "by itself");
    assert_eq!(client.answer().body, "/b");
}

#[test]
fn there_is_none_where_the_connection_ends_or_nothing_may_be_sent() {
    let engine = Engine::start(Settings::default(), by_courier);
    for head in [
        "GET /a HTTP/1.0\r\n",
        "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
    ] {
        let mut client = engine.connect();
        client.send(format!("{head}\r\n"));
        assert!(client.rest().ends_with("\r\n\r\nby itself"));
    }
}

#[test]
fn a_rest_follows_what_was_sent() {
    let engine = Engine::start(Settings::default(), |exchange: &mut dyn Exchange| {
        exchange.begin_stream(200, &[]).unwrap();
        let courier = exchange.courier().unwrap();
        let mut pieces = 0;
        let rest = loop {
            pieces += 1;
            match courier.piece(&mut Vec::new(), &[&[b'x'; 400_000]]) {
                Sent::All => {}
                Sent::Part(rest) => break rest,
                Sent::Nothing => {
                    pieces -= 1;
                    break Vec::new();
                }
            }
        };
        exchange.complete(&rest).unwrap();
        exchange
            .write_chunk(format!("{pieces}").as_bytes())
            .unwrap();
        exchange.end_stream().unwrap();
    });
    let mut client = engine.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let text = client.rest();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let pieces = body.matches("61a80\r\n").count();
    let piece = format!("61a80\r\n{}\r\n", "x".repeat(400_000));
    let number = pieces.to_string();
    let end = format!("{:x}\r\n{number}\r\n0\r\n\r\n", number.len());
    assert!(pieces > 0 && body == piece.repeat(pieces) + &end);
}
