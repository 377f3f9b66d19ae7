//! The second engine keeps to the seam, as far as its written exemptions go.

use std::net::TcpListener;
use std::sync::Arc;

use crate::http::Exchange;
use crate::http::settings::Settings;
use crate::http::tests::{Engine, PATIENCE, TestService, echo, two_chunks};
use crate::http::tiny;

fn start(serve: impl Fn(&mut dyn Exchange) + Send + Sync + 'static) -> Engine {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = TestService(Arc::new(move |_, exchange: &mut dyn Exchange| {
        serve(exchange);
    }));
    let running = tiny::start(listener, Arc::new(service), Settings::default()).unwrap();
    Engine {
        address: running.local_addr(),
        running: Some(running),
    }
}

#[test]
fn requests_with_and_without_bodies_are_answered() {
    let engine = start(echo);
    let mut client = engine.connect();
    assert_eq!(client.get("/a").body, "GET /a ");
    client.send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nyo");
    assert_eq!(client.answer().body, "POST /b yo");
    client.send(
        "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    );
    assert_eq!(client.answer().body, "POST /c hi");
    client.send("HEAD /d HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(
        client
            .read_until("\r\n\r\n")
            .contains("Content-Length: 8\r\n")
    );
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
    assert_eq!(client.answer().status, 413);
}

#[test]
fn what_the_own_engine_refuses_is_refused() {
    let engine = start(echo);
    for bad in [
        "Host: x\r\nHost: y",
        "Accept: a",
        "Host: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
    ] {
        let mut client = engine.connect();
        client.send(format!("GET / HTTP/1.1\r\n{bad}\r\n\r\n"));
        assert_eq!(client.answer().status, 400, "{bad:?}");
    }
}

#[test]
fn a_chunk_is_seen_before_the_next_one_is_written() {
    let (go, gone) = crossbeam_channel::bounded(1);
    let engine = start(move |exchange| {
        exchange.begin_stream(200, &[]).unwrap();
        for _ in 0..3 {
            gone.recv_timeout(PATIENCE).unwrap();
            exchange.write_chunk(b"tick").unwrap();
        }
        exchange.end_stream().unwrap();
    });
    let mut client = engine.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        client.read_until("\r\n\r\n");
        for _ in 0..3 {
            go.send(()).unwrap();
            assert_eq!(client.read_until("tick\r\n"), "4\r\ntick\r\n");
        }
        assert_eq!(client.read_until("\r\n\r\n"), "0\r\n\r\n");
    }
}

#[test]
fn the_old_version_gets_its_stream_unframed() {
    let engine = start(two_chunks);
    let mut client = engine.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert!(
        client
            .rest()
            .ends_with("\r\nConnection: close\r\n\r\ndata: 0123456789\n\n")
    );
}

#[test]
fn a_handler_without_an_answer_gives_a_500_and_a_bad_header_is_refused() {
    let engine = start(|exchange| {
        exchange
            .answer(200, &[("X", "a\r\nSet-Cookie: b")], b"")
            .unwrap_err();
    });
    assert_eq!(engine.connect().get("/").status, 500);
}
