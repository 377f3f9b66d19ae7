//! What the modules on the protocol need: the usual gateways, clients that are connected,
//! messages, and the reading of errors.
//!
//! Each expectation of these modules comes from the specification or from the project's own
//! documents; where one stands in a specification, the test names the section. That something
//! does *not* come is never waited for: the test makes something else come that would have come
//! later, or ends the session and reads what was told until then.

#![allow(
    unreachable_pub,
    reason = "a test program exports nothing, and `pub` reads better"
)]

use serde_json::{Value, json};

use crate::e2e::scene;
use crate::harness::client::{CallError, Client};
use crate::harness::gateway::{Gateway, Setup, config};
use crate::harness::http::Reply;
use crate::harness::legacy_sse::SseClient;
use crate::harness::streamable::{EventStream, McpClient};

/// The revisions with a handshake over Streamable HTTP or HTTP+SSE, oldest first.
pub const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// An entry of the config: a fault server that calls itself so.
pub fn fault(name: &str) -> Value {
    scene::fault(name, &[])
}

/// The same, with further members.
pub fn fault_with(name: &str, members: Value) -> Value {
    let mut entry = fault(name);
    let (Value::Object(entry_members), Value::Object(members)) = (&mut entry, members) else {
        panic!("members are an object");
    };
    entry_members.extend(members);
    entry
}

/// A gateway with these servers.
pub fn gateway(servers: &[Value]) -> Gateway {
    Gateway::start(&config(servers))
}

/// A gateway with these servers and `limits`.
pub fn gateway_with_limits(servers: &[Value], limits: &Value) -> Gateway {
    Setup::with_config(json!({"servers": servers, "limits": limits}).to_string()).start()
}

/// A client of Streamable HTTP after its handshake and its first list, which waits for all
/// servers: then nothing comes any more that no test asked for.
pub fn connected(gateway: &Gateway, path: &str) -> McpClient {
    connected_at(gateway, path, "2025-11-25")
}

/// The same, at this revision.
pub fn connected_at(gateway: &Gateway, path: &str, revision: &str) -> McpClient {
    let mut client = gateway.client(path);
    revision.clone_into(&mut client.book.protocol_version);
    client.initialize().expect("the handshake succeeds");
    client.tool_names().expect("a first list");
    client
}

/// A client of HTTP+SSE after its handshake and its first list.
pub fn sse_connected(gateway: &Gateway, path: &str) -> SseClient {
    let mut client = gateway.sse_client(path);
    client.initialize().expect("the handshake succeeds");
    client.tool_names().expect("a first list");
    client
}

/// The parameters of `initialize` at this revision.
pub fn initialize_params(revision: &str) -> Value {
    json!({
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": {"name": "e2e", "version": "1"},
    })
}

/// A request.
pub fn request(id: impl Into<Value>, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A request that calls a tool.
pub fn call(id: impl Into<Value>, tool: &str, arguments: &Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments});
    request(id, "tools/call", &params)
}

/// A notification.
pub fn notification(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// The notification that takes a request back.
pub fn cancelled(id: impl Into<Value>) -> Value {
    notification(
        "notifications/cancelled",
        &json!({"requestId": id.into(), "reason": "a test"}),
    )
}

/// Status, code and sentence of an error that came as the whole body of a response.
pub fn refusal(reply: &Reply) -> (u16, i64, String) {
    let error = &reply.json()["error"];
    let sentence = error["message"].as_str().unwrap_or_default().to_owned();
    let code = error["code"].as_i64().unwrap_or_default();
    (reply.head.status, code, sentence)
}

/// Sees that a call failed with this code and a sentence that holds this.
#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, CallError>, code: i64, part: &str) {
    let error = outcome.expect_err("it must be refused");
    assert_eq!(error.code(), code, "{error:?}");
    assert!(error.message().contains(part), "{error:?} lacks {part:?}");
}

/// All messages that a stream still has, to its end.
pub fn rest_of(stream: &mut EventStream) -> Vec<Value> {
    let mut messages = Vec::new();
    while let Some(message) = stream.next_message().expect("the stream goes on") {
        messages.push(message);
    }
    messages
}

/// The parameters of the notifications of one method, in their order.
pub fn told<'a>(messages: &'a [Value], method: &str) -> Vec<&'a Value> {
    let all = messages
        .iter()
        .filter(|message| message["method"] == method);
    all.map(|message| &message["params"]).collect()
}
