//! A client that closes its connection cancels what it asked for (2026-07-28, transports,
//! "Cancellation"), and the server hears of it within a second.

#![allow(
    clippy::disallowed_methods,
    reason = "tests read the clock: that rule of the house is for the gateway"
)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::gateway;
use crate::e2e::scene::whoami;
use crate::harness::client::Client;
use crate::harness::engine::{Exemption, exempts};
use crate::harness::stateless::{StatelessClient, call, request};
use crate::harness::{Deadline, PATIENCE};

/// The longest time from the close to the word that the server has of it.
const NOTICED: Duration = Duration::from_secs(1);

/// The longest sleep: its end would be the end of the test.
const LONG: u64 = 3_600_000;

/// Closes a connection, and waits until the server shows that it knows.
fn assert_noticed<T>(connection: T, mut shows: impl FnMut() -> bool) {
    let closed = Instant::now();
    drop(connection);
    let noticed = Deadline::after(PATIENCE).poll(|| shows().then_some(()));
    let took = closed.elapsed();
    assert!(noticed.is_some(), "the server never heard of it");
    assert!(took < NOTICED, "it took {took:?}");
}

/// How many requests the server was told to give up.
fn cancelled(client: &mut StatelessClient) -> usize {
    let told = client.call_text("one__cancellations", json!({}));
    let ids: Vec<Value> = serde_json::from_str(&told.expect("it tells")).expect("a list");
    ids.len()
}

#[test]
fn before_the_answer_has_begun() {
    if exempts(Exemption::Disconnects) {
        return;
    }
    let gateway = gateway(&["one"]);
    let mut client = gateway.stateless_client("/mcp");
    let mut http = client.connect();
    let sleep = client.post(&call(1, "one__sleep", &json!({"ms": LONG})));
    http.patience = Duration::from_millis(400);
    // No head comes: the answer is neither here nor a stream yet, and the call is under way.
    assert!(http.begin(&sleep).is_err());
    assert_noticed(http, || cancelled(&mut client) == 1);
}

#[test]
fn at_once_after_the_request() {
    if exempts(Exemption::Disconnects) {
        return;
    }
    let gateway = gateway(&["one"]);
    let mut client = gateway.stateless_client("/mcp");
    let mut http = client.connect();
    let sleep = client.post(&call(1, "one__sleep", &json!({"ms": LONG})));
    http.patience = Duration::from_millis(1);
    assert!(http.begin(&sleep).is_err());
    assert_noticed(http, || cancelled(&mut client) == 1);
}

#[test]
fn while_its_stream_is_open() {
    if exempts(Exemption::Disconnects) {
        return;
    }
    let gateway = gateway(&["one"]);
    let mut client = gateway.stateless_client("/mcp");
    let mut progress = call(1, "one__progress", &json!({"steps": 2, "ms": LONG}));
    progress["params"]["_meta"]["progressToken"] = json!("p");
    let mut stream = client.open(&progress);
    let first = stream.next_message().expect("the stream goes on");
    assert_eq!(
        first.expect("it is open")["method"],
        "notifications/progress"
    );
    assert_noticed(stream, || cancelled(&mut client) == 1);
}

#[test]
fn while_it_listens() {
    if exempts(Exemption::Disconnects) {
        return;
    }
    let gateway = gateway(&["one"]);
    let mut client = gateway.stateless_client("/mcp");
    let filter = json!({"resourceSubscriptions": ["fault://static"]});
    let params = json!({"notifications": filter});
    let mut stream = client.open(&request(1, "subscriptions/listen", params));
    stream.next_message().expect("it is acknowledged");
    let subscribed = |client: &mut StatelessClient| whoami(client, "one")["subscribed"].clone();
    let reached = Deadline::after(PATIENCE)
        .poll(|| (subscribed(&mut client) == json!(["fault://static"])).then_some(()));
    assert!(reached.is_some(), "the server is told of it");
    assert_noticed(stream, || subscribed(&mut client) == json!([]));
}
