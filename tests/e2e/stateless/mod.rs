//! Clients of the stateless era (2026-07-28) before servers of the handshake era. What is asked
//! of the gateway stands in the specification's pages on transports, versioning, subscriptions
//! and cancellation; tests name the section where one sentence is meant.

// A client that closes its connection cancels what it asked for.
mod disconnect;
// What headers say must be what the body says.
mod headers;
// Requests and answers over Streamable HTTP: forms, statuses, what is refused.
mod http;
// Subscriptions.
mod listen;
// HTTP+SSE and stdio, where one stream carries all requests.
mod pipes;

use serde_json::{Value, json};

use crate::e2e::scene;
use crate::harness::client::Client;
use crate::harness::gateway::Gateway;
use crate::harness::http::Reply;

/// A gateway with these fault servers, all of them ready.
fn gateway(names: &[&str]) -> Gateway {
    let servers: Vec<Value> = names.iter().map(|name| scene::fault(name, &[])).collect();
    ready(scene::gateway(&json!({}), &servers))
}

/// The same gateway once all of its servers are ready, for the first list waits for them.
fn ready(gateway: Gateway) -> Gateway {
    let names = gateway.stateless_client("/mcp").tool_names();
    assert!(!names.expect("a list").is_empty());
    gateway
}

/// Status, code and id of an answer that is an error.
fn refused(reply: &Reply) -> (u16, i64, Value) {
    let message = reply.json();
    let code = message["error"]["code"].as_i64().unwrap_or_default();
    (reply.head.status, code, message["id"].clone())
}
