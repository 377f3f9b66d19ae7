//! HTTP+SSE, 2024-11-05 (basic/transports, "HTTP with SSE"). No official suite covers it, so this
//! is the project's own: scenarios driven by an honest client (`harness::sse_machine`), which
//! judges every event by what the transport promises.

// How a session begins, and who may open one.
mod opening;
// What is posted: order, shape, size, batches.
mod messages;
// Whose answers are whose; sessions that are mixed up.
mod sessions;
// How a session ends, and what becomes of what was under way.
mod streams;
// What comes unasked, and what servers ask.
mod questions;
// Many clients by dice.
mod walk;
// The stateless era on the same stream.
mod stateless;

use serde_json::{Value, json};

use super::talk::{fault, gateway, request};
use crate::harness::engine::{self, Exemption, exempts};
use crate::harness::gateway::{Gateway, Setup};
use crate::harness::honest_sse::{HonestSse, Plan};
use crate::harness::{Deadline, PATIENCE};

fn ping(id: &str) -> Value {
    request(id, "ping", &json!({}))
}

/// A client of 2024-11-05 that can be asked nothing.
fn plain() -> Plan {
    Plan::default()
}

/// One whose stream is open, and no more.
#[track_caller]
fn opened(gateway: &Gateway, path: &str) -> HonestSse {
    HonestSse::open(gateway.address, path, &plain())
}

/// One after its handshake and its first list.
#[track_caller]
fn client(gateway: &Gateway, path: &str) -> HonestSse {
    HonestSse::connected(gateway.address, path, &plain())
}

/// Several at `/sse`, which all count the same ids.
#[track_caller]
fn clients(gateway: &Gateway, count: usize) -> Vec<HonestSse> {
    (0..count).map(|_| client(gateway, "/sse")).collect()
}

/// A gateway that notices soon with either engine that a client has left.
fn attentive(servers: &[Value]) -> Gateway {
    with_limits(servers, json!({}))
}

/// The same with other limits.
fn with_limits(servers: &[Value], mut limits: Value) -> Gateway {
    if engine::is_tiny() {
        // It notices by a comment that cannot be written.
        limits["keepalive_interval"] = json!("50ms");
    }
    let config = json!({"servers": servers, "limits": limits});
    Setup::with_config(config.to_string()).start()
}

#[test]
fn newer_revisions_can_be_agreed_on_over_it_too() {
    let gateway = gateway(&[fault("one")]);
    for (asked, agreed) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let plan = Plan {
            revision: asked.to_owned(),
            ..plain()
        };
        let mut client = HonestSse::open(gateway.address, "/sse", &plan);
        assert_eq!(client.initialize()["protocolVersion"], agreed);
        assert_eq!(client.call_text("one__echo", json!({"text": "x"})), "x");
    }
}

#[test]
fn the_session_may_be_spelled_in_two_ways() {
    let gateway = gateway(&[fault("one")]);
    let mut client = client(&gateway, "/sse");
    let (_, session) = client.machine.endpoint().split_once('=').expect("a query");
    let spelled = format!("/messages?x=1&sessionId={session}");
    let told = client.post_request(&spelled);
    let request = client.machine.request("ping", json!({}));
    let reply = crate::harness::honest_sse::post(gateway.address, &told.body(request.to_string()));
    assert_eq!(client.machine.accepted(&reply), Ok(()));
    client.result(&request["id"]);
}

#[test]
fn the_end_of_the_stream_cancels_what_was_under_way() {
    if exempts(Exemption::Disconnects) {
        return;
    }
    let gateway = gateway(&[fault("one")]);
    let mut leaving = client(&gateway, "/sse");
    leaving.call("one__sleep", json!({"ms": 3_600_000}));
    // The answer to this one shows that the child has the other.
    leaving.call_text("one__echo", json!({"text": "x"}));
    drop(leaving);
    let mut other = client(&gateway, "/sse");
    let cancelled = Deadline::after(PATIENCE)
        .poll(|| (other.call_text("one__cancellations", json!({})) != "[]").then_some(()));
    assert!(cancelled.is_some(), "nobody waits for the answer any more");
}
